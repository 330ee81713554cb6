"""Slides: a deck for each chapter, made from its cells tagged ``slide``.

The first slide holds the chapter's title and promise, the last one the points of *Take away*. Each
tagged cell is one slide between them: a figure with its caption, or a text with its first list or
formula. A deck needs no server and no other host; it shares pictures and MathJax with the pages.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from ..errors import InputError, needs
from ..io.files import copy, write_bytes, write_text
from . import BOOK, BUILD, ROOT, notebooks, parts, plain
from . import run as book

with needs("book"):
    from bs4 import BeautifulSoup

TAG = "slide"
END = "Take away"
ASSETS = ("slides", "mathjax")
LONGEST_LEAD = 35  # words of a sentence that stands above a list or a formula
TALL = 1.8  # a picture less wide than this has its caption at its side
NEXT = "The arrow keys show the next one."  # in the caption of several pictures
LISTS = ("bullet_list", "ordered_list")
EMBEDDED = re.compile(r"data:image/(?P<kind>\w+);base64,(?P<content>.+)", re.DOTALL)
FORMULAS = ("math_block", "math_block_label", "amsmath")

PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title: slides</title>
<link rel="stylesheet" href="../_static/slides/reveal.css">
<link rel="stylesheet" href="../_static/slides/serif.css">
<link rel="stylesheet" href="../_static/slides/deck.css">
</head>
<body>
<div class="reveal"><div class="slides">
$slides
</div></div>
<script src="../_static/slides/reveal.js"></script>
<script src="../_static/slides/deck.js"></script>
<script src="../_static/mathjax/tex-chtml.js"></script>
</body>
</html>
""")


@dataclass(frozen=True)
class Slide:
    """A slide: its heading and body in HTML, and its kind, which is a class of ``deck.css``."""

    kind: str
    heading: str
    body: str

    def __str__(self) -> str:
        level = "h1" if self.kind == "title" else "h2"
        return (
            f'<section class="{self.kind}"><div class="frame">\n'
            f"<{level}>{self.heading}</{level}>\n{self.body}\n</div></section>"
        )


@dataclass
class Deck:
    """The slides of a chapter, and the pictures on them by file name."""

    chapter: str
    title: str = ""
    slides: list[Slide] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def __str__(self) -> str:
        title = plain.words(self.title)
        return PAGE.substitute(title=title, slides="\n".join(map(str, self.slides)))


def tagged(notebook: Any) -> bool:
    """Whether a notebook has a cell for its deck."""
    return bool(parts.tagged(notebook, TAG))


def name_of(chapter: str) -> str:
    """The path of a chapter's deck below the pages.

    >>> name_of("05_zero_shot")
    'slides/05.html'
    """
    return f"slides/{chapter[:2]}.html"


def deck(notebook: Any, *, chapter: str) -> Deck:
    """The deck of a notebook; ``chapter`` is the name of its file without the ending.

    Raises :class:`InputError` if the title, the points to take away, or the output of a tagged cell
    is missing.
    """
    made, end = Deck(chapter), ""
    section = ""
    for number, cell in enumerate(notebook.cells, start=1):
        nodes = plain.blocks(cell.source) if cell.cell_type == "markdown" else []
        if number == 1:
            _open(made, nodes)
        headings = [(node.tag, plain.render(node)) for node in nodes if node.type == "heading"]
        wanted = TAG in parts.tags(cell)
        if wanted and number > 1 and cell.cell_type == "markdown":
            heading = headings[0][1] if headings else section or made.title
            made.slides.append(Slide("text", heading, _text(nodes, f"cell {number} of {chapter}")))
        elif wanted and cell.cell_type == "code":
            made.slides.append(_output(cell, section or made.title, made, number))
        section = next((text for tag, text in reversed(headings) if tag != "h1"), section)
        end = end or _points(nodes)
    if not end:
        raise InputError(
            f"{chapter}: its slides end with the list of the section '## {END}', which is not "
            "there. Add the section, with its points as a list."
        )
    made.slides.append(Slide("end", END, end))
    return made


def _open(made: Deck, nodes: Sequence[Any]) -> None:
    """The slide with the chapter's title and promise."""
    titles = [node for node in nodes if node.type == "heading" and node.tag == "h1"]
    promises = [node for node in nodes if node.type == "paragraph"]
    if not titles or not promises:
        raise InputError(
            f"{made.chapter}: its slides begin with the title and the promise of the first cell. "
            "Begin the notebook with '# TITLE' and a sentence '*After this chapter you can ...*'."
        )
    made.title = plain.render(titles[0])
    number = made.chapter[:2].lstrip("0")
    body = (
        f'<p class="promise">{plain.render(promises[0])}</p>\n'
        f'<p class="from"><a href="../{made.chapter}.html">Chapter {number}</a> of '
        f"{escape(_book())}. Arrow keys turn the slides, ? lists all keys.</p>"
    )
    made.slides.append(Slide("title", made.title, body))


