"""What CONTRIBUTING promises: a system, a baseline, a dataset, a chapter take one file each.

The library is copied, one file of each kind is changed, and the copy is used in a fresh
interpreter. (A flow that dysts lacks comes as a data file and takes no change:
tests/cli and tests/systems train on and forecast such files.)
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from companion import test_book
from helpers import ROOT

from dynamix import systems
from dynamix.companion import notebooks
from dynamix.systems import corpus

PACKAGE = ROOT / "src" / "dynamix"
BASELINE = """\
@register("middle", "the median")
def middle(context, horizon, *, seed=0):
    return np.repeat(np.median(context, axis=0)[None], horizon, axis=0)


"""
TIDE = b"when,level\n2020-01-01,1.0\n2020-01-02,2.5\n2020-01-03,2.0\n"
DATASET = f"""[tide]
description = "high water at a quay"
file = "tide.csv"
url = "https://example.org/tide.csv"
sha256 = "{hashlib.sha256(TIDE).hexdigest()}"
unit = "m"
step = "D"
time = ["when"]
columns = {{ "level" = "height" }}
source = "a harbour"
licence = "none"

"""
# a row of split.csv is all that training, validation and benchmark go by
CHANGES = {
    "baselines/simple.py": ('@register("mean", "the context\'s mean")\n', BASELINE),
    "datasets/registry.toml": ("[nyc_taxi]\n", DATASET),
    "data/split.csv": ("\nAizawa,test,", "\nAizawa,train-validation,"),
}
USE = """
import json, sys
import numpy as np
from dynamix import InputError, baselines, cli, datasets, systems
assert cli.main(sys.argv[1:]) == 0
found = {"table": "middle" in baselines.table().index}
found["median"] = baselines.baseline("middle")(np.array([[0.0], [1.0], [5.0]]), 2).tolist()
frame = datasets.load("tide")
found["tide"] = [frame["height"].tolist(), frame.attrs["unit"], frame.attrs["source"]]
found["catalogue"] = "tide" in datasets.catalogue().index
(datasets.files.folder() / "tide.csv").write_bytes(b"when,level\\n2020-01-01,9.0\\n")
try:
    datasets.load("tide")
except InputError as error:
    found["error"] = str(error)
