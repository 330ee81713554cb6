"""The book's text: glossary, notes in the margin, references between chapters, quoted numbers."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from helpers import ROOT

from dynamix.companion import laws, parts

BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("[0-9][0-9]_*.ipynb"))
PAGES = [BOOK / "intro.ipynb", *CHAPTERS, *sorted(BOOK.glob("*.md"))]
FENCED = re.compile(r"^(`{3,})(?:\{(?P<kind>[\w-]+)\})?[^\n]*\n(?P<body>.*?)^\1$", re.M | re.S)
CODE = re.compile(r"(?<![`\w}])`[^`\n]+`")


@cache
def prose(path: Path) -> str:
    """A page's text, without the code of a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def glossary() -> list[set[str]]:
    """The terms of the glossary, a set of names for each."""
    (block,) = [m for m in FENCED.finditer(prose(BOOK / "glossary.md")) if m["kind"] == "glossary"]
    entries = block["body"].strip().split("\n\n")
    return [{line for line in e.splitlines() if not line.startswith(" ")} for e in entries]


def linked(path: Path) -> set[str]:
    """The names of the glossary that a page links, in lower case."""
    found = re.findall(r"\{term\}`([^`]+)`", prose(path))
    return {re.sub(r".*<(.+)>$", r"\1", text, flags=re.DOTALL).lower() for text in found}


def test_the_glossary_is_in_order_and_says_something_of_each_term():
    entries = prose(BOOK / "glossary.md").split("```{glossary}\n")[1].rsplit("\n```", 1)[0]
    first = [entry.splitlines()[0].lower().replace("-", " ") for entry in entries.split("\n\n")]
    assert first == sorted(first)
    for entry in entries.split("\n\n"):
        assert re.fullmatch(r"(?:\S.*\n)+    \S.{20,}", entry.strip()), entry


def test_every_term_of_the_glossary_is_linked_from_a_chapter():
    used = set().union(*map(linked, CHAPTERS))
    idle = [names for names in glossary() if not used & {name.lower() for name in names}]
    assert idle == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_links_the_terms_that_it_uses(path):
    names = {name.lower(): min(names) for names in glossary() for name in names}
    assert linked(path) <= set(names)
    assert len({names[name] for name in linked(path)}) >= 5


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_has_a_few_short_notes_in_the_margin(path):
    notes = [m["body"] for m in FENCED.finditer(prose(path)) if m["kind"] == "margin"]
    assert 3 <= len(notes) <= 6
    for note in notes:
        assert len(note.split()) <= 45, note
        # a note is no second copy of the text
        rest = prose(path).replace(note, "")
        for sentence in re.findall(r"[^.!?]{30,}[.!?]", note):
            assert sentence.strip() not in rest


@pytest.mark.parametrize("path", sorted(BOOK.glob("*.md")), ids=lambda path: path.stem)
def test_paragraphs_of_other_pages_hold_few_numbers_too(path):
    text, _, _ = prose(path).partition("\n## Headlines\n")  # of the results: lists for machines
    told = [p for p in parts.paragraphs(text) if not p.startswith(("<", "{py"))]
    assert [p for p in told if len(parts.numbers(p)) > laws.MOST_NUMBERS] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_chapters_are_named_by_links_that_lead_to_them(path):
    text = CODE.sub("", FENCED.sub(lambda m: m[0] if m["kind"] == "margin" else "", prose(path)))
    places = {
        label: chapter.stem[:2]
        for chapter in CHAPTERS
        for label in re.findall(r"^\((sec-[\w-]+)\)=$", prose(chapter), re.MULTILINE)
    }
    for number, target in re.findall(r"\[[Cc]hapter (\d+)\]\((\w+)\.ipynb\)", text):
        assert target.startswith(f"{int(number):02}_"), (number, target)
    for number, label in re.findall(r"\{ref\}`[^`<]*?[Cc]hapter (\d+) <([\w-]+)>`", text):
        assert places[label] == f"{int(number):02}", (number, label)
    bare = re.sub(r"\[[^\]]*\]\([^)]*\)|\{ref\}`[^`]*`|<a .*?</a>", "", text)
    assert re.findall(r"[Cc]hapters? \d+", bare) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_references_name_what_is_there(path):
    everything = "\n".join(map(prose, PAGES))
    labels = re.findall(r"^\(([\w-]+)\)=$", everything, re.MULTILINE)
    labels += re.findall(r"^:label: (\S+)", everything, re.MULTILINE)
    labels += [
        name
        for notebook in [BOOK / "intro.ipynb", *CHAPTERS]
        for cell in nbformat.read(notebook, as_version=4).cells
        if (name := parts.figure(cell)["name"])
    ]
    equations = re.findall(r"^\$\$ \((eq-[\w-]+)\)$", everything, re.MULTILINE)
    assert len(labels + equations) == len(set(labels + equations))
    for text in re.findall(r"\{(?:num)?ref\}`([^`]+)`", prose(path)):
        assert re.sub(r".*<(.+)>$", r"\1", text) in labels, text
    assert set(re.findall(r"\{eq\}`([^`]+)`", prose(path))) <= set(equations)


