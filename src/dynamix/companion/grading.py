"""Grading: the answers of a submission are run with the key's code and the key's tests.

Only the answers are taken from the submission. Each sees the chapter's names, and none of another
answer. One that fails, takes too long, or ends the kernel costs its own points only. Beware: an
answer is a program, and runs with the rights of whoever grades it.
"""

from __future__ import annotations

import ast
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..io.files import open_log, write_text
from . import BUILD, assignments, notebooks, parts, solutions
from . import run as book
from .assignments import ANSWER, CHAPTER, PLACE, TESTS, TEXT

LIMIT = 600.0  # seconds for one answer
LONGEST = 100  # letters of a test in a report
BEGINS = re.compile(r"^(?:<!-- (\S+) -->|### BEGIN ANSWER (\S+))\s*$", re.MULTILINE)
WATCH = '__import__("dynamix.companion.limits").companion.limits.watch({limit!r})'
# an answer may have given a name of the chapter another value; only those it should define count
HOLD = "globals().update({{k: v for k, v in _chapter.items() if k not in {names!r}}})"


@dataclass(frozen=True)
class Grade:
    """The points of an exercise, of how many (0 if a person reads it), and why not all."""

    exercise: str
    title: str
    points: int
    of: int
    why: str = ""


@dataclass(frozen=True)
class Asked:
    """An exercise of the key: its title, its tests one by one, and the names an answer defines."""

    title: str
    tests: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def asked(key: Any) -> dict[str, Asked]:
    """The exercises of a key by label, in their order."""
    found: dict[str, Asked] = {}
    answer = ""
    for cell in key.cells:
        place = cell.metadata.get(PLACE, {})
        label = place.get("exercise", "")
        if place.get("part") == TEXT:
            heading = re.search(r"^## (.*?)(?: \(\d+ points?\))?$", cell.source, re.MULTILINE)
            found[label] = Asked(heading[1] if heading else label)
        elif place.get("part") == ANSWER:
            answer = cell.source
        elif place.get("part") == TESTS:
            names = assignments.defined(answer, cell.source)
            tests = tuple(assignments.each_test(cell.source))
            found[label] = Asked(found[label].title, tests, tuple(sorted(names)))
    return found


def answers(submission: Any) -> dict[str, list[str]]:
    """The code cells of each answer by the exercise's label.

    An answer is all code between the text of its exercise and the next one, but for the tests.
    """
    found: dict[str, list[str]] = {}
    label = None
    for cell in submission.cells:
        if begins := BEGINS.search(cell.source):
            label = begins[1] or begins[2]
            found.setdefault(label, [])
        part = cell.metadata.get(PLACE, {}).get("part")
        tests = part == TESTS or cell.source.startswith("# Tests of ")
        if cell.cell_type == "code" and label is not None and part != CHAPTER and not tests:
            found[label].append(cell.source)
    return found


def is_empty(codes: Sequence[str]) -> bool:
    """Whether an answer is still the gap that it was."""
    try:
        statements = ast.parse("\n".join(codes)).body
    except SyntaxError:
        return False
    return all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in statements)


def with_answers(
    key: Any, given: dict[str, list[str]], exercises: dict[str, Asked], *, limit: float = LIMIT
) -> Any:
    """The key's chapter with the given answers in place of its own, each with the key's tests."""
    from nbformat.v4 import new_code_cell, new_notebook

    cells = []
    for cell in key.cells:
        place = cell.metadata.get(PLACE, {})
        label = place.get("exercise", "")
        if place.get("part") == CHAPTER:
            cells.append(new_code_cell(cell.source, metadata={"tags": parts.tags(cell)}))
        elif place.get("part") == TESTS and label in given:
            after = {PLACE: {"part": "after", "exercise": label}}
            if label == next(iter(given)):
                cells.append(new_code_cell(WATCH.format(limit=limit)))
            cells.append(new_code_cell(solutions.KEEP))
            for part, codes in ((ANSWER, given[label]), (TESTS, exercises[label].tests)):
                marks = {PLACE: {"part": part, "exercise": label}, "tags": ["raises-exception"]}
                cells += [new_code_cell(code, metadata=marks) for code in codes]
                if part == ANSWER:
                    hold = HOLD.format(names=exercises[label].names)
                    cells.append(new_code_cell(hold, metadata=after))
            cells.append(new_code_cell(solutions.RESTORE, metadata=after))
    return notebooks.clean(new_notebook(cells=cells))


