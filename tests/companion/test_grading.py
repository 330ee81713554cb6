"""Grading: right and wrong answers, and answers that crash, cheat, or do not end."""

from __future__ import annotations

import json

import nbformat
import pytest
from companion.test_assignments import chapter

from dynamix import InputError, cli
from dynamix.companion import assignments, grading
from dynamix.companion.assignments import PLACE

CODES = (
    "import math\nlevel, tides = math.sqrt(4.0 * moon), [0]",
    "def twice(x):\n    return 2 * x",
)
NAMES = ("double", "square", "list", "last")
EXERCISES = "\n\n".join(
    f"```{{exercise}} The {name}\n:label: ex-{name}\nSay.\n```\n\n"
    f"````{{solution}} ex-{name}\n:class: dropdown\n```python\n{code}\n```\n````"
    for name, code in {
        "double": "found = twice(level)\nassert found == 4\nassert found > level",
        "square": "level = level**2\nassert level == 4",
        "list": "rows = [level]\nrows.append(1)\nassert len(rows) == 2\nassert rows[0] == level",
        "last": "end = level + len(tides)\nassert end == 3, 'it is no 3'",
    }.items()
)
EXERCISES += (
    "\n\n```{exercise} Words\n:label: ex-words\nWhy?\n```\n\n"
    "````{solution} ex-words\n:class: dropdown\nSo.\n````"
)
RIGHT = {
    "double": "found = level + level",
    "square": "level *= level",
    "list": "rows = [level, 0]",
    "last": "end = 3",
}


@pytest.fixture(scope="module")
def made():
    return assignments.assignment(chapter(*CODES, exercises=EXERCISES), chapter="04_tide")


def submission(made, answers: dict[str, str], *, keep_metadata: bool = True):
    """The students' notebook with these answers in its gaps."""
    notebook = made.notebook(key=False)
    for cell in notebook.cells:
        place = cell.metadata.get(PLACE, {})
        name = place.get("exercise", "").removeprefix("ex-")
        if place.get("part") == "answer" and name in answers:
            cell.source = cell.source.replace("\n...\n", f"\n{answers[name]}\n")
        if not keep_metadata:
            cell.metadata = {}
    return notebook


def graded(made, answers: dict[str, str], **options):
    rows = grading.grade(made.notebook(key=True), submission(made, answers), **options)
    assert [row.exercise for row in rows] == [*(f"ex-{name}" for name in NAMES), "ex-words"]
    assert (rows[-1].points, rows[-1].of, rows[-1].why) == (0, 0, "read by a person")
    return {row.exercise.removeprefix("ex-"): (row.points, row.why) for row in rows[:-1]}


FULL = {"double": (2, ""), "square": (1, ""), "list": (2, ""), "last": (1, "")}


def test_right_answers_and_the_key_itself_get_all_points(made):
    assert graded(made, RIGHT) == FULL
    key = made.notebook(key=True)
    rows = grading.grade(key, key)
    assert [row.points for row in rows] == [row.of for row in rows] == [2, 1, 2, 1, 0]


def test_wrong_answers_are_told_apart_from_crashes_and_gaps(made):
    wrong = {"double": "found = 5", "square": "level = 1 / 0", "last": "end = 'three"}
    found = graded(made, wrong)
    assert found["double"] == (1, "assert found == 4")
    # the chapter's level is restored, for an answer that fails and for all others
    assert found["square"][0] == 0
    assert found["square"][1].startswith("the answer fails with ZeroDivisionError: division by")
    assert found["list"] == (0, "no answer")
    assert found["last"][0] == 0
    assert "SyntaxError" in found["last"][1]
    assert "name 'end' is not defined" in found["last"][1]


