"""Running the solutions of the book's exercises, which the build of the book shows only.

Each chapter is copied with the Python blocks of its solutions as cells at their places, and the
copy is run. A solution sees the names that the chapter has defined, and none of another solution.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from . import BUILD, notebooks, parts
from . import run as book
from . import sweep as sweeps

_FENCED = r"^(?P<fence>`{{3,}}){}\n(?P<text>.*?)^(?P=fence)\s*$"
EXERCISE = re.compile(_FENCED.format(r"\{exercise\}\s*(?P<title>[^\n]*)"), re.M | re.S)
SOLUTION = re.compile(_FENCED.format(r"\{solution\}\s*(?P<label>\S+)"), re.M | re.S)
BLOCK = re.compile(_FENCED.format(r"(?P<language>[^\n`]*)"), re.M | re.S)
LABEL = re.compile(r"^:label:\s*(\S+)\s*$", re.MULTILINE)
KEY = "solution"  # in a cell's metadata: the label of its exercise

# before the first solution: keep the chapter's names; before each solution: restore them
KEEP = "_chapter = {k: v for k, v in globals().items() if not k.startswith('_')}"
RESTORE = """\
for _name in [k for k in globals() if not k.startswith("_") and k not in _chapter]:
    del globals()[_name]
globals().update(_chapter)
_began = __import__("time").perf_counter()"""
RECORD = """\
__import__("dynamix.companion.notebooks").companion.notebooks.record(
    {label!r}, __import__("time").perf_counter() - _began)"""


@dataclass(frozen=True)
class Solution:
    """A solution in a chapter: label and title of its exercise, its blocks (language, code)."""

    label: str
    title: str
    blocks: tuple[tuple[str, str], ...] = ()

    @property
    def python(self) -> tuple[str, ...]:
        """The blocks that can be run."""
        return tuple(code for language, code in self.blocks if language == "python")

    @property
    def kind(self) -> str:
        """``code``, ``command`` for the shell only, or ``argument`` without any block."""
        return "code" if self.python else "command" if self.blocks else "argument"


@dataclass(frozen=True)
class Ran:
    """The outcome of a solution."""

    chapter: str
    solution: Solution
    status: str
    seconds: float | None = None
    printed: str = ""
    error: str = ""

    def __str__(self) -> str:
        lines = [f"\n{self.chapter}, {self.solution.label}: {self.solution.title}"]
        lines += [*self.printed.splitlines(), *([f"FAILED: {self.error}"] if self.error else [])]
        return "\n    ".join(lines)


def exercises(text: str) -> dict[str, str]:
    """The exercises of a Markdown text: titles by label, in their order."""
    found = {}
    for match in EXERCISE.finditer(text):
        label = LABEL.search(match["text"])
        found[label[1] if label else ""] = match["title"].strip()
    return found


def solutions(text: str, titles: dict[str, str]) -> Iterator[tuple[int, Solution]]:
    """The solutions of a Markdown text, each with the position of its end."""
    for match in SOLUTION.finditer(text):
        blocks = tuple((b["language"].strip(), b["text"]) for b in BLOCK.finditer(match["text"]))
        yield match.end(), Solution(match["label"], titles.get(match["label"], ""), blocks)


def of(notebook: Any) -> list[Solution]:
    """All solutions of a notebook."""
    text = parts.text(notebook)
    return [solution for _, solution in solutions(text, exercises(text))]


def with_solutions(notebook: Any) -> Any:
    """A copy without outputs, in which the solutions' Python blocks are cells after their text.

    A solution that fails does not stop the others; a cell of the chapter that fails does.
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell

    titles, made, cells = exercises(parts.text(notebook)), copy.deepcopy(notebook), []
    for cell in made.cells:
        if cell.cell_type != "markdown":
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
            cells.append(cell)
            continue
        begin = 0
        for end, solution in solutions(cell.source, titles):
            cells.append(new_markdown_cell(cell.source[begin:end].strip()))
            begin = end
            if solution.python:
                cells += [] if any(c.source == KEEP for c in cells) else [new_code_cell(KEEP)]
                cells.append(new_code_cell(RESTORE))
                marks = {KEY: solution.label, "tags": ["raises-exception"]}
                cells += [new_code_cell(c.rstrip(), metadata=marks) for c in solution.python]
                cells.append(new_code_cell(RECORD.format(label=solution.label)))
        if cell.source[begin:].strip():
            cells.append(new_markdown_cell(cell.source[begin:].strip()))
    made.cells = cells
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number:03d}"
    return made


