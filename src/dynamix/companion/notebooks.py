"""Running the book's notebooks with papermill, and keeping them clean.

A committed notebook carries the outputs of its default parameters. Running it again gives the same
file byte for byte: papermill's timings, cell ids and machine paths are dropped. What it was made
from stands in its stamp (:mod:`dynamix.companion.stamps`), what it found in its records (:func:`record`).
"""

from __future__ import annotations

import ast
import json
import math
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, one_of
from . import stamps

_KERNEL = "python3"
_PATHS = re.compile(r"/home/|/Users/|[A-Z]:\\\\")  # beside those of the machine at hand
_ENCODED = re.compile(r"(?<=;base64,)[A-Za-z0-9+/=]+")
_PICTURES = re.compile(r"<img\b[^>]*>")
_NAMED = re.compile(r"""\balt=(?:"\s*[^\s"]|'\s*[^\s'])""")
_KINDS = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}
_MIME = "application/papermill.record/"  # what the book's pages know how to leave out, or to glue

Progress = Callable[[int, int, str], None]


class NotebookError(RuntimeError):
    """A cell failed. Says in which chapter and cell, and where what ran is kept.

    Examples
    --------
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> notebook = nb.new_notebook(cells=[nb.new_code_cell("1 / 0")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nbformat.write(clean(notebook), f"{folder}/a.ipynb")
    ...     try:
    ...         run(f"{folder}/a.ipynb", f"{folder}/ran.ipynb")
    ...     except NotebookError as error:
    ...         print(str(error).split(", section")[0])
    chapter 'a' (a.ipynb) failed in cell 1 of the notebook
    """


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell.

    Fields: its ``name``, its ``default``, and its ``annotation`` if it has one.

    Examples
    --------
    >>> context = Parameter("context_length", 512)
    >>> context.accepts(1000), context.accepts("1000"), context.parse("1000")
    (True, False, 1000)
    """

    name: str
    default: Any
    annotation: str | None = None

    def accepts(self, value: Any) -> bool:
        """Whether ``value`` is of the default's type, or of one that the annotation names.

        An integer will do for a float, a list for a tuple; anything for a default of None without
        an annotation.

        Examples
        --------
        >>> Parameter("names", ("Lorenz",)).accepts(["Chua"]), Parameter("n", 3).accepts(2.5)
        (True, False)
        >>> Parameter("column", None, "str | None").accepts(3)
        False
        """
        if self.annotation is not None:
            names = [name.split("[")[0].strip() for name in self.annotation.split("|")]
            if set(names) <= {*_KINDS, "tuple", "None"}:
                return any(_is(value, name) for name in names)
        return self.default is None or _alike(value, self.default)

    def describe(self) -> str:
        """The type and an example, for messages.

        Examples
        --------
        >>> Parameter("horizon", 500).describe()
        'int, such as 500'
        """
        return f"{self.annotation or type(self.default).__name__}, such as {self.default!r}"

    def parse(self, text: str) -> Any:
        """A value from a command line's ``text``: by the default's type, tuples split at commas.

        What cannot be read as a value stays text, which :meth:`accepts` then refuses.

        Examples
        --------
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


def _is(value: Any, name: str) -> bool:
    if name == "None":
        return value is None
    if name in ("list", "tuple"):
        return isinstance(value, list | tuple)
    if name == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if name == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, _KINDS[name])


def _alike(value: Any, default: Any) -> bool:
    if isinstance(default, list | tuple):
        return isinstance(value, list | tuple) and all(
            not default or any(_alike(item, example) for example in default) for item in value
        )
    return _is(value, type(default).__name__)


