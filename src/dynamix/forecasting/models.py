"""The model of a forecast: found by its name, and adapted to the settings and to a context."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import InputError
from ..gp.forecaster import GaussianProcess
from ..local.forecaster import LocalForecaster
from ..model.checkpoints import bundled, load
from ..model.dynamix import DynaMix
from ..settings import BUNDLED_MODEL, checked

FittedModel = LocalForecaster | GaussianProcess  # to the context alone
Model = DynaMix | FittedModel
_cached = lru_cache(maxsize=4)(load)


def find_model(model: Model | str | Path | None, channels: int = 1) -> Model:
    """The model itself, or the checkpoint of that name; bundled ones are read once.

    A forecaster that is fitted to the context has no fixed N: it is widened to the ``channels``.
    """
    found: Any = BUNDLED_MODEL if model is None else model
    if isinstance(found, str | Path):
        found = _cached(str(found)) if str(found) in bundled() else load(found)
    if not isinstance(found, Model):
        told = type(found).__name__
        raise InputError(f"model must be a model, a checkpoint's name or path, found {told}.")
    return found.widened(channels) if isinstance(found, FittedModel) else found


def is_noisy(model: Model) -> bool:
    """Whether the noise of the model's query has a width."""
    gate: Any = getattr(model, "gate", model)
    return bool((gate.sigma != 0).any())


def adapted(model: Model, *, sharpness: float, factor: float) -> Any:
    """The model with its attention sharpened and its gate's widths scaled; itself if both are 1.

    The attention's temperature is divided by ``sharpness`` and multiplied by ``factor``; the width
    of the noise is multiplied by ``factor``.
    """
    local = isinstance(model, FittedModel)
    if factor == 1 and (sharpness == 1 or local):
        return model
    copied: Any = copy.copy(model)
    widths = copied if local else copy.copy(copied.gate)
    for module in (copied, widths):  # a parameter that is replaced here stays as it is there
        module._parameters, module._modules = dict(module._parameters), dict(module._modules)
    if not local:
        copied.gate = widths
        widths.tau_att = nn.Parameter(widths.tau_att.detach() / sharpness * factor)
    widths.sigma = nn.Parameter(widths.sigma.detach() * factor)
    return copied


@checked
def sharpened(model: Model, sharpness: float | None = None) -> Any:
    """The model as forecasts use it: the attention's temperature divided by ``sharpness``.

    None takes the model's own, from its defaults. With 1 the ``model`` itself is returned,
    otherwise a copy that shares the other parameters.

    >>> model = DynaMix()
    >>> sharp = sharpened(model, 4)
    >>> round(model.gate.tau_att.item(), 6), round(sharp.gate.tau_att.item(), 6)
    (0.1, 0.025)
    """
    own = model.defaults.attention_sharpness
    return adapted(model, sharpness=own if sharpness is None else sharpness, factor=1.0)
