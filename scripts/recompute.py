"""Recompute the stored results, each by the command that its own record names.

python scripts/recompute.py --list                  what there is, how long it took, and how
python scripts/recompute.py                         everything (hours), trainings first
python scripts/recompute.py benchmark_parrot_512    these alone

A result whose ingredients are not here (the authors' weights, say: DYNAMIX_UPSTREAM) is left as it
is, and said.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).parents[1]
RESULTS, RUNS = ROOT / "results", ROOT / "runs"


@dataclass(frozen=True)
class Recipe:
    """A stored result, the command that made it, and the seconds that it took."""

    name: str
    command: tuple[str, ...]
    seconds: float

    @property
    def training(self) -> bool:
        """Whether it is a training run, which others may need."""
        return self.command[:2] == ("dynamix", "train")


def recipes() -> list[Recipe]:
    """Every stored result, trainings first, then the quickest first."""
    found = []
    for path in [*RESULTS.glob("*.json"), *RESULTS.glob("*/provenance.json")]:
        record = json.loads(path.read_text(encoding="utf-8"))
        record = record.get("provenance", record)
        name = path.parent.name if path.name == "provenance.json" else path.stem
        command = tuple(shlex.split(record["command"]))
        found.append(Recipe(name, complete(name, command), float(record["seconds"])))
    return sorted(found, key=lambda recipe: (not recipe.training, recipe.seconds))


def complete(name: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """The recorded command with its output where the result is kept."""
    words = list(command)
    table = f"results/{name}.csv"
    if words[:2] == ["dynamix", "benchmark"]:
        words += [] if "--output" in words else ["--output", table]
    if words[:2] != ["dynamix", "train"] and "--output" in words:
        at = words.index("--output") + 1
        # beside the tables some write weights, which replace nothing by themselves
        words[at] = table if words[at].endswith(".csv") else f"runs/{Path(words[at]).name}"
    return tuple(words)


def places() -> dict[str, Path]:
    """Where files are that a record names without their folder."""
    upstream = Path(os.environ.get("DYNAMIX_UPSTREAM", ROOT.parent / "shared/data/upstream"))
    return {
        path.name: path
        for folder in (upstream, RUNS)
        if folder.is_dir()
        for path in folder.glob("*.safetensors")
    }


def missing(command: tuple[str, ...], known: dict[str, Path]) -> str | None:
    """The first input file that a command needs and nobody has."""
    inputs = [
        word
        for before, word in itertools.pairwise(command)
        if word.endswith(".safetensors") and before != "--output"
    ]
    return next((word for word in inputs if word not in known), None)


def run(recipe: Recipe, known: dict[str, Path]) -> int:
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
    code = subprocess.run(words, cwd=ROOT, env=environment, check=False).returncode
    if code == 0 and recipe.training:
        folder = ROOT / words[words.index("--output") + 1]
        (RESULTS / recipe.name).mkdir(exist_ok=True)
        for name in ("log.jsonl", "provenance.json"):
            if (folder / name).is_file():
                shutil.copy(folder / name, RESULTS / recipe.name / name)
        shutil.copy(folder / "model.safetensors", RUNS / f"{folder.name}.safetensors")
        if (folder / "model.json").is_file():
            shutil.copy(folder / "model.json", RUNS / f"{folder.name}.json")
    return code


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Recompute the stored results.")
    parser.add_argument("names", nargs="*", help="results by name (default: all)")
    parser.add_argument("--list", action="store_true", help="only say what would be run")
    options = parser.parse_args()
    all_recipes = recipes()
    if unknown := set(options.names) - {recipe.name for recipe in all_recipes}:
        sys.exit(f"no stored result {', '.join(sorted(unknown))}; see --list")
    chosen = [r for r in all_recipes if not options.names or r.name in options.names]
    hours = sum(recipe.seconds for recipe in chosen) / 3600
    print(f"{len(chosen)} results, {hours:.1f} hours on the machine that made them")
    if options.list:
        for recipe in chosen:
            print(f"{recipe.name}: {recipe.seconds / 60:.1f} min\n  {shlex.join(recipe.command)}")
        return 0
    failed = []
    for recipe in tqdm(chosen, desc="stored results", unit="result", disable=None):
        known = places()
        absent = missing(recipe.command, known)
        if absent is not None:
            print(f"{recipe.name}: left as it is, {absent} is not here", file=sys.stderr)
        elif code := run(recipe, known):
            failed.append(recipe.name)
            print(f"{recipe.name}: failed with exit code {code}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
