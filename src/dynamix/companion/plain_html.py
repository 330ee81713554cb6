"""A chapter's Markdown as HTML that needs no other page: roles and links become plain text.

Slides use it. Sphinx alone can resolve ``{ref}`` and ``{term}``, and only within its pages.
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
_TAG = re.compile(r"<[^>]*>|\\[()]")


def blocks(text: str) -> list[SyntaxTreeNode]:
    """The blocks of a Markdown text: headings, paragraphs, lists, formulas, ..."""
    return SyntaxTreeNode(_markdown().parse(text)).children


def render(node: SyntaxTreeNode) -> str:
    r"""One block as HTML; of a heading or a paragraph what is within it.

    >>> render(blocks("A {term}`trajectory <Trajectory>` of $x$, see [chapter 1](01.ipynb).")[0])
    'A trajectory of \\(x\\), see chapter 1.'
    """
    markdown = _markdown()
    within = node.type in ("heading", "paragraph")
    tokens = (node.children[0] if within else node).to_tokens()
    html = markdown.renderer.render(tokens, markdown.options, {})
    return _tidy(str(html))


def inline(text: str) -> str:
    """A line of Markdown as HTML.

    >>> inline("The *gate* {cite}`hemmer2025` ({ref}`sec-gate`).")
    'The <em>gate</em> (Hemmer and Durstewitz 2025).'
    >>> inline("The model (DynaMix, {cite}`hemmer2025`) of {eq}`eq-step`.")
    'The model (DynaMix, Hemmer and Durstewitz 2025) of.'
    """
    return _tidy(str(_markdown().renderInline(text, {})))


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
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    for plugin in (myst_block_plugin, myst_role_plugin, colon_fence_plugin, dollarmath_plugin):
        markdown.use(plugin)
    markdown.use(amsmath_plugin)
    for name in ("math_block", "math_block_label", "amsmath"):
        markdown.add_render_rule(name, _rule(lambda t: f"<div>\\[{escape(t.content)}\\]</div>"))
    markdown.add_render_rule("math_inline", _rule(lambda t: f"\\({escape(t.content)}\\)"))
    for name in ("link_open", "link_close", "myst_target", "myst_line_comment", "fence"):
        markdown.add_render_rule(name, _rule(lambda t: ""))
    markdown.add_render_rule("myst_role", _role)
    return markdown


def _rule(make: Callable[[Token], str]) -> Callable[..., str]:
    """A rule of the renderer that looks at one token only."""

    def rule(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return make(tokens[at])

    return rule


def _role(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    name, content = str(tokens[at].meta["name"]), tokens[at].content
    title = _TITLED.match(content)
    if name == "math":
        return f"\\({escape(content)}\\)"
    if name.startswith("cite"):
        return _citation(name, content)
    if title:
        return escape(title["text"])
    if name == "numref":
        before = tokens[at - 1].content if at else ""
        return "the figure" if before and not re.search(r"[.!?]\s+$", before) else "The figure"
    if name in ("ref", "eq", "doc", "download"):
        return _GONE
    if name.startswith("py:") or name in ("func", "class", "mod", "meth", "attr"):
        return (
            f"<code>{escape(content.rpartition('.')[2] if content[0] == '~' else content)}</code>"
        )
    return escape(content)


def _citation(role: str, keys: str) -> str:
    """Works by author and year; a key that the bibliography lacks is dropped."""
    known = [works()[key.strip()] for key in keys.split(",") if key.strip() in works()]
    if not known:
        return _GONE
    if role == "cite:t":
        return escape(", ".join(f"{who} ({year})" for who, year in known))
    return escape(f"\x01{'; '.join(f'{who} {year}' for who, year in known)}\x02")


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
