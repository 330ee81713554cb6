"""What CONTRIBUTING promises: a system, a baseline, a dataset, a chapter take one file each.

The library is copied, one file of the copy is changed, and the copy is used from the command line
or in a fresh interpreter. (A flow that dysts lacks comes as a data file and takes no change:
tests/cli and tests/systems train on and forecast such files.)
"""

from __future__ import annotations

import hashlib
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


class Copy:
    """The library once more, of which one file is another."""

    def __init__(self, folder: Path, changed: str, change: dict[str, str]) -> None:
        self.folder, self.changed = folder, changed
        for path in PACKAGE.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                copy = folder / "dynamix" / path.relative_to(PACKAGE)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.symlink_to(path)
        text = (PACKAGE / changed).read_text(encoding="utf-8")
        for old, new in change.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / "dynamix" / changed).unlink()
        (folder / "dynamix" / changed).write_text(text, encoding="utf-8")

    def run(self, *arguments: str, **environment: str) -> str:
        """Run Python with this library in place of the installed one; returns what it printed."""
        known = os.environ | {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"} | environment
        done = subprocess.run(
            [sys.executable, *arguments],
            env=known,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout


def test_a_baseline_takes_one_file(tmp_path):
    entry = """\
@register("middle", "the median")
def middle(context, horizon, *, seed=0):
    return np.repeat(np.median(context, axis=0)[None], horizon, axis=0)


"""
    named = '@register("mean", "the context\'s mean")\n'
    copy = Copy(tmp_path, "baselines/simple.py", {named: entry + named})
    command = ["benchmark", "--model", "middle", "--systems", "Rossler", "--context", "150"]
    command += ["--horizon", "100", "--starts", "1", "--output", "middle.csv"]
    seen = copy.run(
        "-c",
        "import sys; import numpy as np; from dynamix import baselines, cli\n"
        "assert cli.main(sys.argv[1:]) == 0\n"
        "assert 'middle' in baselines.table().index\n"
        "x = np.array([[0.0], [1.0], [5.0]])\n"
        "print(baselines.baseline('middle')(x, 2).tolist())",
        *command,
        DYNAMIX_CACHE=str(tmp_path / "cache"),
    )
    assert seen.splitlines()[-1] == "[[1.0], [1.0]]"
    (row,) = pd.read_csv(tmp_path / "middle.csv").to_dict("records")
    assert (row["system"], row["fate"]) == ("Rossler", "fixed point")


def test_a_dataset_takes_one_file(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    content = b"when,level\n2020-01-01,1.0\n2020-01-02,2.5\n2020-01-03,2.0\n"
    (folder / "tide.csv").write_bytes(content)
    start = "[nyc_taxi]\n"
    entry = f"""[tide]
description = "high water at a quay"
file = "tide.csv"
url = "https://example.org/tide.csv"
sha256 = "{hashlib.sha256(content).hexdigest()}"
unit = "m"
step = "D"
time = ["when"]
columns = {{ "level" = "height" }}
source = "a harbour"
licence = "none"

"""
    copy = Copy(tmp_path, "datasets/registry.toml", {start: entry + start})
    load = (
        "from dynamix import InputError, datasets\n"
        "frame = datasets.load('tide')\n"
        "print(frame['height'].tolist(), frame.attrs['unit'], frame.attrs['source'])\n"
        "print('tide' in datasets.catalogue().index)\n"
        "(datasets.files.folder() / 'tide.csv').write_bytes(b'when,level\\n2020-01-01,9.0\\n')\n"
        "try:\n    datasets.load('tide')\n"
        "except InputError as error:\n    print('SHA-256' in str(error))"
    )
    assert copy.run("-c", load, DYNAMIX_DATA=str(folder)).splitlines() == [
        "[1.0, 2.5, 2.0] m a harbour",
        "True",
        "True",
    ]


def test_a_system_takes_one_file(tmp_path):
    """A row of split.csv is all that training, validation and benchmark go by."""
    copy = Copy(tmp_path, "data/split.csv", {"\nAizawa,test,": "\nAizawa,train-validation,"})
    seen = copy.run(
        "-c",
        "from dynamix import systems; p = systems.split()\n"
        "print(len(p['train']), [k for k, names in p.items() if 'Aizawa' in names])",
    )
    parts = systems.split()
    assert "Aizawa" in parts["test"]
    assert seen == f"{len(parts['train']) + 1} ['train', 'validation']\n"


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
"""
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


def chapter(path: Path, *texts: str, code: str = "") -> Path:
    new, metadata = nbformat.v4, {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [
        new.new_markdown_cell(texts[0]),
        new.new_code_cell("moon = 1", metadata={"tags": ["parameters"]}),
        new.new_code_cell(
            code or "from dynamix.companion import notebooks\nnotebooks.record('moon', moon)"
        ),
        *(new.new_markdown_cell(text) for text in texts[1:]),
    ]
    nbformat.write(new.new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_a_chapter_takes_one_file(shelf, tmp_path):
    path = chapter(tmp_path / "book" / "10_tide.ipynb", TEXT, EXERCISES, END)
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
