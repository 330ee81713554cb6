"""Sphinx extension of the book: two corrections of what other extensions leave behind.

For the one page that becomes the PDF: an extension that registers a node for ``singlehtml`` alone
hides every node that others have registered for ``html``; here those come back. And on every page:
Jupyter Book adds the scripts of sphinx-thebe, which name another host and declare their constants
twice; the book has no use for them.
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


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", _complete_nodes)
    app.connect("html-page-context", _drop_thebe, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
