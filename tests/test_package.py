"""The package as pip installs it: what a forecast needs, what a wheel holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT

OPTIONAL = {
    "systems": ("dysts", "joblib", "platformdirs", "pooch"),
    "plot": ("matplotlib", "seaborn"),
    "hub": ("huggingface_hub",),
    "book": ("papermill", "nbclient", "nbformat", "bs4", "jaxtyping", "yaml", "IPython"),
    "realworld": ("statsmodels", "statsforecast"),
    "baselines": ("pydmd", "pysindy", "torchdiffeq"),
    "foundation": ("chronos", "fracast", "transformers"),
    "dask": ("distributed",),
    "gluonts": ("gluonts",),
    "sktime": ("sktime",),
    "tables": ("joblib", "pyarrow", "zarr"),
}
# one process, since each would import torch again; the packages of an extra are missing in turn
SCRIPT = """
import contextlib, io, json, sys

class Missing:
    names, finders = (), sys.meta_path
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.names:
            found = (finder.find_spec(name, path, target) for finder in self.finders)
            return next(filter(None, found), None)

missing = Missing()
sys.meta_path = [missing]
import dynamix
from dynamix.cli import main

told = []
for missing.names, words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = exec(words[0]) if len(words) == 1 else main(words)
        except dynamix.InputError as error:
            code = str(error)
    told.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(told))
"""
COMMANDS = [
    ("plot", "forecast data.csv --horizon 2 --plot a.png"),
    ("hub", "forecast data.csv --horizon 2 --model owner/repo:name"),
    ("book", "run 05"),
    ("book", "sweep 05 -p context_length 512"),
    ("book", "book build html"),
    ("systems", "benchmark --model parrot --systems Lorenz"),
    ("systems", "train --output run --epochs 1"),
    ("tables", "forecast data.csv --horizon 2 --id x --time y --output out"),
    ("tables", "forecast data.csv --horizon 2 --output out.parquet"),
    ("dask", "benchmark --model parrot --systems Lorenz --dask tcp://127.0.0.1:1"),
    ("dask", "train --output run --seeds 0,1 --dask tcp://127.0.0.1:1"),
]
CALLS = [
    ("gluonts", "from dynamix.interfaces import DynaMixPredictor"),
    ("sktime", "from dynamix.interfaces import DynaMixForecaster"),
    ("plot", "from dynamix import plotting"),
    ("realworld", "dynamix.datasets.load('co2')"),
    ("baselines", "dynamix.baselines.baseline('dmd')([1.0, 2.0, 4.0, 3.0], 2)"),
    ("foundation", "dynamix.baselines.baseline('chronos-2')([1.0, 2.0, 4.0, 3.0], 2)"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Exit code or error, and output, of a forecast without any extra and of all that lack one."""
    folder = tmp_path_factory.mktemp("told")
    rows = "".join(f"{t},{t % 7}\n" for t in range(100))
    (folder / "data.csv").write_text(f"x,y\n{rows}")
    forecast = (sum(OPTIONAL.values(), ()), ["forecast", "data.csv", "--horizon", "2"])
    asked = [(OPTIONAL[extra], [code]) for extra, code in CALLS]
    asked += [(OPTIONAL[extra], words.split()) for extra, words in COMMANDS]
    command = [sys.executable, "-c", SCRIPT, json.dumps([forecast, *asked])]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    first, *rest = json.loads(done.stdout.splitlines()[-1])
    return first, dict(zip((words for _, words in [*CALLS, *COMMANDS]), rest, strict=True))


def test_a_forecast_needs_no_extra(told):
    code, out, _ = told[0]
    assert code == 0
    assert len(out.splitlines()) == 3


@pytest.mark.parametrize(("extra", "words"), COMMANDS)
def test_a_command_names_the_extra_that_it_lacks(extra, words, told):
    code, out, error = told[1][words]
    assert (code, out) == (2, "")
    assert error.endswith(f'pip install "dynamix-companion[{extra}]"\n')


@pytest.mark.parametrize(("extra", "words"), CALLS)
def test_a_call_names_the_extra_that_it_lacks(extra, words, told):
    error, _, _ = told[1][words]
    assert str(error).endswith(f'pip install "dynamix-companion[{extra}]"')


def test_the_command_line_is_a_module_too():
    command = [sys.executable, "-m", "dynamix", "forecast", "data.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("For help: dynamix forecast --help\n")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A source distribution, made where the repository is known, and the wheel made from it."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("dist")
    environment = {"GITHUB_REPOSITORY": "owner/name", "PATH": ""}

    def build(kind: str, where: Path) -> Path:
        command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
        subprocess.run(command, cwd=where, env=environment, check=True, capture_output=True)
        return next(folder.glob("*.whl" if kind == "wheel" else "*.tar.gz"))

    source = build("sdist", ROOT)
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    del environment["GITHUB_REPOSITORY"]
    return source, build("wheel", folder / source.name.removesuffix(".tar.gz"))


def test_distributions_are_small(built):
    assert all(path.stat().st_size < 3e6 for path in built)


def test_a_wheel_holds_chapters_and_results(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
        for chapter in ROOT.glob("book/*.ipynb"):
            notebook = json.loads(wheel.read(f"dynamix/data/book/{chapter.name}"))
            assert not any(cell.get("outputs") for cell in notebook["cells"])
            assert len(notebook["cells"]) == len(json.loads(chapter.read_text())["cells"])
        for result in ROOT.glob("results/*.csv"):
            if re.match(r"suite_(?!dysts-2023_)", result.name):  # chapters read their summary
                assert f"dynamix/data/results/{result.name}" not in names
                continue
            assert wheel.read(f"dynamix/data/results/{result.name}") == result.read_bytes()
    assert not any("transformer-control" in name for name in names)
    assert {"dynamix/data/models/dynamix-3d.safetensors", "dynamix/py.typed"} <= names


def test_the_page_of_an_index_has_full_addresses(built):
    with zipfile.ZipFile(built[1]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
        page = wheel.read(name).decode()
    assert "](https://github.com/owner/name/raw/HEAD/book/_assets/readme.png)" in page
    assert "](https://github.com/owner/name/blob/HEAD/src/dynamix/model)" in page
    assert "](src/" not in page
    assert "License-Expression: MIT AND CC-BY-4.0\n" in page
    assert "Project-URL: Repository, https://github.com/owner/name\n" in page
