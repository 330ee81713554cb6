"""How a forecaster reacts to its context: sampling rate, length and noise are varied in turn."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..baselines.registry import Baseline
from ..errors import InputError, one_of, whole_number
from ..systems.corpus import catalogue
from . import benchmark
from .settings import BenchmarkConfig


def sensitivity(
    forecaster: Callable[..., ndarray],
    *,
    names: Sequence[str],
    config: BenchmarkConfig,
    points_per_period: Sequence[int] = (),
    contexts: Sequence[int] = (),
    noise: Sequence[float] = (),
    start: int = 0,
) -> pd.DataFrame:
    """The benchmark's measures while one condition changes and the others stay ``config``'s.

    Parameters
    ----------
    forecaster
        ``f(context, horizon, *, seed)``, for example a :class:`dynamix.baselines.Baseline`.
    names, config, start
        Systems of :func:`dynamix.systems.catalogue`, the protocol, and which of its starts.
    points_per_period, contexts
        Sampling rates in steps per dominant period, and context lengths in steps.
    noise
        Standard deviations of Gaussian noise on the context, relative to the context's. The truth
        stays clean, and every level scales the same draws.

    Returns
    -------
    DataFrame
        A row per condition and system: ``varied``, ``value``, ``system``, and the measures of
        :func:`dynamix.evaluation.measure`, NaN where the forecast does not allow them.

    Raises
    ------
    InputError
        If a system is unknown, a condition is out of range, or nothing is varied.

    Examples
    --------
    >>> from dynamix.baselines import parrot
    >>> protocol = BenchmarkConfig(horizon=1000, starts=1)
    >>> sensitivity(parrot, names=["Lorentz"], config=protocol, noise=[0.1])
    ... # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown system 'Lorentz'. Known: ... Did you mean 'Lorenz'?
    """
    varied = {"points_per_period": points_per_period, "context": contexts, "noise": noise}
    if not any(map(len, varied.values())) or not names:
        raise InputError(
            "nothing to vary: give names of systems, and points_per_period, contexts or noise."
        )
    if not 0 <= whole_number("start", start, least=0) < config.starts:
        raise InputError(f"start must be below the config's {config.starts} starts, found {start}.")
    for name in names:
        one_of("system", name, catalogue())
    rows: list[dict[str, Any]] = []
    for key, value in [(key, value) for key, values in varied.items() for value in values]:
        level = value if key == "noise" else 0.0
        here = config if key == "noise" else dataclasses.replace(config, **{key: value})
        # contexts of every length end, and truths begin, at the same place
        longest = dataclasses.replace(here, context=max([here.context, *contexts]))
        stretches = [benchmark.stretches(name, longest)[start] for name in names]
        shown = []
        for name, x in zip(names, stretches, strict=True):
            context = x[longest.context - here.context : longest.context].astype(np.float64)
            rng = np.random.default_rng([config.seed, *name.encode()])
            kick = level * context.std(axis=0) * rng.standard_normal(context.shape)
            shown.append((context + kick).astype(np.float32))
        answers = together(forecaster, shown, here.horizon, seed=here.seed)
        for name, x, context, y in zip(names, stretches, shown, answers, strict=True):
            truth = x[longest.context : longest.context + here.horizon]
            measured = benchmark.measure(y, truth, config=here, name=name, context=context)
            place = {"varied": key.replace("_", " "), "value": value, "system": name}
            rows.append(place | measured)
    return pd.DataFrame(rows)


def together(
    forecaster: Callable[..., ndarray], contexts: Sequence[ndarray], horizon: int, *, seed: int
) -> list[ndarray]:
    """Forecasts of equally long contexts ``(T_C, N)``: a Baseline gets all of them at once."""
    if isinstance(forecaster, Baseline):
        return list(np.swapaxes(forecaster(np.stack(contexts, axis=1), horizon, seed=seed), 0, 1))
    return [forecaster(context, horizon, seed=seed) for context in contexts]
