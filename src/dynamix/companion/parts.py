"""The parts of a chapter: its first cell, sections, figures, paragraphs and tags."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FACTS = re.compile(r"^\*\*\d+ minutes\*\* · builds on .+ · runs in .+$")
_FENCE = re.compile(r"^(`{3,}|:{3,})(?P<head>[^\n]*)\n(?P<body>.*?)^\1[ \t]*$\n?", re.M | re.S)
_EXERCISE = re.compile(r"^`{3,}\{(?:exercise|solution)")
_HEADING = re.compile(r"(?:^\((?P<label>[\w-]+)\)=\n)?^## +(?P<title>[^\n]+)$", re.M)
# the last sections of a chapter, which teach nothing new
CLOSING = ("Exercises", "Take away", "What this does not show")


@dataclass(frozen=True)
class Section:
    """A section of a chapter: the label above its heading, its title, its text."""

    label: str
    title: str
    text: str

    @property
    def teaches(self) -> bool:
        """Whether the section is one of the chapter's own, to which questions belong."""
        return not self.title.startswith(CLOSING)


def tags(cell: Any) -> list[str]:
    """A cell's tags."""
    return list(cell.metadata.get("tags", []))


def tagged(notebook: Any, tag: str) -> list[Any]:
    """The cells with a tag."""
    return [cell for cell in notebook.cells if tag in tags(cell)]


def text(notebook: Any) -> str:
    """The text of all Markdown cells."""
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def sections(notebook: Any) -> list[Section]:
    """The sections of a chapter, in their order."""
    whole = text(notebook)
    found = list(_HEADING.finditer(whole))
    ends = [match.start() for match in found[1:]] + [len(whole)]
    return [
        Section(match["label"] or "", match["title"].strip(), whole[match.end() : end].strip())
        for match, end in zip(found, ends, strict=True)
    ]


def taught(source: str) -> str:
    """A text without its exercises and solutions."""
    return _FENCE.sub(lambda m: "" if _EXERCISE.match(m[0]) else m[0], source)


def words(notebook: Any) -> int:
    """Words of a chapter, without its exercises and the options of directives."""
    return len(re.sub(r"^:[\w-]+:.*$", "", taught(text(notebook)), flags=re.M).split())


def paragraphs(source: str) -> Iterator[str]:
    """Paragraphs and items of lists in a text, without fences, tables and formulas of their own."""
    plain = _FENCE.sub(lambda m: "" if "{" not in m["head"] else m["body"] + "\n", source)
    plain = re.sub(r"\$\$.*?\$\$(?: \([\w-]+\))?", "", plain, flags=re.S)
    for block in re.split(r"\n\s*\n|\n(?=[*-] |\d+\. )", plain):
        if block.strip() and not block.lstrip().startswith(("|", "#", "(", ":label:")):
            yield " ".join(block.split())


def _bare(paragraph: str) -> str:
    """A paragraph without code, links, roles, and indices and powers in formulas."""
    plain = re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)|\{\w+(?::\w+)?\}`[^`]*`", " ", paragraph)
    return re.sub(r"[_^](?:\{[^}]*\}|\w)", " ", plain)


def numbers(paragraph: str) -> list[str]:
    """The numbers that a reader meets in a paragraph; names, code and addresses are none.

    >>> numbers("In `x = 3` the error is 0.2, or 5 %, see [chapter 3](03_a.ipynb).")
    ['0.2', '5 %']
    """
    return [
        match[0].rstrip(".,")
        for match in re.finditer(
            r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?:\s?\\?%)?(?![\w])", _bare(paragraph)
        )
    ]


def exact(paragraph: str) -> list[str]:
    """The numbers that look measured: decimals, percentages, thousands, "7 of 12".

    >>> exact("Of 10 experts 3 act; 7 of 12 systems have a distance of 0.25, or 1,200 steps.")
    ['7 of 12', '0.25', '1,200']
    """
    share = r"\b\d+ of (?:the )?\d+\b"
    number = r"(?<![\w.-])(?:\d[\d,]*\.\d+|\d[\d,]*(?=\s?\\?%)|\d{1,3}(?:,\d{3})+|\d{4,})(?!\w)"
    return [match[0] for match in re.finditer(f"{share}|{number}", _bare(paragraph))]


def pictures(cell: Any) -> bool:
    """Whether a cell's outputs hold a picture."""
    return any(
        "image/png" in output.get("data", {})
        or "<img" in output.get("data", {}).get("text/html", "")
        for output in cell.get("outputs", [])
    )


def figure(cell: Any) -> dict[str, str]:
    """What a cell says about its figure: ``caption``, ``name`` and ``alt``; empty where unsaid."""
    said = cell.metadata.get("mystnb", {})
    made = said.get("figure", {})
    return {
        "caption": str(made.get("caption", "")).strip(),
        "name": str(made.get("name", "")).strip(),
        "alt": str(said.get("image", {}).get("alt", "")).strip(),
    }


def between(path: Path, mark: str, text: str) -> str:
    """The text of a page with the part between two marks replaced."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}{text}\n{end}{rest.partition(end)[2]}"
