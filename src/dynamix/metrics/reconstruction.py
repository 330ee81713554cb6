"""Measures of a reconstruction: geometry, spectrum and short-term error.

``forecast`` and ``truth`` are ``(T,)``, ``(T, N)``, or ``(T, S, N)`` with a result ``(S,)``. A
forecast that is not finite gives NaN, which callers count as a failure. An InputError is raised if
shapes do not fit, or the truth is not finite or constant in a channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from ..errors import InputError, whole_number
from ..io.arrays import as_series
from ..io.scale import unit
from ..io.shapes import Float, Int
from ..settings import checked
from .inputs import Measured, Points, check_moving, per_series

# defaults of the measures, and so of the benchmark
BINS = 30
SMOOTHING = 20
MASE_STEPS = 10
_PSEUDO_COUNT = 1e-5
_MOST_HISTOGRAM_DIMS = 5
_MIXTURE_SAMPLES = 1000


@checked
def state_space_divergence(*, forecast: Any, truth: Any, bins: int = BINS) -> Measured:
    """``D_stsp``: Kullback-Leibler divergence of the histograms of truth and forecast, in nats.

    ``sum_b p_b log(p_b / q_b)`` with ``bins`` equal bins per dimension over the truth's range and
    1e-5 added to every count (Koppe et al. 2019). 0 is perfect; 10 and more is a wrong geometry.
    Points outside the range are dropped; NaN if none is inside. Above 5 dimensions a Gaussian as
    wide as the truth's deviations on every point replaces the bins.

    >>> state_space_divergence(forecast=np.arange(9.0), truth=np.arange(9.0))
    0.0
    """
    bins = whole_number("bins", bins, least=2)

    def measure(f: Points, t: Points) -> float:
        check_moving(t)
        N = t.shape[1]
        if N > _MOST_HISTOGRAM_DIMS:
            return _mixture_divergence(f, t)
        cells = [np.ravel_multi_index(tuple(_cells(x, t, bins).T), (bins,) * N) for x in (t, f)]
        if not len(cells[1]):
            return float("nan")
        p, q = (np.bincount(c, minlength=bins**N) + _PSEUDO_COUNT for c in cells)
        p, q = p / p.sum(), q / q.sum()
        return float(max(np.sum(p * np.log(p / q)), 0.0))

    return per_series(measure, forecast, truth, finite=True)


@checked
def histogram_hellinger(*, forecast: Any, truth: Any, bins: int = BINS) -> Measured:
    """Hellinger distance ``sqrt(1 - sum_b sqrt(p_b q_b))`` of the histograms of D_stsp, 0 to 1.

    ``forecast`` and ``truth`` are ``(T,)`` or ``(T, N)``; each dimension has ``bins`` bins over the
    truth's range. Points outside this range count, and overlap with no point of the truth.

    >>> x = np.linspace(0.0, 1.0, 100)
    >>> histogram_hellinger(forecast=x, truth=x), histogram_hellinger(forecast=x + 2.0, truth=x)
    (0.0, 1.0)
    """
    bins = whole_number("bins", bins, least=2)

    def measure(f: Points, t: Points) -> float:
        check_moving(t)
        both = [_cells(x, t, bins) for x in (t, f)]
        _, cell = np.unique(np.concatenate(both), axis=0, return_inverse=True)
        parts = np.split(cell.reshape(-1), [len(both[0])])
        p, q = (np.bincount(part, minlength=cell.max() + 1) for part in parts)
        # only cells inside overlap, but all points of the forecast share its probability
        overlap = np.sqrt(p * q).sum() / np.sqrt(float(len(t)) * len(f))
        return float(np.sqrt(max(1.0 - overlap, 0.0)))

    return per_series(measure, forecast, truth, finite=True)


def _cells(points: Points, truth: Points, bins: int) -> Int[ndarray, "_ N"]:
    """The cell of each point inside the truth's range; the last cell has both edges."""
    low, high = truth.min(axis=0), truth.max(axis=0)
    inside = points[((points >= low) & (points <= high)).all(axis=1)]
    return np.minimum(((inside - low) / (high - low) * bins).astype(np.int64), bins - 1)


def _mixture_divergence(forecast: Points, truth: Points) -> float:
    """Monte-Carlo divergence of Gaussian mixtures: ``mean_i log(p(x_i) / q(x_i))``."""
    middle, width = truth.mean(axis=0), truth.std(axis=0)
    truth, forecast = (truth - middle) / width, (forecast - middle) / width
    rng = np.random.default_rng(0)
    centres = truth[rng.integers(len(truth), size=_MIXTURE_SAMPLES)]
    draws = centres + rng.standard_normal(centres.shape)

    def log_density(points: Points) -> ndarray:
        squared = cdist(draws, points, "sqeuclidean")
        return logsumexp(-squared / 2, axis=1) - np.log(len(points))

    return float(np.mean(log_density(truth) - log_density(forecast)))


