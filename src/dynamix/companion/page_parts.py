"""What the book's pages make of a notebook: captions, the first screen, questions.

* A caption belongs to the picture of its cell, and not to what the cell prints beside it.
* The picture of the cell tagged ``opener`` stands on the first screen, above code and parameters.
* The questions of a section stand at its end.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.transforms import SphinxTransform

from . import questions


def captioned(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook in which a cell with a caption shows its picture alone.

    MyST-NB puts the caption below each output of the cell. Outputs before and after the picture
    move to cells of their own.
    """
    cells: list[dict[str, Any]] = []
    for cell in notebook["cells"]:
        outputs = cell.get("outputs", [])
        if len(outputs) < 2 or "figure" not in cell["metadata"].get("mystnb", {}):
            cells.append(cell)
            continue
        at = max(range(len(outputs)), key=lambda i: (_shows(outputs[i]), i))
        parts = [outputs[:at], [outputs[at]], outputs[at + 1 :]]
        for number, part in enumerate(parts):
            if not part and number:
                continue
            made = copy.deepcopy(cell) | {"outputs": part}
            if number:
                made["source"] = "# as above"  # MyST-NB leaves out a cell without source
                made["metadata"]["tags"] = [
                    *(t for t in cell["metadata"].get("tags", []) if not t.startswith("hide-")),
                    "remove-input",
                ]
            if number != 1:
                del made["metadata"]["mystnb"]
                made["metadata"]["tags"] = [
                    t for t in made["metadata"].get("tags", []) if t != "opener"
                ]
            cells.append(made)
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:03d}"
    return notebook | {"cells": cells}


def _shows(output: dict[str, Any]) -> bool:
    """Whether an output is a picture."""
    data = output.get("data", {})
    return "image/png" in data or "<img" in "".join(data.get("text/html", ""))


def _read(app: Any, page: str, source: list[str]) -> None:
    if app.env.doc2path(page).endswith(".ipynb"):
        source[0] = json.dumps(captioned(json.loads(source[0])))


class Parts(SphinxTransform):
    """Rearranges a page, before figures are numbered and after labels are known."""

    default_priority = 600

    def apply(self, **_: Any) -> None:
        """Called by Sphinx."""
        self._facts()
        self._opener()
        self._questions()

    def _facts(self) -> None:
        """The line below the promise: minutes, prerequisites, running time."""
        for paragraph in self.document.findall(nodes.paragraph):
            words = [c for c in paragraph.children if c.astext().strip()]
            if words and isinstance(words[0], nodes.strong) and "minutes" in words[0].astext():
                paragraph["classes"].append("facts")
                return

    def _opener(self) -> None:
        cells = [c for c in self.document.findall(nodes.container) if "cell" in c["classes"]]
        for cell in cells:
            if "tag_opener" not in cell["classes"]:
                continue
            shown = [c for c in cell.children if "cell_output" in c.get("classes", [])]
            place = cells[0].parent
            for output in shown:
                cell.remove(output)
                around = nodes.container("", output, classes=["opener"])
                place.insert(place.index(cells[0]), around)

    def _questions(self) -> None:
        asked = questions.of(Path(self.document["source"]))
        if not asked:
            return
        for section in self.document.findall(nodes.section):
            for label in {*section["names"], *section["ids"]} & set(asked):
                made = questions.page(label, asked[label])
                section.append(nodes.raw("", made, format="html"))


def connect(app: Any) -> None:
    """Make Sphinx call all of it."""
    app.connect("source-read", _read)
    app.add_transform(Parts)
