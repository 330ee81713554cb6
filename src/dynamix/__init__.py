"""DynaMix: zero-shot reconstruction of dynamical systems, small enough to read.

``dynamix.forecast(context, horizon=1000)`` continues a short stretch of a system that the model has
never seen. The rooms of the library are subpackages; each is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import InputError
    from .forecasting.frames import predict_df
    from .forecasting.zero_shot import forecast
    from .io.tables import read
    from .model.dynamix import DynaMix
    from .settings import (
        BenchmarkConfig,
        ForecastConfig,
        ModelConfig,
        RollingConfig,
        TrainingConfig,
    )
    from .training.trainer import train

__version__ = "0.1.0"

_ROOMS = (
    "io", "preprocessing", "model", "local", "engine", "forecasting", "systems", "training",
    "datasets", "metrics", "dynamics", "baselines", "evaluation", "report", "plotting",
    "companion", "cli",
)  # fmt: skip
_NAMES = {
    "BenchmarkConfig": "settings",
    "DynaMix": "model.dynamix",
    "ForecastConfig": "settings",
    "InputError": "errors",
    "ModelConfig": "settings",
    "RollingConfig": "settings",
    "TrainingConfig": "settings",
    "forecast": "forecasting.zero_shot",
    "predict_df": "forecasting.frames",
    "read": "io.tables",
    "train": "training.trainer",
}
__all__ = [*_NAMES, *_ROOMS]


def __getattr__(name: str) -> Any:
    """Import a room or a public name on first use (PEP 562), so ``import dynamix`` is light."""
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
