"""What the built pages need besides Sphinx: valid HTML, and files for search engines and readers.

* The theme, MyST-NB, pandas and the bibliography write HTML that is not valid, or that a screen
  reader cannot name. :func:`mend` corrects each page after it was written.
* Every page gets a description and Open Graph tags, from the promise under its title.
* Where the pages' address is known: canonical addresses and ``sitemap.xml``.
* ``404.html``, which also works below a folder that does not exist.
* The search shows excerpts of pages by loading these pages, which a browser refuses to a page that
  was opened from a file. ``excerpts.js`` holds their text.
* The scripts of ``book/_assets/site``: figures open large, and one switch shows all hidden code.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..io.files import write_text

LONGEST = 200  # characters of a description; search engines show some 160
WITHOUT_SOURCE = {
    "genindex": "All names and terms of the book, in alphabetical order.",
    "py-modindex": "All modules of the library, in alphabetical order.",
    "search": "Search the book and the reference of the library.",
    "404": "There is no page at this address.",
}
PICTURE = "_static/readme.png"

# what is wrong, and what replaces it
_CORRECTIONS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern, re.DOTALL), better)
    for pattern, better in (
        # a heading cell without text, of pandas and of Markdown, is no heading
        (r"<th\b([^>]*)>\s*(?:<p>\s*</p>)?\s*</th>", r"<td\1></td>"),
        # pandas' own style, the same in every table, and in a place where no style may be
        (r"<style scoped>.*?</style>\s*", ""),
        (r'(<table\b[^>]*?) border="1"', r"\1"),
        (r' halign="(\w+)"', ""),
        (r' valign="\w+"', ""),
        # sphinx-exercise: sections without a heading, all of one name
        (
            r'<section\b([^>]*?) id="(?:exercise|solution)-content"(.*?)</section>',
            r"<div\1\2</div>",
        ),
        (r'(<main\b[^>]*?) role="main"', r"\1"),
        # the button that unfolds a list of pages
        (
            r"(<a\b[^>]*>)([^<]+)(</a><details[^>]*>)<summary>",
            r'\1\2\3<summary aria-label="Pages under \2">',
        ),
        # parts of a page that belong to no landmark
        (
            r'<div id="pst-primary-sidebar" class',
            '<div id="pst-primary-sidebar" role="complementary" aria-label="The book" class',
        ),
        # the switch of the theme: its icons' titles become words that its name does not hold
        (r'(<i class="theme-switch\b[^>]*?) title="[^"]*"', r"\1"),
        # the button of the search, which shows its keys beside its name
        (
            r'(<button class="btn search-button-field\b[^>]*?) title="Search" aria-label="Search"',
            r"\1",
        ),
        # a role that is no longer in use
        (r'role="doc-biblioentry"', 'role="listitem"'),
        (r"<h1>\s*</h1>", ""),
    )
]
_SUMMARY = re.compile(r"<summary\b[^>]*>.*?</summary>", re.DOTALL)
_VIEWPORT = re.compile(r'\s*<meta name="viewport"[^>]*>')


def mend(page: str) -> str:
    """A page of the book with its invalid or nameless HTML corrected."""
    for wrong, better in _CORRECTIONS:
        page = wrong.sub(better, page)
    page = _SUMMARY.sub(_inline, page)
    viewports = list(_VIEWPORT.finditer(page))
    for match in reversed(viewports[1:]):  # one is enough
        page = page[: match.start()] + page[match.end() :]
    return page


def _inline(summary: re.Match[str]) -> str:
    """A summary without paragraphs, named by the words that it shows."""
    text = summary.group().replace(' aria-label="Toggle hidden content"', "")
    return re.sub(r"<(/?)p\b", r"<\1span", text)


def address(baseurl: str, repository: str) -> str | None:
    """Where the pages will be read: as configured, or GitHub's address for that repository."""
    if baseurl:
        return baseurl.rstrip("/") + "/"
    found = re.fullmatch(r"https://github\.com/([\w.-]+)/([\w.-]+)", repository or "")
    if found is None:
        return None
    owner, name = found.groups()
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def describe(text: str) -> str:
    """The first sentences of a text that fit into a description; at least some words of it."""
    text = re.sub(r"\\math(?:rm|bf|it|cal)|\\text|[\\{}$]", "", text)
    text = " ".join(text.split())
    if len(text) <= LONGEST:
        return text
    ends = [match.end() for match in re.finditer(r"[.!?](?= )", text[:LONGEST])]
    if ends and ends[-1] > LONGEST / 3:
        return text[: ends[-1]]
    return text[: LONGEST - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def first_paragraph(tree: Any) -> str:
    """The first paragraph of a page that stands in no note, list or table."""
    from docutils import nodes

    if tree is not None:
        for paragraph in tree.findall(nodes.paragraph):
            within = isinstance(paragraph.parent, nodes.section | nodes.document)
            if within and (text := paragraph.astext().strip()):
                return str(text)
    return ""


def tags(title: str, text: str, site: str, url: str | None, picture: str | None) -> str:
    """The description and the Open Graph tags of a page."""
    graph = {
        "title": title,
        "description": text,
        "type": "website",
        "site_name": site,
        "url": url,
        "image": picture,
        "image:alt": "Forecasts of the Lorenz attractor beside the truth" if picture else None,
    }
    lines = [f'<meta name="description" content="{html.escape(text)}">'] if text else []
    lines += [
        f'<meta property="og:{name}" content="{html.escape(value)}">'
        for name, value in graph.items()
        if value
    ]
    return "\n".join(lines)


def sitemap(base: str, pages: Iterable[str]) -> str:
    """The addresses of all pages, for search engines (sitemaps.org)."""
    entries = "".join(f"<url><loc>{html.escape(base + page)}</loc></url>\n" for page in pages)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</urlset>\n'
    )