def outcome(ran: Path, solution: Solution, *, seconds: float | None) -> Ran:
    """What a solution printed in a copy that was run."""
    cells = [c for c in notebooks.read(ran).cells if c.metadata.get(KEY) == solution.label]
    printed, errors = "", []
    for output in (output for cell in cells for output in cell.outputs):
        if output.output_type == "error":
            errors.append(f"{output.ename}: {output.evalue}")
        else:
            shown = output.get("data", {}).get("text/plain", "")
            printed += output.get("text", f"{shown}\n")
    status = "failed" if errors else "ran" if seconds is not None else "not reached"
    # later errors mostly follow from the first
    return Ran(ran.stem, solution, status, seconds, printed.rstrip(), next(iter(errors), ""))


def run(path: Path, *, folder: Path, values: dict[str, Any] | None = None) -> list[Ran]:
    """Run a chapter with its solutions; the copy that ran is in ``folder`` afterwards.

    If a cell of the chapter itself fails, the first row says so.
    """
    notebook = notebooks.read(path)
    found = of(notebook)
    if not any(solution.python for solution in found):
        return [Ran(path.stem, solution, solution.kind) for solution in found]
    source, output = folder / "copies" / path.name, folder / path.name
    source.parent.mkdir(parents=True, exist_ok=True)
    notebooks.write(with_solutions(notebook), source)
    output.unlink(missing_ok=True)
    # the copy runs in the chapter's folder, where its cells find their files
    job = sweeps.Job(source, output, values or {}, cwd=path.parent)
    (done,) = sweeps.run_all([job], workers=1)
    seconds = notebooks.recorded(output) if output.is_file() else {}
    result = [
        outcome(output, solution, seconds=seconds.get(solution.label))
        if solution.python and output.is_file()
        else Ran(path.stem, solution, solution.kind)
        for solution in found
    ]
    if done.error and not any(ran.status == "failed" for ran in result):
        chapter = Solution("", "the chapter's own cells")
        result.insert(0, Ran(path.stem, chapter, "failed", done.seconds, error=done.error))
    return result


def table(rows: list[Ran]) -> str:
    """All outcomes, one line each."""
    cells = [(r.chapter, r.solution.label or r.solution.title, r.status, r.seconds) for r in rows]
    frame = pd.DataFrame(cells, columns=["chapter", "exercise", "outcome", "seconds"])
    frame = frame.astype({"seconds": float})
    return frame.to_string(index=False, na_rep="", float_format="{:.1f}".format)


def run_book(names: Sequence[str], *, profile: str | None, say: Callable[[str], None]) -> list[str]:
    """Run the solutions of the chapters and show their outputs; returns what failed."""
    values, folder = book.parameters_of(profile), BUILD / "solutions" / (profile or "")
    rows: list[Ran] = []
    for path in book.chapters(names):
        if path.name[:2].isdigit():
            made = run(path, folder=folder, values=values.get(path.stem))
            for ran in made:
                if ran.printed or ran.error:
                    say(str(ran))
            rows += made
    if not rows:
        raise InputError(f"no chapter of the book begins with {' or '.join(names)}.")
    say(f"\n{table(rows)}")
    return [
        f"{ran.chapter}, exercise {(ran.solution.label or ran.solution.title)!r} {ran.status}: "
        f"{ran.error}"
        for ran in rows
        if ran.status in ("failed", "not reached")
    ]