def _book() -> str:
    """The title of the book."""
    import yaml

    return str(yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"])


def _text(nodes: Sequence[Any], place: str) -> str:
    """The first list or formula with the short sentence before it; else the first paragraph."""
    shown = [node for node in nodes if node.type in ("paragraph", *LISTS, *FORMULAS)]
    first = next((i for i, node in enumerate(shown) if node.type != "paragraph"), None)
    if not shown:
        raise InputError(
            f"{place} is a slide without text. Give it a list, a formula or a sentence."
        )
    if first is None:
        return f"<p>{plain.render(shown[0])}</p>"
    body = plain.render(shown[first])
    if first and len(plain.words(lead := plain.render(shown[first - 1])).split()) <= (LONGEST_LEAD):
        body = f"<p>{lead}</p>\n{body}"
    return body


def _points(nodes: Sequence[Any]) -> str:
    """The list below the heading of the points to take away, if it is among these blocks."""
    below = False
    for node in nodes:
        if node.type == "heading":
            below = plain.render(node) == END
        elif below and node.type in LISTS:
            return plain.render(node)
    return ""


def _output(cell: Any, heading: str, made: Deck, number: int) -> Slide:
    """The slide of a code cell: its pictures, one after the other, else its first table."""
    style = cell.metadata.get("mystnb", {})
    caption = plain.inline(style.get("figure", {}).get("caption", ""))
    table = None
    for data in (output.get("data", {}) for output in cell.outputs):
        page = BeautifulSoup(data.get("text/html", ""), "html.parser")
        images: list[Any] = page.find_all("img", src=EMBEDDED)
        if not images and "image/png" in data:
            images = [{"src": f"data:image/png;base64,{data['image/png']}"}]
        shown, content = "", b""
        legend, labels = page.find("legend"), page.find_all("label")
        names = [f"{legend.get_text()}: {tag.get_text()}" for tag in labels] if legend else []
        for at, image in enumerate(images):
            encoded: Any = EMBEDDED.match(str(image["src"]))
            content = base64.b64decode(encoded["content"])
            name = f"{hashlib.sha256(content).hexdigest()}.{encoded['kind']}"  # as on the pages
            made.pictures[name] = content
            alternative = str(image.get("alt") or style.get("image", {}).get("alt", ""))
            later = " fragment" if shown else ""
            picture = f'<img src="../_images/{name}" alt="{escape(alternative)}">'
            said = f"<p>{escape(names[at])}</p>" if at < len(names) else ""
            shown += f'<div class="one{later}">{said}{picture}</div>'
        if shown:
            several = len(images) > 1
            below = _caption(f"{caption} {NEXT}" if several else caption)
            picture = f'<div class="picture{" r-stack" if several else ""}">{shown}</div>'
            kind = "figure tall" if below and _is_tall(content) else "figure"
            return Slide(kind, heading, f'<div class="beside">{picture}{below}</div>')
        table = table or page.find("table")
    if table is None:
        raise InputError(
            f"{made.chapter}: cell {number} is tagged {TAG!r} but shows neither a figure nor a "
            f"table. Run the chapter (dynamix book run {made.chapter[:2]}), or remove the tag."
        )
    for tag in (table, *table.find_all(True)):
        tag.attrs.pop("style", None)
    return Slide("table", heading, f'<div class="table">{table}</div>{_caption(caption)}')


def _caption(text: str) -> str:
    return f'\n<p class="caption">{text.strip()}</p>' if text.strip() else ""


def _is_tall(content: bytes) -> bool:
    """Whether a PNG is so high that it is larger with its caption at its side than above it."""
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    return content.startswith(b"\x89PNG") and width < TALL * height


def build(
    names: Sequence[str] = (), *, say: Callable[[str], None], folder: Path | None = None
) -> list[str]:
    """Write the decks of the chapters into ``_build/html/slides``; returns what is wrong.

    The chapters are those of the book, or of another ``folder``.

    A chapter without a tagged cell has no deck. Pictures and scripts that the pages have brought
    already are used as they are.
    """
    target, problems, made = BUILD / "html", [], 0
    found = book.chapters(names, folder=folder)
    chapters = [path for path in found if path.name[:2].isdigit()]
    if not chapters:
        raise InputError(f"no chapter of the book begins with {' or '.join(names) or 'a number'}.")
    for path in chapters:
        notebook = notebooks.read(path)
        if not tagged(notebook):
            if names:
                say(f"{path.stem}: no cell is tagged {TAG!r}, so it has no slides")
            continue
        try:
            ready = deck(notebook, chapter=path.stem)
        except InputError as error:
            problems.append(str(error))
            continue
        write(ready, target)
        made += 1
        say(f"{path.stem}: {len(ready.slides)} slides, {(target / name_of(path.stem)).as_uri()}")
    if made:
        bring_assets(target)
    return problems


def write(ready: Deck, target: Path) -> None:
    """Write a deck and its pictures below the folder of the pages."""
    (target / "slides").mkdir(parents=True, exist_ok=True)
    (target / "_images").mkdir(exist_ok=True)
    for name, content in ready.pictures.items():
        if not (target / "_images" / name).is_file():
            write_bytes(target / "_images" / name, content)
    write_text(target / name_of(ready.chapter), str(ready))


def bring_assets(target: Path) -> None:
    """Copy the scripts and styles of decks to where Sphinx puts them, if they are not there."""
    for name in ASSETS:
        source = BOOK / "_assets" / name
        for path in (path for path in source.rglob("*") if path.is_file()):
            copied = target / "_static" / name / path.relative_to(source)
            if not copied.is_file() or copied.stat().st_mtime < path.stat().st_mtime:
                copied.parent.mkdir(parents=True, exist_ok=True)
                copy(path, copied)
