"""Install the library in several fresh environments, and type what a newcomer types into each.

    python experiments/environments.py --output results/environments.csv

It takes hours on two busy cores, a few GB on disk and a package index. It builds the wheel, and
makes a virtual environment for each Python that is found (``python3.12`` and so on on the path, or
under ``--pythons FOLDER``, as ``~/.pyenv/versions``). A row per line says whether it ran, was
refused in the words that it should be, failed, or was not run and why. The lines are in
``settings/environments.toml``; all are typed where no extra is installed, an extra's own where it
alone is. Extras are installed by uv, the wheel alone and the checkouts by pip. On Linux only CPU
builds of PyTorch are installed, in the version that constraints.txt pins; where pip finds none (set
``PIP_EXTRA_INDEX_URL`` to PyTorch's own index of CPU builds), only what needs no PyTorch is run.
conda is not run: of the two files for it the parts for pip are.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from experiment import Experiment, Row, flags

from dynamix.companion.sphinx_extension import colab_cell
from dynamix.io import files

ROOT = Path(__file__).parents[1]
COLUMNS = {"environment": str, "python": str, "line": str, "expected": str, "outcome": str}
COLUMNS |= {"seconds": float, "told": str}
PATIENCE = {"line": 900, "installation": 7200}  # seconds that one may take
TORCH = re.search(r"^torch==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
OWN = ("systems", "plot", "hub", "realworld", "baselines", "foundation", "gluonts", "sktime")
OWN += ("tables", "book")  # what [book] brings along, and itself
ALL = (*OWN, "dask")
UV = "uv==0.13.9"  # as in .github/workflows/test.yml


@dataclasses.dataclass(frozen=True)
class Environment:
    """A Python, the extras that are installed, and how."""

    name: str
    python: str
    extras: tuple[str, ...]
    how: str = "wheel"

    @property
    def has(self) -> tuple[str, ...]:
        """The extras, with those that an extra brings along."""
        brought = {"book": OWN, "test": ("dask",)}
        return tuple(dict.fromkeys(x for e in self.extras for x in brought.get(e, (e,))))


ENVIRONMENTS = [
    Environment("wheel", "3.11", ()),
    Environment("lowest [systems,plot]", "3.11", ("systems", "plot"), "lowest"),
    Environment("lowest [book]", "3.11", ("book",), "lowest"),
    Environment("wheel, Python 3.12", "3.12", ()),
    Environment("wheel, Python 3.13", "3.13", ()),
    Environment("wheel, Python 3.14", "3.14", ()),
    Environment("environment.yml", "3.11", ("book", "test"), "conda"),
    Environment("binder/postBuild", "3.11", ("book",), "binder"),
    Environment("Colab", "3.11", ("book",), "colab"),
    Environment("wheel [systems,plot]", "3.11", ("systems", "plot"), "extras"),
    *(Environment(f"wheel [{extra}]", "3.11", (extra,), "extras") for extra in ALL),
]


class Place:
    """The virtual environment of an Environment in a folder, and the rows that it makes."""

    def __init__(self, environment: Environment, folder: Path, python: str, wheel: Path) -> None:
        self.environment, self.folder, self.wheel = environment, folder, wheel
        self.work, self.rows = folder / "work", list[Row]()
        self.work.mkdir()
        (folder / "home").mkdir()
        pins = folder / "torch.txt"
        files.write_text(pins, f"torch=={TORCH}\n")
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "DYNAMIX"))}
        self.variables = keep | {
            "PATH": f"{folder / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PIP_CONSTRAINT": str(pins),
            "PIP_NO_COMPILE": "1",  # Python compiles what is imported; all of PyTorch takes long
        }
        subprocess.run([python, "-m", "venv", str(folder / "venv")], check=True)
        self.version = self._shell("python --version")[1].split()[-1]
        self.torch = self.version.startswith(f"{environment.python}.") and self._pytorch(
            wheel.parent / f"torch-{environment.python}"
        )

    def _pytorch(self, once: Path) -> bool:
        """Install PyTorch; what pip has once put into a folder gets hard links from then on."""
        build = "+cpu" if sys.platform == "linux" else ""
        pip = f"pip install -q --target {once}.part torch=={TORCH}{build}"
        pip += f" && rm -rf {once}.part/bin && mv {once}.part {once}"
        if not once.is_dir() and self._shell(pip)[0]:
            return False
        inside = self._shell("python -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))'")
        own = shutil.ignore_patterns("*setuptools*", "*distutils*")  # a venv has its own
        site = Path(inside[1].strip())
        shutil.copytree(once, site, ignore=own, copy_function=os.link, dirs_exist_ok=True)
        return True

    def _shell(self, line: str, *, home: bool = False) -> tuple[int, str, str]:
        """Exit code and both outputs of a line; ``home``: with an empty home, as a newcomer's."""
        patience = PATIENCE["line" if home else "installation"]
        variables = self.variables | ({"HOME": str(self.folder / "home")} if home else {})
        words, given = ["bash", "-c", line], {"cwd": self.work, "env": variables}
        try:
            done = subprocess.run(
                words, **given, capture_output=True, text=True, timeout=patience, check=False
            )
        except subprocess.TimeoutExpired:
            return 124, "", f"no end after {patience} s"
        return done.returncode, done.stdout, done.stderr

    def add(self, line: str, expected: str, outcome: str, seconds: float, told: str) -> None:
        """A row; what it says of the temporary folder is left out."""
        told = told.replace(str(self.folder), "FOLDER")[:200]
        first = {"environment": self.environment.name, "python": self.version}
        first |= {"line": line.replace(str(self.folder), "FOLDER"), "expected": expected}
        self.rows.append(first | {"outcome": outcome, "seconds": round(seconds, 1), "told": told})
        print(
            f"{self.environment.name}: {outcome}: {line[:90]!r} {told if outcome != 'ran' else ''}"
        )

    def skip(self, line: str, why: str) -> None:
        """A row of what was not run."""
        self.add(line, "runs", "not run", 0.0, why)

    def install(self, line: str, *, shown: str | None = None) -> bool:
        """A step of the installation; whether it worked."""
        began = time.perf_counter()
        code, _, error = self._shell(line)
        lines = [text for text in error.splitlines() if not text.startswith("WARNING")]
        problem = [text for text in lines if "error" in text.lower()] or lines[-1:] or [""]
        told = problem[0] if code else ""
        outcome = "failed" if code else "ran"
        self.add(shown or line, "runs", outcome, time.perf_counter() - began, told)
        return not code

    def type(self, line: dict[str, Any], extras: set[str]) -> None:
        """One line of the settings file, and its row."""
        text = line.get("run", line.get("python")).strip()
        command = line.get("run") or f"python -c {shlex.quote(text)}"
        enough = {line.get("extra"), *line.get("brought_by", [])}
        lacks = None if enough & extras else line.get("extra")
        says = f"dynamix-companion[{lacks}]" if lacks else line.get("says")
        expected = f"refused: {says}" if says else "runs"
        if not self.torch and line.get("torch", True):
            self.skip(text, f"no CPU build of torch {TORCH} for this Python here")
            return
        began = time.perf_counter()
        found = self._shell(command, home=True)
        seconds = time.perf_counter() - began
        outcome, told = judged(found, says, python="python" in line, network="network" in line)
        self.add(text, expected, outcome, seconds, told)


