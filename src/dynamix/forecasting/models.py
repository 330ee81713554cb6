"""The model of a forecast: found by its name, and adapted to the settings and to a context."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..gp.settings import GPConfig
from ..local.settings import LocalConfig
from ..model.checkpoints import bundled, find, load
from ..model.runs import Saved
from ..settings import BUNDLED_MODEL, Engine, ModelConfig, checked

if TYPE_CHECKING:
    from ..gp.forecaster import GaussianProcess
    from ..local.forecaster import LocalForecaster
    from ..model.dynamix import DynaMix

    Model = DynaMix | LocalForecaster | GaussianProcess | Saved
else:
    Model = Any  # torch is imported only by those who use it

_read_once = lru_cache(maxsize=8)(lambda read, name: read(name))


def find_model(
    model: Model | str | Path | None, channels: int = 1, *, engine: Engine = "auto"
) -> Model:
    """The model itself, or the checkpoint of that name; bundled ones are read once.

    Only for the torch ``engine`` a checkpoint becomes a torch model. A forecaster that is fitted to
    the context has no fixed N: it is widened to the ``channels``.
    """
    found: Any = BUNDLED_MODEL if model is None else model
    if isinstance(found, str | Path):
        read = load if engine == "torch" else find
        found = _read_once(read, str(found)) if str(found) in bundled() else read(found)
    kinds = ModelConfig | LocalConfig | GPConfig
    if not isinstance(getattr(found, "config", None), kinds):
        told = type(found).__name__
        raise InputError(f"model must be a model, a checkpoint's name or path, found {told}.")
    return found if isinstance(found.config, ModelConfig) else found.widened(channels)


def is_fitted(model: Model) -> bool:
    """Whether the model is fitted to the context alone, as local and Gaussian-process ones are."""
    return not isinstance(model.config, ModelConfig)


def is_noisy(model: Model) -> bool:
    """Whether the noise of the model's query has a width."""
    if isinstance(model, Saved):
        return bool(model.values["sigma" if is_fitted(model) else "gate.sigma"].any())
    gate: Any = getattr(model, "gate", model)
    return bool((gate.sigma != 0).any())


def adapted(model: Model, *, sharpness: float, factor: float) -> Any:
    """The model with its attention sharpened and its gate's widths scaled; itself if both are 1.

    The attention's temperature is divided by ``sharpness`` and multiplied by ``factor``; the width
    of the noise is multiplied by ``factor``.
    """
    local = not isinstance(model.config, ModelConfig)
    if factor == 1 and (sharpness == 1 or local):
        return model
    if isinstance(model, Saved):
        own = dict(model.values)
        if not local:
            own["gate.tau_att"] = own["gate.tau_att"] / sharpness * factor
        name = "sigma" if local else "gate.sigma"
        return replace(model, values=own | {name: own[name] * factor})
    from torch import nn

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

    >>> from dynamix import DynaMix
    >>> model = DynaMix()
    >>> sharp = sharpened(model, 4)
    >>> round(model.gate.tau_att.item(), 6), round(sharp.gate.tau_att.item(), 6)
    (0.1, 0.025)
    """
    own = model.defaults.attention_sharpness
    return adapted(model, sharpness=own if sharpness is None else sharpness, factor=1.0)