found["split"] = systems.split()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """The folder in which a copy of the library, three files changed, was used; what it said."""
    folder = tmp_path_factory.mktemp("copy")
    for path in PACKAGE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            name = path.relative_to(PACKAGE).as_posix()
            copy = folder / "dynamix" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            if name not in CHANGES:
                copy.symlink_to(path)
                continue
            (place, new), text = CHANGES[name], path.read_text(encoding="utf-8")
            assert text.count(place) == 1, place
            changed = new if new.startswith("\nAizawa") else new + place
            copy.write_text(text.replace(place, changed), encoding="utf-8")
    (folder / "files").mkdir()
    (folder / "files" / "tide.csv").write_bytes(TIDE)
    command = ["benchmark", "--model", "middle", "--systems", "Rossler", "--context", "150"]
    command += ["--horizon", "100", "--starts", "1", "--output", "middle.csv"]
    places = {"PYTHONPATH": folder, "DYNAMIX_CACHE": folder / "cache"}
    places["DYNAMIX_DATA"] = folder / "files"
    done = subprocess.run(
        [sys.executable, "-c", USE, *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | {k: str(v) for k, v in places.items()},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_a_baseline_takes_one_file(used):
    folder, found = used
    assert found["table"]
    assert found["median"] == [[1.0], [1.0]]
    (row,) = pd.read_csv(folder / "middle.csv").to_dict("records")
    assert (row["system"], row["fate"]) == ("Rossler", "fixed point")


def test_a_dataset_takes_one_file(used):
    _, found = used
    assert found["tide"] == [[1.0, 2.5, 2.0], "m", "a harbour"]
    assert found["catalogue"]
    assert "SHA-256" in found["error"]


def test_a_system_takes_one_file(used):
    parts, found = systems.split(), used[1]["split"]
    assert "Aizawa" in parts["test"]
    assert len(found["train"]) == len(parts["train"]) + 1
    assert [k for k, names in found.items() if "Aizawa" in names] == ["train", "validation"]


def test_a_system_without_a_row_is_missed(monkeypatch):
    """What a newer dysts brings is not silently left out of the split."""
    entries = corpus._catalogue_entries()
    monkeypatch.setattr(
        corpus, "_catalogue_entries", lambda: entries | {"Tide": entries["Rossler"]}
    )
    assert "Tide" in systems.catalogue()
    parts = systems.split()
    everything = parts["train"] + parts["test"] + parts["excluded"]
    assert sorted(everything) != systems.catalogue()


TEXT = """# The tide

*After this chapter you can tell high water from low.*

**10 minutes** · builds on nothing · runs in one minute on a laptop
"""
COURSE = "(sec-tide)=\n## Water\n\n" + " ".join(f"{{numref}}`fig-10-{i}`" for i in range(4))
TAKE_AWAY = "## Take away\n\n* It rises.\n* It falls.\n* It rises again."
DRAWING = (
    "from matplotlib import pyplot as plt\nfigure, axis = plt.subplots()\n_ = axis.plot([0, moon])"
)
QUESTIONS = (
    "sec-tide:\n"
    + """\
  - question: Does it rise?
    answers:
      - {text: It does., why: The moon., right: true}
      - {text: It does not., why: The moon.}
"""
    * 3
)
EXERCISES = "\n\n".join(
    f"```{{exercise}} Wait\n:label: ex-wait-{i}\nWait.\n```\n\n"
    f"````{{solution}} ex-wait-{i}\n:class: dropdown\nIt went.\n````"
    for i in range(3)
)
END = "## What this does not show\n\n* The moon."


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty book, and the project's runner that believes it to be its own."""
    from dynamix.companion import run as runner

    (tmp_path / "book").mkdir()
    monkeypatch.setattr(runner, "BOOK", tmp_path / "book")
    monkeypatch.setattr(runner, "BUILD", tmp_path / "_build")
    monkeypatch.setattr(runner, "warm_up", lambda: None)
    return runner


def figure(number: int) -> dict:
    said = {"figure": {"caption": "Water.", "name": f"fig-10-{number}"}, "image": {"alt": "Water."}}
    return {"tags": ["slide"] + ["opener"] * (number == 0), "mystnb": said}


def chapter(path: Path, *texts: str, code: str = "") -> Path:
    new, metadata = nbformat.v4, {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [
        new.new_markdown_cell(texts[0]),
        new.new_code_cell("moon = 1", metadata={"tags": ["parameters"]}),
        new.new_code_cell(
            code or "from dynamix.companion import notebooks\nnotebooks.record('moon', moon)"
        ),
        *(new.new_code_cell(DRAWING, metadata=figure(i)) for i in range(4)),
        *(new.new_markdown_cell(text) for text in texts[1:]),
    ]
    nbformat.write(new.new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_a_chapter_takes_one_file(shelf, tmp_path):
    path = chapter(
        tmp_path / "book" / "10_tide.ipynb",
        TEXT,
        COURSE,
        TAKE_AWAY,
        f"## Exercises\n\n{EXERCISES}",
        END,
    )
    (tmp_path / "book" / "questions").mkdir()
    (tmp_path / "book" / "questions" / "10.yml").write_text(QUESTIONS)
    patterns = [
        entry["glob"]
        for part in yaml.safe_load((ROOT / "_toc.yml").read_text())["parts"]
        for entry in part["chapters"]
        if "glob" in entry
    ]
    assert any(fnmatch(path.stem, pattern) for pattern in patterns)
    assert shelf.chapters(["10"]) == [path]
    assert notebooks.problems(path) != []  # not yet run
    assert shelf.run([path], profile=None, jobs=1, say=print) == []
    assert notebooks.recorded(path) == {"moon": 1}
    test_book.test_committed_notebooks_are_clean(path)
    test_book.test_every_chapter_records_its_main_numbers(path)
    test_book.test_every_chapter_has_its_parameters_and_parts(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("*After this chapter you can", "*This chapter lets you"),
        (":label: ex-wait-2\n", ""),
        (":class: dropdown\n", ""),
        ("```{solution} ex-wait-1", "```{note}"),
        ("## What this does not show", "## Summary"),
    ],
)
def test_a_chapter_without_its_parts_is_refused(old, new, tmp_path):
    texts = [text.replace(old, new) for text in (TEXT, EXERCISES, END)]
    assert texts != [TEXT, EXERCISES, END]
    path = chapter(tmp_path / "10_tide.ipynb", *texts)
    with pytest.raises(AssertionError):
        test_book.test_every_chapter_has_its_parameters_and_parts(path)