def judged(
    found: tuple[int, str, str], says: str | None, *, python: bool, network: bool
) -> tuple[str, str]:
    """The outcome of a line, and the last words that it told.

    A command never shows a traceback; a snippet of Python ends in one whose last line tells.

    >>> judged((2, "", "dynamix: unknown flag"), "unknown", python=False, network=False)
    ('refused', 'dynamix: unknown flag')
    >>> judged((1, "", "Traceback (most recent call last)"), None, python=False, network=False)[0]
    'failed'
    """
    code, out, error = found
    lines = [line for line in (error if code else out or error).splitlines() if line.strip()]
    told = lines[-1] if lines else ""
    if code == 0:
        return ("failed" if says or "Traceback" in error else "ran"), told
    clean = "InputError" in error or says is not None if python else "Traceback" not in error
    asked = says in error if says else network
    return ("refused" if clean and asked else "failed"), told


def lines_of(environment: Environment) -> Iterator[dict[str, Any]]:
    """The lines for an environment: where much is installed, those that say so."""
    path = ROOT / "experiments" / "settings" / "environments.toml"
    for line in tomllib.loads(path.read_text(encoding="utf-8"))["line"]:
        extra, quick = line.get("extra"), line.get("quick")
        if len(environment.extras) == 1 and "book" not in environment.has:
            wanted = extra in environment.has or (quick and extra is None)
        else:
            wanted = quick or not environment.extras
        if wanted and line.get("adds") not in environment.has:
            yield line


