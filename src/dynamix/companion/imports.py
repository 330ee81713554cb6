"""Which modules of the library some code leads to, found from names without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = "dynamix"


class Module(NamedTuple):
    """A module's statements, less those for type checkers, and the names that it imports."""

    statements: tuple[ast.stmt, ...]
    imported: dict[str, str]  # local name: dotted name in the package


@cache
def library(folder: Path) -> dict[str, Module]:
    """The modules of the package in ``folder`` by name; a room's name stands for its face."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        room = ".".join([PACKAGE, *path.relative_to(folder).parent.parts])
        name = room if path.stem == "__init__" else f"{room}.{path.stem}"
        text = path.read_text(encoding="utf-8")
        # faces import names at their first use, and here for type checkers
        found[name] = read(text, room, checkers=path.stem == "__init__")
    return found


def read(code: str, room: str = PACKAGE, *, checkers: bool = False) -> Module:
    """A piece of code of that room, with what only type checkers read if ``checkers``."""
    kept = [
        node
        for node in ast.parse(code).body
        if checkers or not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    ]
    nodes = [inner for node in kept for inner in ast.walk(node)]
    return Module(tuple(kept), {k: v for node in nodes for k, v in _imports(node, room)})


def _imports(node: ast.AST, room: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] == PACKAGE:
                yield alias.asname or PACKAGE, alias.name if alias.asname else PACKAGE
    elif isinstance(node, ast.ImportFrom):
        above = room.rsplit(".", node.level - 1)[0] if node.level else ""  # one dot: the room
        start = ".".join(filter(None, (above, node.module)))
        if start.split(".")[0] == PACKAGE:
            yield from (
                (alias.asname or alias.name, f"{start}.{alias.name}") for alias in node.names
            )


@cache
def graph(folder: Path) -> dict[str, frozenset[str]]:
    """The modules that each module of the package leads to directly; the front door to none."""
    known = library(folder)
    return {
        name: leads(module, known) if name != PACKAGE else frozenset()
        for name, module in known.items()
    }


def leads(module: Module, known: Mapping[str, Module]) -> frozenset[str]:
    """The modules that define what is imported, and what is used of an imported module."""
    used = {chain for node in module.statements for chain in _chains(node)}
    used |= {(name,) for name in module.imported.keys() - {chain[0] for chain in used}}
    dotted = (".".join([module.imported[n], *rest]) for n, *rest in used if n in module.imported)
    return frozenset(name for target in dotted for name in defining(target, known))


@cache
def told(folder: Path) -> dict[str, set[str]]:
    """The modules that each module names by a text, to import them where it must not know them."""
    known, found = library(folder), {}
    for name, module in known.items():
        nodes = (inner for node in module.statements for inner in ast.walk(node))
        texts = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
        found[name] = texts & known.keys()
    return found


def _chains(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """Every ``a.b.c`` as its names, the longest ones only."""
    names, inner = [], node
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield (inner.id, *reversed(names))
    else:
        for child in ast.iter_child_nodes(node):
            yield from _chains(child)


def defining(dotted: str, known: Mapping[str, Module]) -> set[str]:
    """The modules behind a dotted name: past the faces of rooms; a whole room is all it exports."""
    parts = dotted.split(".")
    at = max(n for n in range(1, len(parts) + 1) if ".".join(parts[:n]) in known)
    name, rest = ".".join(parts[:at]), parts[at:]
    face = known[name].imported if is_room(name, known) else {}
    if rest and rest[0] in face:
        return defining(".".join([face[rest[0]], *rest[1:]]), known)
    if not rest and name != PACKAGE:
        return {name}.union(*(defining(target, known) for target in face.values()))
    return {name}


def is_room(name: str, known: Mapping[str, Module]) -> bool:
    """Whether other modules lie below a name."""
    return any(other.startswith(f"{name}.") for other in known)


def reached(code: str, folder: Path) -> set[str]:
    """The modules that ``code`` leads to, directly or through others.

    Modules that a room imports for their effect, such as a registration, count as soon as another
    module of that room does; and modules whose names are texts in one that counts.
    """
    known, links, texts = library(folder), graph(folder), told(folder)
    seen: set[str] = set()
    waiting = set(leads(read(code), known))
    while waiting:
        name = waiting.pop()
        seen.add(name)
        face = known.get(name.rpartition(".")[0], Module((), {}))
        effects = {target for target in face.imported.values() if target in known}
        waiting |= (links[name] | effects | texts.get(name, set())) - seen
    return seen
