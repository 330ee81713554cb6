"""Run the solutions of the book's exercises and show what each of them prints.

python scripts/run_solutions.py                 of all chapters, one after the other
python scripts/run_solutions.py 03 05           of those whose names begin so
python scripts/run_solutions.py --profile quick with the small settings of book/profiles.yml

The build of the book shows solutions but does not run them. Here each chapter is copied with the
python blocks of its solutions as cells at their places, and the copy is run. A solution finds the
names that the chapter has made until there, and none of another solution. Copies that ran and the
figures of the solutions are kept in _build/solutions.
"""

from __future__ import annotations

import argparse
import base64
import copy
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from run_notebooks import BOOK, BUILD, profile  # the script beside this one

from dynamix.companion import notebooks
from dynamix.companion import sweep as sweeps

EXERCISE = re.compile(
    r"^(?P<fence>`{3,})\{exercise\}\s*(?P<title>[^\n]*)\n(?P<text>.*?)^(?P=fence)\s*$", re.M | re.S
)
LABEL = re.compile(r"^:label:\s*(\S+)\s*$", re.MULTILINE)
SOLUTION = re.compile(
    r"^(?P<fence>`{3,})\{solution\}\s*(?P<label>\S+)\n(?P<text>.*?)^(?P=fence)\s*$", re.M | re.S
)
BLOCK = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<code>.*?)^(?P=fence)\s*$", re.M | re.S
)
KEY = "solution"  # in a cell's metadata: the label of the exercise that it solves

# what the chapter has bound when its first solution begins is what every solution finds
KEEP = "_chapter = {k: v for k, v in globals().items() if not k.startswith('_')}"
RESTORE = """\
for _name in [k for k in globals() if not k.startswith("_") and k not in _chapter]:
    del globals()[_name]
globals().update(_chapter)
_began = __import__("time").perf_counter()"""
TELL = """\
__import__("dynamix").notebooks.record({label!r}, __import__("time").perf_counter() - _began)"""


@dataclass(frozen=True)
class Solution:
    """A solution as it stands in a chapter: its exercise, its blocks of code and their language."""

    label: str
    title: str
    blocks: tuple[tuple[str, str], ...]

    @property
    def python(self) -> tuple[str, ...]:
        """What can be run."""
        return tuple(code for language, code in self.blocks if language == "python")

    @property
    def kind(self) -> str:
        """``code``, ``command`` for the shell only, or ``argument`` where there is no block."""
        return "code" if self.python else "command" if self.blocks else "argument"


@dataclass(frozen=True)
class Ran:
    """What became of a solution."""

    chapter: str
    solution: Solution
    status: str
    seconds: float | None = None
    printed: str = ""
    error: str = ""
    figures: tuple[Path, ...] = field(default=())


def text_of(notebook: Any) -> str:
    """All that a notebook says between its code cells."""
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def exercises(text: str) -> dict[str, str]:
    """The exercises of a markdown text: titles by label, in their order."""
    found = {}
    for match in EXERCISE.finditer(text):
        label = LABEL.search(match["text"])
        found[label[1] if label else ""] = match["title"].strip()
    return found


def solutions(text: str, titles: dict[str, str]) -> Iterator[tuple[int, Solution]]:
    """The solutions of a markdown text, each with the place where it ends."""
    for match in SOLUTION.finditer(text):
        blocks = tuple((b["language"].strip(), b["code"]) for b in BLOCK.finditer(match["text"]))
        label = match["label"]
        yield match.end(), Solution(label, titles.get(label, ""), blocks)


def of(notebook: Any) -> list[Solution]:
    """All solutions of a notebook."""
    text = text_of(notebook)
    return [solution for _, solution in solutions(text, exercises(text))]


def with_solutions(notebook: Any) -> Any:
    """A copy of a notebook in which the solutions' python blocks are cells behind their text.

    Code cells stay as they are, without their outputs. A solution that fails does not stop those
    after it; a cell of the chapter that fails does.
    """
    new, titles = nbformat.v4, exercises(text_of(notebook))
    made, first = copy.deepcopy(notebook), True
    made.cells = []
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            again = copy.deepcopy(cell)
            if cell.cell_type == "code":
                again.outputs, again.execution_count = [], None
            made.cells.append(again)
            continue
        begin = 0
        for end, solution in solutions(cell.source, titles):
            made.cells.append(new.new_markdown_cell(cell.source[begin:end].strip()))
            begin = end
            if not solution.python:
                continue
            if first:
                made.cells.append(new.new_code_cell(KEEP))
                first = False
            made.cells.append(new.new_code_cell(RESTORE))
            made.cells += [
                new.new_code_cell(
                    code.rstrip(), metadata={KEY: solution.label, "tags": ["raises-exception"]}
                )
                for code in solution.python
            ]
            made.cells.append(new.new_code_cell(TELL.format(label=solution.label)))
        if cell.source[begin:].strip():
            made.cells.append(new.new_markdown_cell(cell.source[begin:].strip()))
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number:03d}"
    return made


