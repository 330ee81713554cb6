"""DynaMix with the signature of the rivals: every checkpoint, and models in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from numpy import ndarray

from ..forecasting.zero_shot import forecast
from ..model import checkpoints
from ..settings import AUTO
from .registry import Baseline, register, register_family

_ANALOGUE = ("dynamix-3d", "dynamix-6d")  # what began as analogue forecasters
_UNTRAINED = (*_ANALOGUE, "dynamix-3d-scratch", "dynamix-3d-flows", "dynamix-gp-learned")


@register(
    AUTO,
    "DynaMix: model, season, damping and denoising chosen by the context's own end",
    joint=True,
    batched=True,
)
def auto(context: ndarray, horizon: int, *, seed: int = 0, **settings: Any) -> ndarray:
    """A forecast by ``model="auto"`` of :func:`dynamix.forecast`."""
    return forecast(context, horizon=horizon, model=AUTO, seed=seed, **settings)


@register_family(names=lambda: [*checkpoints.bundled(), *(f"{n}-untrained" for n in _UNTRAINED)])
def checkpoint(name: Any) -> Baseline | None:
    """The entry of a bundled name, of its untrained start, of a path or hub name, or of a model."""
    load: Callable[[], Any]
    what = "DynaMix: mixture of almost-linear RNNs, shown the context and not trained on it"
    if isinstance(name, str) and (trained := name.removesuffix("-untrained")) in _UNTRAINED:
        load = partial(_load, trained)
        if name != trained:
            load, what = partial(_start, trained), f"{trained} as its training found it"
    elif isinstance(name, str):
        if name not in checkpoints.bundled() and not ("/" in name or Path(name).suffix):
            return None
        load = partial(_load, name)
    elif hasattr(name, "initial_state"):
        load, name = partial(_itself, name), type(name).__name__
    else:
        return None
    return Baseline(
        name,
        what,
        "Hemmer & Durstewitz (2025)",
        _forecast,
        joint=True,
        batched=True,
        rival=False,
        load=load,
    )


def _load(name: str) -> Any:
    from ..model.dynamix import DynaMix  # PyTorch is imported when a model is asked for

    return DynaMix.from_pretrained(name)


def _start(name: str) -> Any:
    """What a bundled model's training began with, with the same forecast settings."""
    from ..gp.forecaster import GaussianProcess
    from ..gp.judge import Judge
    from ..model.dynamix import DynaMix
    from ..training.analogue_start import start_as_analogue

    trained = _load(name)
    if isinstance(trained, GaussianProcess):
        begun: dict[str, Judge] = {}
        for kind in ("judge", "memory_judge"):
            if (judge := getattr(trained, kind)) is not None:
                begun[kind] = Judge.at_start(seed=0)
                begun[kind].centre, begun[kind].width = judge.centre, judge.width
        return GaussianProcess(trained.config, defaults=trained.defaults, **begun).eval()
    model = DynaMix(trained.config, seed=0, defaults=trained.defaults)
    if name in _ANALOGUE:
        start_as_analogue(model, pull=0.05, temperature=0.01, noise=0.05)
    return model.eval()


def _forecast(
    model: Any, context: ndarray, horizon: int, *, seed: int = 0, **settings: Any
) -> ndarray:
    return forecast(context, horizon=horizon, model=model, seed=seed, **settings)


def _itself(model: Any) -> Any:
    return model
