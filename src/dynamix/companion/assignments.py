"""Assignments: a notebook for students, and one with the answers, from a chapter's exercises.

Both hold the chapter's code that the solutions need. Each exercise has its text, a place for the
answer, and a cell of tests: the ``assert`` statements at the end of its solution. An exercise whose
solution is an argument is answered in words and read by a person.
"""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from . import BUILD, notebooks, parts, plain, solutions, stamps
from . import run as book

PLACE = "dynamix_assignment"  # in a cell's metadata: its part, and the label of its exercise
CHAPTER, TEXT, ANSWER, TESTS = "chapter", "text", "answer", "tests"
BEGIN, END = "### BEGIN ANSWER {label}", "### END ANSWER {label}"
HEAD = "# Tests of {label}. Grading runs its own copy of them."
FOR_STUDENTS = """\
Run the cells from top to bottom. Write each answer between its two marks; you may add cells there.
The tests below an answer say at once whether they pass. Grading runs its own copy of these tests.
Answers in words are read by a person."""
FOR_TEACHERS = """\
This notebook holds the answers. `dynamix book grade key.ipynb SUBMISSION.ipynb` grades with it."""
OPTION = re.compile(r"^:\w+:.*\n?", re.MULTILINE)  # of an exercise or a solution
WORDS = "*Your answer, in words:*"


@dataclass(frozen=True)
class Exercise:
    """An exercise: what it asks, its solution in code and in words, and the tests of an answer.

    ``names`` are those that the tests read and that an answer must define. Without tests there are
    no points.
    """

    label: str
    title: str
    asks: str
    code: str = ""
    tests: str = ""
    names: tuple[str, ...] = ()
    words: str = ""

    @property
    def points(self) -> int:
        """One for each test."""
        return len(each_test(self.tests))

    @property
    def unnamed(self) -> list[str]:
        """The names that the tests read and the text of the exercise does not give, as code."""
        codes = " ".join(re.findall(r"`([^`]+)`", self.asks))
        return [name for name in self.names if not re.search(rf"(?<![\w-]){name}(?![\w-])", codes)]


@dataclass(frozen=True)
class Code:
    """A code cell of the chapter, and whether it holds the parameters."""

    source: str
    parameters: bool = False

    @property
    def python(self) -> str:
        """The cell as plain Python."""
        return stamps.plain_python(self.source)


@dataclass
class Assignment:
    """A chapter's title, the code cells that its solutions need, and its exercises, in order."""

    chapter: str
    title: str
    parts: list[Code | Exercise] = field(default_factory=list)

    @property
    def exercises(self) -> list[Exercise]:
        """The exercises, without the code between them."""
        return [part for part in self.parts if isinstance(part, Exercise)]

    def notebook(self, *, key: bool) -> Any:
        """The notebook for students; with ``key`` the one that has the answers."""
        from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

        title = f"# {'Key' if key else 'Assignment'}: {self.title}"
        note = FOR_TEACHERS if key else FOR_STUDENTS
        cells = [new_markdown_cell(f"{title}\n\n{note}")]
        for part in self.parts:
            if isinstance(part, Code):
                tags = ["parameters"] if part.parameters else []
                marks = {PLACE: {"part": CHAPTER}, "tags": tags}
                cells.append(new_code_cell(part.source, metadata=marks))
            else:
                cells += _cells(part, key=key)
        made = notebooks.clean(new_notebook(cells=cells))
        made.metadata[PLACE] = self.chapter
        return made


def _cells(exercise: Exercise, *, key: bool) -> Iterator[Any]:
    """The cells of an exercise."""
    from nbformat.v4 import new_code_cell, new_markdown_cell

    def marks(part: str) -> dict[str, Any]:
        return {PLACE: {"part": part, "exercise": exercise.label}}

    points = f" ({_points(exercise)})" if exercise.points else ""
    text = f"## {exercise.title}{points}\n\n{exercise.asks}"
    yield new_markdown_cell(f"<!-- {exercise.label} -->\n{text}", metadata=marks(TEXT))
    if key and exercise.words:
        yield new_markdown_cell(exercise.words)
    if not exercise.code:
        if not key:
            yield new_markdown_cell(WORDS, metadata=marks(ANSWER))
        return
    begin, end = (mark.format(label=exercise.label) for mark in (BEGIN, END))
    needed = f"# The tests read: {', '.join(exercise.names)}\n" if exercise.names else ""
    answer = exercise.code if key else "..."
    source = f"# Your answer\n{needed}{begin}\n{answer}\n{end}"
    yield new_code_cell(source, metadata=marks(ANSWER))
    if exercise.tests:
        source = f"{HEAD.format(label=exercise.label)}\n{exercise.tests}"
        yield new_code_cell(source, metadata=marks(TESTS))


