"""The rooms of the library: their imports, and what pages say about them.

``dynamix book house`` writes the pages' parts that are made from the code: the tables of rooms, the
drawing of the layers, a reference page for each room, and the course of the page for teachers.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import dynamix

from ..io.files import write_text
from . import course, imports, parts

PACKAGE = Path(__file__).parents[1]
PROJECT = PACKAGE.parents[1]
REFERENCE = PROJECT / "book" / "api"


def rooms() -> list[str]:
    """Names of the rooms, which are the subpackages with a face."""
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def exported(room: str) -> list[str]:
    """Names that a room exports."""
    return list(getattr(importlib.import_module(f"dynamix.{room}"), "__all__", []))


def summary(room: str) -> str:
    """First sentence of a room's docstring, without roles."""
    text = inspect.getdoc(importlib.import_module(f"dynamix.{room}")) or ""
    first = text.split("\n\n")[0].replace("\n", " ")
    return re.sub(r":\w+:`([^`]*)`", r"`\1`", first)


def arrows() -> dict[str, set[str]]:
    """For each room, and for the modules beside them, which others it imports."""
    found: dict[str, set[str]] = {}
    for name, targets in imports.graph(PACKAGE).items():
        if name not in (imports.PACKAGE, f"{imports.PACKAGE}.__main__"):
            place = name.split(".")[1]
            others = {target.split(".")[1] for target in targets if target != imports.PACKAGE}
            found[place] = found.get(place, set()) | others - {place}
    return found


def layers(above: Mapping[str, set[str]]) -> list[list[str]]:
    """Rooms in layers, bottom up: each imports only from layers below it.

    Raises
    ------
    graphlib.CycleError
        If rooms import each other in a circle.
    """
    order = TopologicalSorter(above)
    order.prepare()
    found = []
    while order.is_active():
        ready = sorted(order.get_ready())
        order.done(*ready)
        found.append(ready)
    return found


def drawing() -> str:
    """The layers as text, the highest first; what a room imports by way of another is left out."""
    targets = arrows()
    found = layers(targets)
    reached: dict[str, set[str]] = {}
    for room in (room for layer in found for room in layer):
        reached[room] = targets[room].union(*(reached[name] for name in targets[room]))
    lines = []
    for i, layer in reversed(list(enumerate(found))):
        for room in layer:
            direct = targets[room].difference(*(reached[name] for name in targets[room]))
            arrow = f"-> {', '.join(sorted(direct))}" if direct else ""
            lines.append(f"{i if room == layer[0] else '':>2}  {room:<14}{arrow}".rstrip())
    return "\n".join(["```text", *lines, "```"])


def table(address: str) -> str:
    """The rooms as a table; ``address`` leads from a room's name to its page."""
    rows = [f"| [`{room}`]({address.format(room)}) | {summary(room)} |" for room in rooms()]
    return "\n".join(["| Room | |", "|---|---|", *rows])


def pages() -> dict[Path, str]:
    """What the pages that are made from the code should hold, by path."""
    found = {}
    for name, address in (("README.md", "src/dynamix/{}"), ("book/api.md", "api/{}.md")):
        found[PROJECT / name] = parts.between(PROJECT / name, "rooms", table(address))
    contributing = PROJECT / "CONTRIBUTING.md"
    found[contributing] = parts.between(contributing, "layers", drawing())
    found |= course.pages()
    return found | {REFERENCE / f"{room}.md": reference(room) for room in rooms()}


def reference(room: str) -> str:
    """A room's page of the reference; what `dynamix` itself exports has its entry on that page."""
    lines = [f".. automodule:: dynamix.{room}", "   :members:"]
    here = importlib.import_module(f"dynamix.{room}")
    known = [name for name in exported(room) if getattr(here, name) is getattr(dynamix, name, 0)]
    if known:
        lines.append(f"   :exclude-members: {', '.join(known)}")
    return "\n".join([f"# {room}", "", "```{eval-rst}", *lines, "```", ""])


def write() -> int:
    """Write the pages that are made from the code; returns their number."""
    made = pages()
    for path, text in made.items():
        write_text(path, text)
    return len(made)
