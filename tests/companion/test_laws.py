"""The laws of a chapter: a lawful one passes, each breach is named, and the book keeps them all."""

from __future__ import annotations

import copy

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamix import InputError
from dynamix.companion import laws, notebooks, parts, questions, run

PNG = {"image/png": "aGVsbG8=", "text/plain": "<Figure>"}


def markdown(source, *tags):
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": list(tags)})


def drawing(name, *tags):
    said = {"figure": {"caption": "A curve.", "name": name}, "image": {"alt": "A curve."}}
    output = nbformat.v4.new_output("display_data", data=PNG)
    return nbformat.v4.new_code_cell(
        "draw()", outputs=[output], metadata={"tags": list(tags), "mystnb": said}
    )


def lawful():
    """A small chapter that keeps every law."""
    opening = (
        "# A chapter\n\n*After this chapter you can draw.*\n\n"
        "**10 minutes** · builds on nothing · runs in one minute on a laptop"
    )
    return nbformat.v4.new_notebook(
        cells=[
            markdown(opening),
            drawing("fig-00-a", "opener", "slide"),
            markdown("(sec-one)=\n## One\n\nSee {numref}`fig-00-a` and {numref}`fig-00-b`."),
            drawing("fig-00-b", "slide"),
            markdown("The error is 0.25 here.", "default-run", "slide"),
            markdown("Of the systems, 12 of 69 fail.", "stored", "slide"),
            markdown("(sec-end)=\n## Take away\n\n* A.\n* B.\n* C."),
            markdown(
                "## Exercises\n\n```{exercise} E\n:label: ex-e\nFind `x`: 0.5, 0.6, 0.7.\n```\n\n"
                "````{solution} ex-e\n```python\nx, y = 0.5, 1\nassert x < 1\n```\n````"
            ),
        ]
    )


ASKED = """\
sec-one:
""" + "".join(
    f"""\
  - question: Why {k}?
    answers:
      - text: So.
        right: true
        why: It is so.
      - text: "No"
        why: It is not.
"""
    for k in range(3)
)


@pytest.fixture
def written(tmp_path):
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "00.yml").write_text(ASKED)

    def write(notebook):
        nbformat.write(notebook, tmp_path / "00_chapter.ipynb")
        return tmp_path / "00_chapter.ipynb"

    return write


def test_a_lawful_chapter_passes(written):
    assert laws.problems(written(lawful())) == []


def edited(change):
    notebook = copy.deepcopy(lawful())
    change(notebook.cells)
    return notebook


BREACHES = {
    "lacks the promise": lambda c: c[0].update(source=c[0].source.replace("you can", "one can")),
    "end with the facts": lambda c: c[0].update(source=c[0].source.replace("**", "")),
    "'opener'": lambda c: c[1].metadata.update(tags=["slide"]),
    "no caption": lambda c: c[3].metadata["mystnb"]["figure"].pop("caption"),
    "no alt": lambda c: c[3].metadata["mystnb"].pop("image"),
    "named twice": lambda c: c[3].metadata["mystnb"]["figure"].update(name="fig-00-a"),
    "no sentence refers": lambda c: c[2].update(source="(sec-one)=\n## One\n\n{numref}`fig-00-a`"),
    "more than one figure": lambda c: c[3].outputs.append(c[3].outputs[0]),
    "holds 6 numbers": lambda c: c[4].update(source="We see 1, 2, 3, 4, 5 and 6."),
    "outside of a cell tagged": lambda c: c[4].metadata.update(tags=["slide"]),
    "words without its exercises": lambda c: c[2].update(source=c[2].source + " word" * 2200),
    "make a deck": lambda c: c[4].metadata.update(tags=["default-run"]),
    "'Take away' has 2 points": lambda c: c[6].update(source="## Take away\n\n* A.\n* B."),
    "has no label": lambda c: c[2].update(source=c[2].source.replace("(sec-one)=\n", "")),
    "has 0 questions": lambda c: c[2].update(source=c[2].source.replace("sec-one", "sec-two")),
    "which its text does not name": lambda c: c[7].update(source=c[7].source.replace("x <", "y <")),
    "which is no section": lambda c: c[2].update(source=c[2].source.replace("sec-one", "sec-two")),
}