def parameters(path: str | Path) -> dict[str, Parameter]:
    """A notebook's parameters by name, in the order of its cell tagged ``parameters``.

    Read from the cell's syntax tree: papermill's own inspection keeps the defaults as text. Nothing
    is run. ``path`` is the notebook's file.

    Raises
    ------
    InputError
        If there is no such file, it is no notebook, its cell of parameters is no plain Python, or a
        default is not a plain value.

    Examples
    --------
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> cell = nb.new_code_cell("system = 'Chua'; n: int = 9", metadata={"tags": ["parameters"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nbformat.write(nb.new_notebook(cells=[cell]), f"{folder}/a.ipynb")
    ...     found = parameters(f"{folder}/a.ipynb")
    >>> found["system"].default, found["n"]
    ('Chua', Parameter(name='n', default=9, annotation='int'))
    """
    found = {}
    for cell in _read(path).cells:
        if cell.cell_type != "code" or "parameters" not in cell.metadata.get("tags", []):
            continue
        try:
            statements = ast.parse(cell.source).body
        except SyntaxError as error:
            raise InputError(
                f"{Path(path).name}: its cell of parameters is no plain Python: {error}."
            ) from error
        for statement in statements:
            if isinstance(statement, ast.Assign):
                target, annotation = statement.targets[0], None
            elif isinstance(statement, ast.AnnAssign):
                target, annotation = statement.target, ast.unparse(statement.annotation)
            else:
                continue
            if isinstance(target, ast.Name) and statement.value is not None:
                try:
                    default = ast.literal_eval(statement.value)
                except ValueError as error:
                    raise InputError(
                        f"{Path(path).name}: the default of {target.id!r} must be a plain value, "
                        f"found {ast.unparse(statement.value)}."
                    ) from error
                found[target.id] = Parameter(target.id, default, annotation)
    return found


def count_cells(path: str | Path) -> int:
    """How many cells the notebook at ``path`` has, text included.

    Raises
    ------
    InputError
        If there is no such file, or it is no notebook.

    Examples
    --------
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cells = [nb.new_markdown_cell("# Title"), nb.new_code_cell("1 + 1")]
    ...     nbformat.write(nb.new_notebook(cells=cells), f"{folder}/a.ipynb")
    ...     count_cells(f"{folder}/a.ipynb")
    2
    """
    return len(_read(path).cells)


def check(path: str | Path, values: Mapping[str, Any]) -> None:
    """Raise unless the notebook has every parameter named, and each value is of its type.

    Papermill itself would accept an unknown name and change nothing.

    Parameters
    ----------
    path
        The notebook.
    values
        Values by the parameters' names.

    Raises
    ------
    InputError
        Naming the parameter, what was expected and what was found; or if the file is no notebook.

    Examples
    --------
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> cell = nb.new_code_cell("n = 9", metadata={"tags": ["parameters"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nbformat.write(nb.new_notebook(cells=[cell]), f"{folder}/a.ipynb")
    ...     check(f"{folder}/a.ipynb", {"n": 2.5})
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: parameter 'n' of a.ipynb must be int, such as 9; found 2.5 (float).
    """
    known = parameters(path)
    for name, value in values.items():
        one_of(f"parameter of {Path(path).name}", name, known)
        if not known[name].accepts(value):
            raise InputError(
                f"parameter {name!r} of {Path(path).name} must be {known[name].describe()}; found "
                f"{value!r} ({type(value).__name__})."
            )


