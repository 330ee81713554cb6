"""Stamps: a record of what a notebook's outputs were made from, so that a test finds stale ones.

The runner stores a hash of every code cell, of each definition of this library that the cells can
reach, and of each data file that they opened. Comments, docstrings and formatting do not count.
A function that no cell leads to does not count either.
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
    return {
        "cells": [_digest(_cell_text(source)) for source in cells],
        "source": reached("\n".join(map(_plain_python, cells)), root=root),
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


# --- which definitions of the library some code can reach -------------------------------------


def reached(code: str, *, root: Path) -> dict[str, str]:
    """A hash per module of the definitions that ``code`` leads to, directly or through others.

    Nothing is run. An attribute of a module or room leads to that definition alone, a class to all
    of its methods. A module used as a whole leads to everything in it.
    """
    graph = Graph(root / "src" / PACKAGE)
    graph.follow(code)
    parts: dict[str, list[str]] = {}
    for module, name in sorted(graph.seen):
        parts.setdefault(module, []).append(graph.modules[module].text(name))
    return {module: _digest("\n".join(texts)) for module, texts in sorted(parts.items())}


class _Module:
    """A module's top-level definitions, its imports of this package, and its other statements."""

    def __init__(self, name: str, tree: ast.Module, *, is_package: bool = False) -> None:
        self.name, self.is_package = name, is_package
        self.room = name if is_package else name.rpartition(".")[0]
        self.definitions: dict[str, list[ast.stmt]] = {}
        self.loose: list[ast.stmt] = []  # statements that run on import and define nothing
        self.imports: dict[str, tuple[str, str | None]] = {}  # local name: module, name in it
        for node in ast.walk(tree):
            self._add_import(node)
        for statement in tree.body:
            names = _bound(statement)
            for bound in names:
                self.definitions.setdefault(bound, []).append(statement)
            if not names and not _inert(statement):
                self.loose.append(statement)

    def _add_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    target = alias.name if alias.asname else PACKAGE
                    self.imports[alias.asname or PACKAGE] = (target, None)
        elif isinstance(node, ast.ImportFrom):
            # one dot is the module's own room, two dots the room above it
            base = self.room.split(".")[: self.room.count(".") + 2 - node.level or None]
            parts = [*(base if node.level else []), *(node.module or "").split(".")]
            parts = [part for part in parts if part]
            if parts and parts[0] == PACKAGE:
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = (".".join(parts), alias.name)

    def lazy(self, name: str) -> str | None:
        """The module of a public name that ``__init__`` imports on first use: ``_NAMES``."""
        for statement in self.definitions.get("_NAMES", []):
            if isinstance(statement, ast.Assign):
                return dict(ast.literal_eval(statement.value)).get(name)
        return None

    def functions(self) -> list[tuple[str, ast.stmt]]:
        """Top-level functions by name."""
        nodes = ((name, found[0]) for name, found in self.definitions.items())
        return [(name, node) for name, node in nodes if isinstance(node, ast.FunctionDef)]

    def decorated(self, decorator: str) -> list[str]:
        """Functions below a decorator of that dotted name; "" for loose statements that call it."""
        module, _, name = decorator.rpartition(".")
        local = {k for k, target in self.imports.items() if target == (module, name)}
        local |= {name} if self.name == module else set()
        for alias, nodes in self.definitions.items():  # such as alias = partial(decorator, ...)
            if isinstance(nodes[0], ast.Assign):
                used = {n.id for n in ast.walk(nodes[0].value) if isinstance(n, ast.Name)}
                local |= {alias} if used & local else set()
        calls = [
            (function, getattr(call, "func", call))
            for function, node in self.functions()
            for call in node.decorator_list  # type: ignore[attr-defined]
        ]
        walked = (n for node in self.loose for n in ast.walk(node))
        calls += [("", node.func) for node in walked if isinstance(node, ast.Call)]
        return [function for function, call in calls if getattr(call, "id", None) in local]

    def nodes(self, name: str) -> list[ast.stmt]:
        return self.definitions[name] if name else self.loose

    def text(self, name: str) -> str:
        return f"{name}: " + " ".join(_text(node) for node in self.nodes(name))


