"""Sphinx extension of the book: three corrections of what other extensions leave behind, one note.

For the one page that becomes the PDF: an extension that registers a node for ``singlehtml`` alone
hides every node that others have registered for ``html``; here those come back. And on every page:
Jupyter Book adds the scripts of sphinx-thebe, which name another host and declare their constants
twice; the book has no use for them. And napoleon takes every line of prose under "Returns" for a
type of its own, a list in italics; here it stays a paragraph.

Where the pages have launch buttons, a note below the title of a notebook's page says what Colab
needs first: it opens a notebook without the library, and that cannot know where it came from.
"""

from __future__ import annotations

import html
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
    """Indent a paragraph, or a sentence, below an empty type, which napoleon leaves out."""
    for at in range(len(lines) - 1):
        if lines[at] == "Returns" and set(lines[at + 1]) == {"-"}:
            end = at + 2
            while end < len(lines) and lines[end]:
                end += 1
            prose = lines[at + 2 : end]
            sentence = "".join(prose).endswith(".") or len(prose) > 1
            if prose and sentence and not any(line.startswith(" ") for line in prose):
                lines[at + 2 : end] = [":", *(f"    {line}" for line in prose)]
            return


def colab_cell(address: str) -> str:
    """The cell that makes a notebook of the repository at ``address`` run on Colab.

    Not an editable installation, which a kernel that is already running does not find.
    """
    return (
        f"!git clone --quiet --depth 1 {address} companion && pip install --quiet "
        "'./companion[book]'\n%cd companion/book"
    )


def _note_for_colab(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    address = (app.config.html_theme_options or {}).get("repository_url")
    if not address or "body" not in context or page not in app.env.found_docs:
        return
    if app.env.doc2path(page).endswith(".ipynb"):
        note = (
            '<details class="launch-note"><summary>To run this page on Colab</summary>'
            "<p>Open it with the rocket above, put these lines into a cell of their own before the "
            "first, and run them; Binder needs nothing.</p>"
            f"<pre>{html.escape(colab_cell(address))}</pre></details>"
        )
        context["body"] = context["body"].replace("</h1>", f"</h1>{note}", 1)


def _skip_aliases(
    app: Any, what: str, name: str, object_: Any, skip: bool, options: Any
) -> bool | None:
    """A named tuple's fields, which Python documents as aliases and the class's text explains."""
    return True if type(object_).__name__ == "_tuplegetter" else None


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", _complete_nodes)
    # before napoleon, which comes with the usual 500
    app.connect("autodoc-process-docstring", _prose_of_returns, priority=400)
    app.connect("autodoc-skip-member", _skip_aliases)
    app.connect("html-page-context", _drop_thebe, priority=900)
    app.connect("html-page-context", _note_for_colab)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
