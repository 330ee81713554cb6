"""Running notebooks with papermill, and keeping the committed ones clean.

Running a notebook again gives the same file byte for byte: papermill's timings, cell ids and paths
of the machine are removed.
"""

from __future__ import annotations

import ast
import json
import math
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, needs, one_of
from ..io.files import write_text, write_whole
from . import stamps

_KERNEL = "python3"
_PATHS = re.compile(r"/home/|/Users/|[A-Z]:\\\\")
_ENCODED = re.compile(r"(?<=;base64,)[A-Za-z0-9+/=]+")
_PICTURES = re.compile(r"<img\b[^>]*>")
_NAMED = re.compile(r"""\balt=(?:"\s*[^\s"]|'\s*[^\s'])""")
FOLDED = "Written for the default parameters"
_MIME = "application/papermill.record/"  # the book's pages leave this type out, or glue it


class NotebookError(RuntimeError):
    """A cell failed; the message names chapter, section and cell, and where the outputs are."""


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell."""

    name: str
    default: Any

    def accepts(self, value: Any) -> bool:
        """Whether ``value`` has the default's type; an integer is a float, a list is a tuple."""
        return self.default is None or _alike(value, self.default)

    def parse(self, text: str) -> Any:
        """A value from the command line; text that is no value stays text.

        >>> Parameter("systems", ("Lorenz",)).parse("Chua,Rossler"), Parameter("n", 3).parse("12")
        (('Chua', 'Rossler'), 12)
        """
        if isinstance(self.default, str):
            return text
        if isinstance(self.default, tuple | list) and not text.strip().startswith(("(", "[")):
            inner = Parameter(self.name, self.default[0] if self.default else None)
            return tuple(inner.parse(part.strip()) for part in text.split(",") if part.strip())
        if isinstance(self.default, bool) and text.lower() in ("true", "false"):
            return text.lower() == "true"
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            return text


def _alike(value: Any, default: Any) -> bool:
    if isinstance(default, list | tuple):
        return isinstance(value, list | tuple) and all(
            not default or any(_alike(item, example) for example in default) for item in value
        )
    if isinstance(value, bool) and not isinstance(default, bool):
        return False
    return isinstance(value, int | float if isinstance(default, float) else type(default))


def parameters(path: str | Path) -> dict[str, Parameter]:
    """A notebook's parameters by name, from its cell tagged ``parameters``; nothing is run."""
    found, name = {}, Path(path).name
    for cell in read(path).cells:
        if cell.cell_type != "code" or "parameters" not in cell.metadata.get("tags", []):
            continue
        try:
            statements = ast.parse(cell.source).body
        except SyntaxError as error:
            raise InputError(f"{name}: its parameters cell is no plain Python: {error}.") from error
        for statement in statements:
            if not isinstance(statement, ast.Assign):
                continue
            if isinstance(target := statement.targets[0], ast.Name):
                try:
                    default = ast.literal_eval(statement.value)
                except ValueError as error:
                    raise InputError(
                        f"{name}: the default of {target.id!r} must be a plain value, found "
                        f"{ast.unparse(statement.value)}."
                    ) from error
                found[target.id] = Parameter(target.id, default)
    return found


def check(path: str | Path, values: Mapping[str, Any]) -> None:
    """Raise unless the notebook has every named parameter, and each value has its type.

    Papermill itself accepts an unknown name and changes nothing.
    """
    known = parameters(path)
    for name, value in values.items():
        one_of(f"parameter of {Path(path).name}", name, known)
        if not known[name].accepts(value):
            raise InputError(
                f"parameter {name!r} of {Path(path).name} must be "
                f"{type(known[name].default).__name__}, such as {known[name].default!r}; found "
                f"{value!r} ({type(value).__name__})."
            )


