"""The solutions of the exercises: found in the text, put where they belong, reported by name."""

from __future__ import annotations

import ast

import nbformat
import pytest
from helpers import ROOT

from dynamix import cli
from dynamix.companion import parts, run, solutions

CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb"))
TEXT = """\
## Exercises

```{exercise} Doubling
:label: ex-double
What is twice `x`? A block in a question is no solution: `print(0)`.
```

````{solution} ex-double
:class: dropdown
```python
x = 2 * x
print("twice", x)
```
It doubles.
```python
x
```
````

```{exercise} By nothing
:label: ex-nothing
Divide.
```

````{solution} ex-nothing
:class: dropdown
```python
print("x is still", x)
1 / 0
```
````

```{exercise} In words
:label: ex-words
Why?
```

````{solution} ex-words
:class: dropdown
Because.
````

```{exercise} The shell
:label: ex-shell
How?
```

````{solution} ex-shell
:class: dropdown
```bash
dynamix --help
```
````

```{exercise} A picture
:label: ex-picture
Draw.
```

````{solution} ex-picture
:class: dropdown
```python
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(1, 1))
axis.plot([0, x])
plt.show()
```
````

## What this does not show
"""


def little(path, *cells):
    new = nbformat.v4
    made = [new.new_code_cell("x = 21", metadata={"tags": ["parameters"]})]
    made += [new.new_code_cell(source) for source in cells]
    made.append(new.new_markdown_cell(TEXT))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new.new_notebook(cells=made, metadata=kernel), path)
    return path


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_of_a_chapter_has_a_solution_that_can_be_run(path):
    notebook = nbformat.read(path, as_version=4)
    text = parts.text(notebook)
    titles, found = solutions.exercises(text), solutions.of(notebook)
    assert text.count("{exercise}") == len(titles) >= 3
    assert text.count("{solution}") == len(found)
    assert [solution.label for solution in found] == list(titles)
    for solution in found:
        # a block in any other language, or in none, would never be run and never be missed
        assert {language for language, _ in solution.blocks} <= {"python", "bash"}
        for code in solution.python:
            ast.parse(code)
    # a fence that is not closed would hide the blocks behind it
    fences = text[text.index("{exercise}") :].count("```python")
    assert sum(len(solution.python) for solution in found) == fences
    copied = solutions.with_solutions(notebook)
    cells = [cell.source for cell in copied.cells if cell.metadata.get("solution")]
    assert cells == [code.rstrip() for solution in found for code in solution.python]
    kept = [cell.source for cell in copied.cells if cell.cell_type == "code"]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.source in kept


def test_solutions_are_told_by_what_they_hold(tmp_path):
    found = solutions.of(nbformat.read(little(tmp_path / "a.ipynb"), as_version=4))
    assert [(s.label, s.title, s.kind) for s in found] == [
        ("ex-double", "Doubling", "code"),
        ("ex-nothing", "By nothing", "code"),
        ("ex-words", "In words", "argument"),
        ("ex-shell", "The shell", "command"),
        ("ex-picture", "A picture", "code"),
    ]
    assert found[0].python == ('x = 2 * x\nprint("twice", x)\n', "x\n")


def test_solutions_stand_behind_their_text_and_no_text_is_lost(tmp_path):
    notebook = nbformat.read(little(tmp_path / "a.ipynb"), as_version=4)
    copied = solutions.with_solutions(notebook)
    text = "\n\n".join(cell.source for cell in copied.cells if cell.cell_type == "markdown")
    assert text.split() == TEXT.split()
    before = {}
    for above, cell in zip(copied.cells, copied.cells[1:], strict=False):
        before.setdefault(cell.metadata.get("solution"), above.source)
    assert before["ex-nothing"] == solutions.RESTORE
    assert [cell.cell_type for cell in copied.cells[:4]] == ["code", "markdown", "code", "code"]
    assert copied.cells[1].source.endswith("x\n```\n````")
    nbformat.validate(copied)
    assert nbformat.read(tmp_path / "a.ipynb", as_version=4) == notebook


def test_a_failing_solution_is_named_and_the_others_run_on(tmp_path, monkeypatch, capsys):
    book = tmp_path / "book"
    book.mkdir()
    (book / "here.txt").write_text("read")
    little(book / "01_little.ipynb", 'print(open("here.txt").read())')
    monkeypatch.setattr(run, "BOOK", book)
    monkeypatch.setattr(solutions, "BUILD", tmp_path / "_build")
    assert cli.main(["book", "solutions", "01"]) == 1
    told = capsys.readouterr()
    assert "01_little, ex-double: Doubling\n    twice 42\n    42" in told.out
    # what the first solution bound is gone again
    assert "x is still 21\n    FAILED: ZeroDivisionError: division by zero" in told.out
    outcomes = [line.split()[1:3] for line in told.out.splitlines()[-5:]]
    assert outcomes == [
        ["ex-double", "ran"],
        ["ex-nothing", "failed"],
        ["ex-words", "argument"],
        ["ex-shell", "command"],
        ["ex-picture", "ran"],
    ]
    assert told.err == (
        "01_little, exercise 'ex-nothing' failed: ZeroDivisionError: division by zero\n"
    )
    assert "01_little, ex-picture: A picture\n    <Figure size 100x100 with 1 Axes>" in told.out
    assert cli.main(["book", "solutions", "07"]) == 2
    assert "no chapter of the book begins with 07" in capsys.readouterr().err


def test_a_chapter_that_fails_itself_is_told_apart(tmp_path):
    path = little(tmp_path / "a.ipynb", "missing")
    rows = solutions.run(path, folder=tmp_path / "out")
    assert rows[0].status == "failed"
    assert "NameError" in rows[0].error
    assert [row.status for row in rows[1:]].count("not reached") == 3
    assert rows[0].solution.title in solutions.table(rows)
