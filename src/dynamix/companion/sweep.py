"""Many notebooks at once, here or on a Dask cluster, and sweeps whose results are a table."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError, needs, one_of, whole_number
from ..evaluation import results
from ..evaluation.parallel import spread
from ..io.files import make_folder, open_log
from ..io.progress import tqdm
from . import BOOK, CHECKOUT, notebooks

_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_ALONE = threading.Lock()  # a notebook takes folder and standard error of its whole process


@dataclass(frozen=True)
class Job:
    """A notebook to run, the file for its result, and parameters that differ from the defaults.

    It runs in its own folder unless ``cwd`` names another one.
    """

    path: Path
    output: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """A job's duration and error; the error is None for a run without failure."""

    job: Job
    seconds: float
    error: str | None


def place(path: Path) -> Path | None:
    """Where a notebook runs: in its own folder, but a chapter of a wheel in the working one."""
    return None if CHECKOUT or path.parent != BOOK else Path.cwd()


def run_all(
    jobs: Sequence[Job],
    *,
    workers: int = 2,
    dask: str | None = None,
    done: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Run notebooks side by side, each on one core; a failure does not stop the others.

    ``workers`` is a number of processes. With ``dask``, the address of a Dask scheduler, its
    workers are used instead: they must see the same files, and run one notebook at a time. A
    notebook whose worker dies goes to another one. ``done`` gets each outcome when it is available.
    What the kernel of a failed notebook wrote to standard error is kept beside the result, as
    ``.log``. All parameters are checked before anything runs.
    """
    workers = whole_number("workers", workers)
    for job in jobs:
        notebooks.check(job.path, job.values)
    if not jobs:
        return []
    made = _here(jobs, workers) if dask is None else _there(jobs, dask)
    outcomes: dict[int, Outcome] = {}
    for i, outcome in tqdm(made, "notebooks", len(jobs), unit="notebook", disable=None):
        outcomes[i] = outcome
        if done is not None:
            done(outcome)
    return [outcomes[i] for i in range(len(jobs))]


def _here(jobs: Sequence[Job], workers: int) -> Iterator[tuple[int, Outcome]]:
    """The outcomes, with their numbers, of processes of this machine."""
    with needs("book"):
        from joblib.externals.loky import ProcessPoolExecutor

    # fresh processes: kernels and their threads do not survive a fork of a threaded parent; and
    # Python's own would run the caller's script again, where it has no `if __name__ == "__main__"`
    pool = ProcessPoolExecutor(min(workers, len(jobs)))
    try:
        running = {pool.submit(_run, job): i for i, job in enumerate(jobs)}
        for future in as_completed(running):
            try:
                outcome = future.result()
            except BrokenProcessPool:  # for lack of memory, for instance
                outcome = Outcome(jobs[running[future]], 0.0, "its process was killed")
            yield running[future], outcome
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise
    pool.shutdown()


def _there(jobs: Sequence[Job], dask: str) -> Iterator[tuple[int, Outcome]]:
    """The outcomes, with their numbers, of the workers of a cluster, which have folders of own."""
    tasks = []
    for i, job in enumerate(jobs):
        cwd = None if job.cwd is None else job.cwd.absolute()
        path, output = job.path.absolute(), job.output.absolute()
        tasks.append((i, replace(job, path=path, output=output, cwd=cwd)))
    for i, outcome in spread(_run_numbered, tasks, dask=dask):
        yield i, replace(outcome, job=jobs[i])


def _run_numbered(task: tuple[int, Job]) -> tuple[int, Outcome]:
    """The number of a job, and its outcome."""
    return task[0], _run(task[1])


def _run(job: Job) -> Outcome:
    """Run one job in this process."""
    began = time.perf_counter()
    error: str | None = None
    make_folder(job.output.parent)
    log = job.output.with_suffix(".log")
    try:
        with _ALONE, _kernels_on_one_core(log):
            began = time.perf_counter()
            notebooks.run(job.path, job.output, values=job.values, cwd=job.cwd)
        log.unlink()
    except (notebooks.NotebookError, InputError, OSError) as failure:
        error = str(failure)
    return Outcome(job, time.perf_counter() - began, error)


@contextmanager
def _kernels_on_one_core(log: Path) -> Iterator[None]:
    """One thread for kernels, and their messages in ``log``; a cluster's worker is put back."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    # kernels inherit this process's standard error and write messages of their own to it
    with open_log(log) as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
    os.environ |= dict.fromkeys(_ONE_THREAD, "1")
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def sweep(
    path: str | Path,
    grid: Mapping[str, Sequence[Any]],
    *,
    output: str | Path,
    workers: int = 2,
    dask: str | None = None,
    resume: bool = False,
    command: str = "dynamix.companion.sweep.sweep",
) -> pd.DataFrame:
    """Run a notebook on every combination of parameters and collect its records.

    ``output`` is the CSV file of the table, with its record beside it; a folder of the same name
    holds the notebooks. The table has one row per run: the parameters, ``seconds``, ``error``
    (empty without failure), and one column per recorded name. ``workers`` and ``dask`` are those of
    :func:`run_all`. ``resume`` continues an interrupted sweep; runs that failed are repeated.
    """
    path, output = Path(path), Path(output)
    if not grid or not all(grid.values()):
        raise InputError("a sweep needs at least one parameter with values: -p NAME VALUE,VALUE.")
    values = [dict(zip(grid, chosen, strict=True)) for chosen in itertools.product(*grid.values())]
    folder, began = output.with_suffix(""), time.perf_counter()
    jobs = [
        Job(path, folder / f"{i:03d}.ipynb", given, place(path)) for i, given in enumerate(values)
    ]
    settings = {"notebook": path.name, "grid": {name: list(v) for name, v in grid.items()}}
    code = "".join(cell.source for cell in notebooks.read(path).cells)
    record = results.provenance(command, settings, seconds=0.0)
    journal = results.Journal(
        output,
        columns={},
        record=record | {"code_sha256": hashlib.sha256(code.encode()).hexdigest()},
        same=("settings", "code_sha256"),
        resume=resume,
    )
    rows = {row["run"]: row for row in journal.rows if not row["error"]}

    def keep(outcome: Outcome) -> None:
        run = outcome.job.output.name
        row: dict[str, Any] = {"run": run} | {
            name: ",".join(map(str, value)) if isinstance(value, tuple | list) else value
            for name, value in outcome.job.values.items()
        }
        row["seconds"] = round(outcome.seconds, 1)
        row["error"] = (outcome.error or "").partition("\n")[0]
        kept = outcome.job.output
        rows[run] = row | (notebooks.recorded(kept) if kept.is_file() else {})
        journal.append([rows[run]], seconds=time.perf_counter() - began)

    todo = [job for job in jobs if job.output.name not in rows]
    run_all(todo, workers=workers, dask=dask, done=keep)
    table = pd.DataFrame([rows[job.output.name] for job in jobs]).drop(columns="run")
    if not set(table.columns) - {*grid, "seconds", "error"} and not any(table["error"]):
        journal.journal.unlink()
        raise InputError(
            f"{path.name} records nothing, so there is no table to make. Call "
            "dynamix.companion.notebooks.record(name, value) in it."
        )
    journal.finish(table)
    return table


def parse_grid(path: str | Path, given: Sequence[tuple[str, str]]) -> dict[str, list[Any]]:
    """The grid that a command line describes: values are separated by commas.

    For a parameter that is itself a list, semicolons separate its values. The notebook at ``path``
    says which type a parameter has.
    """
    known = notebooks.parameters(path)
    grid: dict[str, list[Any]] = {}
    for name, text in given:
        one_of(f"parameter of {Path(path).name}", name, known)
        between = ";" if isinstance(known[name].default, tuple | list) else ","
        grid[name] = [known[name].parse(part.strip()) for part in text.split(between) if part]
    return grid