def wheel_in(place: Place) -> bool:
    """Install the wheel by pip; without PyTorch, everything else that it asks for."""
    shown = f"pip install {place.wheel.name}"
    if place.torch:
        return place.install(f"pip install --quiet '{place.wheel}'", shown=shown)
    place.skip(shown, f"pip has no CPU build of torch {TORCH} for this Python here; all but torch:")
    rest = [shlex.quote(name) for name in dependencies() if not name.startswith("torch")]
    return place.install(
        f"pip install -q --no-deps '{place.wheel}' && pip install -q {' '.join(rest)}",
        shown=f"pip install --no-deps {place.wheel.name}, and {' '.join(rest)}",
    )


def extras_in(place: Place, *options: str) -> bool:
    """Install the wheel with extras by uv, which is faster; PyTorch is there before."""
    found = place.folder / "found.txt"
    if not resolved_by_uv(place, place.environment.extras, found, *options):
        return False
    other = ("cuda-", "nvidia-", "torch==", "triton")  # PyTorch's other build, and itself
    lines = [line for line in found.read_text().splitlines() if not line.startswith(other)]
    files.write_text(found, "\n".join([*lines, str(place.wheel)]) + "\n")
    return place.install(
        f"{uv_of(place)} pip install -q --no-deps --python {place.folder}/venv -r {found}",
        shown=f"uv pip install --no-deps -r FOUND {place.wheel.name}",
    )


def dependencies() -> list[str]:
    """What pyproject.toml asks for without an extra."""
    return list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])


def uv_of(place: Place) -> Path:
    """The program uv, installed once."""
    tool = place.wheel.parent / "uv"
    if not tool.is_dir():
        subprocess.run([sys.executable, "-m", "venv", str(tool)], check=True)
        subprocess.run([str(tool / "bin" / "pip"), "install", "--quiet", UV], check=True)
    return tool / "bin" / "uv"


def resolved_by_uv(place: Place, extras: Iterable[str], to: Path, *options: str) -> bool:
    """Have uv write versions for these extras, without installing any."""
    words = ["uv", "pip", "compile", "--python", place.version, *options, "pyproject.toml"]
    words += [word for extra in extras for word in ("--extra", extra)]
    pinned = f"echo torch=={TORCH}"  # no other has a CPU build everywhere
    given = f"-q --no-header --no-annotate --override <({pinned}) -o {shlex.quote(str(to))}"
    run = f"cd {shlex.quote(str(ROOT))} && {uv_of(place).parent}/{shlex.join(words)} {given}"
    return place.install(f"{run} >/dev/null", shown=f"{shlex.join(words)}  # torch=={TORCH}")


def lowest_in(place: Place) -> bool:
    """Install the wheel with the oldest direct requirements."""
    options = ("--resolution", "lowest-direct", "--python-version", place.environment.python)
    return extras_in(place, *options)


def newer_in(place: Place) -> bool:
    """Install the wheel; see whether all extras have wheels for this Python."""
    for extras in ((), ("book", "test")):
        options = ("--only-binary", ":all:", "--python-version", place.environment.python)
        resolved_by_uv(place, extras, place.folder / "found.txt", *options)
    if place.version.startswith(f"{place.environment.python}."):
        return wheel_in(place)
    place.skip(f"python{place.environment.python} -m venv", "no such Python; only looked up")
    return False


def checkout_in(place: Place, name: str) -> Path:
    """A clone of the repository's last commit."""
    place.install(
        f"git clone --quiet --depth 1 file://{ROOT} {name}", shown=f"git clone ... {name}"
    )
    return place.work / name


def conda_in(place: Place) -> bool:
    """The parts of environment.yml for pip, in a checkout."""
    folder = checkout_in(place, "checkout")
    parts = yaml.safe_load((folder / "environment.yml").read_text())["dependencies"]
    listed = next(part["pip"] for part in parts if isinstance(part, dict))
    python = next(part for part in parts if str(part).startswith("python="))
    place.skip("conda env create -f environment.yml", f"no conda: a venv has {python}; pip's part:")
    files.write_text(folder / "pip.txt", "\n".join(listed) + "\n")
    return place.install(
        "cd checkout && pip install --quiet -r pip.txt", shown=f"pip install {' '.join(listed)}"
    )


def binder_in(place: Place) -> bool:
    """``binder/postBuild`` itself, in a checkout."""
    folder = checkout_in(place, "checkout")
    parts = yaml.safe_load((folder / "binder" / "environment.yml").read_text())["dependencies"]
    place.skip(
        "repo2docker's conda env create -f binder/environment.yml",
        f"no conda, so none of {', '.join(map(str, parts))}: a venv with torch {TORCH}",
    )
    return place.install("cd checkout && bash binder/postBuild", shown="bash binder/postBuild")


