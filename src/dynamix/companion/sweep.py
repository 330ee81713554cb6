"""Many notebooks at once: side by side with a progress bar, and sweeps whose results are a table.

``dynamix sweep book/05_zero_shot.ipynb -p context_length 512,1000,2000`` runs the chapter three
times; what it keeps by :func:`dynamix.companion.notebooks.record` becomes a row of a CSV file each time.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from ..errors import InputError, whole_number
from ..evaluation import results
from . import notebooks

_EVERY = 0.2  # seconds between two looks at what the notebooks have told
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Job:
    """A notebook to run: where its result goes, and the parameters that differ from defaults.

    Fields: ``path`` of the notebook; ``output``, the file of the result; ``values`` by parameter.
    It runs in its own folder unless ``cwd`` names another.

    Examples
    --------
    >>> job = Job(Path("book/05_zero_shot.ipynb"), Path("mine.ipynb"), {"system": "Chua"})
    >>> job.cwd or job.path.parent.name
    'book'
    """

    path: Path
    output: Path
    values: Mapping[str, Any] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Fields: the ``job``, the ``seconds`` it took, and the ``error``'s text, None if all went well.

    Examples
    --------
    >>> job = Job(Path("a.ipynb"), Path("mine.ipynb"))
    >>> outcomes = [Outcome(job, 3.5, None), Outcome(job, 0.5, "chapter 'a' failed in cell 4")]
    >>> [outcome.seconds for outcome in outcomes if outcome.error]
    [0.5]
    """

    job: Job
    seconds: float
    error: str | None


