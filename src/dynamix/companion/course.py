"""The course: what builds on what, and how long each chapter takes, as the chapters say."""

from __future__ import annotations

import html
import re
import textwrap
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

from . import BOOK, notebooks, parts, questions, run, solutions
from .parts import between

PAGE = BOOK / "teach.md"
_WIDTH, _HEIGHT, _GAP, _ROW = 150, 46, 14, 84  # of the drawing, in pixels


class Chapter(NamedTuple):
    """A chapter, with the numbers of those that it builds on, and its running time."""

    path: Path
    number: int
    title: str
    minutes: int
    builds_on: tuple[int, ...]
    runs_in: str


def chapters() -> list[Chapter]:
    """All chapters, from their first cells."""
    found = []
    for path in run.chapters():
        if path.name[:2].isdigit():
            lines = [line for line in notebooks.read(path).cells[0].source.splitlines() if line]
            minutes, builds, runs = (part.strip() for part in lines[-1].split(" · "))
            found.append(
                Chapter(
                    path,
                    int(path.name[:2]),
                    lines[0].lstrip("# "),
                    int(re.sub(r"\D", "", minutes)),
                    tuple(int(n) for n in re.findall(r"\((\d\d)_\w+\.ipynb\)", builds)),
                    runs.removeprefix("runs in ").removesuffix(" on a laptop"),
                )
            )
    return found


def levels(course: list[Chapter]) -> list[list[Chapter]]:
    """The chapters in rows, each below everything that it builds on."""
    known = {chapter.number: chapter for chapter in course}
    order = TopologicalSorter({c.number: c.builds_on for c in course})
    order.prepare()
    rows = []
    while order.is_active():
        ready = sorted(order.get_ready())
        order.done(*ready)
        rows.append([known[number] for number in ready])
    return rows


def direct(course: list[Chapter]) -> dict[int, set[int]]:
    """What each chapter builds on, without what it builds on by way of another chapter."""
    below: dict[int, set[int]] = {}
    for chapter in (c for row in levels(course) for c in row):
        below[chapter.number] = set(chapter.builds_on).union(*(below[n] for n in chapter.builds_on))
    return {c.number: set(c.builds_on).difference(*(below[n] for n in c.builds_on)) for c in course}


def drawing(course: list[Chapter]) -> str:
    """The prerequisites as an SVG, in the page's own colours."""
    rows, lines_to = levels(course), direct(course)
    across = max(map(len, rows)) * (_WIDTH + _GAP)
    places = {
        chapter.number: (
            (across - len(row) * (_WIDTH + _GAP) + _GAP) / 2 + at * (_WIDTH + _GAP),
            4 + down * _ROW,
        )
        for down, row in enumerate(rows)
        for at, chapter in enumerate(row)
    }
    said = "; ".join(
        f"{c.number} builds on {' and '.join(map(str, c.builds_on)) or 'nothing'}" for c in course
    )
    lines = [
        f'<svg role="img" aria-label="Prerequisites: {said}." viewBox="0 0 {across} '
        f'{len(rows) * _ROW}" style="max-width:{across}px;width:100%" font-size="11">'
    ]
    for chapter in course:
        x, y = places[chapter.number]
        for other in sorted(lines_to[chapter.number]):
            a, b = places[other]
            lines.append(
                f'<path d="M{a + _WIDTH / 2:.0f} {b + _HEIGHT:.0f}L{x + _WIDTH / 2:.0f} {y:.0f}" '
                'stroke="currentColor" stroke-opacity="0.45" fill="none"/>'
            )
    for chapter in course:
        x, y = places[chapter.number]
        title = f"{chapter.number} {chapter.title}"
        words = textwrap.wrap(title, 24, max_lines=3, placeholder=" …")
        spans = "".join(
            f'<tspan x="{x + _WIDTH / 2:.0f}" y="{y + 27 - 7 * len(words) + 14 * i:.0f}">'
            f"{html.escape(line)}</tspan>"
            for i, line in enumerate(words)
        )
        lines += [
            f'<rect x="{x:.0f}" y="{y:.0f}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" '
            'fill="var(--pst-color-surface, #f5f5f5)" stroke="currentColor"/>',
            f'<text text-anchor="middle" fill="currentColor">{spans}</text>',
        ]
    return "\n".join([*lines, "</svg>"])


def table(course: list[Chapter]) -> str:
    """Time and material of each chapter."""
    lines = ["| chapter | minutes | runs in | questions | exercises |", "|---|---|---|---|---|"]
    for c in course:
        exercises = len(solutions.exercises(parts.text(notebooks.read(c.path))))
        asked = sum(map(len, questions.of(c.path).values()))
        lines.append(
            f"| [{c.number} {c.title}]({c.path.name}) | {c.minutes} | {c.runs_in} | {asked} | "
            f"{exercises} |"
        )
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """The page for teachers as it should be."""
    course = chapters()
    return {PAGE: between(PAGE, "chapters", f"{drawing(course)}\n\n{table(course)}")}