def grade(key: Any, submission: Any, *, limit: float = LIMIT) -> list[Grade]:
    """Grade a submission; one row for each exercise of the key.

    Raises :class:`InputError` if the key has no tests, or its own code fails.
    """
    exercises, written = asked(key), answers(submission)
    if not any(exercise.tests for exercise in exercises.values()):
        raise InputError("none of these exercises has tests, so there is nothing to grade.")
    why: dict[str, str] = {}
    for label, exercise in exercises.items():
        if not exercise.tests:
            why[label] = "read by a person"
        elif label not in written:
            why[label] = "the submission lacks this exercise"
        elif is_empty(written[label]):
            why[label] = "no answer"
    given = {k: written[k] for k in exercises if k not in why}
    results = _results(key, given, exercises, limit)
    for label in list(given)[1:]:
        # what an answer changes in place is changed for those after it: judge a loser alone
        if label in results and results[label][0] < len(exercises[label].tests):
            results |= _results(key, {label: given[label]}, exercises, limit)
    rows = [(label, *results.get(label, (0, why.get(label, "")))) for label in exercises]
    return [
        Grade(label, exercises[label].title, points, len(exercises[label].tests), told)
        for label, points, told in rows
    ]


def _results(
    key: Any, given: dict[str, list[str]], exercises: dict[str, Asked], limit: float
) -> dict[str, tuple[int, str]]:
    """Points and what was wrong by exercise; one that ends the kernel is left out of a new run."""
    found: dict[str, tuple[int, str]] = {}
    while running := {label: codes for label, codes in given.items() if label not in found}:
        ran, error = _run(with_answers(key, running, exercises, limit=limit))
        killer = _unfinished(ran)
        if killer == "":
            raise InputError(f"the chapter's own code fails, so nothing is graded: {error}")
        if killer is None:
            return found | {label: _result(ran, label) for label in running}
        found[killer] = (0, "the answer ended the kernel")
    return found


def _run(notebook: Any) -> tuple[Any, str]:
    """Run a notebook; returns what ran, and the error of it, which may be an answer's."""
    BUILD.mkdir(exist_ok=True)
    # answers run in a folder of the project, where the chapter finds the stored results
    with tempfile.TemporaryDirectory(dir=BUILD) as cwd, tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "answers.ipynb"), Path(folder, "ran.ipynb")
        notebooks.write(notebook, source)
        error = ""
        try:
            with _quiet(Path(folder, "log")):
                notebooks.run(source, output, cwd=cwd)
        except notebooks.NotebookError as failure:
            error = str(failure).partition("\n")[0]
        return notebooks.read(output), error


@contextmanager
def _quiet(log: Path) -> Iterator[None]:
    """Keep what kernels write to standard error from the screen."""
    kept = os.dup(2)
    try:
        with open_log(log) as file:
            os.dup2(file.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _unfinished(ran: Any) -> str | None:
    """The exercise at which a run ended; empty for the chapter's own code, None if all cells ran.

    A cell that kills the kernel may have got its number, but what comes after it has none.
    """
    for cell in ran.cells:
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            return str(cell.metadata.get(PLACE, {}).get("exercise", ""))
    return None


def _result(ran: Any, label: str) -> tuple[int, str]:
    """The number of tests of an exercise that passed, and what was wrong."""
    passed, wrong = 0, []
    for cell in ran.cells:
        place = cell.metadata.get(PLACE, {})
        if place.get("exercise") != label:
            continue
        errors = [o for o in cell.outputs if o.output_type == "error"]
        if not errors:
            passed += place["part"] == TESTS
            continue
        told = f"{errors[0].ename}: {errors[0].evalue}".removesuffix(": ")
        if place["part"] == ANSWER:
            wrong.append(f"the answer fails with {told}")
        else:
            test = " ".join(cell.source.splitlines()[-1].split())
            test = test if len(test) <= LONGEST else f"{test[: LONGEST - 3]}..."
            wrong.append(test if told == "AssertionError" else f"{test} ({told})")
    return passed, "; ".join(wrong)


def table(grades: Sequence[Grade]) -> str:
    """The grades, one line each, and their sum."""
    rows = [(g.exercise, f"{g.points} of {g.of}" if g.of else "-", g.why) for g in grades]
    rows.append(("sum", "{} of {}".format(*_sum(grades)), ""))
    frame = pd.DataFrame(rows, columns=["exercise", "points", "why"])
    width = max(map(len, frame["why"]))
    return frame.to_string(index=False, formatters={"why": f"{{:<{width}}}".format})


def _sum(grades: Sequence[Grade]) -> tuple[int, int]:
    return sum(g.points for g in grades), sum(g.of for g in grades)


def run(key: str, paths: Sequence[str], *, limit: float, say: Callable[[str], None]) -> None:
    """Grade submissions with a key or a chapter; show tables, and write JSON beside each file."""
    notebook = assignments.key_of(book.find(key))
    for path in map(Path, paths):
        grades = grade(notebook, notebooks.read(path), limit=limit)
        points, of = _sum(grades)
        report = {"submission": path.name, "chapter": notebook.metadata[PLACE]}
        report |= {"points": points, "of": of, "exercises": list(map(asdict, grades))}
        target = path.with_suffix(".grade.json")
        write_text(target, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        say(f"{path.name}\n{table(grades)}\n{target.resolve().as_uri()}\n")
