"""Recompute the stored results, each by the command that its own record names.

python scripts/recompute.py --list                  what there is, how long it took, and how
python scripts/recompute.py                         everything (hours), trainings first
python scripts/recompute.py benchmark_parrot_512    these alone
python scripts/recompute.py --resume --jobs 2       what an interrupted run left, side by side

Each command's output goes to ``_build/recompute/NAME.log``. A table made anew is compared with the
one that stood there, number by number, times left out, and a training's weights with those that the
library comes with; what was found is said, and kept in ``results/made_again.jsonl``, which the page
of results shows. ``_build/recompute/done.jsonl`` says what ``--resume`` may leave out
(``finished.jsonl`` once nothing is left), and a command that was itself broken off, by Ctrl-C or
with the machine, goes on from its own checkpoints or rows where it can. Models that an earlier
computation left in ``runs/`` are moved aside, never loaded as if they were new. A result whose
ingredients are not here (the authors' weights, say: DYNAMIX_UPSTREAM; the folder of the real data:
DYNAMIX_DATA) is left as it is, and said.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file
from tqdm import tqdm

from dynamix.evaluation import results

ROOT = Path(__file__).parents[3]
RESULTS, RUNS = ROOT / "results", ROOT / "runs"
LOGS = ROOT / "_build" / "recompute"
DONE = LOGS / "done.jsonl"
AGAIN = RESULTS / "made_again.jsonl"
BUNDLED = ROOT / "src" / "dynamix" / "data" / "models"

WRITING = threading.Lock()
STOPPED = threading.Event()
RUNNING: set[subprocess.Popen[bytes]] = set()

_NOTICE = 3.0  # seconds
_DATA = "FOLDER"  # so a record names the folder of the real data, wherever that is
_TIMES = ("seconds", "wall_seconds", "cpu_seconds")
_TOLD = 1  # of the columns that differ; the rest is counted
_ROUNDING = 1e-8  # relative: sums whose order the machine chooses, and differences of them


@dataclass(frozen=True)
class Recipe:
    """Stored results, the one command that makes them, and the seconds that it took."""

    names: tuple[str, ...]
    command: tuple[str, ...]
    seconds: float

    @property
    def name(self) -> str:
        """What to call it."""
        return "+".join(self.names)

    @property
    def trains(self) -> bool:
        """Whether it is a training whose run has to be copied to the results."""
        return self.command[:2] in (("dynamix", "train"), ("python", "scripts/train_6d.py"))

    @property
    def wave(self) -> int:
        """Trainings first, which others need; what measures time at the end, and alone."""
        if self.trains or self.command[1].startswith("scripts/train_"):
            return 0
        return 2 if any(word.endswith(("bench", "bench_times.py")) for word in self.command) else 1

    @property
    def mark(self) -> Path:
        """A file that lies there while the command runs, and tells of one that was broken off."""
        return LOGS / f"{self.name}.begun"

    @property
    def going_on(self) -> tuple[str, ...]:
        """What the command is told in addition where it was broken off."""
        if self.command[0] == "dynamix":
            return ("--resume",)
        script = ROOT / self.command[1]
        knows = script.is_file() and '"--resume"' in script.read_text(encoding="utf-8")
        return ("--resume",) if knows else ()  # of the others each goes on by itself, or is short


def recipes() -> list[Recipe]:
    """Every stored result by waves, in each the longest first."""
    found: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    aside = {path.name: path for path in LOGS.glob("*.json")}  # by a run that was interrupted
    here = {path.name: path for path in RESULTS.glob("*.json")}
    for path in [*(here | aside).values(), *RESULTS.glob("*/provenance.json")]:
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


def complete(name: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """The recorded command with its output where the result is kept."""
    words = list(command)
    table = f"results/{name}.csv"
    if words[:2] == ["dynamix", "benchmark"]:
        words += [] if "--output" in words else ["--output", table]
    if "--output" in words:
        at = words.index("--output") + 1
        if words[:2] == ["dynamix", "train"]:  # a model may have had another name then
            words[at] = f"runs/{name.removeprefix('training_')}"
        else:  # beside the tables some write weights, which replace nothing by themselves
            words[at] = table if words[at].endswith(".csv") else f"runs/{Path(words[at]).name}"
    return tuple(words)


def places() -> dict[str, Path]:
    """Where files are that a record names without their folder."""
    shared = ROOT.parent / "shared" / "data"
    upstream = Path(os.environ.get("DYNAMIX_UPSTREAM", shared / "upstream"))
    data = Path(os.environ.get("DYNAMIX_DATA", shared / "realworld"))
    known = {
        path.name: path
        for folder in (upstream, RUNS)
        if folder.is_dir()
        for path in folder.glob("*.safetensors")
    }
    return known | ({_DATA: data} if data.is_dir() else {})


def missing(command: tuple[str, ...], known: dict[str, Path]) -> str | None:
    """The first input that a command needs and nobody has."""
    inputs = [
        word
        for before, word in itertools.pairwise(command)
        if (word.endswith(".safetensors") and before != "--output") or word == _DATA
    ]
    return next((word for word in inputs if word not in known), None)


def make_room(recipe: Recipe) -> None:
    """Move away what lies where the command keeps its models: it might go on with that."""
    named = {name.removeprefix("training_") for name in recipe.names}
    for name in named | {Path(word).name for word in recipe.command if word.startswith("runs/")}:
        if (folder := RUNS / name).is_dir():
            free = (folder.with_name(f"{folder.name}.before{n}") for n in itertools.count(1))
            folder.rename(next(path for path in free if not path.exists()))


def run(recipe: Recipe, known: dict[str, Path], *, goes_on: bool = False) -> int:
    """Run one command in the project's folder; a training's log is copied to the results."""
    scripts = sysconfig.get_path("scripts")
    after_output = recipe.command.index("--output") + 1 if "--output" in recipe.command else -1
    words = [
        str(known[word]) if word in known and i != after_output else word
        for i, word in enumerate(recipe.command)
    ]
    if words[0] == "python":
        words[0] = sys.executable
    RUNS.mkdir(exist_ok=True)
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    with (LOGS / f"{recipe.name}.log").open("w", encoding="utf-8") as log:
        words += recipe.going_on if goes_on else ()
        with subprocess.Popen(
            words, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as process:
            RUNNING.add(process)
            code = process.wait()
            RUNNING.discard(process)
    if code == 0 and recipe.trains:
        (name,) = recipe.names
        folder = ROOT / words[words.index("--output") + 1]
        keep_training(recipe, folder, RESULTS / name)
        shutil.copy(folder / "model.safetensors", RUNS / f"{folder.name}.safetensors")
        if (folder / "model.json").is_file():
            shutil.copy(folder / "model.json", RUNS / f"{folder.name}.json")
    return code


def keep_training(recipe: Recipe, run_folder: Path, kept: Path) -> None:
    """Copy a run's log, and write a record of it with the settings and the duration it had."""
    kept.mkdir(exist_ok=True)
    shutil.copy(run_folder / "log.jsonl", kept / "log.jsonl")
    last = json.loads((kept / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    settings = json.loads((run_folder / "config.json").read_text(encoding="utf-8"))
    command = shlex.join(recipe.command)
    record = results.provenance(command, settings, seconds=last["seconds"])
    path = kept / "provenance.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    record |= {key: before[key] for key in ("note",) if key in before}
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def files(folder: Path, name: str) -> list[Path]:
    """What there is of a result in a folder: its table, if it has one, and its record."""
    return [path for path in (folder / f"{name}.csv", folder / f"{name}.json") if path.is_file()]


def set_aside(recipe: Recipe) -> None:
    """Move the tables away, since most scripts go on with a table that lies where theirs goes.

    What an interrupted run has set aside stays there: then a part of the new table lies in its
    place, with which the script may go on.
    """
    for name in recipe.names:
        if not files(LOGS, name):
            for path in files(RESULTS, name):
                path.replace(LOGS / path.name)


def put_back(names: Iterable[str]) -> None:
    """The tables that were set aside, over whatever lies in their place."""
    for name in names:
        for path in files(LOGS, name):
            path.replace(RESULTS / path.name)


def table(name: str) -> pd.DataFrame | None:
    """A result's rows as they were set aside, else as they stand: its CSV, or a training's log."""
    for folder in (LOGS, RESULTS):
        if (path := folder / f"{name}.csv").is_file():
            return pd.read_csv(path)
    if (path := RESULTS / name / "log.jsonl").is_file():
        return pd.read_json(path, lines=True)
    return None


def matched(
    before: pd.DataFrame, after: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, str] | None:
    """The rows that two tables share, and the others in words; None if labels do not tell them.

    Tables of one length are taken row by row; else rows are found by the labels in front of the
    first number.
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
    """How a table made anew differs from the one before, in words; times are left out."""
    if before is None or after is None:
        return "no table to compare"
    columns = [c for c in before.columns if c not in _TIMES]
    shapes = f"{before.shape} before, {after.shape} now"
    if not set(columns) <= set(after.columns):
        return f"other columns: {shapes}"
    if (pair := matched(before, after)) is None:
        return f"other rows: {shapes}"
    before, after, more = pair
    labels = [c for c in columns if not pd.api.types.is_numeric_dtype(before[c])]
    texts = [c for c in labels if before[c].notna().any() and after[c].notna().any()]
    found = []
    for column in columns:
        old, new = before[column], after[column]
        if column in labels:
            if changed := int((old.astype(str) != new.astype(str)).sum()) if column in texts else 0:
                found.append(f"{column} in {changed} of {len(old)} rows")
            continue
        a, b = old.to_numpy(dtype=float), new.to_numpy(dtype=float)
        if off := int((~np.isclose(a, b, rtol=_ROUNDING, atol=0.0, equal_nan=True)).sum()):
            medians = f"median {np.nanmedian(a):.4g} then, {np.nanmedian(b):.4g} now"
            found.append(f"{column} in {off} of {len(a)} rows ({medians})")
    if not found:
        return f"the same in all {len(before)} rows{more}"
    rest = f"; and {len(found) - _TOLD} more columns" if len(found) > _TOLD else ""
    return "differs: " + "; ".join(found[:_TOLD]) + rest + more


def weights(name: str) -> str:
    """How the weights of a training made anew differ from those that the library comes with."""
    model = f"{name.removeprefix('training_')}.safetensors"
    if not name.startswith("training_") or not all((p / model).is_file() for p in (RUNS, BUNDLED)):
        return ""
    made, bundled = (load_file(folder / model) for folder in (RUNS, BUNDLED))
    same = set(made) == set(bundled) and all(np.array_equal(made[k], bundled[k]) for k in made)
    return f"; its weights are {'' if same else 'not '}those of the bundled model"


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a file that holds one a line; none where it is missing."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines]


def remember(recipe: Recipe, seconds: float, found: dict[str, str]) -> None:
    """Keep what was found, a line for each result in the order of names, the latest alone."""
    kept = {row["result"]: row for row in lines_of(AGAIN)}
    for name, text in found.items():
        date = datetime.now(UTC).date().isoformat()
        kept[name] = {"result": name, "date": date, "seconds": round(seconds, 1), "found": text}
    text = "".join(json.dumps(kept[name]) + "\n" for name in sorted(kept))
    AGAIN.write_text(text, encoding="utf-8")


def attempt(recipe: Recipe, bar: tqdm) -> tuple[Recipe, int | None, str]:
    """Run a recipe unless an input is missing; its exit code and what there is to say."""
    known = places()
    if (absent := missing(recipe.command, known)) is not None:
        return recipe, None, f"left as it is, {absent} is not here"
    if STOPPED.is_set():
        return recipe, None, "not begun"
    bar.set_postfix_str(f"last begun: {recipe.name}")
    if not (goes_on := recipe.mark.is_file()):
        make_room(recipe)
        recipe.mark.touch()
    set_aside(recipe)
    before = {name: table(name) for name in recipe.names}
    began = time.perf_counter()
    code = run(recipe, known, goes_on=goes_on)
    seconds = time.perf_counter() - began
    # Ctrl-C may end the command before this process has noticed it
    if code and STOPPED.wait(_NOTICE):
        return recipe, code, "broken off"  # what it made so far stays, for --resume
    recipe.mark.unlink()
    if code:
        put_back(recipe.names)
        return recipe, code, f"failed with exit code {code}, see its log in {LOGS}"
    for name in recipe.names:
        for path in files(LOGS, name):
            path.unlink()
    found = {
        name: "measures times, which are new"
        if recipe.wave == 2
        else difference(old, table(name)) + weights(name)
        for name, old in before.items()
    }
    line = {"command": recipe.command, "seconds": round(seconds, 1), "found": found}
    with WRITING:
        with DONE.open("a", encoding="utf-8") as done:
            done.write(json.dumps(line) + "\n")
        remember(recipe, seconds, found)
    said = "; ".join(f"{name} {text}" for name, text in found.items())
    return recipe, 0, f"{seconds / 60:.1f} min, {said}"


def stop(number: int, _frame: object) -> None:
    """On Ctrl-C, which the commands get as well, or on a polite kill, which is passed on."""
    STOPPED.set()
    if number == signal.SIGTERM:
        for process in list(RUNNING):
            process.terminate()
    raise KeyboardInterrupt


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Recompute the stored results.")
    parser.add_argument("names", nargs="*", help="results by name (default: all)")
    parser.add_argument("--list", action="store_true", help="only say what would be run")
    parser.add_argument("--jobs", type=int, default=1, help="commands side by side")
    parser.add_argument("--resume", action="store_true", help="leave out what an earlier run made")
    options = parser.parse_args()
    chosen = recipes()
    if unknown := set(options.names) - {name for recipe in chosen for name in recipe.names}:
        sys.exit(f"no stored result {', '.join(sorted(unknown))}; see --list")
    if options.names:
        chosen = [r for r in chosen if set(r.names) & set(options.names)]
    LOGS.mkdir(parents=True, exist_ok=True)
    if options.resume:
        made = {tuple(line["command"]) for line in lines_of(DONE)}
        chosen = [recipe for recipe in chosen if recipe.command not in made]
    elif not options.list:
        DONE.unlink(missing_ok=True)
        put_back(path.stem for path in LOGS.glob("*.json"))
        for mark in LOGS.glob("*.begun"):
            mark.unlink()
    hours = sum(recipe.seconds for recipe in chosen) / 3600
    print(f"{len(chosen)} commands, {hours:.1f} hours on the machine that made the results")
    if options.list:
        for recipe in chosen:
            print(f"{recipe.name}: {recipe.seconds / 60:.1f} min\n  {shlex.join(recipe.command)}")
        return 0
    try:
        failed = recompute(chosen, options.jobs)
    except KeyboardInterrupt:
        print("stopped; the same command with --resume goes on", file=sys.stderr)
        return 130
    if not failed and not options.names and DONE.is_file():  # the next run begins anew
        DONE.replace(DONE.with_stem("finished"))
    return int(failed)


def recompute(chosen: list[Recipe], jobs: int) -> bool:
    """Run the recipes wave after wave; whether one failed."""
    failed = False
    with tqdm(total=len(chosen), desc="stored results", unit="command", disable=None) as bar:
        for wave, recipes_of in itertools.groupby(chosen, key=lambda recipe: recipe.wave):
            with ThreadPoolExecutor(1 if wave == 2 else max(jobs, 1)) as pool:
                for future in as_completed([pool.submit(attempt, r, bar) for r in recipes_of]):
                    recipe, code, said = future.result()
                    failed |= bool(code)
                    bar.write(f"{recipe.name}: {said}", file=sys.stderr)
                    bar.update()
    return failed


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    sys.exit(main())