def test_a_crash_a_loop_and_a_dead_kernel_cost_their_own_points_only(made):
    answers = {
        "double": "import os\nos._exit(3)",
        "square": "while True:\n    try:\n        pass\n    except Exception:\n        pass",
        "list": "import sys\nsys.exit()",
        "last": "end = 3",
    }
    found = graded(made, answers, limit=2.0)
    assert found["double"] == (0, "the answer ended the kernel")
    assert found["square"][0] == 0
    assert "TooLong: it was stopped after 2 s" in found["square"][1]
    assert found["list"][0] == 0
    assert found["last"] == (1, "")


def test_what_an_answer_changes_in_place_costs_no_other_points(made):
    found = graded(made, {"double": "tides.clear()", "last": "end = level + len(tides)"})
    assert found["double"][0] == 0
    assert found["last"] == (1, "")


def test_only_answers_are_taken_from_a_submission(made):
    """Neither edited tests, nor edited code of the chapter, nor names that stand in its place."""
    cheat = submission(made, {"double": "found = 1", "last": "level = end = 2"})
    for cell in cheat.cells:
        if cell.metadata.get(PLACE, {}).get("part") == "tests":
            cell.source = f"{cell.source.splitlines()[0]}\nassert True"
        if cell.metadata.get(PLACE, {}).get("part") == "chapter":
            cell.source = "level, twice, moon = -1, None, 0"
    answer = next(c for c in cheat.cells if "BEGIN ANSWER ex-list" in c.source)
    answer.source = "level = 7\nrows = [7, 1]"
    rows = grading.grade(made.notebook(key=True), cheat)
    assert [row.points for row in rows] == [0, 0, 1, 0, 0]
    assert rows[2].why == "assert rows[0] == level"
    assert rows[3].why == "assert end == 3, 'it is no 3' (AssertionError: it is no 3)"


def test_cells_that_a_student_adds_count_and_lost_metadata_does_not_matter(made):
    given = submission(made, RIGHT, keep_metadata=False)
    at = next(i for i, c in enumerate(given.cells) if "BEGIN ANSWER ex-last" in c.source)
    given.cells[at].source = "### BEGIN ANSWER ex-last\nhalf = 1.5"
    given.cells.insert(at + 1, nbformat.v4.new_code_cell("end = 2 * half"))
    rows = grading.grade(made.notebook(key=True), given)
    assert [row.points for row in rows] == [2, 1, 2, 1, 0]
    del given.cells[at - 1 : at + 2]
    assert grading.grade(made.notebook(key=True), given)[3].why == (
        "the submission lacks this exercise"
    )


def test_the_command_prints_a_table_and_writes_json(made, tmp_path, capsys):
    key, student = tmp_path / "key.ipynb", tmp_path / "ada.ipynb"
    nbformat.write(made.notebook(key=True), key)
    nbformat.write(submission(made, RIGHT | {"last": "end = 4"}), student)
    assert cli.main(["book", "grade", str(key), str(student)]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert told[:2] == [["ada.ipynb"], ["exercise", "points", "why"]]
    assert ["ex-double", "2", "of", "2"] in told
    assert ["ex-words", "-", "read", "by", "a", "person"] in told
    assert ["sum", "5", "of", "6"] in told
    report = json.loads((tmp_path / "ada.grade.json").read_text())
    assert (report["chapter"], report["points"], report["of"]) == ("04_tide", 5, 6)
    assert report["exercises"][3] == {
        "exercise": "ex-last",
        "title": "The last",
        "points": 0,
        "of": 1,
        "why": "assert end == 3, 'it is no 3' (AssertionError: it is no 3)",
    }


def test_a_key_that_cannot_grade_is_refused(made):
    right = submission(made, RIGHT)
    words = assignments.assignment(
        chapter(exercises=EXERCISES[EXERCISES.index("```{exercise} Words") :]), chapter="05_words"
    )
    with pytest.raises(InputError, match="nothing to grade"):
        grading.grade(words.notebook(key=True), right)
    broken = made.notebook(key=True)
    broken.cells[2].source = "missing"
    with pytest.raises(InputError, match=r"own code fails.*missing"):
        grading.grade(broken, right)
