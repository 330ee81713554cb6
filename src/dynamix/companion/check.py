"""Checks of the built pages: links, requests, sizes, alternative texts, valid HTML.

Every link and anchor inside the book resolves. No page asks another host for a file. The book is at
most 40 MB and a page at most 3 MB. Every figure has an alternative text, every figure that turns
has readable points, and every chapter offers its notebook. Every formula is set. Names are unique,
and no element stands where HTML has no place for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import needs
from ..io.progress import tqdm

with needs("book"):
    from bs4 import BeautifulSoup

MEGABYTE = 1_000_000
LARGEST_PAGE, LARGEST_BOOK = 3 * MEGABYTE, 40 * MEGABYTE
LARGEST_POINTS = MEGABYTE // 10  # of one figure that turns
DRAWING = "plotly-gl3d.min.js"  # too large to load before a reader turns a figure

# attributes from which a page loads a file by itself; a plain link does not
LOADING: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("audio", "embed", "iframe", "input", "script", "track"), ("src",)
)
LOADING |= dict.fromkeys(("image", "use"), ("href", "xlink:href"))
LOADING |= dict.fromkeys(("img", "source"), ("src", "srcset"))
LOADING |= {"link": ("href",), "object": ("data",), "video": ("src", "poster")}
NO_FILE = {"mailto", "javascript", "data", "blob", "about"}  # schemes of addresses
# relations of <link> that only name another page
NAMING = {"alternate", "author", "canonical", "help", "index", "license", "next", "prev", "search"}
CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)['\"]?\s*\)|@import\s+['\"]([^'\"]+)['\"]")
CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
FORMULA = re.compile(r"\$[A-Za-z\\][^$]*\$")
BLOCKS = "p, div, ul, ol, dl, table, pre, figure, section, details"
# what a page must not hold: elements in a wrong place, and what is no longer in use
INVALID = (
    *(f":is(summary, p, span, h1, h2, h3) :is({BLOCKS})", "body style", "style[scoped]"),
    *(":is(a, button) :is(a, button)", "label label", "th:empty", "[id='']", "h1:empty"),
    *(":is(ul, ol) > :not(li, script, template)", "dl > :not(dt, dd, div)", "tr > :not(td, th)"),
    *("[valign], [halign], [align], table[border]", "main[role]", "center, font"),
    "section:not(:has(h1, h2, h3, h4, h5, h6))",
)
POINTING = ("for", "aria-labelledby", "aria-describedby", "aria-controls")
# places in a script that send a request to a fixed address
JS_REQUEST = re.compile(
    r"""(?:fetch\(|import\(|importScripts\(|import\s+|from\s+|\.open\(\s*['"]GET['"]\s*,|"""
    r"""\.src\s*=|\bnew\s+(?:Worker|WebSocket|EventSource)\()\s*['"`]((?:https?:|wss?:)?//[^'"`]+)"""
)


def check(root: Path) -> list[str]:
    """Everything that is wrong with a built book, one sentence per problem."""
    root = root.resolve()
    # the theme leaves templates of its own among its assets
    pages = sorted(p for p in root.rglob("*.html") if not p.name.endswith("webpack-macros.html"))
    if not pages:
        return [f"no pages in {root.name}: build the book first, make html"]
    soup.cache_clear()
    anchors.cache_clear()
    found = []
    for path in tqdm(pages, desc="checking pages", unit="page", disable=None):
        problems = [*_addresses(path, root), *_alternatives(path), *_turnable(path, root)]
        problems += [*_download(path, root), *_weight(path, root), *_formulas(path), *_markup(path)]
        name = path.relative_to(root).as_posix()
        found += [f"{name}: {problem}" for problem in dict.fromkeys(problems)]
    for suffix, requests in ((".css", css_loads), (".js", JS_REQUEST.findall)):
        for path in sorted(root.rglob(f"*{suffix}")):
            found += [
                f"{path.relative_to(root)}: asks another host for {address[:100]!r}"
                for address in requests(path.read_text(encoding="utf-8"))
                if outside(address)
            ]
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    if size > LARGEST_BOOK:
        found.append(f"the book has {size / MEGABYTE:.1f} MB, more than 40")
    return found


def outside(address: str) -> bool:
    """Whether an address leads to another host."""
    parts = urlsplit(address.strip())
    return bool(parts.netloc) or parts.scheme in ("http", "https", "ws", "wss", "ftp")


@cache
def soup(path: Path) -> BeautifulSoup:
    """A parsed page."""
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(path: Path) -> set[str]:
    """All targets of links in a page."""
    tags = soup(path).find_all(True)
    return {str(tag[key]) for tag in tags for key in ("id", "name") if tag.get(key)}


def _loads(page: BeautifulSoup) -> Iterator[str]:
    """Addresses that a page loads by itself."""
    for tag in page.find_all(list(LOADING)):
        if tag.name == "link" and set(tag.get("rel") or []) <= NAMING:
            continue
        for key in LOADING[tag.name]:
            value = str(tag.get(key) or "")
            if key == "srcset":
                yield from (part.split()[0] for part in value.split(",") if part.strip())
            elif value:
                yield value
    for tag in page.find_all(style=True):
        yield from css_loads(str(tag["style"]))
    for tag in page.find_all("style"):
        yield from css_loads(tag.get_text())
    for tag in page.find_all("script", src=False):
        yield from JS_REQUEST.findall(tag.get_text())


def css_loads(text: str) -> list[str]:
    """Addresses in a style sheet."""
    return [one or other for one, other in CSS_URL.findall(CSS_COMMENT.sub("", text))]


def _addresses(path: Path, root: Path) -> Iterator[str]:
    """Links and files of a page that are missing, and files that it loads from another host."""
    loaded = list(_loads(soup(path)))
    for address in loaded:
        if outside(address):
            yield f"asks another host for {address[:100]!r}"
    links = [str(tag["href"]) for tag in soup(path).find_all(["a", "area"], href=True)]
    for address in [*(address for address in loaded if address[0] != "#"), *links]:
        if not outside(address) and urlsplit(address).scheme not in NO_FILE:
            yield from _unresolved(address, path, root)


def _unresolved(address: str, path: Path, root: Path) -> Iterator[str]:
    """Why an address inside the book does not resolve."""
    parts = urlsplit(address)
    target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target /= "index.html"
    fragment = unquote(parts.fragment)
    if not target.is_relative_to(root) or not target.is_file():
        yield f"{address!r} leads to no file of the book"
    elif target.suffix == ".html" and fragment not in {"", "top", *anchors(target)}:
        yield f"{address!r}: {target.name} has no anchor {fragment!r}"


def _alternatives(path: Path) -> Iterator[str]:
    """Figures without a text for a reader who cannot see them."""
    page = soup(path)
    for image in page.find_all("img"):
        text, source = str(image.get("alt") or "").strip(), str(image.get("src") or "")
        if not text or text.split("/")[-1] == unquote(source).split("/")[-1]:
            yield f"no alternative text on {source[:80]!r}"
    for drawing in page.select("article canvas, article svg[role=img], article .plotly-graph-div"):
        around = (drawing, *drawing.parents)
        if not any(tag.get("aria-label") or tag.get("aria-labelledby") for tag in around):
            yield f"no label on a <{drawing.name}> with id {drawing.get('id')!r}"


def _turnable(path: Path, root: Path) -> Iterator[str]:
    """Figures that turn without a picture, or without points that a script can read."""
    page = soup(path)
    figures = page.select(".dynamix-turnable")
    if figures and not list(root.rglob(DRAWING)):
        yield f"has a figure that turns, but {DRAWING} is not among the book's files"
    if any(DRAWING in str(script["src"]) for script in page.find_all("script", src=True)):
        yield f"loads {DRAWING} before a reader turns a figure"
    for figure in figures:
        data = figure.find("script", type="application/json")
        if figure.find("img") is None or data is None:
            yield "a figure that turns lacks its picture or its points"
            continue
        try:
            traces = json.loads(data.get_text())["traces"]
        except (ValueError, KeyError, TypeError):
            yield "the points of a figure that turns cannot be read"
            continue
        lengths = [{len(trace.get(axis, ())) for axis in "xyz"} for trace in traces]
        if not traces or any(len(found) > 1 or 0 in found for found in lengths):
            yield "a figure that turns has coordinates missing"
        if (size := len(data.get_text())) > LARGEST_POINTS:
            yield f"the points of a figure that turns have {size / 1000:.0f} kB, more than 100"


def _formulas(path: Path) -> Iterator[str]:
    """Formulas that a reader would see as they were typed."""
    for text in soup(path).find_all(string=FORMULA):
        if not text.find_parent(["head", "code", "pre", "script", "style", "dt"]):
            yield f"a formula is not set: {' '.join(text.split())[:80]!r}"


def _markup(path: Path) -> Iterator[str]:
    """What a validator of HTML would say."""
    page = soup(path)
    for selector in INVALID:
        if tag := page.select_one(selector):
            yield f"{str(tag)[:80]!r} must not stand here ({selector})"
    names = [str(tag["id"]) for tag in page.find_all(id=True)]
    yield from (f"the name {n!r} is used twice" for n in sorted(set(names)) if names.count(n) > 1)
    yield from (f"the name {n!r} has a space" for n in names if len(n.split()) > 1)
    for key in POINTING:
        for tag in page.select(f"[{key}]"):
            if not set(str(tag[key]).split()) <= set(names):
                yield f"{key}={tag[key]!r} names nothing on the page"


def _download(path: Path, root: Path) -> Iterator[str]:
    """A chapter's page without its notebook."""
    if path.parent == root and (root / "_sources" / f"{path.stem}.ipynb").is_file():
        links = [str(tag["href"]) for tag in soup(path).find_all("a", href=True)]
        if not any(link.endswith(f"{path.stem}.ipynb") for link in links):
            yield "does not offer its notebook for download"


def _weight(path: Path, root: Path) -> Iterator[str]:
    """A page that is, with its own images, too large to load."""
    own = {path}
    for image in soup(path).find_all("img", src=True):
        source = str(image["src"])
        if not outside(source) and not source.startswith("data:"):
            own.add((path.parent / unquote(urlsplit(source).path)).resolve())
    size = sum(file.stat().st_size for file in own if file.is_file())
    if size > LARGEST_PAGE:
        yield f"has {size / MEGABYTE:.1f} MB with its images, more than 3"
