"""Running the book's notebooks with papermill, and keeping them clean.

A committed notebook carries the outputs of its default parameters. Running it again gives the same
file byte for byte: papermill's timings, cell ids and machine paths are dropped.
"""

from __future__ import annotations

import difflib
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import InputError

_KERNEL = "python3"
_PATHS = re.compile(r"/home/|/Users/|[A-Z]:\\\\")  # beside those of the machine at hand


def parameters(path: str | Path) -> dict[str, str]:
    """Names and default values (as written) of a notebook's parameters cell."""
    import papermill as pm

    return {name: entry["default"] for name, entry in pm.inspect_notebook(str(path)).items()}


def run(path: str | Path, output: str | Path, *, values: Mapping[str, Any] | None = None) -> Path:
    """Execute a notebook with papermill from its own folder and write the cleaned result.

    Parameters
    ----------
    path
        The notebook.
    output
        Where the result goes; on failure it holds what ran, with the error in place.
    values
        Parameters that differ from their defaults.

    Raises
    ------
    InputError
        If a parameter is unknown: papermill itself would accept it and change nothing.
    papermill.PapermillExecutionError
        If a cell fails.
    """
    import nbformat
    import papermill as pm

    path, output = Path(path), Path(output)
    known = parameters(path)
    for name in values or {}:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"{path.name} has no parameter {name!r}; it has {', '.join(known)}.{hint}"
            )
    pm.execute_notebook(
        str(path),
        str(output),
        parameters=dict(values or {}),
        kernel_name=_KERNEL,
        cwd=str(path.parent),
        progress_bar=False,
        log_output=False,
    )
    notebook = nbformat.read(output, as_version=4)
    nbformat.write(clean(notebook), output)
    return output


def clean(notebook: Any) -> Any:
    """Drop what differs between two runs: timings, run-dependent ids, the language's version."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": _KERNEL},
        "language_info": {"name": "python"},
    }
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i:03d}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    return notebook


def problems(path: str | Path) -> list[str]:
    """What is wrong with a committed notebook, a sentence each; none for a clean one."""
    import nbformat

    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    here = (str(Path.home()), tempfile.gettempdir(), str(path.resolve().parents[1]))
    found = []
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        found.append(f"{len(tagged)} cells are tagged 'parameters' instead of one")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"execution counts are {counts}: run it once from top to bottom")
    for number, cell in enumerate(code, start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"cell {number} failed with {output.ename}")
            if output.get("name") == "stderr":
                found.append(f"cell {number} wrote to standard error: {output.text[:120]!r}")
            data = output.get("data", {})
            text = output.get("text", "") + data.get("text/plain", "") + data.get("text/html", "")
            if _PATHS.search(text) or any(f"{place}/" in text for place in here):
                found.append(f"cell {number} shows a path of the machine it ran on")
            if "image/png" in data and not _alternative_text(cell):
                found.append(f"cell {number} draws a figure without alternative text")
    return [f"{path.name}: {problem}" for problem in found]


def _alternative_text(cell: Any) -> str:
    """The text that stands in for a cell's figure, from its ``mystnb`` metadata."""
    return str(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))
