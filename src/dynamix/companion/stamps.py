"""Stamps: what a notebook's outputs were made from, so that a test can tell which are stale.

The runner writes into each notebook's metadata a hash of every code cell, of the parts of this
library that the notebook can reach, and of the project's files that it opened. Comments, docstrings
and formatting do not count, and neither does a function that no cell leads to: a notebook is not
stale for nothing.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

PACKAGE = "dynamix"
_WATCHED = ("results", f"src/{PACKAGE}/data")  # what a notebook may read and is stamped with
_LENGTH = 12  # hexadecimal digits kept of a hash


def project(path: str | Path) -> Path | None:
    """The folder above ``path`` that holds the library's source; None outside the project.

    Examples
    --------
    >>> (project(__file__) / "src" / "dynamix").is_dir()
    True
    >>> project("/data/mine.ipynb") is None
    True
    """
    for folder in Path(path).resolve().parents:
        if (folder / "src" / PACKAGE / "__init__.py").is_file():
            return folder
    return None


def make(notebook: Any, *, root: Path, files: Iterable[str]) -> dict[str, Any]:
    """The stamp of a notebook that has just run.

    Parameters
    ----------
    notebook
        A notebook of nbformat.
    root
        The project's folder.
    files
        What it opened: paths below ``root``, as :func:`tell` gives them.

    Returns
    -------
    ``cells``, a hash per code cell; ``source``, a hash per module of the library that they reach
    (:func:`reached`); ``files``, a hash per file, None for one that is not there.

    Raises
    ------
    SyntaxError
        If a code cell is not what IPython understands.

    Examples
    --------
    >>> from nbformat import v4 as nb
    >>> root = project(__file__)
    >>> one = nb.new_notebook(cells=[nb.new_code_cell("x = 1  # comments do not count")])
    >>> two = nb.new_notebook(cells=[nb.new_code_cell("x=1")])
    >>> make(one, root=root, files=[]) == make(two, root=root, files=[])
    True
    """
    cells = _code(notebook)
    return {
        "cells": [_digest(_text_of(source)) for source in cells],
        "source": reached("\n".join(map(_readable, cells)), root=root),
        "files": {name: _file_digest(root / name) for name in sorted(set(files))},
    }


def reasons(notebook: Any, *, root: Path) -> list[str]:
    """Why the outputs of a notebook are stale, a phrase each; none where they are fresh.

    ``notebook`` is a notebook of nbformat, ``root`` the project's folder, with which its stamp is
    compared as it is now.

    Examples
    --------
    >>> from nbformat import v4 as nb
    >>> root = project(__file__)
    >>> notebook = nb.new_notebook(cells=[nb.new_code_cell("x = 1")])
    >>> reasons(notebook, root=root)
    ['it has no stamp']
    >>> notebook.metadata["dynamix"] = {"stamp": make(notebook, root=root, files=[])}
    >>> reasons(notebook, root=root)
    []
    >>> notebook.cells[0].source = "x = 2"
    >>> reasons(notebook, root=root)
    ['code cell 1 changed']
    """
    stamp = notebook.metadata.get(PACKAGE, {}).get("stamp")
    if stamp is None:
        return ["it has no stamp"]
    now = make(notebook, root=root, files=stamp["files"])
    found = []
    if len(now["cells"]) != len(stamp["cells"]):
        found.append(f"{len(now['cells'])} code cells instead of {len(stamp['cells'])}")
    else:
        found += [
            f"code cell {i} changed"
            for i, (new, old) in enumerate(zip(now["cells"], stamp["cells"], strict=True), start=1)
            if new != old
        ]
    found += [f"src: {name} {what}" for name, what in _differences(stamp["source"], now["source"])]
    found += [f"{name} {what}" for name, what in _differences(stamp["files"], now["files"])]
    return found


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in sorted(old.keys() | new.keys()):
        if name not in new or new[name] is None:
            yield name, "is not used or not there any more"
        elif name not in old:
            yield name, "is used now"
        elif old[name] != new[name]:
            yield name, "changed"


def _code(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_LENGTH]


def _file_digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:_LENGTH]
    except OSError:
        return None


# --- which files a running notebook opens -----------------------------------------------------

_opened: set[str] = set()


def watch(root: str) -> None:
    """From now on, note which of the project's results and data files this process opens.

    Called inside the notebook's kernel by the runner, with the project's folder as ``root``; it
    lasts as long as the process. Python tells an audit hook of every file that it opens;
    safetensors does not, so the weights beside an opened configuration count as opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     table = Path(root) / "results" / "mine.csv"
    ...     table.parent.mkdir()
    ...     table.touch()
    ...     watch(root)
    ...     text = table.read_text()
    ...     tell(root, f"{root}/opened.json")
    ...     print(Path(root, "opened.json").read_text())
    ["results/mine.csv"]
    """
    folders = tuple(f"{Path(root) / folder}/" for folder in _WATCHED)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str):
            name, mode = arguments[0], arguments[1]
            if mode in (None, "r", "rb") and name.startswith(folders):
                _opened.add(name)

    sys.addaudithook(hook)


def tell(root: str, output: str) -> None:
    """Write the names of the files seen since :func:`watch`, as a JSON list, to ``output``.

    The names are paths below ``root``, the folder that is watched. Deleted files are not told.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     model = Path(root) / "src" / "dynamix" / "data" / "model.json"
    ...     model.parent.mkdir(parents=True)
    ...     model.touch()
    ...     model.with_suffix(".safetensors").touch()
    ...     watch(root)
    ...     text = model.read_text()
    ...     tell(root, f"{root}/opened.json")
    ...     [Path(name).name for name in json.loads(Path(root, "opened.json").read_text())]
    ['model.json', 'model.safetensors']
    """
    paths = {Path(name) for name in _opened}
    paths |= {path.with_suffix(".safetensors") for path in paths if path.suffix == ".json"}
    names = sorted(path.relative_to(root).as_posix() for path in paths if path.is_file())
    Path(output).write_text(json.dumps(names), encoding="utf-8")


# --- which parts of the library some code can reach -------------------------------------------


def reached(code: str, *, root: Path) -> dict[str, str]:
    """A hash per module of the definitions that ``code`` leads to, directly or through others.

    Names are followed without running anything: an attribute of a module leads to that definition
    alone, a class to all of its methods, a module passed on as a whole to everything in it.
    ``root`` is the project's folder.

    Raises
    ------
    SyntaxError
        If the code is no Python.

    Examples
    --------
    >>> found = reached("from dynamix import metrics; metrics.mase", root=project(__file__))
    >>> "dynamix.metrics" in found, "dynamix.training" in found
    (True, False)
    """
    library = _Library(root / "src" / PACKAGE)
    library.visit(_Module("", ast.parse(code)), whole=True)
    parts: dict[str, list[str]] = {}
    for module, name in sorted(library.seen):
        parts.setdefault(module, []).append(library.modules[module].text(name))
    return {module: _digest("\n".join(texts)) for module, texts in sorted(parts.items())}


class _Module:
    """A module's top-level definitions, imports of this package, and what stands loose in it."""

    def __init__(self, name: str, tree: ast.Module, *, is_package: bool = False) -> None:
        self.name = name
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.loose: list[ast.stmt] = []
        self.imports: dict[str, tuple[str, str | None]] = {}
        parts = name.split(".") if is_package else name.split(".")[:-1]
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == PACKAGE:
                        target = alias.name if alias.asname else PACKAGE
                        self.imports[alias.asname or PACKAGE] = (target, None)
            elif isinstance(node, ast.ImportFrom):
                base = parts[: len(parts) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                if module.split(".")[0] == PACKAGE:
                    for alias in node.names:
                        self.imports[alias.asname or alias.name] = (module, alias.name)
        for statement in tree.body:
            names = _bound(statement)
            for bound in names:
                self.definitions.setdefault(bound, []).append(statement)
            if not names and not _inert(statement):
                self.loose.append(statement)
        self.lazy = self._lazy_names()

    def _lazy_names(self) -> dict[str, str]:
        """Public names that the package imports on first use: ``_NAMES`` of its ``__init__``."""
        for statement in self.definitions.get("_NAMES", []):
            if isinstance(statement, ast.Assign):
                return dict(ast.literal_eval(statement.value))
        return {}

    def nodes(self, name: str) -> list[ast.stmt]:
        """Statements that define a name; those that stand loose where the name is empty."""
        return self.definitions[name] if name else self.loose

    def text(self, name: str) -> str:
        return f"{name}: " + " ".join(_text(node) for node in self.nodes(name))


class _Library:
    """The package as a graph of definitions; ``seen`` grows as code is followed."""

    def __init__(self, folder: Path) -> None:
        self.modules = _modules(folder, _state(folder))
        self.seen: set[tuple[str, str]] = set()

    def visit(self, module: _Module, name: str = "", *, whole: bool = False) -> None:
        """Follow one definition of a module, or with ``whole`` everything in it."""
        if whole:
            for defined in ["", *module.definitions]:
                self._visit_nodes(module, defined)
        else:
            self._visit_nodes(module, name)

    def _visit_nodes(self, module: _Module, name: str) -> None:
        if module.name:
            if (module.name, name) in self.seen:
                return
            self.seen.add((module.name, name))
            self.seen.add((module.name, ""))
            self.visit_loose(module)
        for node in module.nodes(name):
            self._follow(module, node)

    def visit_loose(self, module: _Module) -> None:
        for node in module.loose:
            self._follow(module, node)

    def _follow(self, module: _Module, node: ast.AST) -> None:
        if isinstance(node, ast.Attribute):
            chain = _chain(node)
            if chain is not None and chain[0] in module.imports:
                self._resolve(*module.imports[chain[0]], chain[1:])
                return
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # "module:function", as registries name what they import when it is asked for
            named = re.fullmatch(r"(\w+):(\w+)", node.value)
            if named is not None:
                self._resolve(f"{PACKAGE}.{named[1]}", named[2], [])
        if isinstance(node, ast.Name):
            if module.name and node.id in module.definitions:
                self._visit_nodes(module, node.id)
            elif node.id in module.imports:
                self._resolve(*module.imports[node.id], [])
        for child in ast.iter_child_nodes(node):
            self._follow(module, child)

    def _resolve(self, name: str, attribute: str | None, rest: list[str]) -> None:
        """Follow what an import, and attributes of it, lead to."""
        path = [*([attribute] if attribute else []), *rest]
        while path and f"{name}.{path[0]}" in self.modules:
            name, path = f"{name}.{path[0]}", path[1:]
        module = self.modules.get(name)
        if module is None:
            return
        if not path:
            if name != PACKAGE:
                self.visit(module, whole=True)
        elif path[0] in module.definitions:
            self._visit_nodes(module, path[0])
        elif path[0] in module.imports:
            self._resolve(*module.imports[path[0]], path[1:])
        elif path[0] in module.lazy:
            self._resolve(f"{name}.{module.lazy[path[0]]}", path[0], path[1:])


def _state(folder: Path) -> tuple[tuple[str, int], ...]:
    return tuple((str(p), p.stat().st_mtime_ns) for p in sorted(folder.rglob("*.py")))


@lru_cache(maxsize=2)
def _modules(folder: Path, state: tuple[tuple[str, int], ...]) -> dict[str, _Module]:
    """Every module of the package by name; ``state`` makes the cache notice an edit."""
    found = {}
    for name, _ in state:
        path = Path(name)
        parts = [PACKAGE, *path.relative_to(folder).with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        dotted = ".".join(parts[:-1] if is_package else parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found[dotted] = _Module(dotted, tree, is_package=is_package)
    return found


def _bound(statement: ast.stmt) -> list[str]:
    """Names that a top-level statement defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return [
        node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)
    ]


def _inert(statement: ast.stmt) -> bool:
    """Imports, docstrings and blocks for the type checker: nothing that runs by itself."""
    if isinstance(statement, ast.If):
        return "TYPE_CHECKING" in ast.unparse(statement.test)
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _chain(node: ast.Attribute) -> list[str] | None:
    names = [node.attr]
    inner = node.value
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    return [inner.id, *reversed(names)] if isinstance(inner, ast.Name) else None


def _readable(source: str) -> str:
    """A cell as plain Python: magics and shell commands become the calls that they stand for."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def _text_of(source: str) -> str:
    try:
        return _text(ast.parse(source))
    except SyntaxError:  # a magic: compared as it is written
        return source


def _text(node: Any) -> str:
    """A syntax tree as text, the same on every version of Python; docstrings are left out."""
    if isinstance(node, list):
        return "[" + ",".join(map(_text, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if value is None or value == [] or name in ("type_comment", "kind", "ctx"):
            continue
        if name == "body" and isinstance(value, list) and not isinstance(node, ast.Module):
            first = value[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                value = value[1:]
        fields.append(f"{name}={_text(value)}")
    return f"{type(node).__name__}({','.join(fields)})"
