"""Check the built pages: links, requests, sizes, alternative texts.

python scripts/check_book.py [_build/html]

Every link and anchor inside resolves, no page asks another host for anything, the whole stays under
40 MB and a page under 5, every figure says in words what it shows, figures that turn carry points
that can be read and are small, and every chapter offers its notebook for download.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag
from tqdm import tqdm

BUILT = Path(__file__).parents[3] / "_build" / "html"
MEGABYTE = 1_000_000
LARGEST_PAGE, LARGEST_BOOK = 5 * MEGABYTE, 40 * MEGABYTE
LARGEST_POINTS = MEGABYTE // 10  # of one figure that turns
DRAWING = "plotly-gl3d.min.js"  # too heavy for a page to load before a reader asks for it

# attributes through which a page loads something by itself; a plain link does not
LOADING = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
# relations of <link> that only name another page
NAMING = {"alternate", "author", "canonical", "help", "index", "license", "next", "prev", "search"}
CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)['\"]?\s*\)|@import\s+['\"]([^'\"]+)['\"]")
CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# places in a script that send a request to a fixed address
JS_REQUEST = re.compile(
    r"""(?:fetch\(|import\(|importScripts\(|import\s+|from\s+|\.open\(\s*['"]GET['"]\s*,|"""
    r"""\.src\s*=|\bnew\s+(?:Worker|WebSocket|EventSource)\()\s*['"`]((?:https?:|wss?:)?//[^'"`]+)"""
)


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
    """Everything in a page that a link can point at."""
    tags = soup(path).find_all(True)
    return {str(tag[key]) for tag in tags for key in ("id", "name") if tag.get(key)}


def loads(page: BeautifulSoup) -> Iterator[str]:
    """Addresses that a page asks for by itself."""
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


def css_loads(text: str) -> Iterator[str]:
    """Addresses in a style sheet."""
    for groups in CSS_URL.findall(CSS_COMMENT.sub("", text)):
        yield next(filter(None, groups))


def check_links(path: Path, root: Path) -> Iterator[str]:
    """Links of a page that lead nowhere inside the book."""
    for tag in soup(path).find_all(["a", "area"], href=True):
        address = str(tag["href"])
        if outside(address) or address.startswith(("mailto:", "javascript:", "data:")):
            continue
        if (problem := unresolved(address, path, root)) is not None:
            yield problem


def unresolved(address: str, path: Path, root: Path) -> str | None:
    """Why an address inside the book does not resolve; None if it does."""
    parts = urlsplit(address)
    target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(root) or not target.is_file():
        return f"{address!r} leads to no file of the book"
    fragment = unquote(parts.fragment)
    if fragment and target.suffix == ".html" and fragment not in {"", "top", *anchors(target)}:
        return f"{address!r}: {target.name} has no anchor {fragment!r}"
    return None


def check_requests(path: Path, root: Path) -> Iterator[str]:
    """What a page loads from another host, or from a file that is not there."""
    for address in loads(soup(path)):
        if address.startswith(("data:", "blob:", "#", "about:")):
            continue
        if outside(address):
            yield f"asks another host for {address[:100]!r}"
        elif (problem := unresolved(address, path, root)) is not None:
            yield problem


def check_alternatives(path: Path) -> Iterator[str]:
    """Figures that say nothing to a reader who cannot see them."""
    page = soup(path)
    for image in page.find_all("img"):
        text, source = str(image.get("alt") or "").strip(), str(image.get("src") or "")
        if not text or text.split("/")[-1] == unquote(source).split("/")[-1]:
            yield f"no alternative text on {source[:80]!r}"
    for drawing in page.select("article canvas, article svg[role=img], article .plotly-graph-div"):
        if not _named(drawing):
            yield f"no label on a <{drawing.name}> with id {drawing.get('id')!r}"


def _named(tag: Tag) -> bool:
    """Whether a drawing, or something around it, has a label."""
    return any(
        step.get("aria-label") or step.get("aria-labelledby") for step in (tag, *tag.parents)
    )


def check_turnable(path: Path, root: Path) -> Iterator[str]:
    """Figures that turn without a picture, or without points that a script can read."""
    page = soup(path)
    figures = page.select(".dynamix-turnable")
    if figures and not list(root.rglob(DRAWING)):
        yield f"has a figure that turns, but {DRAWING} is not among the book's files"
    if any(DRAWING in str(script["src"]) for script in page.find_all("script", src=True)):
        yield f"loads {DRAWING} before anybody turns a figure"
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
            yield f"the points of a figure that turns weigh {size / 1000:.0f} kB, more than 100"


def check_download(path: Path, root: Path) -> Iterator[str]:
    """A chapter's page without its notebook."""
    if (root / "_sources" / f"{path.stem}.ipynb").is_file():
        links = [str(tag["href"]) for tag in soup(path).find_all("a", href=True)]
        if not any(link.endswith(f"{path.stem}.ipynb") for link in links):
            yield "does not offer its notebook for download"


def check(root: Path) -> list[str]:
    """Everything that is wrong with a built book, a sentence each."""
    root = root.resolve()
    # the theme leaves templates of its own among its assets
    pages = sorted(p for p in root.rglob("*.html") if not p.name.endswith("webpack-macros.html"))
    if not pages:
        return [f"no pages in {root.name}: build the book first, make html"]
    found = []
    for path in tqdm(pages, desc="checking pages", unit="page", disable=None):
        problems = [
            *check_links(path, root),
            *check_requests(path, root),
            *check_alternatives(path),
            *check_turnable(path, root),
            *(check_download(path, root) if path.parent == root else ()),
        ]
        name = path.relative_to(root).as_posix()
        found += [f"{name}: {problem}" for problem in dict.fromkeys(problems)]
        found += [f"{name}: {weight}" for weight in _too_heavy(path, root)]
    for path in sorted(root.rglob("*.css")):
        for address in css_loads(path.read_text(encoding="utf-8")):
            if outside(address):
                found.append(f"{path.relative_to(root)}: asks another host for {address[:100]!r}")
    for path in sorted(root.rglob("*.js")):
        for address in JS_REQUEST.findall(path.read_text(encoding="utf-8")):
            found.append(f"{path.relative_to(root)}: asks another host for {address[:100]!r}")
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    if size > LARGEST_BOOK:
        found.append(f"the book weighs {size / MEGABYTE:.1f} MB, more than 40")
    return found


def _too_heavy(path: Path, root: Path) -> Iterator[str]:
    """A page with its own images that is too much to load."""
    own = {path}
    for image in soup(path).find_all("img", src=True):
        source = str(image["src"])
        if not outside(source) and not source.startswith("data:"):
            own.add((path.parent / unquote(urlsplit(source).path)).resolve())
    size = sum(file.stat().st_size for file in own if file.is_file())
    if size > LARGEST_PAGE:
        yield f"weighs {size / MEGABYTE:.1f} MB with its images, more than 5"


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Check the built pages.")
    parser.add_argument("folder", nargs="?", type=Path, default=BUILT)
    found = check(parser.parse_args().folder)
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print("pages checked: links, requests, sizes, alternative texts")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