def run(
    path: str | Path,
    output: str | Path,
    *,
    values: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    cwd: str | Path | None = None,
) -> Path:
    """Execute a notebook with papermill from its own folder and write the cleaned result.

    Parameters
    ----------
    path
        The notebook.
    output
        Where the result goes; on failure it holds what ran, with the error in place. Its folder is
        made.
    values
        Parameters that differ from their defaults.
    progress
        Called after each cell with the number done, the number of all, and the section's heading.
    cwd
        Another folder to run in, for a copy that lies elsewhere than its notebook.

    Returns
    -------
    The path of the result. It is stamped (:mod:`dynamix.companion.stamps`) if it ran within the project on
    all defaults.

    Raises
    ------
    InputError
        If the file is no notebook, a parameter unknown or a value of the wrong type.
    NotebookError
        If a cell fails or the kernel dies.

    Examples
    --------
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> defaults = nb.new_code_cell("x = 1", metadata={"tags": ["parameters"]})
    >>> notebook = clean(nb.new_notebook(cells=[defaults, nb.new_code_cell("1 / x")]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nbformat.write(notebook, f"{folder}/a.ipynb")
    ...     result = run(f"{folder}/a.ipynb", f"{folder}/ran.ipynb", values={"x": 4})
    ...     ran = nbformat.read(result, as_version=4)
    >>> ran.cells[-1].outputs[0].data["text/plain"]
    '0.25'
    """
    import papermill as pm
    from nbclient.exceptions import DeadKernelError

    from . import engine as notebook_engine

    path, output, values = Path(path), Path(output), dict(values or {})
    check(path, values)
    root = stamps.project(path)
    place = {"cell": 0, "section": ""}

    def step(done: int, total: int, section: str) -> None:
        place.update(cell=done, section=section)
        if progress is not None:
            progress(done, total, section)

    output.parent.mkdir(parents=True, exist_ok=True)
    opened: list[str] = []
    try:
        pm.execute_notebook(
            str(path),
            str(output),
            # papermill writes a tuple as a string
            parameters={k: list(v) if isinstance(v, tuple) else v for k, v in values.items()},
            engine_name=notebook_engine.register(),
            kernel_name=_KERNEL,
            language="python",  # a notebook need not say
            cwd=str(path.parent if cwd is None else cwd),
            progress_bar=False,
            log_output=False,
            step=step,
            root=None if root is None else str(root),
            opened=opened,
        )
    except (pm.PapermillExecutionError, DeadKernelError) as error:
        why = (
            "the kernel died"
            if isinstance(error, DeadKernelError)
            else f"{error.ename}: {error.evalue}"
        )
        raise NotebookError(
            f"chapter {_title(path)!r} ({path.name}) failed in cell {place['cell']} of the "
            f"notebook, section {place['section']!r}: {why}\nWhat ran until there is kept in "
            f"{output}"
        ) from error
    notebook = clean(_read(output))
    if root is not None and not values:
        notebook.metadata[stamps.PACKAGE] = {
            "stamp": stamps.make(notebook, root=root, files=opened)
        }
    _write(notebook, output)
    return output


def clean(notebook: Any) -> Any:
    """Drop what differs between two runs: timings, run-dependent ids, the language's version.

    ``notebook`` is a notebook of nbformat, which is changed and returned.

    Examples
    --------
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> cell = nb.new_code_cell("1 + 1", metadata={"papermill": {"duration": 0.1}})
    >>> cleaned = clean(nb.new_notebook(cells=[cell], metadata={"papermill": {"duration": 0.2}}))
    >>> sorted(cleaned.metadata), cleaned.cells[0].id, cleaned.cells[0].metadata
    (['kernelspec', 'language_info'], 'cell-000', {})
    """
    notebook.metadata = type(notebook.metadata)(
        kernelspec={"display_name": "Python 3", "language": "python", "name": _KERNEL},
        language_info={"name": "python"},
    )
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i:03d}"
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
    return notebook


def record(name: str, value: Any) -> None:
    """Keep a number under a name in the running notebook, for sweeps and for the book's text.

    It is stored in the cell's output, invisibly; ``dynamix sweep`` collects it into a table, and a
    page can show it by ``{glue:text}``. Outside of a notebook nothing happens.

    Parameters
    ----------
    name
        What it is kept under; a later value of the same name replaces an earlier one.
    value
        A number (also of NumPy, pandas, torch), a text, a truth value or None.

    Raises
    ------
    InputError
        If the value is anything else.

    Examples
    --------
    >>> record("d_stsp", 1.5)
    >>> record("errors", [1.5, 2.5])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: record('errors', ...) keeps one number or text, found list. Record...
    """
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()  # of NumPy, pandas, torch
    if not isinstance(value, str | bool | int | float | None):
        raise InputError(
            f"record({name!r}, ...) keeps one number or text, found {type(value).__name__}. Record "
            "its parts under a name each."
        )
    if "IPython" not in sys.modules:  # nor is it installed with the library alone
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
    """What a notebook kept by :func:`record`, by name; the last value where a name came twice.

    Infinite values and NaN come back as such. ``path`` is a notebook that has run.

    Raises
    ------
    InputError
        If there is no such file, or it is no notebook.

    Examples
    --------
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> kept = nb.new_output("display_data", metadata={"dynamix": {"record": "mase", "value": 0.5}})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cell = nb.new_code_cell("record('mase', 0.5)", outputs=[kept])
    ...     nbformat.write(nb.new_notebook(cells=[cell]), f"{folder}/a.ipynb")
    ...     recorded(f"{folder}/a.ipynb")
    {'mase': 0.5}
    """
    found = {}
    for cell in _read(path).cells:
        for output in cell.get("outputs", []):
            kept = output.get("metadata", {}).get(stamps.PACKAGE)
            if kept:
                value = kept["value"]
                found[kept["record"]] = float(value) if value in ("nan", "inf", "-inf") else value
    return found