@pytest.mark.parametrize("told", BREACHES)
def test_each_breach_is_named(written, told):
    found = laws.problems(written(edited(BREACHES[told])))
    assert any(told in problem for problem in found), found


def test_a_listed_constant_may_stand_anywhere(written, tmp_path):
    path = written(edited(lambda c: c[5].metadata.update(tags=["slide"])))
    assert any("12 of 69" in problem for problem in laws.problems(path))
    (tmp_path / "constants.yml").write_text("00_chapter:\n  - text: 12 of 69\n    reason: so\n")
    laws.constants.cache_clear()
    assert laws.problems(path) == []


@pytest.mark.parametrize("path", run.chapters(), ids=lambda path: path.stem)
def test_the_book_keeps_its_laws(path):
    assert laws.problems(path) == []


@given(st.lists(st.integers(0, 999), max_size=8))
def test_every_number_of_a_sentence_is_counted_once(values):
    sentence = "We see " + " and ".join(f"{value}" for value in values) + ", nothing else."
    assert parts.numbers(sentence) == [str(value) for value in values]


def test_names_code_references_and_indices_are_no_numbers():
    text = "`x = 3`, [chapter 3](03_a.ipynb), {numref}`fig-03-a`, $x_1$, $z^2$, AL-RNN2, fig-3"
    assert parts.numbers(text) == parts.exact(text) == []


# --- questions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("right: true", "right: false"), "exactly one of them"),
        (("why: It is so.", "because: so"), "'why' is missing"),
        (('text: "No"', "text: No"), "put it between quotes"),
        (("question: Why 0?", "ask: Why 0?"), "'question' is missing"),
    ],
)
def test_a_broken_question_is_named(tmp_path, change, told):
    path = tmp_path / "00.yml"
    path.write_text(ASKED.replace(*change))
    with pytest.raises(InputError, match=rf"00\.yml, sec-one, question 1: .*{told}"):
        questions.read(path)


def test_every_answer_of_a_page_has_its_reason_and_its_own_key(tmp_path):
    from bs4 import BeautifulSoup

    path = tmp_path / "00.yml"
    path.write_text(ASKED.replace("Why 0?", "Why $x < 1$ and `a<b`?"))
    page = BeautifulSoup(questions.page("sec-one", questions.read(path)["sec-one"]), "html.parser")
    assert len(page.find_all("fieldset")) == 3
    keys = [tag["id"] for tag in page.find_all("input")]
    assert len(keys) == len(set(keys)) == 6
    assert [tag["for"] for tag in page.find_all("label")] == keys
    assert [tag.get_text()[:5] for tag in page.select(".why")] == ["Right", "Not q"] * 3
    assert page.legend.code.get_text() == "a<b"
    assert page.select_one("legend .math").get_text() == r"\(x < 1\)"


# --- a rerun on other parameters ------------------------------------------------------------------


def test_a_rerun_folds_what_was_written_for_the_defaults(tmp_path):
    code = nbformat.v4.new_code_cell("x = (1, 2)\nn = 3", metadata={"tags": ["parameters"]})
    cells = [code, markdown("It is 3.", "default-run"), markdown("It is a number.")]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    source = tmp_path / "a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), source)

    def texts(values):
        notebook = notebooks.read(notebooks.run(source, tmp_path / "b.ipynb", values=values))
        return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]

    assert texts({"x": (1, 2), "n": 3}) == ["It is 3.", "It is a number."]
    assert len(notebooks.unfolded(tmp_path / "b.ipynb")) == 1
    folded, plain = texts({"n": 4})
    assert folded.startswith(f"<details>\n<summary>{notebooks.FOLDED}</summary>\n\nIt is 3.\n")
    assert plain == "It is a number."
    assert notebooks.unfolded(tmp_path / "b.ipynb") == []
