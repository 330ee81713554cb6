"""Doors to other tools: long tables, sktime, GluonTS, fev, very many series, several trainings.

This room calls what the library can do, and adds no method of its own. Its packages are optional.
"""

from typing import TYPE_CHECKING

from ..lazy import on_first_use

if TYPE_CHECKING:
    from .fev_tasks import predict_task as predict_task
    from .frames import predict_df as predict_df
    from .gluonts_predictor import DynaMixPredictor as DynaMixPredictor
    from .jobs import forecast_dataset as forecast_dataset
    from .sktime_forecaster import DynaMixForecaster as DynaMixForecaster
    from .training_runs import train_each as train_each

_NAMES = {
    "DynaMixForecaster": "sktime_forecaster",
    "DynaMixPredictor": "gluonts_predictor",
    "forecast_dataset": "jobs",
    "predict_df": "frames",
    "predict_task": "fev_tasks",
    "train_each": "training_runs",
}
__all__ = [
    "DynaMixForecaster",
    "DynaMixPredictor",
    "forecast_dataset",
    "predict_df",
    "predict_task",
    "train_each",
]
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
