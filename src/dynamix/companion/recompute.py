"""Repeating the commands that made the stored results, and comparing the tables.

Each record names its command. The output of a command goes to ``_build/recompute/NAME.log``. A new
table is compared with the stored one number by number, without times, and a training's weights with
the bundled ones. ``results/made_again.jsonl`` keeps the differences, which the page of results
shows. A command that was interrupted continues from its own checkpoints or rows under ``resume``.
"""

from __future__ import annotations

import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from ..errors import one_of
from ..evaluation import results
from ..io.files import (
    append_record,
    copy,
    open_log,
    read_records,
    record_line,
    set_aside,
    write_text,
)
from ..io.progress import tqdm
from . import ROOT

BUNDLED = Path("src/dynamix/data/models")
_DATA = "FOLDER"  # in a record: the folder of the real data, wherever that is
_TIMES = ("seconds", "wall_seconds", "cpu_seconds")
_ROUNDING = 1e-8  # relative; the machine chooses the order of sums
_NOTICE = 3.0  # seconds: Ctrl-C may end a command before this process has noticed it


@dataclass(frozen=True)
class Recipe:
    """Stored results, the one command that makes them, and the seconds that it took."""

    names: tuple[str, ...]
    command: tuple[str, ...]
    seconds: float

    @property
    def name(self) -> str:
        """The names, joined."""
        return "+".join(self.names)

    @property
    def trains(self) -> bool:
        """Whether it is a training whose log and weights are kept afterwards."""
        return self.command[:2] in (("dynamix", "train"), ("python", "experiments/train_6d.py"))

    @property
    def wave(self) -> int:
        """0: trainings, whose models others need. 2: what measures time, at the end and alone."""
        if self.trains or self.command[1].startswith("experiments/train_"):
            return 0
        return 2 if Path(self.command[1]).name in ("bench.py", "bench_times.py") else 1


