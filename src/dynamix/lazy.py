"""Names of a room that are imported at their first use (PEP 562)."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def on_first_use(
    room: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a room whose ``names`` lie in these modules of it.

    >>> find, listed = on_first_use("dynamix.local", {"LocalConfig": "settings"})
    >>> find("LocalConfig").__name__, listed()
    ('LocalConfig', ['LocalConfig'])
    """

    def find(name: str) -> Any:
        if name in names:
            return getattr(import_module(f".{names[name]}", room), name)
        raise AttributeError(f"module {room!r} has no attribute {name!r}")

    return find, lambda: sorted(names)
