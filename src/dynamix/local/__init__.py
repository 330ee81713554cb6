"""The local linear forecaster: affine maps fitted to the context around the present state.

It is not in the paper. It offers the same ``start`` and ``step`` as the paper's model, and knows
nothing of engines, forecasts or training.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .forecaster import LocalForecaster as LocalForecaster

_NAMES = {
    "LocalForecaster": "forecaster",
}
__all__ = ["LocalForecaster"]


def __getattr__(name: str) -> Any:
    """Import a name at its first use: a forecast by arrays needs no torch."""
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
