"""Sphinx extension of the book: its pages' parts, shapes in its reference, and four corrections.

:mod:`dynamix.companion.page_parts` makes captions, first screens and questions, and
:mod:`dynamix.companion.site` what browsers and search engines want. A chapter links its slides. The
corrections:

* On the one page that becomes the PDF: an extension that registers a node for ``singlehtml`` alone
  hides the nodes that others have registered for ``html``.
* Jupyter Book adds the scripts of sphinx-thebe, which load files from another host.
* napoleon takes each line of prose under "Returns" for a type, and lists a named tuple's fields.
* Colab opens a notebook without the library: a note under the title says how to install it.
"""

from __future__ import annotations

import html
import re
from typing import Any

import jaxtyping  # noqa: F401  # loaded before the library, whose reference then shows shapes

from . import notebooks, page_parts, site, slides

FACTS = re.compile(r'<p class="facts">.*?(?=</p>)', re.DOTALL)


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
    """Indent prose under "Returns" below an empty type, which napoleon leaves out."""
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


def _skip_aliases(
    app: Any, what: str, name: str, object_: Any, skip: bool, options: Any
) -> bool | None:
    return True if type(object_).__name__ == "_tuplegetter" else None


def colab_cell(address: str) -> str:
    """The cell that makes a notebook of the repository at ``address`` run on Colab.

    The installation is not editable: a kernel that is already running would not find it.
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
            "<p>Open the page with the rocket above. Put these lines into a new first cell and run "
            "it. Binder needs no preparation.</p>"
            f"<pre>{html.escape(colab_cell(address))}</pre></details>"
        )
        context["body"] = context["body"].replace("</h1>", f"</h1>{note}", 1)


def _link_slides(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """A link to the chapter's slides at the end of the line of facts, else below the title."""
    if app.builder.name != "html" or "body" not in context or not page[:2].isdigit():
        return
    source = app.env.doc2path(page) if page in app.env.found_docs else ""
    if str(source).endswith(".ipynb") and slides.tagged(notebooks.read(source)):
        link = f'<a href="{slides.name_of(page)}">slides</a>'
        body, found = FACTS.subn(lambda facts: f"{facts[0]} · {link}", context["body"], count=1)
        if not found:
            body = body.replace("</h1>", f"</h1><p>This chapter has {link}.</p>", 1)
        context["body"] = body


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", _complete_nodes)
    app.connect("autodoc-process-docstring", _prose_of_returns, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", _skip_aliases)
    app.connect("html-page-context", _drop_thebe, priority=900)
    app.connect("html-page-context", _note_for_colab)
    app.connect("html-page-context", _link_slides)
    page_parts.connect(app)
    site.connect(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