# --- the page of open questions quotes stored results ------------------------------------------


def rows(heading: str) -> list[list[str]]:
    """The cells of the table that follows some words on the page of open questions."""
    after = prose(BOOK / "open_questions.md").split(heading)[1]
    block = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)[0]
    lines = [line.strip("| \n").split(" | ") for line in block.splitlines()]
    return [[cell.strip("` ") for cell in line] for line in (lines[0], *lines[2:])]


def stored(name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "results" / f"{name}.csv", keep_default_na=False, na_values=["nan"])


def test_quoted_errors_with_and_without_a_trend():
    table = stored("real_world").set_index(
        ["forecaster", "embedding", "dataset", "context", "horizon", "transforms"]
    )["mase"]
    _, *found = rows("**When only the level moves.**")
    for name, where, plain, detrended in found:
        context, horizon = map(int, where.split(", "))
        for said, transforms in ((plain, ""), (detrended, "detrend")):
            key = ("dynamix-3d-plus", "pos", name, context, horizon, transforms)
            assert float(said) == pytest.approx(float(table[key]), abs=0.05)
    assert len(found) == 3


def test_quoted_divergences_by_sampling_rate():
    table = stored("sensitivity")
    table = table[table["varied"] == "points per period"]
    table = table.assign(d_stsp=pd.to_numeric(table["d_stsp"]).fillna(np.inf))  # failed: worst
    median = table.groupby(["model", "value"])["d_stsp"].median()
    (_, *rates), *found = rows("**The wrong rate.**")
    assert table["system"].nunique() == 12
    for model, *values in found:
        for rate, said in zip(rates, values, strict=True):
            assert float(said) == pytest.approx(median[model, float(rate)], abs=0.0501)
    assert len(found) == 3


def test_quoted_errors_by_embedding():
    table = stored("embedding_auto")
    table = table[table["source"] == "system"]
    assert table["series"].nunique() == 18
    measures = ["mase_50", "d_stsp", "hellinger"]
    numbers = table.assign(**{c: pd.to_numeric(table[c]) for c in measures})
    median = numbers.groupby(["embedding", "context"])[measures].median()
    _, *found = rows("**One channel of a chaotic system.**")
    assert {name for name, *_ in found} == set(table["embedding"])
    for name, *values in found:
        expected = [median.loc[(name, n), c] for c in measures for n in (512, 2000)]
        assert [float(v) for v in values[:4]] == pytest.approx(expected[:4], abs=0.0501)
        assert [float(v) for v in values[4:]] == pytest.approx(expected[4:], abs=0.00501)


def test_quoted_outputs_of_chapters():
    """What has no table of its own stands in a chapter's committed output."""

    def outputs(name: str) -> str:
        texts = []
        for cell in nbformat.read(BOOK / f"{name}.ipynb", as_version=4).cells:
            for output in cell.get("outputs", []):
                texts.append(output.get("text", "") or output.get("data", {}).get("text/plain", ""))
        return " ".join("\n".join(texts).split())

    page, real, drift = (
        prose(BOOK / "open_questions.md"),
        *map(outputs, ("06_real_world", "08_experts")),
    )
    assert "13.1% of the steps" in page
    assert "(13.1%) had no observation" in real
    assert "660 more lay in holes" in page
    assert "660 steps beyond holes" in real
    for name, short, long in (("auto", "0.99", "1.06"), ("best in hindsight", "0.87", "0.94")):
        assert f"{short}" in page
        assert re.search(rf"{name} +{short}, better on \d+ of 15 +{long}, better", real), name
    for (_, oldest, newest), change in zip(
        rows("**When the rules move.**")[1:], ("3 to 9", "9 to 3"), strict=True
    ):
        # pandas breaks the table into blocks of columns
        for quarter, share in (("oldest", oldest), ("newest", newest)):
            block = drift.rsplit(f"{quarter} quarter", 1)[1]
            assert re.search(rf"c from {change} dynamix-3d-scratch {share} ", block), quarter
