"""DynaMix itself behind the rivals' signature: every checkpoint, and models in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from numpy import ndarray

from ..forecasting.zero_shot import forecast
from ..model import checkpoints
from ..model.dynamix import DynaMix
from .registry import Baseline, register_family


@register_family(names=lambda: checkpoints.bundled())
def checkpoint(name: Any) -> Baseline | None:
    """The entry of a bundled name, of a path or hub name, or of a model itself."""
    load: Callable[[], Any]
    if isinstance(name, str):
        if name not in checkpoints.bundled() and not ("/" in name or Path(name).suffix):
            return None
        load = partial(DynaMix.from_pretrained, name)
    elif hasattr(name, "initial_state"):
        load, name = partial(_itself, name), type(name).__name__
    else:
        return None
    return Baseline(
        name,
        "DynaMix: mixture of almost-linear RNNs, shown the context and not trained on it",
        "Hemmer & Durstewitz (2025)",
        _forecast,
        joint=True,
        batched=True,
        rival=False,
        load=load,
    )


def _forecast(
    model: Any, context: ndarray, horizon: int, *, seed: int = 0, **settings: Any
) -> ndarray:
    return forecast(context, horizon=horizon, model=model, seed=seed, **settings)


def _itself(model: Any) -> Any:
    return model
