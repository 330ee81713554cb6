"""DynaMix: zero-shot reconstruction of dynamical systems, small enough to read.

``dynamix.forecast(context, horizon=1000)`` continues a stretch of a system that the model has never
seen so that its long-term behaviour is right. Heavy libraries are imported when first needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import (
        analogue,
        baselines,
        baselines_config,
        baselines_regression,
        baselines_trained,
        benchmark,
        checkpoints,
        classical,
        cli,
        config,
        coupled,
        datasets,
        embedding_choice,
        ensembles,
        expert_use,
        failures,
        flows,
        forecasters,
        forecasting,
        foundation,
        invariants,
        jacobians,
        kinship,
        metrics,
        model,
        notebooks,
        pecuzal,
        plotting,
        plotting_failures,
        preprocessing,
        report,
        results,
        rolling,
        sensitivity,
        spacing,
        stamps,
        sweeps,
        systems,
        tables,
        trainer,
        training,
        transformer_control,
        transformer_training,
        windows,
    )
    from .config import BenchmarkConfig, ForecastConfig, ModelConfig, RollingConfig, TrainingConfig
    from .errors import InputError
    from .forecasting import forecast
    from .model import DynaMix

__version__ = "0.1.0"

_MODULES = (
    "analogue",
    "baselines",
    "baselines_config",
    "baselines_regression",
    "baselines_trained",
    "benchmark",
    "checkpoints",
    "classical",
    "cli",
    "config",
    "coupled",
    "embedding_choice",
    "ensembles",
    "expert_use",
    "flows",
    "datasets",
    "failures",
    "forecasters",
    "forecasting",
    "foundation",
    "invariants",
    "jacobians",
    "kinship",
    "metrics",
    "model",
    "notebooks",
    "pecuzal",
    "plotting",
    "plotting_failures",
    "preprocessing",
    "report",
    "results",
    "spacing",
    "stamps",
    "sweeps",
    "rolling",
    "sensitivity",
    "systems",
    "tables",
    "trainer",
    "training",
    "transformer_control",
    "transformer_training",
    "windows",
)
_NAMES = {
    "BenchmarkConfig": "config",
    "DynaMix": "model",
    "ForecastConfig": "config",
    "InputError": "errors",
    "ModelConfig": "config",
    "RollingConfig": "config",
    "TrainingConfig": "config",
    "forecast": "forecasting",
}

__all__ = [
    "BenchmarkConfig",
    "DynaMix",
    "ForecastConfig",
    "InputError",
    "ModelConfig",
    "RollingConfig",
    "TrainingConfig",
    "__version__",
    "analogue",
    "baselines",
    "baselines_config",
    "baselines_regression",
    "baselines_trained",
    "benchmark",
    "checkpoints",
    "classical",
    "cli",
    "config",
    "coupled",
    "datasets",
    "embedding_choice",
    "ensembles",
    "expert_use",
    "failures",
    "flows",
    "forecast",
    "forecasters",
    "forecasting",
    "foundation",
    "invariants",
    "jacobians",
    "kinship",
    "metrics",
    "model",
    "notebooks",
    "pecuzal",
    "plotting",
    "plotting_failures",
    "preprocessing",
    "report",
    "results",
    "rolling",
    "sensitivity",
    "spacing",
    "stamps",
    "sweeps",
    "systems",
    "tables",
    "trainer",
    "training",
    "transformer_control",
    "transformer_training",
    "windows",
]


def __getattr__(name: str) -> Any:
    """Import a submodule or public name on first use (PEP 562), so ``import dynamix`` is light."""
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
