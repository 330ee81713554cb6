"""Real-world series: a registry of files with their sources, and how one is loaded."""

from .loading import (
    FOLDER_VARIABLE,
    UnreachableError,
    catalogue,
    fetch,
    find,
    folder,
    is_at_hand,
    load,
    raw,
    reachable,
    target,
)
from .registry import (
    CARRIED,
    REGISTRY,
    Dataset,
)

__all__ = [
    "CARRIED",
    "FOLDER_VARIABLE",
    "REGISTRY",
    "Dataset",
    "UnreachableError",
    "catalogue",
    "fetch",
    "find",
    "folder",
    "is_at_hand",
    "load",
    "raw",
    "reachable",
    "target",
]