def run(
    path: str | Path,
    output: str | Path,
    *,
    values: Mapping[str, Any] | None = None,
    cwd: str | Path | None = None,
) -> Path:
    """Execute a notebook with papermill and write the cleaned result to ``output``.

    It runs in its own folder, or in ``cwd``. A result within the project on all defaults gets a
    stamp. Raises :class:`NotebookError` if a cell fails or the kernel dies; then ``output`` holds
    what ran, with the error in place.
    """
    with needs("book"):
        import papermill as pm
        from nbclient.exceptions import DeadKernelError

        from . import engine

    path, output, values = Path(path), Path(output), dict(values or {})
    check(path, values)
    root = stamps.project(path)
    output.parent.mkdir(parents=True, exist_ok=True)
    opened: list[str] = []
    undrawn: list[str] = []
    failure: Exception | None = None
    with write_whole(output) as temporary:
        try:
            pm.execute_notebook(
                str(path),
                str(temporary),
                # papermill writes a tuple as a string
                parameters={k: list(v) if isinstance(v, tuple) else v for k, v in values.items()},
                engine_name=engine.register(),
                kernel_name=_KERNEL,
                language="python",
                cwd=str(path.parent if cwd is None else cwd),
                progress_bar=False,
                log_output=False,
                root=None if root is None else str(root),
                opened=opened,
                undrawn=undrawn,
            )
            notebook = clean(read(temporary))
            known = parameters(path)
            if any(_plain(value) != _plain(known[name].default) for name, value in values.items()):
                fold(notebook)
            kept: dict[str, Any] = {"undrawn": undrawn} if undrawn else {}
            if root is not None and not values:
                kept["stamp"] = stamps.make(notebook, root=root, files=opened)
            if kept:
                notebook.metadata[stamps.PACKAGE] = kept
            write(notebook, temporary)
        except (pm.PapermillExecutionError, DeadKernelError) as error:
            failure = error  # what ran is kept
    if failure is None:
        return output
    why = "the kernel died"
    if isinstance(failure, pm.PapermillExecutionError):
        why = f"{failure.ename}: {failure.evalue}"
    cell, section = _last_begun(output)
    raise NotebookError(
        f"chapter {_title(path)!r} ({path.name}) failed in cell {cell} of the notebook, "
        f"section {section!r}: {why}\nThe outputs until then are in {output}"
    ) from failure


def _last_begun(output: Path) -> tuple[int, str]:
    """Number and section of the last cell that papermill began, without the cells it inserted."""
    marked = "papermill-error-cell-tag"
    cells = [c for c in read(output).cells if marked not in c.metadata.get("tags", [])]
    begun = [c.metadata.get("papermill", {}).get("status") != "pending" for c in cells]
    number = max((i for i, true in enumerate(begun, start=1) if true), default=0)
    text = "\n".join(c.source for c in cells[:number] if c.cell_type == "markdown")
    headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    return number, headings[-1].strip() if headings else ""


def clean(notebook: Any) -> Any:
    """Remove what differs between two runs: timings, random ids, the version of Python."""
    notebook.metadata = type(notebook.metadata)(
        kernelspec={"display_name": "Python 3", "language": "python", "name": _KERNEL},
        language_info={"name": "python"},
    )
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i:03d}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    return notebook


def _plain(value: Any) -> Any:
    """A value as papermill passes it on: a tuple is a list."""
    return list(value) if isinstance(value, tuple) else value


def listed(value: str | Iterable[str]) -> tuple[str, ...]:
    """The names of a parameter that is a list.

    Plain papermill hands ``-p systems "['Lorenz', 'Chua']"`` on as one text.

    >>> listed("['Lorenz', 'Chua']"), listed("Lorenz,Chua"), listed(["Lorenz"]), listed("[]")
    (('Lorenz', 'Chua'), ('Lorenz', 'Chua'), ('Lorenz',), ())
    """
    if isinstance(value, str):
        return tuple(re.findall(r"[^\s,'\"()\[\]]+", value))
    return tuple(value)


def fold(notebook: Any) -> Any:
    """Fold the text that a rerun on other parameters may make false: cells tagged ``default-run``.

    Returns the notebook, changed in place.
    """
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and "default-run" in cell.metadata.get("tags", []):
            cell.source = (
                f"<details>\n<summary>{FOLDED}</summary>\n\n{cell.source.strip()}\n\n</details>"
            )
    return notebook


def unfolded(path: str | Path) -> list[str]:
    """The cells of a rerun that should be folded and are not, by their first words."""
    return [
        f"{Path(path).name}: not folded, although written for the defaults: {cell.source[:60]!r}"
        for cell in read(path).cells
        if "default-run" in cell.metadata.get("tags", []) and FOLDED not in cell.source
    ]


