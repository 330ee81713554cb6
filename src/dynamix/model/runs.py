"""What goes into a free run and what comes out: models and series as arrays, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..io.arrays import to_numpy
from ..settings import ForecastDefaults


@dataclass(frozen=True, eq=False)
class Saved:
    """A model of any kind as its checkpoint holds it; what engines read and ``build`` makes.

    The type of ``config`` tells the kind. ``values`` have the names of the torch model's state.
    """

    config: Any
    defaults: ForecastDefaults
    values: dict[str, ndarray]

    def widened(self, n: int) -> Saved:
        """A forecaster that is fitted to its context, for ``n`` channels if its N is smaller."""
        config, sigma = self.config.widened(n), self.values["sigma"]
        if config is self.config:
            return self
        wide = np.append(sigma, np.full(n - len(sigma), sigma.mean(), sigma.dtype))
        return Saved(config, self.defaults, self.values | {"sigma": wide})


class Group(NamedTuple):
    """Series that run side by side under one model; contexts are ``(T_C, S, N)``."""

    model: Any
    context: Any
    initial_x: Any = None


class Rollout(NamedTuple):
    """Observations ``(T, S, N)`` of a rollout, and expert weights ``(T, S, J)`` if asked for.

    ``observations`` are in the units of the context, without the initial state. ``gates`` is None
    if the weights were not asked for. Both are tensors after :func:`dynamix.model.rollout`, and
    arrays after an engine.

    >>> import torch
    >>> from dynamix.model import DynaMix, rollout
    >>> y, gates = rollout(DynaMix(), torch.zeros(50, 2, 3), horizon=10, return_gates=True)
    >>> tuple(y.shape), tuple(gates.shape)
    ((10, 2, 3), (10, 2, 10))
    """

    observations: Any
    gates: Any


def saved(model: Any) -> Saved:
    """A torch model's settings and arrays; what is saved already stays as it is."""
    if isinstance(model, Saved):
        return model
    values = {name: to_numpy(value) for name, value in model.state_dict().items()}
    return Saved(model.config, model.defaults, values)


def gate_noise_stream(
    horizon: int, observed_dims: int, *, seed: int, quiet_steps: int = 0
) -> ndarray:
    """The gate's ``eps``: standard normal, ``(horizon, N)``, float32; it depends on the seed alone.

    All series share the numbers, so a series' forecast depends neither on the series beside it nor
    on the engine. The first ``quiet_steps`` are 0. A longer horizon begins with the same numbers.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
    noise = generator.standard_normal((horizon, observed_dims), dtype=np.float32)
    noise[:quiet_steps] = 0.0
    return noise


def check_series(context: Any, dims: int) -> None:
    """Raise unless ``context`` is ``(T_C >= 2, S, dims)``."""
    if context.ndim != 3 or context.shape[-1] != dims or context.shape[0] < 2:
        found = tuple(context.shape)
        raise InputError(f"the model expects a context (T_C >= 2, series, {dims}), found {found}.")