class Recomputation:
    """All recipes of a project's folder, and the state of repeating them."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root, self.results, self.runs = root, root / "results", root / "runs"
        self.logs = root / "_build" / "recompute"
        self.done, self.made_again = self.logs / "done.jsonl", self.results / "made_again.jsonl"
        self._writing, self._stopped = threading.Lock(), threading.Event()
        self._running: set[subprocess.Popen[bytes]] = set()

    def recipes(self) -> list[Recipe]:
        """Every stored result by waves, in each wave the longest first."""
        found: dict[tuple[str, ...], list[tuple[str, float]]] = {}
        for path in [*self.results.glob("*.json"), *self.results.glob("*/provenance.json")]:
            record = json.loads(path.read_text(encoding="utf-8"))
            record = record.get("provenance", record)
            name = path.parent.name if path.name == "provenance.json" else path.stem
            command = complete(name, tuple(shlex.split(record["command"])))
            found.setdefault(command, []).append((name, float(record["seconds"])))
        made = [
            Recipe(tuple(sorted(name for name, _ in parts)), command, sum(s for _, s in parts))
            for command, parts in found.items()
        ]
        return sorted(made, key=lambda recipe: (recipe.wave, -recipe.seconds, recipe.names))

    def chosen(self, names: Sequence[str] = (), *, resume: bool = False) -> list[Recipe]:
        """The recipes of the named results; with ``resume`` those that are left."""
        recipes = self.recipes()
        for name in names:
            one_of("stored result", name, [n for recipe in recipes for n in recipe.names])
        made = {tuple(line["command"]) for line in read_records(self.done)} if resume else set()
        return [
            recipe
            for recipe in recipes
            if (not names or set(recipe.names) & set(names)) and recipe.command not in made
        ]

    def run(
        self,
        names: Sequence[str] = (),
        *,
        jobs: int = 1,
        resume: bool = False,
        say: Callable[[str], None],
    ) -> int:
        """Repeat the commands, wave after wave; returns the exit code."""
        self.logs.mkdir(parents=True, exist_ok=True)
        if not resume:
            for path in (self.done, *self.logs.glob("*.begun")):
                path.unlink(missing_ok=True)
        recipes, failed = self.chosen(names, resume=resume), False
        handlers = {n: signal.signal(n, self._stop) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            with tqdm(total=len(recipes), desc="results", unit="command", disable=None) as bar:
                for wave, group in itertools.groupby(recipes, key=lambda recipe: recipe.wave):
                    with ThreadPoolExecutor(1 if wave == 2 else max(jobs, 1)) as pool:
                        attempts = [pool.submit(self._attempt, recipe) for recipe in group]
                        for future in as_completed(attempts):
                            recipe, code, said = future.result()
                            failed |= bool(code)
                            say(f"{recipe.name}: {said}")
                            bar.update()
        except KeyboardInterrupt:
            say("stopped; the same command with --resume continues")
            return 130
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        if not failed and not names:  # the next run begins anew
            self.done.unlink(missing_ok=True)
        return int(failed)

    def _stop(self, number: int, _frame: object) -> None:
        self._stopped.set()
        if number == signal.SIGTERM:  # Ctrl-C reaches the commands by itself
            for process in list(self._running):
                process.terminate()
        raise KeyboardInterrupt

    def _attempt(self, recipe: Recipe) -> tuple[Recipe, int | None, str]:
        """Run a recipe unless an input is missing; its exit code and a report."""
        known = self.places()
        if (absent := missing(recipe.command, known)) is not None:
            return recipe, None, f"left as it is, {absent} is not here"
        if self._stopped.is_set():
            return recipe, None, "not begun"
        mark = self.logs / f"{recipe.name}.begun"  # stays where the command was interrupted
        resume = mark.is_file()
        if not resume:
            self._make_room(recipe)
            for path in (path for name in recipe.names for path in files(self.results, name)):
                copy(path, self.logs / path.name)
            write_text(mark, "")
        before = {name: self._table(name, self.logs) for name in recipe.names}
        began = time.perf_counter()
        code = self._run(recipe, known, resume=resume)
        seconds = time.perf_counter() - began
        if code and self._stopped.wait(_NOTICE):
            return recipe, code, "interrupted"  # its rows and checkpoints stay, for --resume
        mark.unlink()
        if code:
            for path in (path for name in recipe.names for path in files(self.logs, name)):
                copy(path, self.results / path.name)
            return recipe, code, f"failed with exit code {code}, see its log in {self.logs}"
        found = {
            name: "measures times, which are new"
            if recipe.wave == 2
            else difference(old, self._table(name, self.results)) + self._weights(name)
            for name, old in before.items()
        }
        with self._writing:
            append_record(self.done, {"command": recipe.command, "found": found})
            self._remember(seconds, found)
        told = "; ".join(f"{name} {text}" for name, text in found.items())
        return recipe, 0, f"{seconds / 60:.1f} min, {told}"

    def places(self) -> dict[str, Path]:
        """Files that a record names without their folder."""
        shared = self.root.parent / "shared" / "data"
        upstream = Path(os.environ.get("DYNAMIX_UPSTREAM", shared / "upstream"))
        data = Path(os.environ.get("DYNAMIX_DATA", shared / "realworld"))
        known = {p.name: p for f in (upstream, self.runs) for p in f.glob("*.safetensors")}
        return known | ({_DATA: data} if data.is_dir() else {})

    def _make_room(self, recipe: Recipe) -> None:
        """Rename older models and unfinished tables: the command might continue with those."""
        named = {name.removeprefix("training_") for name in recipe.names}
        named |= {Path(word).name for word in recipe.command if word.startswith("runs/")}
        for name in named:
            set_aside(self.runs / name)
        for name in recipe.names:
            set_aside(results.journal_of(self.results / f"{name}.csv"))

    def _run(self, recipe: Recipe, known: dict[str, Path], *, resume: bool) -> int:
        """Run one command in the project's folder; keep a training's log and weights."""
        pairs = itertools.pairwise(("", *recipe.command))
        words = [str(known.get(w, w)) if before != "--output" else w for before, w in pairs]
        if words[0] == "python":
            words[0] = sys.executable
        if resume and (recipe.command[0] == "dynamix" or knows_resume(self.root / words[1])):
            words.append("--resume")
        self.runs.mkdir(exist_ok=True)
        scripts = sysconfig.get_path("scripts")
        environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        with (
            open_log(self.logs / f"{recipe.name}.log") as log,
            subprocess.Popen(
                words, cwd=self.root, env=environment, stdout=log, stderr=subprocess.STDOUT
            ) as process,
        ):
            self._running.add(process)
            code = process.wait()
            self._running.discard(process)
        if code == 0 and recipe.trains:
            folder = self.root / words[words.index("--output") + 1]
            keep_training(recipe, folder, self.results / recipe.names[0])
            for name in ("model.safetensors", "model.json"):
                if (folder / name).is_file():
                    copy(folder / name, self.runs / f"{folder.name}{Path(name).suffix}")
        return code

    def _table(self, name: str, folder: Path) -> pd.DataFrame | None:
        """A result's rows in a folder, or those of a training's log."""
        if (path := folder / f"{name}.csv").is_file():
            return pd.read_csv(path)
        log = self.results / name / "log.jsonl"
        return pd.read_json(log, lines=True) if log.is_file() else None

    def _weights(self, name: str) -> str:
        """How the weights of a repeated training differ from the bundled ones."""
        folders = (self.runs, self.root / BUNDLED)
        model = f"{name.removeprefix('training_')}.safetensors"
        if not name.startswith("training_") or not all((p / model).is_file() for p in folders):
            return ""
        made, bundled = (load_file(folder / model) for folder in folders)
        same = set(made) == set(bundled) and all(np.array_equal(made[k], bundled[k]) for k in made)
        return f"; its weights are {'' if same else 'not '}those of the bundled model"

    def _remember(self, seconds: float, found: dict[str, str]) -> None:
        """Keep the differences, one line per result in the order of names, the latest only."""
        kept = {row["result"]: row for row in read_records(self.made_again)}
        date = datetime.now(UTC).date().isoformat()
        for name, text in found.items():
            kept[name] = {"result": name, "date": date, "seconds": round(seconds, 1), "found": text}
        write_text(self.made_again, "".join(record_line(kept[name]) for name in sorted(kept)))


def overview(recipes: Sequence[Recipe], *, commands: bool) -> str:
    """How many commands there are and how long they take; with ``commands`` each of them."""
    hours = sum(recipe.seconds for recipe in recipes) / 3600
    lines = [f"{len(recipes)} commands, {hours:.1f} hours on the machine that made the results"]
    for recipe in recipes if commands else ():
        minutes = f"{recipe.seconds / 60:.1f} min"
        lines.append(f"{recipe.name}: {minutes}\n  {shlex.join(recipe.command)}")
    return "\n".join(lines)


def complete(name: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """The recorded command with its output at the result's place."""
    words, table = list(command), f"results/{name}.csv"
    if words[:2] == ["dynamix", "benchmark"] and "--output" not in words:
        words += ["--output", table]
    if "--output" in words:
        at = words.index("--output") + 1
        if words[:2] == ["dynamix", "train"]:  # a model may have had another name then
            words[at] = f"runs/{name.removeprefix('training_')}"
        elif not words[at].startswith("results/"):  # some write weights beside their table
            words[at] = table if words[at].endswith(".csv") else f"runs/{Path(words[at]).name}"
    return tuple(words)