def stale(path: str | Path) -> list[str]:
    """Why a committed notebook's outputs are stale, a sentence each, with the command that helps.

    None for a fresh one, or outside of the project. ``path`` is the notebook's file;
    :func:`dynamix.companion.stamps.reasons` compares it with its stamp.

    Raises
    ------
    InputError
        If there is no such file in the project, or it is no notebook.

    Examples
    --------
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source = Path(folder) / "src" / "dynamix"  # what makes a folder the project
    ...     source.mkdir(parents=True)
    ...     (source / "__init__.py").touch()
    ...     nbformat.write(nb.new_notebook(), f"{folder}/a.ipynb")
    ...     stale(f"{folder}/a.ipynb")
    ['a.ipynb is stale: it has no stamp. Run: dynamix book run a']
    """
    path = Path(path)
    root = stamps.project(path)
    if root is None:
        return []
    found = stamps.reasons(_read(path), root=root)
    remedy = f"dynamix book run {path.stem}"
    return [f"{path.name} is stale: {reason}. Run: {remedy}" for reason in found]


def problems(path: str | Path) -> list[str]:
    """What is wrong with a committed notebook, a sentence each; none for a clean one.

    Looked for: one cell tagged ``parameters``, cells run once from top to bottom, no error, no
    warning, nothing on standard error, no path of the machine, an alternative text for every
    figure. ``path`` is the notebook's file.

    Raises
    ------
    InputError
        If there is no such file, or it is no notebook.

    Examples
    --------
    >>> import nbformat
    >>> from nbformat import v4 as nb
    >>> cell = nb.new_code_cell("steps = 9", metadata={"tags": ["parameters"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nbformat.write(nb.new_notebook(cells=[cell]), f"{folder}/a.ipynb")  # it has not run
    ...     problems(f"{folder}/a.ipynb")
    ['a.ipynb: execution counts are [None]: run it once from top to bottom']
    """
    path = Path(path)
    notebook = _read(path)
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
            text = _ENCODED.sub("", text)  # where any letters may meet
            if re.search(r"\b\w*Warning: ", text):
                found.append(f"cell {number} shows a warning")
            if _PATHS.search(text) or any(f"{place}/" in text for place in here):
                found.append(f"cell {number} shows a path of the machine it ran on")
            pictures = _PICTURES.findall(data.get("text/html", ""))  # which pages prefer to a PNG
            named = all(_NAMED.search(picture) for picture in pictures)
            if not named or ("image/png" in data and not pictures and not _alternative_text(cell)):
                found.append(f"cell {number} draws a figure without alternative text")
    return [f"{path.name}: {problem}" for problem in found]


def _alternative_text(cell: Any) -> str:
    """The text that stands in for a cell's figure, from its ``mystnb`` metadata."""
    return str(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""))


def _title(path: Path) -> str:
    for cell in _read(path).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            return str(cell.source.splitlines()[0][2:].strip())
    return path.stem


def _read(path: str | Path) -> Any:
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise InputError(f"no notebook {str(path)!r} here. Name a file that ends in .ipynb.") from (
            error
        )
    except (nbformat.reader.NotJSONError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} is not a notebook: expected the JSON of one.") from error


def _write(notebook: Any, path: Path) -> None:
    import nbformat

    nbformat.write(notebook, path)