def entrance(page: str, target: str) -> str:
    """A page that leads on to ``target``, with the title and the tags of that ``page``."""
    told = re.findall(
        r'<title>.*?</title>|<meta (?:name="description"|property=)[^>]*>', page, re.DOTALL
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        + "\n".join(told)
        + f'\n<meta http-equiv="refresh" content="0; url={target}">\n</head>\n'
        f'<body><p><a href="{target}">To the book</a></p></body>\n</html>\n'
    )


def excerpts(page: str) -> list[tuple[str, str]]:
    """Name and text of every section of a page, without the text of sections inside it."""
    from bs4 import BeautifulSoup

    article = BeautifulSoup(page, "html.parser").find("article")
    if article is None:
        return []
    for tag in article.select(".headerlink, script, style, noscript"):
        tag.decompose()
    # the innermost first: each takes its text out of those around it
    sections = article.find_all("section", id=True)
    texts = [
        (str(section["id"]), " ".join(section.extract().get_text().split()))
        for section in reversed(sections)
    ]
    return texts[::-1]


def _configure(app: Any, config: Any) -> None:
    repository = (config.html_theme_options or {}).get("repository_url") or ""
    config.html_baseurl = address(config.html_baseurl, repository) or ""


def _describe(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    if page == "search":
        app.add_js_file("site/search.js")
    base = app.config.html_baseurl
    text = describe(first_paragraph(tree)) or WITHOUT_SOURCE.get(page, app.config.html_title)
    title = re.sub(r"<[^>]+>", "", context.get("title") or "")
    told = tags(
        html.unescape(title) or app.config.html_title,
        text,
        app.config.html_title,
        context.get("pageurl") if base else None,
        base + PICTURE if base else None,
    )
    context["metatags"] = f"{context.get('metatags') or ''}\n{told}"


def _lost_page(app: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """404.html. Its addresses are relative; a script says to what, where the page is elsewhere."""
    path = urlsplit(app.config.html_baseurl).path or "/"
    script = (
        f"<script>{{ const home = {json.dumps(path)}; if (location.protocol !== 'file:' && "
        "new URL('.', location).pathname !== home) { const base = document.createElement('base'); "
        "base.href = home; document.head.prepend(base); } }</script>"
    )
    body = (
        "<h1>There is no page at this address</h1>"
        "<p>The page may have been renamed. Look for it in "
        f'<a href="{app.config.root_doc}.html">the contents of the book</a>, or '
        '<a href="search.html">search the book</a>.</p>'
    )
    yield "404", {"title": "Page not found", "body": body, "dynamix_base": script}, "page.html"


def _finish(app: Any, exception: Exception | None) -> None:
    if exception is not None or app.builder.name != "html":
        return
    root = Path(app.outdir)
    texts = {}
    for path in sorted(root.rglob("*.html")):
        if "_static" in path.relative_to(root).parts:
            continue
        page = mend(path.read_text(encoding="utf-8"))
        name = path.relative_to(root).with_suffix("").as_posix()
        if name == "404":
            (_, context, _) = next(_lost_page(app))
            page = page.replace("<head>", f"<head>{context['dynamix_base']}", 1)
        write_text(path, page)
        if name in app.env.found_docs:
            texts[name] = excerpts(page)
    data = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    write_text(root / "_static" / "excerpts.js", f"window.DynamixExcerpts({data});\n")
    if base := app.config.html_baseurl:
        write_text(root / "sitemap.xml", sitemap(base, (f"{name}.html" for name in texts)))


def connect(app: Any) -> None:
    """Connect all of this to Sphinx's events."""
    app.connect("config-inited", _configure)
    app.connect("html-collect-pages", _lost_page)
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _finish)
    app.add_css_file("site/pages.css")
    app.add_js_file("site/pages.js", defer="defer")