def _points(exercise: Exercise) -> str:
    """The points of an exercise in words."""
    if not exercise.points:
        return "read by a person"
    return f"{exercise.points} point{'s' if exercise.points > 1 else ''}"


def assignment(notebook: Any, *, chapter: str) -> Assignment:
    """The assignment of a chapter; raises :class:`InputError` if it has no exercises."""
    text = parts.text(notebook)
    known = {solution.label: solution for solution in solutions.of(notebook)}
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    made = Assignment(chapter, plain.markdown(heading[1]) if heading else chapter)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            made.parts.append(Code(cell.source, parameters="parameters" in parts.tags(cell)))
        elif cell.cell_type == "markdown":
            words = {m["label"]: m["text"] for m in solutions.SOLUTION.finditer(cell.source)}
            for match in solutions.EXERCISE.finditer(cell.source):
                made.parts.append(_exercise(match, known, words))
    if not made.exercises:
        raise InputError(
            f"{chapter} has no exercises, so there is nothing to make an assignment of. Write them "
            "as {exercise} and {solution} blocks, as the other chapters do."
        )
    made.parts = list(_needed(made))
    return made


def _exercise(match: Any, known: dict[str, Any], words: dict[str, str]) -> Exercise:
    """An exercise from its block in the text and from its solution."""
    label = solutions.LABEL.search(match["text"])
    name = label[1] if label else ""
    asks = plain.markdown(OPTION.sub("", match["text"]))
    title = plain.markdown(match["title"].strip())
    solution = known.get(name, solutions.Solution(name, title))
    code, tests = split("\n\n".join(block.strip() for block in solution.python))
    told = solutions.BLOCK.sub(_without_python, OPTION.sub("", words.get(name, "")))
    names = tuple(sorted(defined(code, tests)))
    return Exercise(name, title, asks, code, tests, names, plain.markdown(told))


def _without_python(block: re.Match[str]) -> str:
    return "" if block["language"].strip() == "python" else block[0]


def _needed(made: Assignment) -> Iterator[Code | Exercise]:
    """The parts without the code cells that no exercise needs."""
    wanted = {name for e in made.exercises for name in reads(e.code) | reads(e.tests)}
    for exercise in made.exercises:  # a question may name what the chapter has defined
        for code in re.findall(r"`([^`]+)`", exercise.asks):
            wanted |= set(re.findall(r"[^\W\d]\w*", code))
    codes = [part for part in made.parts if isinstance(part, Code)]
    modules = {name for part in codes for name in imported(part.python)}
    kept = []
    for part in reversed(made.parts):
        if isinstance(part, Code) and not part.parameters:
            code = part.python
            touched = binds(code) | (changes(code) - modules)
            if not imported(code) and not touched & wanted:
                continue
            wanted |= reads(code)
        kept.append(part)
    return reversed(kept)


