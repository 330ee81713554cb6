"""Doors to other tools: sktime's forecaster, and data sets of very many series.

This room calls what the library can do, and adds no method of its own. Its packages are optional.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .jobs import forecast_dataset as forecast_dataset
    from .sktime_forecaster import DynaMixForecaster as DynaMixForecaster

_NAMES = {"DynaMixForecaster": "sktime_forecaster", "forecast_dataset": "jobs"}
__all__ = ["DynaMixForecaster", "forecast_dataset"]


def __getattr__(name: str) -> Any:
    """Import a name at its first use: sktime takes seconds, and need not be installed."""
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
