"""Measures of an ensemble of K forecasts.

``forecast`` is ``(K, T)``, ``(K, T, N)``, ``(K, T, S, N)``, or a frame of K samples. ``truth`` has
the shape of one sample. If a sample is not finite, the result is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError, whole_number
from ..io.arrays import as_series, samples_array
from ..io.shapes import Float
from ..settings import checked
from .inputs import Measured, Points, check_moving, in_units_of

Samples = Float[ndarray, "K T N"]


@checked
def coverage(*, forecast: Any, truth: Any, level: float = 0.9) -> Measured:
    """Share of the truth's values inside the central interval of an ensemble, from 0 to 1.

    ``forecast`` holds K samples, ``(K, T)`` or ``(K, T, N)``; ``truth`` is ``(T,)`` or ``(T, N)``.
    The interval lies between the quantiles ``(1 - level) / 2`` and ``(1 + level) / 2`` at each step
    and channel. A calibrated ensemble covers ``level (K - 1) / (K + 1)``: 20 samples cover 0.81 at
    level 0.9.

    It raises InputError if ``level`` is not between 0 and 1.

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


@checked
def crps(*, forecast: Any, truth: Any, steps: int | None = None) -> Measured:
    """Continuous ranked probability score, in units of the truth's mean absolute one-step change.

    ``forecast`` holds samples ``x_k``, ``(K, T)`` or ``(K, T, N)``, and ``truth`` is ``y``. The
    score is ``mean_k |x_k - y| - mean_kl |x_k - x_l| / 2`` (Gneiting & Raftery 2007), averaged over
    the first ``steps`` steps (None: all) and over channels. Smaller is better. For equal samples it
    is :func:`dynamix.metrics.mase`.

    >>> crps(forecast=np.array([[1.0, 3.0], [3.0, 3.0]]), truth=np.array([2.0, 3.0]))
    0.25
    """
    steps = None if steps is None else whole_number("steps", steps)

    def measure(samples: Samples, real: Points) -> float:
        check_moving(real)
        change = np.abs(np.diff(real, axis=0)).mean(axis=0)
        scores = crps_of_steps(samples[:, :steps], real[:steps])
        return float((scores.mean(axis=0) / change).mean())

    return _per_series(measure, forecast, truth)


def crps_of_steps(samples: Samples, real: Points) -> Points:
    """The score of :func:`crps` at each step and channel, in the data's units."""
    K = len(samples)
    away = np.abs(samples - real).mean(axis=0)
    # sum_kl |x_k - x_l| = 2 sum_i (2 i - K - 1) x_(i) over the sorted samples, i = 1 .. K
    ranks = 2.0 * np.arange(1, K + 1) - K - 1
    apart = 2.0 * np.tensordot(ranks, np.sort(samples, axis=0), axes=1) / K**2
    return away - apart / 2.0


def _per_series(measure: Callable[[Samples, Points], float], forecast: Any, truth: Any) -> Measured:
    """Apply a measure to each series of an ensemble."""
    samples, real = samples_array(forecast), as_series(truth, name="truth")
    if samples.shape[1:] != np.shape(truth) or not len(samples):
        raise InputError(
            "an ensemble must have the truth's shape after a first axis of samples, found "
            f"{samples.shape} for a truth of {np.shape(truth)}."
        )
    samples = in_units_of(real, samples.reshape(len(samples), *real.shape))
    real = in_units_of(real, real)
    good = np.isfinite(samples).all(axis=(0, 1, 3))
    each = range(real.shape[1])
    values = [measure(samples[:, :, s], real[:, s]) if good[s] else np.nan for s in each]
    return np.array(values) if np.ndim(truth) == 3 else values[0]
