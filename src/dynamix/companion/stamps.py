"""Stamps: a record of what a notebook's outputs were made from, so that a test finds stale ones.

The runner stores a hash of every code cell, of each module of this library that the cells lead to,
and of each data file that they opened. Comments, docstrings and formatting do not count.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from . import imports
from .imports import PACKAGE

_LENGTH = 12  # hexadecimal digits kept of a hash


def project(path: str | Path) -> Path | None:
    """The folder above ``path`` that holds the library's source; None outside the project."""
    for folder in Path(path).resolve().parents:
        if (folder / "src" / PACKAGE / "__init__.py").is_file():
            return folder
    return None


def make(notebook: Any, *, root: Path, files: Iterable[str]) -> dict[str, Any]:
    """The stamp of a notebook that has just run: hashes of its cells, the source and ``files``.

    ``root`` is the project's folder; ``files`` are paths below it, as :func:`tell` writes them.
    """
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    folder = root / "src" / PACKAGE
    known = imports.library(folder)
    modules = imports.reached("\n".join(map(plain_python, cells)), folder)
    return {
        "cells": [_digest(_cell_text(source)) for source in cells],
        "source": {name: _digest(_text(known[name].statements)) for name in sorted(modules)},
        "files": {name: _file_digest(root / name) for name in sorted(set(files))},
    }


def reasons(notebook: Any, *, root: Path) -> list[str]:
    """Why the outputs of a notebook are stale, one phrase per reason; empty for fresh outputs."""
    stamp = notebook.metadata.get(PACKAGE, {}).get("stamp")
    if stamp is None:
        return ["it has no stamp"]
    now = make(notebook, root=root, files=stamp["files"])
    old, new = stamp["cells"], now["cells"]
    if len(old) != len(new):
        found = [f"{len(new)} code cells instead of {len(old)}"]
    else:
        found = [f"code cell {i + 1} changed" for i in range(len(new)) if new[i] != old[i]]
    found += [f"src: {name} {what}" for name, what in _differences(stamp["source"], now["source"])]
    return found + [f"{name} {what}" for name, what in _differences(stamp["files"], now["files"])]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in sorted(old.keys() | new.keys()):
        if new.get(name) is None:
            yield name, "is no longer used or no longer exists"
        elif name not in old:
            yield name, "is used now"
        elif old[name] != new[name]:
            yield name, "changed"


def _digest(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()[:_LENGTH]


def _file_digest(path: Path) -> str | None:
    return _digest(path.read_bytes()) if path.is_file() else None


# --- which files a running notebook opens -----------------------------------------------------

_opened: set[str] = set()


def watch(root: str) -> None:
    """From now on, remember which results and package data files this process reads.

    The runner calls this function inside the notebook's kernel.
    """
    results, package = f"{root}/results/", f"{root}/src/{PACKAGE}/"

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[1] in (None, "r", "rb"):
            name = arguments[0]
            code = name.endswith((".py", ".pyc")) or "__pycache__" in name
            if name.startswith(results) or (name.startswith(package) and not code):
                _opened.add(name)

    sys.addaudithook(hook)


def tell(root: str, output: str) -> None:
    """Write the files read since :func:`watch` to ``output``, a JSON list of paths below ``root``.

    Python's audit hook does not see safetensors open a file. So the weights beside an opened
    configuration count as opened.
    """
    from ..io.files import write_text  # pandas must not load before the kernel is watched

    paths = {Path(name) for name in _opened}
    paths |= {path.with_suffix(".safetensors") for path in paths if path.suffix == ".json"}
    names = sorted(path.relative_to(root).as_posix() for path in paths if path.is_file())
    write_text(output, json.dumps(names))


def plain_python(source: str) -> str:
    """A cell as plain Python: magics and shell commands become the calls that they stand for."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def _cell_text(source: str) -> str:
    try:
        return _text(ast.parse(source))
    except SyntaxError:  # a magic is compared as it is written
        return source


def _text(node: Any) -> str:
    """A syntax tree as text, the same on every version of Python, without docstrings."""
    if isinstance(node, list | tuple):
        return f"[{','.join(_text(item) for item in node if not _is_docstring(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {k: v for k, v in ast.iter_fields(node) if k not in ("type_comment", "kind", "ctx")}
    parts = (f"{k}={_text(v)}" for k, v in fields.items() if v is not None and v != [])
    return f"{type(node).__name__}({','.join(parts)})"


def _is_docstring(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
