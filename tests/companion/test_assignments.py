"""Assignments: what students get, what the key holds, and that no answer is given away."""

from __future__ import annotations

import ast

import nbformat
import pytest
from helpers import ROOT
from hypothesis import given
from hypothesis import strategies as st

from dynamix import InputError, cli
from dynamix.companion import assignments, run, solutions
from dynamix.companion.assignments import PLACE, binds, changes, reads, split
from dynamix.companion.parts import text

CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb"))
EXERCISES = """\
## Exercises

```{exercise} Twice the {term}`tide <tides>`
:label: ex-twice
What is twice `level` of [chapter 1](01.ipynb), and `unused` {cite}`unknown`?
```

````{solution} ex-twice
:class: dropdown
Use `math`.
```python
from math import isclose

found = {}
for factor in (1, 2):
    found[factor] = factor * level
secret = sum(found.values())
# twice as much
assert isclose(found[2], 2 * level)
wanted = found[1]
assert wanted < found[2]
print(secret)
```
It doubles.
````

```{exercise} Why
:label: ex-why
Say why.
```

````{solution} ex-why
:class: dropdown
Because of the moon.
````

```{exercise} Untested
:label: ex-untested
Draw.
```

````{solution} ex-untested
:class: dropdown
```python
print(level)
```
````
"""


def chapter(*codes: str, exercises: str = EXERCISES):
    new = nbformat.v4
    cells = [new.new_markdown_cell("# Tides\n\n*After this chapter you can wait.*")]
    cells.append(new.new_code_cell("moon = 1", metadata={"tags": ["parameters"]}))
    cells += [new.new_code_cell(code) for code in codes]
    cells.append(new.new_markdown_cell(exercises))
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return new.new_notebook(cells=cells, metadata=metadata)


CODES = (
    "import math\nprint('setup')",
    "height = 2.0 * moon",
    "level = math.sqrt(height)",
    "level += 1\nheight_of_another = 3",
    "sun = 5",
    "unused = sun",
    "sun_again = 7",
)


@pytest.fixture
def made():
    return assignments.assignment(chapter(*CODES), chapter="04_tide")


def parts(notebook) -> list[str]:
    return [c.metadata.get(PLACE, {}).get("part", "-") for c in notebook.cells]


def test_students_get_text_gaps_and_tests_but_no_answer(made):
    student = made.notebook(key=False)
    nbformat.validate(student)
    assert parts(student)[:8] == ["-"] + ["chapter"] * 7
    assert parts(student)[8:] == ["text", "answer", "tests", "text", "answer", "text", "answer"]
    whole = "\n".join(cell.source for cell in student.cells)
    for secret in ("factor *", "secret", "It doubles", "the moon", "sun_again", "Use `math`"):
        assert secret not in whole
    text, gap, tests = (cell.source for cell in student.cells[8:11])
    assert text == (
        "<!-- ex-twice -->\n## Twice the tide (2 points)\n\n"
        "What is twice `level` of chapter 1, and `unused`?"
    )
    assert gap == (
        "# Your answer\n# The tests read: found\n### BEGIN ANSWER ex-twice\n...\n"
        "### END ANSWER ex-twice"
    )
    assert tests.splitlines()[1:] == [
        "from math import isclose",
        "# twice as much",
        "assert isclose(found[2], 2 * level)",
        "wanted = found[1]",
        "assert wanted < found[2]",
    ]
    # an argument is answered in words; code without tests has a gap, and no points
    assert student.cells[12].cell_type == "markdown"
    assert [exercise.points for exercise in made.exercises] == [2, 0, 0]


def test_the_key_holds_the_answers_in_words_and_in_code(made):
    key = made.notebook(key=True)
    whole = "\n".join(cell.source for cell in key.cells)
    for part in ("found[factor] = factor * level", "print(secret)", "It doubles.", "the moon"):
        assert part in whole
    assert "class: dropdown" not in whole
    assert whole.count("assert ") == 2
    names: dict = {"print": lambda *_: None}
    for cell in key.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)  # a key passes its own tests


def test_only_the_code_that_exercises_need_is_kept(made):
    code = [part.source for part in made.parts if isinstance(part, assignments.Code)]
    assert code == ["moon = 1", *CODES[:6]]


@pytest.mark.parametrize(
    ("code", "read", "bound", "changed"),
    [
        ("a = b", {"b"}, {"a"}, set()),
        ("[x * k for x in a]", {"k", "a"}, set(), set()),
        ("def f(x):\n    return x + y", {"y"}, {"f"}, set()),
        ("import a.b as c\nc.d()", {"c"}, {"c"}, {"c"}),
        ("a[0].b = 1\nd.e(f)\ng.h", {"a", "d", "f", "g"}, set(), {"a", "d"}),
        ("for i in a:\n    b.append(i)", {"a", "b", "i"}, {"i"}, {"b"}),
        ("[f for x in a if (f := g(x))]", {"a", "f", "g"}, {"f"}, set()),
        ("min(a, key=lambda v: a[v])", {"min", "a"}, set(), set()),
    ],
)
def test_names_that_code_reads_binds_and_changes(code, read, bound, changed):
    assert (reads(code), binds(code), changes(code)) == (read, bound, changed)


