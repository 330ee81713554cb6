"""Doors to other tools: sktime, GluonTS and fev, very many series, several training runs.

This room calls what the library can do, and adds no method of its own. Its packages are optional.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fev_tasks import predict_task as predict_task
    from .gluonts_predictor import DynaMixPredictor as DynaMixPredictor
    from .jobs import forecast_dataset as forecast_dataset
    from .sktime_forecaster import DynaMixForecaster as DynaMixForecaster
    from .training_runs import train_each as train_each

_NAMES = {
    "DynaMixForecaster": "sktime_forecaster",
    "DynaMixPredictor": "gluonts_predictor",
    "forecast_dataset": "jobs",
    "predict_task": "fev_tasks",
    "train_each": "training_runs",
}
__all__ = [
    "DynaMixForecaster",
    "DynaMixPredictor",
    "forecast_dataset",
    "predict_task",
    "train_each",
]


def __getattr__(name: str) -> Any:
    """Import a name at its first use: sktime takes seconds, and need not be installed."""
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