def split(code: str) -> tuple[str, str]:
    r"""A solution's code and its tests, which are the ``assert`` statements at its end.

    A loop over nothing but tests is a test. An assignment between tests that calls nothing goes
    with them, and so do imports of what they read.

    >>> code, tests = split("x = max(1, 2)\nprint(x)\nassert x > 1\ny = x\nassert y < 3")
    >>> tests.splitlines()
    ['assert x > 1', 'y = x', 'assert y < 3']
    """
    statements, lines = ast.parse(code).body, code.splitlines()
    begin = len(statements)
    while begin and (
        is_test(statements[begin - 1])
        or isinstance(statements[begin - 1], ast.Assign | ast.AnnAssign | ast.Expr)
    ):
        begin -= 1
    tail = statements[begin:]
    first = next((at for at, node in enumerate(tail) if is_test(node)), len(tail))
    moved: set[int] = set()
    for node in tail[first:]:
        calls = any(isinstance(inner, ast.Call) for inner in ast.walk(node))
        if is_test(node) or (isinstance(node, ast.Assign | ast.AnnAssign) and not calls):
            start, end = node.lineno - 1, int(node.end_lineno or node.lineno)
            while start and lines[start - 1].startswith("#"):  # a comment about the test
                start -= 1
            moved |= set(range(start, end))
    tests = "\n".join(lines[at] for at in sorted(moved))
    read = reads(tests)
    imports = [
        ast.unparse(node)
        for node in statements
        if isinstance(node, ast.Import | ast.ImportFrom) and imported(ast.unparse(node)) & read
    ]
    kept = "\n".join(line for at, line in enumerate(lines) if at not in moved)
    return kept.strip(), "\n".join([*imports, tests])


def is_test(node: ast.AST) -> bool:
    """Whether a statement only tests: an assertion, or a loop or block of assertions."""
    if isinstance(node, ast.For | ast.With | ast.If):
        return all(map(is_test, node.body)) and not getattr(node, "orelse", [])
    return isinstance(node, ast.Assert)


def each_test(code: str) -> list[str]:
    """The single tests of a cell of tests, each with what stands before it and is none."""
    found, before = [], []
    for node in ast.parse(code).body:
        before.append(ast.unparse(node))
        if is_test(node):
            found.append("\n".join(before))
            before = []
    return found


def reads(code: str) -> set[str]:
    """The names of a module that its code reads, also within functions."""

    def of(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (table.get_type() == "module" or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from of(child)

    return set(of(symtable.symtable(code, "cell", "exec")))


def binds(code: str) -> set[str]:
    """The names that a module's code assigns, defines or imports."""

    def of(table: symtable.SymbolTable) -> Iterator[str]:
        for symbol in table.get_symbols():
            bound = symbol.is_assigned() or symbol.is_imported()
            if bound and (table.get_type() == "module" or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():  # a comprehension may hold ":="
            yield from of(child)

    return set(of(symtable.symtable(code, "cell", "exec")))


def defined(code: str, tests: str) -> set[str]:
    """The names that tests read and an answer with this code defines, but not the tests."""
    return reads(tests) & binds(code) - imported(code) - binds(tests)


def imported(code: str) -> set[str]:
    """The names that a module's code imports."""
    symbols = symtable.symtable(code, "cell", "exec").get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_imported()}


def changes(code: str) -> set[str]:
    """The names whose values code changes in place, as ``a[0] = 1``, ``a.b = 1``, ``a.b()`` do."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        inside: ast.AST = node
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            inside = node.value.func
        elif not isinstance(getattr(node, "ctx", None), ast.Store):
            continue
        outer = inside
        while isinstance(inside, ast.Attribute | ast.Subscript):
            inside = inside.value
        if isinstance(inside, ast.Name) and inside is not outer:
            found.add(inside.id)
    return found


def write(names: Sequence[str], *, say: Callable[[str], None]) -> None:
    """Write the assignments of chapters into ``_build/assignments``, and say what they hold."""
    for path in (book.find(name) for name in names):
        made = assignment(notebooks.read(path), chapter=path.stem)
        folder = BUILD / "assignments" / path.stem[:2]
        folder.mkdir(parents=True, exist_ok=True)
        for name, key in (("student", False), ("key", True)):
            notebooks.write(made.notebook(key=key), folder / f"{name}.ipynb")
            say(f"{(folder / f'{name}.ipynb').as_uri()}")
        for exercise in made.exercises:
            say(f"  {exercise.label}: {exercise.title} ({_points(exercise)})")


def key_of(path: Path) -> Any:
    """The key in a file, or the key of the chapter in a file."""
    notebook = notebooks.read(path)
    if PLACE in notebook.metadata:
        return notebook
    return assignment(notebook, chapter=path.stem).notebook(key=True)