def outcome(ran: Path, solution: Solution, *, seconds: float | None) -> Ran:
    """What a solution printed and drew in a copy that was run; figures are saved beside it."""
    cells = [c for c in nbformat.read(ran, 4).cells if c.metadata.get(KEY) == solution.label]
    printed, errors, figures = [], [], []
    for output in (output for cell in cells for output in cell.outputs):
        if output.output_type == "stream":
            printed.append(output.text)
        elif output.output_type == "error":
            errors.append(f"{output.ename}: {output.evalue}")
        elif "image/png" in output.data:
            path = ran.with_name(f"{ran.stem}-{solution.label}-{len(figures) + 1}.png")
            path.write_bytes(base64.b64decode(output.data["image/png"]))
            figures.append(path)
        else:
            printed.append(f"{output.data.get('text/plain', '')}\n")
    # blocks after a failed one mostly fail for want of it
    status = "failed" if errors else "ran" if seconds is not None else "not reached"
    error = errors[0] if errors else ""
    return Ran(
        ran.stem, solution, status, seconds, "".join(printed).rstrip(), error, tuple(figures)
    )


def run(path: Path, *, folder: Path, values: dict[str, object] | None = None) -> list[Ran]:
    """Run a chapter with its solutions; what ran lies in ``folder`` afterwards.

    A cell of the chapter itself that fails is a row without a solution.
    """
    notebook = nbformat.read(path, as_version=4)
    found = of(notebook)
    result: list[Ran] = []
    if any(solution.python for solution in found):
        source, output = folder / "copies" / path.name, folder / path.name
        source.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(with_solutions(notebook), source)
        output.unlink(missing_ok=True)
        # in the notebook's folder, from where its cells find what they read
        job = sweeps.Job(source, output, values or {}, cwd=path.parent)
        (done,) = sweeps.run_all([job], workers=1)
        seconds = notebooks.recorded(output) if output.is_file() else {}
        for solution in found:
            if solution.python and output.is_file():
                took = seconds.get(solution.label)
                result.append(outcome(output, solution, seconds=took))
            else:
                result.append(Ran(path.stem, solution, solution.kind))
        if done.error and not any(ran.status == "failed" for ran in result):
            nothing = Solution("", "the chapter's own cells", ())
            result.insert(0, Ran(path.stem, nothing, "failed", done.seconds, error=done.error))
        return result
    return [Ran(path.stem, solution, solution.kind) for solution in found]


def show(ran: Ran) -> None:
    """Print a solution's outputs under its name."""
    if not (ran.printed or ran.error or ran.figures):
        return
    print(f"\n{ran.chapter}, {ran.solution.label}: {ran.solution.title}")
    for line in [*ran.printed.splitlines(), *(f"figure: {path.name}" for path in ran.figures)]:
        print(f"    {line}")
    if ran.error:
        print(f"    FAILED: {ran.error}", flush=True)


def table(rows: list[Ran]) -> str:
    """What ran, a line each."""
    cells = [("chapter", "exercise", "outcome", "seconds")]
    for ran in rows:
        took = "" if ran.seconds is None else f"{ran.seconds:.1f}"
        name = ran.solution.label or ran.solution.title
        cells.append((ran.chapter, name, ran.status, took))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Run the solutions of the book's exercises.")
    parser.add_argument("names", nargs="*", help="beginnings of chapters' names (default: all)")
    parser.add_argument("--profile", help="parameters of book/profiles.yml")
    options = parser.parse_args()
    values = profile(options.profile) if options.profile else {}
    folder = BUILD / "solutions" / (options.profile or "")
    rows: list[Ran] = []
    for path in sorted(BOOK.glob("[0-9][0-9]_*.ipynb")):
        if options.names and not path.name.startswith(tuple(options.names)):
            continue
        made = run(path, folder=folder, values=values.get(path.stem))
        for ran in made:
            show(ran)
        rows += made
    if not rows:
        sys.exit(f"no chapter in book/ begins with {' or '.join(options.names)}")
    print(f"\n{table(rows)}")
    bad = [ran for ran in rows if ran.status in ("failed", "not reached")]
    for ran in bad:
        where = f"exercise {ran.solution.label!r}" if ran.solution.label else ran.solution.title
        print(f"{ran.chapter}, {where} {ran.status}: {ran.error}", file=sys.stderr)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