@checked
def power_spectrum(x: Any, *, smoothing: int | float = SMOOTHING) -> Float[ndarray, "F N"]:
    """Power spectrum of each standardised channel: ``|rfft|^2``, normalised to sum 1.

    ``x`` is one finite series ``(T,)`` or ``(T, N)``. Row k of the result ``(T // 2 + 1, N)``
    belongs to ``k / T`` cycles per step. A Gaussian of ``smoothing`` frequency bins smooths it (0:
    none). A constant channel has a column of zeros.

    It raises InputError if ``x`` is not one finite series, or ``smoothing`` is negative.

    >>> power = power_spectrum(np.sin(2 * np.pi * np.arange(100) / 10), smoothing=0)
    >>> power.shape, int(power.argmax()), round(float(power.sum()), 6)
    ((51, 1), 10, 1.0)
    """
    series = as_series(x, name="x")
    if series.shape[1] != 1:
        raise InputError(f"a spectrum needs one series, found {series.shape[1]}: take x[:, s].")
    if not smoothing >= 0:
        raise InputError(f"smoothing must be at least 0, found {smoothing!r}.")
    points = series[:, 0]
    return _spectrum(points / unit(points), smoothing)


def _spectrum(points: Points, smoothing: int | float) -> Float[ndarray, "F N"]:
    """The spectrum of points that are of order 1; those that vary less than 1e-12 do not vary."""
    deviation = points.std(axis=0)
    moving = deviation > 1e-12 * np.maximum(np.abs(points).max(axis=0), 1.0)
    scaled = (points - points.mean(axis=0)) / np.where(moving, deviation, 1.0)
    power = np.abs(np.fft.rfft(scaled, axis=0)) ** 2
    if smoothing > 0:
        power = gaussian_filter1d(power, smoothing, axis=0, mode="reflect")
    return np.where(moving, power / np.where(moving, power.sum(axis=0), 1.0), 0.0)


@checked
def spectral_hellinger(*, forecast: Any, truth: Any, smoothing: int = SMOOTHING) -> Measured:
    """``D_H``: Hellinger distance of power spectra, ``sqrt(1 - sum sqrt(p q))``, mean of channels.

    0 for equal spectra, 1 for disjoint ones and for a constant forecast (Mikhaeil et al. 2022).
    ``smoothing`` is that of :func:`power_spectrum`. Offset and amplitude have no effect.

    It raises InputError if ``forecast`` and ``truth`` are not equally long.

    >>> x = np.sin(np.arange(500) / 5)
    >>> spectral_hellinger(forecast=3 * x + 1, truth=x)
    0.0
    """
    smoothing = whole_number("smoothing", smoothing, least=0)

    def measure(f: Points, t: Points) -> float:
        if len(f) != len(t):
            raise InputError(
                f"spectra need equally long series, found a forecast of {len(f)} and a truth of "
                f"{len(t)} steps. Cut the longer one."
            )
        p, q = _spectrum(t, smoothing), _spectrum(f, smoothing)
        overlap = np.sqrt(p * q).sum(axis=0)
        # equal spectra overlap by 1 up to rounding, whose square root would show as 1e-8
        overlap = np.where(overlap > 1.0 - 1e-14, 1.0, overlap)
        return float(np.mean(np.sqrt(1.0 - overlap)))

    return per_series(measure, forecast, truth, finite=True)


@checked
def mase(*, forecast: Any, truth: Any, steps: int = MASE_STEPS) -> Measured:
    """Mean absolute scaled error of the first ``steps`` steps (Hyndman & Koehler 2006).

    ``mean |forecast - truth|`` over the mean absolute one-step change of the whole truth, per
    channel, then averaged. A forecast of "no change" has an error of about 1 at the first step.

    It raises InputError if fewer than ``steps`` steps are given, or a channel of the truth does not
    move.

    >>> mase(forecast=np.array([1.0, 2.0]), truth=np.array([0.0, 1.0, 2.0]), steps=2)
    1.0
    """
    steps = whole_number("steps", steps)

    def measure(f: Points, t: Points) -> float:
        if min(len(f), len(t)) < steps:
            found = f"{len(f)} of the forecast and {len(t)} of the truth"
            raise InputError(f"mase over {steps} steps needs that many of both, found {found}.")
        check_moving(t)
        change = np.abs(np.diff(t, axis=0)).mean(axis=0)
        error = float(np.mean(np.abs(f[:steps] - t[:steps]).mean(axis=0) / change))
        return error if np.isfinite(error) else float("nan")

    return per_series(measure, forecast, truth)


@checked
def valid_prediction_time(
    *, forecast: Any, truth: Any, threshold: float = 0.4, lyapunov_time: float = 1.0
) -> Measured:
    """Time until the error of a forecast first exceeds ``threshold`` deviations of the truth.

    The error at step t is ``sqrt(mean_i ((f_i - x_i) / std(x_i))^2)`` over channels i. A value that
    is not finite exceeds the threshold. The unit is ``lyapunov_time`` steps; 1 counts steps.

    It raises InputError if ``threshold`` or ``lyapunov_time`` is not positive, or lengths differ.

    >>> truth = np.array([0.0, 1.0] * 5)  # deviation 0.5; the error grows by 0.2 a step
    >>> valid_prediction_time(forecast=truth + 0.1 * np.arange(10), truth=truth, threshold=0.5)
    3.0
    """
    if not (threshold > 0 and lyapunov_time > 0):
        found = f"{threshold!r} and {lyapunov_time!r}"
        raise InputError(f"threshold and lyapunov_time must be positive, found {found}.")

    def measure(f: Points, t: Points) -> float:
        check_moving(t)
        length, scale = min(len(f), len(t)), t.std(axis=0)
        error = np.sqrt(np.mean(((f[:length] - t[:length]) / scale) ** 2, axis=1))
        beyond = np.flatnonzero(~(error <= threshold))  # NaN counts as beyond
        return float((beyond[0] if len(beyond) else length) / lyapunov_time)

    return per_series(measure, forecast, truth)
