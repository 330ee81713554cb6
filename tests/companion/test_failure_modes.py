"""The commands that chapter 7 prints are run, as far as the weights they name are here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys

import nbformat
import pandas as pd
import pytest
import yaml
from helpers import ROOT, script

from dynamix import InputError
from dynamix.baselines import baseline

pytest.importorskip("fracast")
sys.path.insert(0, str(ROOT / "experiments"))  # where a script finds its neighbours

CHAPTER = ROOT / "book" / "07_failure_modes.ipynb"
RESULTS = ROOT / "results"


def commands(first: str) -> list[list[str]]:
    """The words of each printed command line that begins so."""
    lines, opened = [], ""
    for cell in nbformat.read(CHAPTER, as_version=4).cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            fence = re.match("`{3,}", line)
            if not opened:
                opened = line if fence else ""
            elif fence and line.startswith(opened.split("{")[0]) and not line.strip("`"):
                opened = ""
            elif opened == "```" and line:
                lines.append(line)
    assert lines
    assert all(line.startswith(("papermill ", "python experiments/")) for line in lines)
    return [shlex.split(line) for line in lines if line.startswith(first)]


def runs_here(name: str) -> bool:
    """Whether a model's weights are here; the error of another one says what to do."""
    entry = baseline(name)
    if entry.weights_here is None or entry.weights_here():
        return True
    with pytest.raises(InputError, match="DYNAMIX_WEIGHTS"):
        entry([[1.0], [2.0], [3.0], [1.0], [2.0], [3.0]], 2)
    return False


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.delenv("DYNAMIX_WEIGHTS", raising=False)


def test_papermill_runs_the_chapter_with_a_list_of_models(tmp_path):
    """The printed command, over a short horizon and without the models that are not here."""
    (words,) = commands("papermill ")
    output = tmp_path / "out.ipynb"
    words[words.index("out.ipynb")] = str(output)
    place = words.index("-y") + 1
    asked = yaml.safe_load(words[place])["models"]
    here = [name for name in asked if runs_here(name)]
    assert {"fracast", "dynamix-3d"} <= set(here)
    words[place] = f"models: [{', '.join(here)}]"
    command = [sys.executable, "-m", *words, "-p", "horizon", "300"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    cells = nbformat.read(output, as_version=4).cells
    injected = [c for c in cells if "injected-parameters" in c.metadata.get("tags", [])]
    found: dict = {}
    exec(injected[0].source, found)
    assert (found["models"], found["horizon"]) == (here, 300)
    (table,) = (
        output.data["text/html"]
        for cell in cells
        if cell.source == 'verdict_table({**forecasts, "ceiling": elsewhere[:horizon]})'
        for output in cell.outputs
    )
    assert re.findall(r"<th>([^<]+)</th>\s*<td>", table) == [*here, "ceiling"]


def test_the_stored_tables_take_more_rows(tmp_path, monkeypatch):
    """The printed command on copies of the tables: no row is made twice, none is lost."""
    (words,) = commands("python ")
    path, *arguments = words[1:]
    first = arguments.index("--models") + 1
    here = [name for name in arguments[first:] if runs_here(name)]
    assert "fracast" in here
    for name in ("failures", "sensitivity"):
        for ending in (".csv", ".json"):
            shutil.copy(RESULTS / f"{name}{ending}", tmp_path)
    table = pd.read_csv(RESULTS / "sensitivity.csv")
    only = [] if "fracast" in set(table["model"]) else ["--only", "failures"]
    line = [path, *arguments[:first], *here, "--output", str(tmp_path), *only]
    monkeypatch.setattr(sys, "argv", line)
    script("failure_rates").main()
    for name in ("failures", "sensitivity"):
        assert (tmp_path / f"{name}.csv").read_text() == (RESULTS / f"{name}.csv").read_text()


def test_a_model_that_is_not_there_yet_is_added(tmp_path, monkeypatch):
    made = script("failure_rates")
    monkeypatch.setattr(made, "CONTEXT", 64)
    monkeypatch.setattr(made, "HORIZON", 60)
    line = ["failure_rates.py", "--only", "failures", "--systems", "Lorenz", "--output"]
    for model in ("mean", "fracast"):
        monkeypatch.setattr(sys, "argv", [*line, str(tmp_path), "--resume", "--models", model])
        made.main()
    table = pd.read_csv(tmp_path / "failures.csv").set_index("model")
    assert set(table.index) == {"mean", "fracast"}
    assert table.loc["mean", "fate"] == "fixed point"
    assert table["mase"].between(0, 10).all()
