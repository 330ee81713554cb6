"""Measures of an ensemble of forecasts; :mod:`dynamix.metrics` offers them too.

``forecast=`` is what :func:`dynamix.forecast` gives with ``n_samples=K``: ``(K, T)``,
``(K, T, N)``, ``(K, T, S, N)`` or a frame; ``truth=`` has that shape without the first axis. For
several series an array ``(S,)`` comes back. Where any sample is not finite the measure is NaN, as
in :mod:`dynamix.metrics`: without such samples an ensemble would look better than it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError, whole_number
from ..io.arrays import samples_array

Samples = Float[ndarray, "K T N"]
Points = Float[ndarray, "T N"]
Measured = float | Float[ndarray, " S"]


def coverage(*, forecast: Any, truth: Any, level: float = 0.9) -> Measured:
    """Share of the truth's values inside the ensemble's central interval of that level.

    The interval lies between the quantiles ``(1 - level) / 2`` and ``(1 + level) / 2`` of the K
    samples (interpolated linearly between them), at each step and channel by itself. An ensemble
    that is as uncertain as it should be covers ``level (K - 1) / (K + 1)``: few samples cover less
    than the level, 20 of them 0.81 for 0.9. Neighbouring steps of a series err together, so that
    one forecast says little; take many origins.

    Parameters
    ----------
    forecast
        The ensemble, samples first: ``(K, T)``, ``(K, T, N)`` or ``(K, T, S, N)``, or the frame
        that :func:`dynamix.forecast` returns for one.
    truth
        The same shape without the first axis, in the same units.
    level
        Between 0 and 1.

    Returns
    -------
    float, or (S,) for several series
        A share, 0 to 1. NaN where a sample is not finite.

    Raises
    ------
    InputError
        If ``level`` does not lie between 0 and 1, if the shapes do not fit or are empty, or if the
        truth is not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> samples, truth = rng.normal(size=(500, 2000)), rng.normal(size=2000)
    >>> round(coverage(forecast=samples, truth=truth, level=0.9), 1)
    0.9
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level must lie between 0 and 1, found {level!r}.")

    def measure(samples: Samples, real: Points) -> float:
        low, high = np.quantile(samples, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0)
        return float(((real >= low) & (real <= high)).mean())

    return _per_series(measure, forecast, truth)


def crps(*, forecast: Any, truth: Any, steps: int | None = None) -> Measured:
    """Continuous ranked probability score in units of the truth's mean absolute one-step change.

    ``mean_k |x_k - y| - mean_kl |x_k - x_l| / 2`` in its energy form (Gneiting & Raftery, J. Am.
    Stat. Assoc. 102, 359, 2007), averaged over the first ``steps`` steps and, after scaling, over
    channels. Smaller is better; for samples that are all the same it is
    :func:`dynamix.metrics.mase` over these steps.

    Parameters
    ----------
    forecast
        The ensemble, samples first: ``(K, T)``, ``(K, T, N)`` or ``(K, T, S, N)``, or the frame
        that :func:`dynamix.forecast` returns for one.
    truth
        The same shape without the first axis, in the same units. The one-step change is that of its
        whole length.
    steps
        Steps averaged over, at least 1; None, or more than there are: all.

    Returns
    -------
    float, or (S,) for several series
        Without a unit. NaN where a sample is not finite.

    Raises
    ------
    InputError
        If ``steps`` is no integer of at least 1, if the shapes do not fit or are empty, or if the
        truth is not finite, constant in a channel, or a single step.

    Examples
    --------
    The first step's samples, 1 and 3, each miss 2 by 1; that they are 2 apart is worth half of it:

    >>> crps(forecast=np.array([[1.0, 3.0], [3.0, 3.0]]), truth=np.array([2.0, 3.0]))
    0.25
    """
    if steps is not None:
        steps = whole_number("steps", steps)

    def measure(samples: Samples, real: Points) -> float:
        change = np.abs(np.diff(real, axis=0)).mean(axis=0)
        if not (change > 0).all():
            raise InputError(
                "truth must vary in every channel and have two steps: an error cannot be scaled by "
                "a change of zero."
            )
        drawn, target = samples[:, :steps], real[:steps]
        K = len(drawn)
        away = np.abs(drawn - target).mean(axis=0)
        # sum_kl |x_k - x_l| = 2 sum_i (2 i - K - 1) x_(i) over the sorted samples, i = 1 .. K
        ranks = 2.0 * np.arange(1, K + 1) - K - 1
        apart = 2.0 * np.tensordot(ranks, np.sort(drawn, axis=0), axes=1) / K**2
        return float(((away - apart / 2.0).mean(axis=0) / change).mean())

    return _per_series(measure, forecast, truth)


def _per_series(measure: Callable[[Samples, Points], float], forecast: Any, truth: Any) -> Measured:
    samples = samples_array(forecast)
    real = np.asarray(truth, dtype=np.float64)
    if samples.shape[1:] != real.shape or real.ndim not in (1, 2, 3) or not samples.size:
        raise InputError(
            "an ensemble must have the truth's shape behind a first axis of samples, (K, T), "
            f"(K, T, N) or (K, T, S, N); found {samples.shape} for a truth of {real.shape}."
        )
    if not np.isfinite(real).all():
        raise InputError("truth must be finite, found NaN or infinity. Cut or fill it.")

    def one(samples: ndarray, real: ndarray) -> float:
        return measure(samples, real) if np.isfinite(samples).all() else float("nan")

    if real.ndim < 3:
        K, T = samples.shape[:2]
        return one(samples.reshape(K, T, -1), real.reshape(T, -1))
    return np.array([one(samples[:, :, s], real[:, s]) for s in range(real.shape[1])])
