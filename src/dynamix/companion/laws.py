"""The laws that every chapter of the book keeps, so that it stays a course.

A chapter opens with a promise, its facts and a picture. Each figure has a caption, a name and a
text that refers to it. Paragraphs hold few numbers. A number that a rerun on other parameters would
make false stands in a cell tagged ``default-run``, which such a rerun folds; one that comes from
``results/`` stands in a cell tagged ``stored``; every other exact number is listed with its reason
in ``book/constants.yml``. The chapter ends with what to take away. An exercise gives the names that
its tests read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from . import assignments, notebooks, parts, questions

MOST_WORDS = 2200
MOST_NUMBERS = 5  # in a paragraph
SLIDES = (4, 7)  # cells tagged "slide"; the title and the last slide come on top
POINTS = (3, 5)  # to take away
PROMISE = "*After this chapter you can "
FREE = {"default-run", "stored"}  # tags of cells that may hold exact numbers


def problems(path: Path) -> list[str]:
    """What is wrong with a chapter, or with the front page; one sentence per problem."""
    notebook = notebooks.read(path)
    found = [*_opening(notebook), *_figures(notebook), *_numbers(notebook, path)]
    if is_chapter(path):
        found += [*_lengths(notebook), *_course(notebook), *_asked(notebook, path)]
        found += _exercises(notebook, path)
    return [f"{path.name}: {problem}" for problem in found]


def is_chapter(path: Path) -> bool:
    """Whether a notebook is one of the numbered chapters."""
    return path.name[:2].isdigit()


def _opening(notebook: Any) -> Iterator[str]:
    """The first screen: title, promise, facts, and one picture."""
    first = notebook.cells[0].source.strip()
    lines = [line for line in first.splitlines() if line.strip()]
    if not lines or not lines[0].startswith("# "):
        yield "its first cell must begin with the title, '# ...'"
        return
    if len(lines) < 3 or not parts.FACTS.match(lines[-1]):
        yield (
            "its first cell must end with the facts, such as '**30 minutes** · builds on nothing · "
            "runs in one minute on a laptop'"
        )
    openers = parts.tagged(notebook, "opener")
    if len(openers) != 1 or not parts.pictures(openers[0]):
        yield f"{len(openers)} cells are tagged 'opener' instead of one that draws a picture"


def _figures(notebook: Any) -> Iterator[str]:
    """Captions, names and references of the pictures."""
    source = parts.text(notebook)
    names = []
    for cell in notebook.cells:
        if cell.cell_type != "code" or not parts.pictures(cell):
            continue
        said = parts.figure(cell)
        place = repr(cell.source.strip().splitlines()[0][:60])
        turnable = any("<img" in o.get("data", {}).get("text/html", "") for o in cell.outputs)
        yield from (
            f"the figure of the cell {place} has no {key} in its metadata (mystnb)"
            for key, value in said.items()
            if not value and not (key == "alt" and turnable)
        )
        if sum("image/png" in o.get("data", {}) for o in cell.outputs) > 1:
            yield f"the cell {place} draws more than one figure, but has one caption"
        if said["name"]:
            names.append(said["name"])
    yield from (
        f"the figure {n!r} is named twice" for n in {n for n in names if names.count(n) > 1}
    )
    yield from (
        f"no sentence refers to the figure {name!r}: write {{numref}}`{name}`"
        for name in names
        if f"{{numref}}`{name}`" not in source
    )


def _numbers(notebook: Any, path: Path) -> Iterator[str]:
    """Paragraphs with many numbers, and exact numbers that a rerun would make false."""
    known = constants(path.parent / "constants.yml", path.stem)
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        for paragraph in parts.paragraphs(parts.taught(cell.source)):
            found = parts.numbers(paragraph)
            if len(found) > MOST_NUMBERS:
                yield (
                    f"a paragraph holds {len(found)} numbers, more than {MOST_NUMBERS}: "
                    f"{paragraph[:60]!r}"
                )
            if FREE & set(parts.tags(cell)):
                continue
            if loose := [number for number in parts.exact(paragraph) if number not in known]:
                yield (
                    f"exact numbers ({', '.join(loose)}) outside of a cell tagged 'default-run' or "
                    f"'stored', and not in constants.yml: {paragraph[:60]!r}"
                )


@cache
def constants(path: Path, stem: str) -> frozenset[str]:
    """Exact numbers that a page may state anywhere, since no parameter changes them."""
    import yaml

    if not path.is_file():
        return frozenset()
    data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return frozenset(
        str(entry["text"]) for key in ("everywhere", stem) for entry in data.get(key) or []
    )


def _lengths(notebook: Any) -> Iterator[str]:
    """The words of a chapter."""
    if (count := parts.words(notebook)) > MOST_WORDS:
        yield f"it has {count} words without its exercises, more than {MOST_WORDS}"


def _course(notebook: Any) -> Iterator[str]:
    """The promise, slides, and what to take away."""
    if PROMISE not in notebook.cells[0].source:
        yield f"its first cell lacks the promise, {PROMISE + '...*'!r}"
    slides = len(parts.tagged(notebook, "slide"))
    if not SLIDES[0] <= slides <= SLIDES[1]:
        yield f"{slides} cells are tagged 'slide'; {SLIDES[0]} to {SLIDES[1]} make a deck"
    last = [s for s in parts.sections(notebook) if s.title == "Take away"]
    points = len(re.findall(r"^[*-] ", last[0].text, re.M)) if last else 0
    if not POINTS[0] <= points <= POINTS[1]:
        yield f"its section 'Take away' has {points} points; {POINTS[0]} to {POINTS[1]} are right"


def _asked(notebook: Any, path: Path) -> Iterator[str]:
    """Three questions to each section that teaches."""
    asked = questions.of(path)
    labels = []
    for section in parts.sections(notebook):
        if section.teaches:
            labels.append(section.label)
            count = len(asked.get(section.label, []))
            if not section.label:
                yield f"the section {section.title!r} has no label, (sec-...)="
            elif count != questions.PER_SECTION:
                yield (
                    f"the section {section.title!r} ({section.label}) has {count} questions in "
                    f"questions/{path.stem[:2]}.yml instead of {questions.PER_SECTION}"
                )
    yield from (
        f"questions/{path.stem[:2]}.yml asks about {label!r}, which is no section of the chapter"
        for label in asked
        if label not in labels
    )


def _exercises(notebook: Any, path: Path) -> Iterator[str]:
    """Names that a student must guess."""
    for exercise in assignments.assignment(notebook, chapter=path.stem).exercises:
        yield from (
            f"the tests of {exercise.label!r} read {name!r}, which its text does not name: "
            f"write `{name}` there"
            for name in exercise.unnamed
        )
