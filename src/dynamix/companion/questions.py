"""Self-check questions: three to a section, kept in ``book/questions``, answered at once.

The pages need no script for them: an answer shows its reason as soon as it is chosen.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

FOLDER = "questions"  # in the book's folder
PER_SECTION = 3


@dataclass(frozen=True)
class Answer:
    """A possible answer: its text, whether it is right, and why."""

    text: str
    why: str
    right: bool


@dataclass(frozen=True)
class Question:
    """A question and its possible answers, of which one is right."""

    text: str
    answers: tuple[Answer, ...]


def read(path: Path) -> dict[str, list[Question]]:
    """The questions of a chapter by the label of their section.

    Raises
    ------
    InputError
        If an entry lacks a part, or has not exactly one right answer; it is named.
    """
    import yaml

    data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    found: dict[str, list[Question]] = {}
    for label, entries in data.items():
        for number, entry in enumerate(entries, start=1):
            place = f"{path.name}, {label}, question {number}"
            try:
                answers = tuple(
                    Answer(_text(a["text"]), _text(a["why"]), a.get("right", False) is True)
                    for a in entry["answers"]
                )
                question = Question(_text(entry["question"]), answers)
            except (KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"{place}: expected 'question' and 'answers', each answer with 'text' and "
                    f"'why'; {error} is missing or of another kind."
                ) from error
            if sum(a.right for a in answers) != 1 or len(answers) < 2:
                raise InputError(
                    f"{place}: expected two or more answers, exactly one of them 'right: true'."
                )
            found.setdefault(str(label), []).append(question)
    return found


def _text(value: object) -> str:
    """A text of the file; YAML takes a bare No for a truth value."""
    if isinstance(value, bool | dict | list | None):
        raise TypeError(f"a text, which {value!r} is not (put it between quotes),")
    return str(value)


def of(notebook: Path) -> dict[str, list[Question]]:
    """The questions of a notebook of the book; a page without any has an empty answer."""
    path = notebook.parent / FOLDER / f"{notebook.stem[:2]}.yml"
    return read(path) if path.is_file() else {}


def page(label: str, questions: list[Question]) -> str:
    """The questions of a section as HTML."""
    parts = "".join(
        part
        for number, question in enumerate(questions, start=1)
        for part in _question(f"{label}-{number}", number, question)
    )
    return (
        '<details class="questions"><summary>Check yourself: '
        f"{len(questions)} questions</summary>{parts}</details>"
    )


def _question(name: str, number: int, question: Question) -> Iterator[str]:
    yield f"<fieldset><legend>{number}. {_inline(question.text)}</legend>"
    for at, answer in enumerate(question.answers):
        key = f"{name}-{at}"
        verdict = "Right." if answer.right else "Not quite."
        yield (
            f'<div class="answer"><input type="radio" id="{key}" name="{name}">'
            f'<label for="{key}">{_inline(answer.text)}</label>'
            f'<p class="why {"right" if answer.right else "wrong"}">'
            f"<strong>{verdict}</strong> {_inline(answer.why)}</p></div>"
        )
    yield "</fieldset>"


def _inline(text: str) -> str:
    """Text as HTML: code between backticks, formulas between dollars, emphasis between stars."""
    made = html.escape(" ".join(text.split()), quote=False)
    made = re.sub(r"`([^`]+)`", r"<code>\1</code>", made)
    formula = r'<span class="math notranslate nohighlight">\\(\1\\)</span>'
    made = re.sub(r"\$([^$]+)\$", formula, made)
    return re.sub(r"(?<!\*)\*\*?([^*]+)\*\*?", r"<em>\1</em>", made)