class Graph:
    """The package as a graph of definitions; ``seen`` grows as code is followed."""

    def __init__(self, folder: Path) -> None:
        state = tuple((str(p), p.stat().st_mtime_ns) for p in sorted(folder.rglob("*.py")))
        self.modules = _modules(folder, state)
        self.seen: set[tuple[str, str]] = set()  # module, definition; "" for loose statements
        self._wholes: set[str] = set()

    def follow(self, code: str) -> None:
        """Follow everything in a piece of code that is no module of the package."""
        module = _Module("", ast.parse(code))
        for name in ["", *module.definitions]:
            self._visit_nodes(module, name)

    def _visit(self, module: _Module, name: str) -> None:
        for key in (name, ""):  # what stands loose in a module runs before its definitions
            if (module.name, key) not in self.seen:
                self.seen.add((module.name, key))
                self._visit_nodes(module, key)
                self._visit_registered(module, key)

    def _visit_registered(self, module: _Module, name: str) -> None:
        """Follow the functions that decorators of a module put into its variable ``name``."""
        if not name or isinstance(module.nodes(name)[0], ast.FunctionDef | ast.ClassDef):
            return
        for decorator, node in module.functions():
            if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node)):
                for other in self.modules.values():
                    for registered in other.decorated(f"{module.name}.{decorator}"):
                        self._visit(other, registered)

    def _visit_nodes(self, module: _Module, name: str) -> None:
        for node in module.nodes(name):
            self._walk(module, node, frozenset())

    def _whole(self, module: _Module) -> None:
        for name in ["", *module.definitions]:
            self._visit(module, name)
        if module.is_package:  # a room as a whole leads to all that its face imports
            for target, inner in module.imports.values():
                self._resolve(target, [inner] if inner else [])

    def _walk(self, module: _Module, node: ast.AST, local: frozenset[str]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            local = local | _locals(node)
        if isinstance(node, ast.Attribute):
            chain = _chain(node)
            if chain and chain[0] in module.imports and chain[0] not in local:
                target, name = module.imports[chain[0]]
                self._resolve(target, [*([name] if name else []), *chain[1:]])
                return
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # "module:function", as lazy registries name their entries
            if (named := re.fullmatch(r"\.*([\w.]+):(\w+)", node.value)) is not None:
                self._resolve_text(module, named[1], named[2])
        elif isinstance(node, ast.Name) and node.id not in local:
            if module.name and node.id in module.definitions:
                self._visit(module, node.id)
            elif node.id in module.imports:
                target, name = module.imports[node.id]
                self._resolve(target, [name] if name else [])
        for field, value in ast.iter_fields(node):
            # annotations of arguments do not run; those of a class's fields do
            if field in ("returns", "annotation") and not isinstance(node, ast.AnnAssign):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self._walk(module, child, local)

    def _resolve_text(self, module: _Module, target: str, name: str) -> None:
        """Follow ``target:name``: relative to the module's room, a room above, or absolute."""
        above = module.room.split(".")
        rooms = (
            [".".join(above[:n]) for n in range(len(above), 0, -1)] if module.room else [PACKAGE]
        )
        for full in (*(f"{room}.{target}" for room in rooms), target):
            if full in self.modules:
                self._resolve(full, [name])
                return

    def _resolve(self, name: str, path: list[str]) -> None:
        """Follow the definition that a module and attributes of it lead to."""
        while path and f"{name}.{path[0]}" in self.modules:
            name, path = f"{name}.{path[0]}", path[1:]
        module = self.modules.get(name)
        if module is None:
            return
        if not path:
            if name != PACKAGE and name not in self._wholes:
                self._wholes.add(name)
                self._whole(module)
        elif path[0] in module.definitions:
            self._visit(module, path[0])
        elif path[0] in module.imports:
            target, inner = module.imports[path[0]]
            self._resolve(target, [*([inner] if inner else []), *path[1:]])
        elif (lazy := module.lazy(path[0])) is not None:
            self._resolve(f"{name}.{lazy}", path)


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
    return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]


def _locals(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> frozenset[str]:
    """Names that belong to a function itself, and so hide those of its module."""
    found = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    outside: set[str] = set()
    scope: list[ast.AST] = list(ast.iter_child_nodes(function))
    while scope:
        node = scope.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            outside |= set(node.names)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            scope += ast.iter_child_nodes(node)
    return frozenset(found - outside)


def _inert(statement: ast.stmt) -> bool:
    """Imports, docstrings and blocks for the type checker: nothing that runs by itself."""
    if isinstance(statement, ast.If):
        return "TYPE_CHECKING" in ast.unparse(statement.test)
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _chain(node: ast.expr) -> list[str]:
    """``a.b.c`` as its names; empty where it does not begin with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def _plain_python(source: str) -> str:
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