def record(name: str, value: Any) -> None:
    """Store a number under a name in the running notebook, for sweeps and for the book's text.

    The cell's output holds it, invisibly. ``dynamix sweep`` collects the records into a table, and
    a page can show one by ``{glue:text}``. Outside of a notebook the call has no effect.

    A later value replaces an earlier one of the same name. The value is a number (also of NumPy,
    pandas, torch), a text, a truth value or None; anything else raises :class:`InputError`.

    >>> record("d_stsp", 1.5)
    >>> record("errors", [1.5, 2.5])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: record('errors', ...) takes one number or text, found list. Record...
    """
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()  # of NumPy, pandas, torch
    if not isinstance(value, str | bool | int | float | None):
        raise InputError(
            f"record({name!r}, ...) takes one number or text, found {type(value).__name__}. Record "
            "its parts under one name each."
        )
    if "IPython" not in sys.modules:  # the library alone does not install it
        return
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        return
    finite = not isinstance(value, float) or math.isfinite(value)
    display(
        {f"{_MIME}text/plain": repr(value)},
        raw=True,
        metadata={
            "scrapbook": {"name": name, "mime_prefix": _MIME},
            stamps.PACKAGE: {"record": name, "value": value if finite else str(value)},
        },
    )


def recorded(path: str | Path) -> dict[str, Any]:
    """What a notebook stored by :func:`record`, by name; the last value of each name."""
    found = {}
    for cell in read(path).cells:
        for output in cell.get("outputs", []):
            if kept := output.get("metadata", {}).get(stamps.PACKAGE):
                value = kept["value"]
                found[kept["record"]] = float(value) if value in ("nan", "inf", "-inf") else value
    return found


def stale(path: str | Path) -> list[str]:
    """Why a committed notebook's outputs are stale, with the command that helps; else empty."""
    path = Path(path)
    root = stamps.project(path)
    found = [] if root is None else stamps.reasons(read(path), root=root)
    return [
        f"{path.name} is stale: {reason}. Run: dynamix book run {path.stem}" for reason in found
    ]


def problems(path: str | Path) -> list[str]:
    """What is wrong with a committed notebook, one sentence per problem; empty for a clean one."""
    path = Path(path)
    return [f"{path.name}: {problem}" for problem in _problems(read(path), path)]


def _problems(notebook: Any, path: Path) -> Iterator[str]:
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells are tagged 'parameters' instead of one"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield f"execution counts are {counts}: run it once from top to bottom"
    yield from notebook.metadata.get(stamps.PACKAGE, {}).get("undrawn", [])
    here = (str(Path.home()), tempfile.gettempdir(), str(path.resolve().parents[1]))
    for number, cell in enumerate(code, start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell {number} failed with {output.ename}"
            if output.get("name") == "stderr":
                yield f"cell {number} wrote to standard error: {output.text[:120]!r}"
            data = output.get("data", {})
            text = output.get("text", "") + data.get("text/plain", "") + data.get("text/html", "")
            text = _ENCODED.sub("", text)  # encoded pictures hold any letters
            if re.search(r"\b\w*Warning: ", text):
                yield f"cell {number} shows a warning"
            if _PATHS.search(text) or any(f"{place}/" in text for place in here):
                yield f"cell {number} shows a path of the machine it ran on"
            pictures = _PICTURES.findall(data.get("text/html", ""))  # pages prefer them to a PNG
            alone = "image/png" in data and not pictures
            alternative = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            if not all(map(_NAMED.search, pictures)) or (alone and not alternative):
                yield f"cell {number} draws a figure without alternative text"


def _title(path: Path) -> str:
    for cell in read(path).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return str(cell.source.splitlines()[0][2:].strip())
    return path.stem


def read(path: str | Path) -> Any:
    """The notebook in a file."""
    with needs("book"):
        import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise InputError(
            f"no notebook {str(path)!r} ({error.strerror}). Name a file that ends in .ipynb."
        ) from error
    except (nbformat.reader.NotJSONError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} is not a notebook: expected the JSON of one.") from error


def write(notebook: Any, path: Path) -> None:
    """Write a notebook to a file."""
    import nbformat

    write_text(path, nbformat.writes(notebook).rstrip("\n") + "\n")
