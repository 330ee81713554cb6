"""How a forecaster reacts to its context: sampling rate, length and noise are varied in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..baselines.registry import Baseline
from ..errors import InputError, one_of, whole_number
from ..settings import BenchmarkConfig
from ..systems import corpus as systems
from . import benchmark


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
        ``f(context, horizon, *, seed)``; a :class:`dynamix.baselines.Baseline` gets all systems at
        once, ``(T_C, S, N)``.
    names
        Systems, as of :func:`dynamix.systems.catalogue`. Their trajectories are integrated, or read
        from the cache.
    config
        The protocol that is varied.
    points_per_period
        Sampling rates, in steps per dominant period, each at least 2.
    contexts
        Context lengths in steps, each at least 2.
    noise
        Standard deviations of Gaussian noise on the context, in the context's own. The truth stays
        clean, and the same draws are scaled for every level.
    start
        Which of the benchmark's starts, from 0 to ``config.starts - 1``.

    Returns
    -------
    DataFrame
        A row per condition and system: ``varied`` (``"points per period"``, ``"context"`` or
        ``"noise"``), ``value``, ``system``, then the measures: ``d_stsp`` in nats, ``d_h``,
        ``mase``, ``vpt`` in Lyapunov times, ``fate``. A measure is NaN where the forecast does
        not allow it. Without conditions there are no rows.

    Raises
    ------
    InputError
        If a system is unknown, a sampling rate or context length is no integer of at least 2, there
        is nothing to vary, or no such start.

    Examples
    --------
    A run needs trajectories, and so seconds to minutes; a wrong name is told at once:

    >>> from dynamix import BenchmarkConfig
    >>> from dynamix.baselines import parrot
    >>> protocol = BenchmarkConfig(horizon=1000, starts=1)
    >>> sensitivity(parrot, names=["Lorentz"], config=protocol, noise=[0.0, 0.1])
    ... # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown system 'Lorentz'. Known: ... Did you mean 'Lorenz'?
    """
    conditions: list[tuple[str, float]] = [
        *(("points per period", v) for v in points_per_period),
        *(("context", v) for v in contexts),
        *(("noise", v) for v in noise),
    ]
    if not conditions or not names:
        raise InputError(
            "nothing to vary: give names of systems, and points_per_period, contexts or noise."
        )
    if not 0 <= whole_number("start", start, least=0) < config.starts:
        raise InputError(f"start must be below the config's {config.starts} starts, found {start}.")
    for name in names:
        one_of("system", name, systems.catalogue())
    rows: list[dict[str, Any]] = []
    for varied, value in conditions:
        changed: Mapping[str, Any] = {
            "points per period": {"points_per_period": value},
            "context": {"context": value},
        }.get(varied, {})
        here = BenchmarkConfig(**{**vars(config), **changed})
        # contexts of every length end, and truths begin, at the same place
        longest = BenchmarkConfig(**{**vars(here), "context": max([here.context, *contexts])})
        stretches = [benchmark.stretches(name, longest)[start] for name in names]
        shown = []
        for name, x in zip(names, stretches, strict=True):
            context = x[longest.context - here.context : longest.context].astype(np.float64)
            rng = np.random.default_rng([config.seed, *name.encode()])
            level = value if varied == "noise" else 0.0
            kick = level * context.std(axis=0) * rng.standard_normal(context.shape)
            shown.append((context + kick).astype(np.float32))
        answers = together(forecaster, shown, here.horizon, seed=here.seed)
        for name, x, context, y in zip(names, stretches, shown, answers, strict=True):
            truth = x[longest.context : longest.context + here.horizon]
            measured = benchmark.measure(y, truth, config=here, name=name, context=context)
            rows.append({"varied": varied, "value": value, "system": name, **measured})
    return pd.DataFrame(rows)


def together(
    forecaster: Callable[..., ndarray], contexts: Sequence[ndarray], horizon: int, *, seed: int
) -> list[ndarray]:
    """Forecasts of contexts of one length: at once where the forecaster can, else in turn.

    Parameters
    ----------
    forecaster
        Of :func:`dynamix.baselines.baseline`, or any other.
    contexts
        ``(T_C, N)`` each, all of one shape.
    horizon
        Steps.
    seed
        Of the forecaster's randomness; the same for every context.

    Returns
    -------
    list
        A forecast ``(horizon, N)`` for each context, in its units.

    Examples
    --------
    >>> from dynamix.baselines import baseline
    >>> contexts = [np.arange(4.0)[:, None], np.full((4, 1), 7.0)]
    >>> [y.ravel().tolist() for y in together(baseline("naive"), contexts, 2, seed=0)]
    [[3.0, 3.0], [7.0, 7.0]]
    """
    if isinstance(forecaster, Baseline):
        return list(np.swapaxes(forecaster(np.stack(contexts, axis=1), horizon, seed=seed), 0, 1))
    return [forecaster(context, horizon, seed=seed) for context in contexts]
