"""Names of a package that are imported at their first use (PEP 562)."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def on_first_use(
    package: str, names: Mapping[str, str], modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package: ``names`` lie in these modules of it.

    ``modules`` of it are found by name themselves.

    >>> find, listed = on_first_use("dynamix.local", {"LocalConfig": "settings"})
    >>> find("LocalConfig").__name__, listed()
    ('LocalConfig', ['LocalConfig'])
    """

    def find(name: str) -> Any:
        if name in names:
            return getattr(import_module(f".{names[name]}", package), name)
        if name in modules:
            return import_module(f".{name}", package)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find, lambda: sorted([*names, *modules])