def colab_in(place: Place) -> bool:
    """The cell for Colab, with this folder's address for the repository's."""
    shell, folder = colab_cell(f"file://{ROOT}").split("\n%cd ")
    place.skip("Colab's own Python and packages", f"a venv with torch {TORCH} in their place")
    worked = place.install(shell.removeprefix("!"), shown=colab_cell("ADDRESS").partition("\n")[0])
    place.work = place.work / folder
    return worked


INSTALLERS: dict[str, Callable[[Place], bool]] = {
    "wheel": wheel_in,
    "extras": extras_in,
    "lowest": lowest_in,
    "conda": conda_in,
    "binder": binder_in,
    "colab": colab_in,
}


def data(folder: Path) -> None:
    """The files that the lines read."""
    t = np.arange(600)
    days = pd.date_range("2024-01-01", periods=len(t), freq="h", name="date")
    table = pd.DataFrame({"load": np.sin(t / 5), "price": np.cos(t / 7)}, index=days)
    gaps = table.mask(np.stack([t % 50 == 7, t % 50 == 9], axis=1))
    stack = pd.DataFrame({"shop": np.where(t < 300, "A", "B"), "day": t % 300, "sales": t % 7})
    files.write_text(folder / "data.csv", table.to_csv())
    files.write_text(folder / "gap.csv", gaps.to_csv())
    files.write_text(folder / "stack.csv", stack.to_csv(index=False))
    files.write_text(folder / "wave.csv", "".join(f"{value}\n" for value in np.sin(t / 5)))
    files.write_text(folder / "text.csv", "name,colour\n" + "ball,red\n" * 50)
    with files.write_whole(folder / "stack.parquet") as temporary:
        stack.to_parquet(temporary)
    with files.write_whole(folder / "mine.npy") as temporary:
        np.save(temporary, np.sin(t[:, None] / [5, 7, 9]))


def found_python(version: str, folder: Path | None) -> str | None:
    """A Python of that version, on the path or in a folder of versions."""
    inside = sorted(folder.glob(f"{version}.*/bin/python")) if folder else []
    if inside:
        return str(inside[-1])
    current = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return sys.executable if version == current else shutil.which(f"python{version}")


def tried(environment: Environment, python: str | None, wheel: Path) -> list[Row]:
    """All rows of an environment, which is removed afterwards."""
    with tempfile.TemporaryDirectory(dir=wheel.parent, prefix="place-") as folder:
        place = Place(environment, Path(folder), python or sys.executable, wheel)
        install = INSTALLERS[environment.how]
        worked = (newer_in if environment.python > "3.11" else install)(place)
        if worked:
            data(place.work)
            extras = set(environment.has)
            for line in lines_of(environment):
                place.type(line, extras)
        version = place.version if python else environment.python
        return [row | {"python": version} for row in place.rows]


def main() -> None:
    """Try every environment that has no rows yet."""
    parser = flags(__doc__, "results/environments.csv")
    parser.add_argument("--only", nargs="+", help="names of environments, to try anew")
    parser.add_argument("--pythons", type=Path, help="folder of Pythons by version")
    parser.add_argument("--scratch", type=Path, help="folder that keeps wheel and PyTorch")
    options = parser.parse_args()
    experiment = Experiment(
        options.output,
        columns=COLUMNS,
        key=("environment",),
        settings={"torch": TORCH, "environments": [e.name for e in ENVIRONMENTS]},
        command=["environments.py", "--output", "results/environments.csv"],
        resume=options.resume,
    )
    by_name = {e.name: e for e in ENVIRONMENTS if not options.only or e.name in options.only}
    if options.only:
        experiment.drop(lambda row: row["environment"] in by_name)
    with tempfile.TemporaryDirectory(prefix="dynamix-") as temporary:
        folder = options.scratch or Path(temporary)
        words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
        wheel = next(folder.glob("*.whl"))
        for (name,) in experiment.left((name,) for name in by_name):
            python = found_python(by_name[name].python, options.pythons)
            experiment.add(tried(by_name[name], python, wheel))
    order = [e.name for e in ENVIRONMENTS]
    experiment.finish(lambda row: order.index(row["environment"]), headline=headline)


def headline(table: pd.DataFrame) -> dict[str, float]:
    """How many lines had which outcome."""
    counts = table["outcome"].value_counts()
    kinds = ("ran", "refused", "failed", "not run")
    tried = {"environments": table["environment"].nunique(), "of": len(ENVIRONMENTS)}
    return {kind: float(count) for kind, count in tried.items()} | {
        kind: float(counts.get(kind, 0)) for kind in kinds
    }


if __name__ == "__main__":
    main()
