"""The model as the paper writes it, in plain PyTorch: experts, gate, mixture, rollout, checkpoints.

Readability comes before speed here; :mod:`dynamix.engine` computes the same numbers fast. This room
knows nothing of data, forecasts or training.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dynamix import DynaMix as DynaMix
    from .dynamix import count_parameters as count_parameters
    from .hub import push_to_hub as push_to_hub
    from .rollouts import rollout as rollout
    from .runs import Rollout as Rollout
    from .shapes import Batch as Batch

_NAMES = {
    "Batch": "shapes",
    "DynaMix": "dynamix",
    "Rollout": "runs",
    "count_parameters": "dynamix",
    "push_to_hub": "hub",
    "rollout": "rollouts",
}
__all__ = ["Batch", "DynaMix", "Rollout", "count_parameters", "push_to_hub", "rollout"]


def __getattr__(name: str) -> Any:
    """Import a name at its first use: a forecast by arrays needs no torch."""
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