def run_all(
    jobs: Sequence[Job], *, workers: int = 2, done: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Run notebooks side by side, each on one core, in processes of their own.

    A notebook that fails stops nothing: the others run on.

    Parameters
    ----------
    jobs
        The notebooks. If one fails, what its kernel said on standard error is kept beside the
        result, as ``.log``.
    workers
        Notebooks that run at once, at least 1.
    done
        Hears of each outcome as soon as it is there.

    Returns
    -------
    What became of each job, in the order of the jobs. A job that failed is among them,
    with its error.

    Raises
    ------
    InputError
        If a file is no notebook, a parameter is unknown or of the wrong type; nothing has been run
        then. Or if ``workers`` is no integer of at least 1.

    Examples
    --------
    What a job asks for is looked at before anything runs:

    >>> import tempfile
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> cell = nb.new_code_cell("n = 9", metadata={"tags": ["parameters"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.ipynb"
    ...     nbformat.write(nb.new_notebook(cells=[cell]), path)
    ...     run_all([Job(path, Path(folder) / "mine.ipynb", {"N": 2})])
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown parameter of a.ipynb 'N'. Known: n. Did you mean 'n'?
    """
    workers = whole_number("workers", workers)
    for job in jobs:
        notebooks.check(job.path, job.values)
    if not jobs:
        return []
    # a fresh process each: kernels and their threads do not survive a fork of a threaded parent
    spawn = multiprocessing.get_context("spawn")
    outcomes: dict[int, Outcome] = {}
    counts = {i: (0, notebooks.count_cells(job.path)) for i, job in enumerate(jobs)}
    with (
        spawn.Manager() as manager,
        tqdm(total=len(jobs), desc="notebooks", unit="notebook", position=0, disable=None) as bar,
        tqdm(
            total=sum(n for _, n in counts.values()),
            desc="cells",
            unit="cell",
            position=1,
            leave=False,
            disable=None,
        ) as cells,
        ProcessPoolExecutor(min(workers, len(jobs)), mp_context=spawn) as pool,
    ):
        told = manager.Queue()
        running: dict[Future[tuple[float, str | None]], int] = {
            pool.submit(_run, job, i, told): i for i, job in enumerate(jobs)
        }
        pending = set(running)
        while pending:
            finished, pending = wait(pending, timeout=_EVERY)
            for i, cell, total, section in _drain(told):
                counts[i] = (cell, total)
                cells.total = sum(n for _, n in counts.values())
                cells.n = sum(n for n, _ in counts.values())
                cells.set_description(f"{jobs[i].path.stem}: {section[:40]}", refresh=True)
            for future in finished:
                i = running[future]
                seconds, error = future.result()
                outcomes[i] = Outcome(jobs[i], seconds, error)
                bar.update()
                if done is not None:
                    with tqdm.external_write_mode():
                        done(outcomes[i])
    return [outcomes[i] for i in range(len(jobs))]


def _drain(told: Any) -> Iterator[tuple[int, int, int, str]]:
    while True:
        try:
            yield told.get_nowait()
        except queue.Empty:
            return


def _run(job: Job, number: int, told: Any) -> tuple[float, str | None]:
    """Run one job in a process of its own."""
    began = time.perf_counter()
    # more threads only fight for the same cores
    os.environ |= dict.fromkeys(_ONE_THREAD, "1")
    job.output.parent.mkdir(parents=True, exist_ok=True)
    # kernels inherit this process's standard error and write notes of their own to it; what a cell
    # writes is in the notebook, and what fails comes back as text
    with job.output.with_suffix(".log").open("w") as log:
        os.dup2(log.fileno(), 2)
    try:
        notebooks.run(
            job.path,
            job.output,
            values=job.values,
            progress=lambda cell, total, section: told.put((number, cell, total, section)),
            cwd=job.cwd,
        )
    except (notebooks.NotebookError, InputError) as error:
        return time.perf_counter() - began, str(error)
    job.output.with_suffix(".log").unlink()
    return time.perf_counter() - began, None


def sweep(
    path: str | Path,
    grid: Mapping[str, Sequence[Any]],
    *,
    output: str | Path,
    workers: int = 2,
    command: str = "dynamix.companion.sweep.sweep",
) -> pd.DataFrame:
    """Run a notebook on every combination of parameters and collect what it recorded.

    Parameters
    ----------
    path
        The notebook.
    grid
        Values of each parameter that varies; the last one varies fastest.
    output
        CSV file for the table, its record beside it; the notebooks that ran lie in a folder of
        the same name.
    workers
        Notebooks run side by side.
    command
        What was typed, for the record.

    Returns
    -------
    pandas.DataFrame
        A row per run: the parameters, ``seconds``, ``error`` (empty where all went well), and a
        column per recorded name (:func:`dynamix.companion.notebooks.record`).

    Raises
    ------
    InputError
        If the file is no notebook, the grid is empty, a parameter is unknown, a value of the wrong
        type, the notebook records nothing, or ``workers`` is no integer of at least 1.

    Examples
    --------
    A misspelt parameter is found before anything runs. With ``{"n": [1, 2, 3]}`` the table would
    have three rows.

    >>> import tempfile
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> cell = nb.new_code_cell("n = 9", metadata={"tags": ["parameters"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nbformat.write(nb.new_notebook(cells=[cell]), f"{folder}/a.ipynb")
    ...     sweep(f"{folder}/a.ipynb", {"m": [1, 2, 3]}, output=f"{folder}/mine.csv")
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown parameter of a.ipynb 'm'. Known: n.
    """
    path, output = Path(path), Path(output)
    if not grid or not all(grid.values()):
        raise InputError("a sweep needs at least one parameter with values: -p NAME VALUE,VALUE.")
    folder = output.with_suffix("")
    combinations = [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]
    jobs = [Job(path, folder / f"{i:03d}.ipynb", values) for i, values in enumerate(combinations)]
    began = time.perf_counter()
    outcomes = run_all(jobs, workers=workers)
    rows = []
    for outcome in outcomes:
        kept = notebooks.recorded(outcome.job.output) if outcome.job.output.is_file() else {}
        plain = {
            name: ",".join(map(str, value)) if isinstance(value, tuple | list) else value
            for name, value in outcome.job.values.items()
        }
        first_line = outcome.error.splitlines()[0] if outcome.error else ""
        rows.append(plain | {"seconds": round(outcome.seconds, 1), "error": first_line} | kept)
    table = pd.DataFrame(rows)
    if not set(table.columns) - {*grid, "seconds", "error"} and not any(table["error"]):
        raise InputError(
            f"{path.name} records nothing, so there is no table to make. Call "
            "dynamix.companion.notebooks.record(name, value) in it where a number is found."
        )
    settings = {"notebook": path.name, "grid": {name: list(v) for name, v in grid.items()}}
    seconds = time.perf_counter() - began
    results.write(table, output, results.provenance(command, settings, seconds=seconds))
    return table


def parse_grid(path: str | Path, given: Sequence[tuple[str, str]]) -> dict[str, list[Any]]:
    """The grid that a command line describes: values separated by commas.

    For a parameter that is itself a list, commas separate its parts and semicolons the values.

    Parameters
    ----------
    path
        The notebook, whose defaults tell the types.
    given
        Pairs of a parameter's name and the text of its values.

    Returns
    -------
    What :func:`sweep` takes as ``grid``.

    Raises
    ------
    InputError
        If the file is no notebook, or a parameter is unknown.

    Examples
    --------
    >>> import tempfile
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> cell = nb.new_code_cell("n = 9; names = ['Chua']", metadata={"tags": ["parameters"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nbformat.write(nb.new_notebook(cells=[cell]), f"{folder}/a.ipynb")
    ...     parse_grid(f"{folder}/a.ipynb", [("n", "9,12"), ("names", "Chua;Lorenz,Rossler")])
    {'n': [9, 12], 'names': [('Chua',), ('Lorenz', 'Rossler')]}
    """
    known = notebooks.parameters(path)
    grid: dict[str, list[Any]] = {}
    for name, text in given:
        if name not in known:
            notebooks.check(path, {name: text})
        between = ";" if isinstance(known[name].default, tuple | list) else ","
        grid[name] = [known[name].parse(part.strip()) for part in text.split(between) if part]
    return grid