@pytest.mark.parametrize(
    ("code", "tests"),
    [
        ("x = 1", ""),
        ("assert True\nfor i in a:\n    x = i", ""),  # tests stand at the end
        ("x = 1\nassert x", "assert x"),
        ("x = 1\nassert x\ny = f(x)\nassert y", "assert x\nassert y"),  # y is the answer's part
        ("x = 1\nfor k in x:\n    assert k\nprint(x)", "for k in x:\n    assert k"),
        ("def f():\n    assert 0\nassert f", "assert f"),
        ("assert (\n    x  # why\n)", "assert (\n    x  # why\n)"),
    ],
)
def test_tests_are_the_assertions_at_the_end(code, tests):
    assert split(code)[1] == tests


@given(
    st.lists(st.sampled_from(["x = 1", "assert x", "f(x)", "y = x", "for a in x:\n    f(a)"])),
)
def test_splitting_loses_no_statement(lines):
    code, tests = split("\n".join(lines))
    together = sorted(map(ast.unparse, [*ast.parse(code).body, *ast.parse(tests).body]))
    assert together == sorted(lines)
    assert not tests or ast.parse(tests).body[0].__class__ is ast.Assert
    assert len(assignments.each_test(tests)) == tests.count("assert")


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_makes_an_assignment(path):
    notebook = nbformat.read(path, as_version=4)
    made = assignments.assignment(notebook, chapter=path.stem)
    titles = solutions.exercises(text(notebook))
    assert [exercise.label for exercise in made.exercises] == list(titles)
    student, key = made.notebook(key=False), made.notebook(key=True)
    nbformat.validate(student)
    nbformat.validate(key)
    gaps = [c.source for c in student.cells if c.metadata.get(PLACE, {}).get("part") == "answer"]
    assert len(gaps) == len(made.exercises)
    assert all(gap.startswith("*") or "\n...\n" in gap for gap in gaps)
    # what answers and tests read is there: in the chapter's code, in the answer, or in Python
    known = set(dir(__builtins__)) | set(__builtins__) | {"display", "get_ipython"}
    for part in made.parts:
        if isinstance(part, assignments.Code):
            known |= binds(part.python)
    for exercise in made.exercises:
        assert reads(exercise.code) - binds(exercise.code) <= known, exercise.label
        own = binds(exercise.code) | binds(exercise.tests)
        assert reads(exercise.tests) <= known | own, exercise.label
        assert set(exercise.names) <= binds(exercise.code)


def test_the_command_writes_both_notebooks(tmp_path, monkeypatch, capsys):
    (tmp_path / "book").mkdir()
    nbformat.write(chapter(*CODES), tmp_path / "book" / "04_tide.ipynb")
    nbformat.write(chapter(exercises="None."), tmp_path / "book" / "05_none.ipynb")
    monkeypatch.setattr(run, "BOOK", tmp_path / "book")
    monkeypatch.setattr(assignments, "BUILD", tmp_path / "_build")
    assert cli.main(["book", "assignment", "04"]) == 0
    told = capsys.readouterr().out
    assert "ex-twice: Twice the tide (2 points)" in told
    assert "ex-why: Why (read by a person)" in told
    folder = tmp_path / "_build" / "assignments" / "04"
    assert sorted(path.name for path in folder.iterdir()) == ["key.ipynb", "student.ipynb"]
    read = nbformat.read(folder / "key.ipynb", as_version=4)
    assert read == assignments.key_of(folder / "key.ipynb")
    assert read == assignments.key_of(tmp_path / "book" / "04_tide.ipynb")
    assert cli.main(["book", "assignment", "05"]) == 2
    assert "has no exercises" in capsys.readouterr().err


def test_a_chapter_without_exercises_is_refused():
    with pytest.raises(InputError, match="no exercises"):
        assignments.assignment(chapter(exercises="Nothing."), chapter="04_tide")


@pytest.mark.parametrize(
    ("asks", "unnamed"),
    [
        ("Store `tide[2]` and call the rest `low`.", []),
        ("The model is `low-tide`; the `tides` are low.", ["low", "tide"]),
    ],
)
def test_names_that_a_student_must_guess_are_found(asks, unnamed):
    exercise = assignments.Exercise("ex-a", "A", asks, names=("low", "tide"))
    assert exercise.unnamed == unnamed


def test_a_name_that_the_tests_bind_themselves_is_not_asked_for():
    assert assignments.defined("for s in a: x = s", "for s in (1, 2):\n    assert x[s]") == {"x"}
