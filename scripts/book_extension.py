"""Sphinx extension of the book: three corrections of what other extensions leave behind.

For the one page that becomes the PDF: an extension that registers a node for ``singlehtml`` alone
hides every node that others have registered for ``html``; here those come back. And on every page:
Jupyter Book adds the scripts of sphinx-thebe, which name another host and declare their constants
twice; the book has no use for them. And napoleon takes every line of prose under "Returns" for a
type of its own, a list in italics; here it stays a paragraph.
"""

from __future__ import annotations

from typing import Any


def _complete_nodes(app: Any) -> None:
    handlers = app.registry.translation_handlers
    handlers["singlehtml"] = handlers.get("html", {}) | handlers.get("singlehtml", {})


def _drop_thebe(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in f"{script} {getattr(script, 'attributes', '')}".lower()
    ]


def _prose_of_returns(
    app: Any, what: str, name: str, object_: Any, options: Any, lines: list[str]
) -> None:
    """Indent a paragraph of more than one line below an empty type, which napoleon leaves out."""
    for at in range(len(lines) - 1):
        if lines[at] == "Returns" and set(lines[at + 1]) == {"-"}:
            end = at + 2
            while end < len(lines) and lines[end]:
                end += 1
            prose = lines[at + 2 : end]
            if len(prose) > 1 and not any(line.startswith(" ") for line in prose):
                lines[at + 2 : end] = [":", *(f"    {line}" for line in prose)]
            return


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", _complete_nodes)
    # before napoleon, which comes with the usual 500
    app.connect("autodoc-process-docstring", _prose_of_returns, priority=400)
    app.connect("html-page-context", _drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
