"""A chapter's Markdown without what Sphinx alone can resolve: roles and links become plain text.

Slides and assignments use it, since they lie outside the book's pages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from typing import Any

from ..errors import needs
from . import BOOK

with needs("book"):
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from markdown_it.tree import SyntaxTreeNode
    from mdit_py_plugins.amsmath import amsmath_plugin
    from mdit_py_plugins.colon_fence import colon_fence_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.myst_blocks import myst_block_plugin
    from mdit_py_plugins.myst_role import myst_role_plugin

_GONE = "\x00"  # stands where a role is dropped, with the space or the brackets around it
_WORK = re.compile(r"\x01(.*?)\x02")  # works between these marks need brackets, or have them
_AROUND = re.compile(rf"\s*\((?:see )?{_GONE}\)|,?\s*{_GONE}")
_TITLED = re.compile(r"^(?P<text>[^<]*?)\s*<[^<>]*>$", re.DOTALL)
_ROLE = re.compile(r"(?<!`)\{(?P<name>[\w:]+)\}`(?P<content>[^`]+)`")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)\s]*\)")
_TAG = re.compile(r"<[^>]*>|\\[()]")


def blocks(text: str) -> list[SyntaxTreeNode]:
    """The blocks of a Markdown text: headings, paragraphs, lists, formulas, ..."""
    return SyntaxTreeNode(_markdown().parse(text)).children


def render(node: SyntaxTreeNode) -> str:
    r"""One block as HTML; of a heading or a paragraph what is within it.

    >>> render(blocks("A {term}`trajectory <Trajectory>` of $x$, see [chapter 1](01.ipynb).")[0])
    'A trajectory of \\(x\\), see chapter 1.'
    """
    parser = _markdown()
    within = node.type in ("heading", "paragraph")
    tokens = (node.children[0] if within else node).to_tokens()
    html = parser.renderer.render(tokens, parser.options, {})
    return _tidy(str(html))


def inline(text: str) -> str:
    """A line of Markdown as HTML.

    >>> inline("The *gate* {cite}`hemmer2025` ({ref}`sec-gate`).")
    'The <em>gate</em> (Hemmer and Durstewitz 2025).'
    >>> inline("The model (DynaMix, {cite}`hemmer2025`) of {eq}`eq-step`.")
    'The model (DynaMix, Hemmer and Durstewitz 2025) of.'
    """
    return _tidy(str(_markdown().renderInline(text, {})))


def markdown(text: str) -> str:
    """MyST Markdown as the Markdown that Jupyter shows, without roles and links to chapters.

    >>> markdown("A {term}`gate <Gate>` of {func}`~dynamix.forecast`, see [chapter 3](03.ipynb).")
    'A gate of `forecast`, see chapter 3.'
    """

    def plain(found: re.Match[str]) -> str:
        name, content = found["name"], found["content"].replace("\n", " ")
        made = _plain(name, content, before=text[: found.start()])
        return f"${made}$" if name == "math" else f"`{made}`" if _is_code(name) else made

    return _tidy(_LINK.sub(r"\1", _ROLE.sub(plain, text)))


def words(html: str) -> str:
    """HTML without its tags and without the marks of formulas, escaped as before."""
    return _TAG.sub("", html)


def _tidy(html: str) -> str:
    """Rendered text in which nothing is left of dropped roles, and works stand in brackets."""

    def brackets(found: re.Match[str]) -> str:
        before = html[: found.start()]
        return found[1] if before.count("(") > before.count(")") else f"({found[1]})"

    html = _AROUND.sub("", html)
    return _WORK.sub(brackets, html).strip()


@cache
def _markdown() -> MarkdownIt:
    """A parser of MyST Markdown, with plain renderings of what Sphinx would resolve."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    for plugin in (myst_block_plugin, myst_role_plugin, colon_fence_plugin, dollarmath_plugin):
        parser.use(plugin)
    parser.use(amsmath_plugin)
    for name in ("math_block", "math_block_label", "amsmath"):
        parser.add_render_rule(name, _rule(lambda t: f"<div>\\[{escape(t.content)}\\]</div>"))
    parser.add_render_rule("math_inline", _rule(lambda t: f"\\({escape(t.content)}\\)"))
    for name in ("link_open", "link_close", "myst_target", "myst_line_comment", "fence"):
        parser.add_render_rule(name, _rule(lambda t: ""))
    parser.add_render_rule("myst_role", _role)
    return parser


def _rule(make: Callable[[Token], str]) -> Callable[..., str]:
    """A rule of the renderer that looks at one token only."""

    def rule(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return make(tokens[at])

    return rule


def _role(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    name, content = str(tokens[at].meta["name"]), tokens[at].content
    text = escape(_plain(name, content, before=tokens[at - 1].content if at else ""))
    if name == "math":
        return f"\\({text}\\)"
    return f"<code>{text}</code>" if _is_code(name) else text


def _is_code(role: str) -> bool:
    return role.startswith("py:") or role in ("func", "class", "mod", "meth", "attr")


def _plain(role: str, content: str, *, before: str) -> str:
    """The text of a role, with marks for what the text around it decides."""
    title = _TITLED.match(content)
    if role == "math":
        return content
    if role.startswith("cite"):
        return _citation(role, content)
    if title:
        return title["text"]
    if role == "numref":
        return "the figure" if before and not re.search(r"[.!?]\s+$", before) else "The figure"
    if role in ("ref", "eq", "doc", "download"):
        return _GONE
    return content.rpartition(".")[2] if _is_code(role) and content[:1] == "~" else content


def _citation(role: str, keys: str) -> str:
    """Works by author and year; a key that the bibliography lacks is dropped."""
    known = [works()[key.strip()] for key in keys.split(",") if key.strip() in works()]
    if not known:
        return _GONE
    if role == "cite:t":
        return ", ".join(f"{who} ({year})" for who, year in known)
    return f"\x01{'; '.join(f'{who} {year}' for who, year in known)}\x02"


@cache
def works() -> dict[str, tuple[str, str]]:
    """Authors and year of every work of the bibliography, by its key."""
    from pybtex.database import parse_file

    path, found = BOOK / "references.bib", {}
    for key, entry in parse_file(str(path)).entries.items() if path.is_file() else ():
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [" ".join(map(str, person.rich_last_names)) for person in people]
        who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        found[key] = (who or key, entry.fields.get("year", "n.d."))
    return found
