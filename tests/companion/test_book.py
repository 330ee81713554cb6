"""The committed notebooks are clean, and the runner refuses what papermill would let pass."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import nbformat
import pytest
import yaml
from helpers import ROOT

from dynamix.companion import notebooks

BOOK = ROOT / "book"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
PARAMETERS = {
    "intro": {"system", "context_length"},
    "01_reconstruction": {"system", "noise"},
    "02_data_corpus": {"points_per_period", "n_systems"},
    "03_architecture": {"system", "context_length"},
    "04_stf_training": {"tau", "epochs", "systems", "seed"},
    "05_zero_shot": {"checkpoint", "context_length", "horizon", "systems"},
    "06_real_world": {"dataset", "embedding", "context_length", "horizon"},
    "07_failure_modes": {"models", "system", "horizon"},
    "09_your_data": {"csv", "column", "time_column", "context_length", "horizon", "embedding"}
    | {"n_samples", "seed", "checkpoint"},
    "08_experts": {
        "checkpoint",
        "other",
        "systems",
        "shown",
        "context_length",
        "permutations",
    },
    "12_variants": {"system", "context_length", "horizon"},
    "13_ablations": {"checkpoint", "systems", "context_length", "horizon", "repeats"},
}


def test_the_chapters_are_those_of_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [toc["root"]]
    for chapter in (c for part in toc["parts"] for c in part["chapters"]):
        pattern = chapter.get("glob")
        files += [p.stem for p in NOTEBOOKS if fnmatch(p.stem, pattern)] if pattern else []
        files += [chapter["file"]] if "file" in chapter else []
    for name in files:
        assert (BOOK / f"{name}.ipynb").is_file() or (BOOK / f"{name}.md").is_file(), name
    assert {path.stem for path in NOTEBOOKS} <= set(files)
    assert set(PARAMETERS) <= {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_are_clean(path):
    assert notebooks.problems(path) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebooks_are_fresh(path):
    assert notebooks.stale(path) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_chapter_records_its_main_numbers(path):
    assert notebooks.recorded(path)


def test_profiles_name_notebooks_and_parameters_that_exist():
    for profile in yaml.safe_load((BOOK / "profiles.yml").read_text()).values():
        for name, values in profile.items():
            notebooks.check(BOOK / f"{name}.ipynb", values)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_chapter_has_its_parameters_and_parts(path):
    known = notebooks.parameters(path)
    assert known
    assert set(known) >= PARAMETERS.get(path.stem, set())  # promised by the plan of the book
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
    for path in [*NOTEBOOKS, *BOOK.glob("*.md")]:
        for group in re.findall(r"\{cite\}`([\w,]+)`", path.read_text()):
            cited |= set(group.split(","))
    assert cited == known