def missing(command: tuple[str, ...], known: dict[str, Path]) -> str | None:
    """The first input of a command that is not available."""
    inputs = [
        word
        for before, word in itertools.pairwise(command)
        if (word.endswith(".safetensors") and before != "--output") or word == _DATA
    ]
    return next((word for word in inputs if word not in known), None)


def knows_resume(script: Path) -> bool:
    """Whether a script has the flag ``--resume``, itself or by ``experiments/experiment.py``."""
    text = script.read_text(encoding="utf-8") if script.is_file() else ""
    return "--resume" in text or "from experiment import" in text


def keep_training(recipe: Recipe, run_folder: Path, kept: Path) -> None:
    """Copy a run's log, and write a record of it with its settings and duration."""
    kept.mkdir(exist_ok=True)
    copy(run_folder / "log.jsonl", kept / "log.jsonl")
    seconds = read_records(kept / "log.jsonl")[-1]["seconds"]
    settings = json.loads((run_folder / "config.json").read_text(encoding="utf-8"))
    record = results.provenance(shlex.join(recipe.command), settings, seconds=seconds)
    path = kept / "provenance.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    record |= {key: before[key] for key in ("note",) if key in before}
    record = results.sealed(record, kept / "log.jsonl")
    write_text(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def files(folder: Path, name: str) -> list[Path]:
    """A result's files in a folder: its table, if it has one, and its record."""
    return [path for path in (folder / f"{name}.csv", folder / f"{name}.json") if path.is_file()]


def matched(
    before: pd.DataFrame, after: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, str] | None:
    """The rows that two tables share, and the others in words; None if labels are ambiguous.

    Tables of one length are compared row by row, others by the labels before the first number.
    """
    if len(before) == len(after):
        return before, after, ""
    numbers = set(before.select_dtypes("number"))
    keys = list(itertools.takewhile(lambda c: c not in numbers, before.columns))
    if not keys or before.duplicated(keys).any() or after.duplicated(keys).any():
        return None
    before, after = (rows.set_index(keys, drop=False) for rows in (before, after))
    shared = before.index.intersection(after.index, sort=False)
    gone, new = len(before) - len(shared), len(after) - len(shared)
    more = f"; {gone} rows are gone and {new} are new" if gone else f"; {new} rows are new"
    return before.loc[shared], after.loc[shared], more


def difference(before: pd.DataFrame | None, after: pd.DataFrame | None) -> str:
    """How a new table differs from the stored one, in words, without times."""
    if before is None or after is None:
        return "no table to compare"
    columns = [c for c in before.columns if c not in _TIMES]
    shapes = f"{before.shape} before, {after.shape} now"
    if not set(columns) <= set(after.columns):
        return f"other columns: {shapes}"
    if (pair := matched(before, after)) is None:
        return f"other rows: {shapes}"
    before, after, more = pair
    found = []
    for column in columns:
        old, new = before[column], after[column]
        if not pd.api.types.is_numeric_dtype(old):
            changed = int((old.astype(str) != new.astype(str)).sum())
            if changed and old.notna().any() and new.notna().any():
                found.append(f"{column} in {changed} of {len(old)} rows")
            continue
        a, b = old.to_numpy(dtype=float), new.to_numpy(dtype=float)
        if off := int((~np.isclose(a, b, rtol=_ROUNDING, atol=0.0, equal_nan=True)).sum()):
            medians = f"median {np.nanmedian(a):.4g} then, {np.nanmedian(b):.4g} now"
            found.append(f"{column} in {off} of {len(a)} rows ({medians})")
    if not found:
        return f"the same in all {len(before)} rows{more}"
    rest = f"; and {len(found) - 1} more columns" if len(found) > 1 else ""
    return f"differs: {found[0]}{rest}{more}"
