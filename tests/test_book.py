"""The committed notebooks are clean, and the runner refuses what papermill would let pass."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import ROOT

from dynamix import InputError, notebooks

BOOK = ROOT / "book"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
PARAMETERS = {
    "intro": {"system", "context_length"},
    "01_reconstruction": {"system", "noise"},
    "02_data_corpus": {"points_per_period", "n_systems"},
    "03_architecture": {"system", "context_length"},
    "04_stf_training": {"tau", "epochs", "systems", "seed"},
    "05_zero_shot": {"checkpoint", "context_length", "horizon", "systems"},
    "08_experts": {
        "checkpoint",
        "other",
        "systems",
        "shown",
        "context_length",
        "permutations",
    },
}


def test_the_chapters_are_those_of_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]
    for name in files:
        assert (BOOK / f"{name}.ipynb").is_file() or (BOOK / f"{name}.md").is_file(), name
    assert {path.stem for path in NOTEBOOKS} <= set(files)
    assert set(PARAMETERS) == {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_are_clean(path):
    assert notebooks.problems(path) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_chapter_has_its_parameters_and_parts(path):
    assert set(notebooks.parameters(path)) == PARAMETERS[path.stem]
    notebook = nbformat.read(path, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert re.match(r"# .+\n\n\*After this (chapter|page) you ", text)
    labels = re.findall(r"^:label: (\S+)", text, flags=re.MULTILINE)
    solved = re.findall(r"^`{3,}\{solution\} (\S+)\n:class: dropdown", text, flags=re.MULTILINE)
    assert len(labels) >= 3
    assert labels == solved
    assert text.rsplit("\n## ", 1)[-1].startswith("What this does not show")


def test_every_citation_is_in_the_bibliography_and_every_entry_is_cited():
    known = set(re.findall(r"^@\w+\{(\w+),", (BOOK / "references.bib").read_text(), re.MULTILINE))
    cited = set()
    for path in NOTEBOOKS:
        for group in re.findall(r"\{cite\}`([\w,]+)`", path.read_text()):
            cited |= set(group.split(","))
    assert cited == known


def make_notebook(path: Path, *sources: str, tags: tuple[str, ...] = ("parameters",)) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = list(tags)
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_running_sets_parameters_and_two_runs_are_the_same_bytes(tmp_path):
    path = make_notebook(tmp_path / "a.ipynb", "x = 1", "print(x + 1)")
    outputs = [notebooks.run(path, tmp_path / f"{i}.ipynb", values={"x": 5}) for i in range(2)]
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    cells = nbformat.read(outputs[0], as_version=4).cells
    assert cells[-1].outputs[0].text == "6\n"


def test_unknown_parameters_are_refused(tmp_path):
    path = make_notebook(tmp_path / "a.ipynb", "context_length = 1")
    with pytest.raises(InputError, match="Did you mean 'context_length'"):
        notebooks.run(path, tmp_path / "out.ipynb", values={"contextlength": 5})


def test_problems_are_found(tmp_path):
    path = make_notebook(tmp_path / "a.ipynb", "x = 1", "y = 2", tags=())
    notebook = nbformat.read(path, as_version=4)
    for number, cell in zip((1, 3), notebook.cells, strict=True):
        cell.execution_count = number
    output = nbformat.v4.new_output
    notebook.cells[0].outputs = [
        output("stream", name="stdout", text="see /home/me/x"),
        output("stream", name="stderr", text="a warning"),
        output("error", ename="ValueError", evalue="", traceback=[]),
        output("display_data", data={"image/png": "abc"}),
    ]
    nbformat.write(notebook, path)
    found = "\n".join(notebooks.problems(path))
    for expected in ("0 cells", "[1, 3]", "a path", "standard error", "ValueError", "alternative"):
        assert expected in found
