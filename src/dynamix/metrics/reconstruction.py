"""Measures of a reconstruction: geometry, spectrum, short-term error, chaos.

All take keyword-only ``forecast=`` and ``truth=``, arrays ``(T,)``, ``(T, N)`` or ``(T, S, N)`` for
several series (then an array ``(S,)`` comes back). A forecast that has left the numbers (NaN,
infinity) or the truth's whole range gives NaN, which callers count as a failure; NaN in the *truth*
is an error.

Sources: Hemmer & Durstewitz (2025), appendix; Koppe et al. (2019) for D_stsp; Mikhaeil et al.
(2022) for D_H; Hyndman & Koehler (2006) for MASE; Benettin et al. (1980) for Lyapunov spectra;
Mindlin & Gilmore (1992) for close returns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from ..errors import InputError, whole_number
from ..settings import BenchmarkConfig
from .fates import FATES as FATES
from .fates import closest_return as closest_return
from .fates import fate as fate
from .fates import returns as returns
from .inputs import Measured, Points, as_series, per_series
from .probabilistic import coverage as coverage
from .probabilistic import crps as crps

_PROTOCOL = BenchmarkConfig()
_PSEUDO_COUNT = 1e-5
_MOST_HISTOGRAM_DIMS = 5
_MIXTURE_WIDTH = 1.0
_MIXTURE_SAMPLES = 1000


def state_space_divergence(*, forecast: Any, truth: Any, bins: int = _PROTOCOL.bins) -> Measured:
    """``D_stsp``: Kullback-Leibler divergence of where truth and forecast spend their time.

    ``sum_b p_b log(p_b / q_b)`` over histograms of ``bins`` equal bins per dimension across the
    truth's range, with 1e-5 added to every bin's count before normalising (Koppe et al. 2019). 0
    for the same geometry; about 10 and more for a wrong one. Above 5 dimensions the
    Gaussian-mixture form stands in (:func:`mixture_divergence`).

    Parameters
    ----------
    forecast, truth
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, in the same units. Their lengths may differ; their
        channels may not.
    bins
        Per dimension, at least 2.

    Returns
    -------
    float, or (S,) for several series
        In nats. NaN where the forecast is not finite or never enters the truth's range.

    Raises
    ------
    InputError
        If the two are no arrays of numbers of the shapes above or differ in series or channels, if
        the truth is not finite or (up to 5 dimensions) constant in a channel, or if ``bins`` is no
        integer of at least 2.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(1000, 2))
    >>> state_space_divergence(forecast=x, truth=x)
    0.0
    >>> state_space_divergence(forecast=x + 100.0, truth=x)  # never where the truth has been
    nan
    """
    bins = whole_number("bins", bins, least=2)
    return per_series(lambda f, t: _divergence(f, t, bins), forecast, truth)


def _divergence(forecast: Points, truth: Points, bins: int) -> float:
    if not np.isfinite(forecast).all():
        return float("nan")
    if truth.shape[1] > _MOST_HISTOGRAM_DIMS:
        return mixture_divergence(forecast=forecast, truth=truth)
    low, high = truth.min(axis=0), truth.max(axis=0)
    if (high <= low).any():
        raise InputError(
            f"truth must vary in every channel, but channel {int(np.argmax(high <= low))} is "
            "constant: its histogram has no width."
        )

    def counts(points: Points) -> ndarray:
        inside = points[((points >= low) & (points <= high)).all(axis=1)]
        index = np.minimum(((inside - low) / (high - low) * bins).astype(np.int64), bins - 1)
        flat = np.ravel_multi_index(tuple(index.T), (bins,) * points.shape[1])
        return np.bincount(flat, minlength=bins ** points.shape[1]).astype(np.float64)

    p, q = counts(truth), counts(forecast)
    if not q.any():
        return float("nan")
    p, q = p + _PSEUDO_COUNT, q + _PSEUDO_COUNT
    p, q = p / p.sum(), q / q.sum()
    return float(max(np.sum(p * np.log(p / q)), 0.0))


def mixture_divergence(
    *,
    forecast: Points,
    truth: Points,
    width: float = _MIXTURE_WIDTH,
    samples: int = _MIXTURE_SAMPLES,
    seed: int = 0,
) -> float:
    """``D_stsp`` in high dimensions: a Gaussian of ``width`` on every point, Monte-Carlo KL.

    ``mean_i log(p(x_i) / q(x_i))`` over ``samples`` draws ``x_i`` from the truth's mixture ``p``;
    ``q`` is the forecast's mixture.

    Parameters
    ----------
    forecast, truth
        ``(T, N)``, in the same units, of any lengths. The truth must be finite, which
        :func:`state_space_divergence` sees to.
    width
        Standard deviation of the Gaussians, in the data's units; positive.
    samples
        Draws, at least 1. The estimate scatters by about ``1 / sqrt(samples)``.
    seed
        Of the draws.

    Returns
    -------
    float
        In nats; chance may take it a little below 0. NaN where the forecast is not finite.

    Raises
    ------
    InputError
        If the channels differ, either is empty, or the truth is not finite.

    Examples
    --------
    A Gaussian at 0 and one at distance ``d`` are ``d^2 / 2`` apart, here with ``d^2 = 6``:

    >>> round(mixture_divergence(forecast=np.ones((1, 6)), truth=np.zeros((1, 6))))
    3
    """
    if not len(truth) or not len(forecast) or forecast.shape[1] != truth.shape[1]:
        raise InputError(
            "forecast and truth need at least a step each and the same channels, found "
            f"{forecast.shape} and {truth.shape}."
        )
    if not np.isfinite(truth).all():
        raise InputError("truth must be finite. Fill its gaps or cut them out first.")
    if not np.isfinite(forecast).all():
        return float("nan")
    from scipy.spatial.distance import cdist
    from scipy.special import logsumexp

    rng = np.random.default_rng(seed)
    centres = truth[rng.integers(len(truth), size=samples)]
    draws = centres + width * rng.standard_normal(centres.shape)

    def log_density(points: Points) -> ndarray:
        squared = cdist(draws, points, "sqeuclidean")
        return logsumexp(-squared / (2 * width**2), axis=1) - np.log(len(points))

    return float(np.mean(log_density(truth) - log_density(forecast)))


def power_spectrum(
    x: Any, *, smoothing: int | float = _PROTOCOL.smoothing
) -> Float[ndarray, "F N"]:
    """Smoothed power spectrum per channel, normalised to sum 1: ``(T // 2 + 1, N)``.

    ``|rfft|^2`` of the standardised channel, smoothed by a Gaussian of ``smoothing`` frequency bins
    with reflecting ends. A channel without motion has no spectrum: its column is zero.

    Parameters
    ----------
    x
        ``(T,)`` or ``(T, N)``, finite; of ``(T, S, N)`` the first series.
    smoothing
        Standard deviation of the Gaussian in frequency bins; a bin is ``1 / T`` cycles per step. 0
        leaves the spectrum as it is.

    Returns
    -------
    (T // 2 + 1, N)
        Shares of the power, without a unit; row k belongs to ``k / T`` cycles per step.

    Raises
    ------
    InputError
        If ``x`` is no array of numbers of such a shape, empty, not finite or several series, or if
        ``smoothing`` is negative.

    Examples
    --------
    Ten cycles in 100 steps are row 10:

    >>> power = power_spectrum(np.sin(2 * np.pi * np.arange(100) / 10), smoothing=0)
    >>> power.shape, int(power.argmax()), round(float(power.sum()), 6)
    ((51, 1), 10, 1.0)
    """
    series = as_series(x, "x")
    if series.shape[1] != 1:
        raise InputError(
            f"a spectrum is of one series, (T,) or (T, N), found {series.shape[1]} of them: take "
            "x[:, s]."
        )
    if not np.isfinite(series).all():
        raise InputError("a spectrum needs finite values. Fill the gaps or cut them out first.")
    if not smoothing >= 0:
        raise InputError(f"smoothing must be at least 0, found {smoothing!r}.")
    points = series[:, 0]
    deviation = points.std(axis=0)
    moving = deviation > 1e-12 * np.maximum(np.abs(points).max(axis=0), 1.0)
    scaled = (points - points.mean(axis=0)) / np.where(moving, deviation, 1.0)
    power = np.abs(np.fft.rfft(scaled, axis=0)) ** 2
    if smoothing > 0:
        power = gaussian_filter1d(power, smoothing, axis=0, mode="reflect")
    return np.where(moving, power / np.where(moving, power.sum(axis=0), 1.0), 0.0)


def spectral_hellinger(
    *, forecast: Any, truth: Any, smoothing: int = _PROTOCOL.smoothing
) -> Measured:
    """``D_H``: Hellinger distance of smoothed power spectra, ``sqrt(1 - sum sqrt(p q))``.

    Averaged over channels (Mikhaeil et al. 2022); the spectra are those of :func:`power_spectrum`.
    Neither an offset nor the size of the motion matters.

    Parameters
    ----------
    forecast, truth
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, equally long, since their frequencies must match.
    smoothing
        Standard deviation, in frequency bins, of the Gaussian that smooths the spectra; 0 for none.

    Returns
    -------
    float, or (S,) for several series
        From 0 (same spectrum) to 1 (disjoint, or a forecast that stands still). NaN where the
        forecast is not finite.

    Raises
    ------
    InputError
        If the two are no arrays of numbers of the shapes above, differ in length, series or
        channels, if the truth is not finite, or if ``smoothing`` is no integer of at least 0.

    Examples
    --------
    >>> x = np.sin(np.arange(500) / 5)
    >>> spectral_hellinger(forecast=3 * x + 1, truth=x)
    0.0
    >>> spectral_hellinger(forecast=np.ones(500), truth=x)  # no motion at all
    1.0
    """
    smoothing = whole_number("smoothing", smoothing, least=0)

    def measure(f: Points, t: Points) -> float:
        if len(f) != len(t):
            raise InputError(
                "spectra can be compared only for equally long series, found a forecast of "
                f"{len(f)} and a truth of {len(t)} steps. Cut the longer one."
            )
        if not np.isfinite(f).all():
            return float("nan")
        p, q = power_spectrum(t, smoothing=smoothing), power_spectrum(f, smoothing=smoothing)
        overlap = np.sqrt(p * q).sum(axis=0)
        # equal spectra overlap by 1 up to rounding, whose square root would show as 1e-8
        overlap = np.where(overlap > 1.0 - 1e-14, 1.0, overlap)
        return float(np.mean(np.sqrt(1.0 - overlap)))

    return per_series(measure, forecast, truth)


def mase(*, forecast: Any, truth: Any, steps: int = _PROTOCOL.mase_steps) -> Measured:
    """Mean absolute scaled error of the first ``steps`` steps (Hyndman & Koehler 2006).

    ``mean |forecast - truth|`` over these steps, over the truth's mean absolute one-step change
    along its whole length, per channel, then averaged. 1 is the error of saying "no change" for one
    step.

    Parameters
    ----------
    forecast, truth
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, in the same units, each at least ``steps`` long.
    steps
        Steps averaged over, at least 1.

    Returns
    -------
    float, or (S,) for several series
        Without a unit, 0 or more. NaN where the forecast is not finite within these steps.

    Raises
    ------
    InputError
        If the two are no arrays of numbers of the shapes above, differ in series or channels, or
        are shorter than ``steps``, if the truth is not finite or constant in a channel, or if
        ``steps`` is no integer of at least 1.

    Examples
    --------
    >>> mase(forecast=np.array([1.0, 2.0]), truth=np.array([0.0, 1.0, 2.0]), steps=2)
    1.0
    """
    steps = whole_number("steps", steps)

    def measure(f: Points, t: Points) -> float:
        if min(len(f), len(t)) < steps:
            raise InputError(
                f"mase over {steps} steps needs that many of both, found {len(f)} of the forecast "
                f"and {len(t)} of the truth."
            )
        change = np.abs(np.diff(t, axis=0)).mean(axis=0)
        if (change == 0).any():
            raise InputError(
                f"truth must vary in every channel, but channel {int(np.argmax(change == 0))} is "
                "constant: an error cannot be scaled by it."
            )
        error = float(np.mean(np.abs(f[:steps] - t[:steps]).mean(axis=0) / change))
        return error if np.isfinite(error) else float("nan")

    return per_series(measure, forecast, truth)


def valid_prediction_time(
    *, forecast: Any, truth: Any, threshold: float = 0.4, lyapunov_time: float = 1.0
) -> Measured:
    """How long a forecast holds: time until its normalised error first exceeds ``threshold``.

    The error at step t is ``sqrt(mean_i ((f_i - x_i) / std(x_i))^2)`` over channels i, with the
    deviations of the whole truth. A forecast that never exceeds it holds for its whole length.

    Parameters
    ----------
    forecast, truth
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, in the same units; the longer one is cut.
    threshold
        In deviations of the truth; positive.
    lyapunov_time
        Steps in a unit of time, as of :func:`dynamix.systems.lyapunov_time`; the default counts
        steps.

    Returns
    -------
    float, or (S,) for several series
        In units of ``lyapunov_time``. What is not finite counts as wrong from there on.

    Raises
    ------
    InputError
        If ``threshold`` or ``lyapunov_time`` is not positive, if the two are no arrays of numbers
        of the shapes above or differ in series or channels, or if the truth is not finite or
        constant in a channel.

    Examples
    --------
    >>> truth = np.array([0.0, 1.0] * 5)  # deviation 0.5
    >>> drifting = truth + 0.1 * np.arange(10)  # the error grows by 0.2 a step
    >>> valid_prediction_time(forecast=drifting, truth=truth, threshold=0.5)
    3.0
    >>> valid_prediction_time(forecast=drifting, truth=truth, threshold=0.5, lyapunov_time=6.0)
    0.5
    """
    if not (threshold > 0 and lyapunov_time > 0):
        raise InputError(
            "threshold and lyapunov_time must be positive, found "
            f"{threshold!r} and {lyapunov_time!r}."
        )

    def measure(f: Points, t: Points) -> float:
        length = min(len(f), len(t))
        scale = t.std(axis=0)
        if (scale == 0).any():
            raise InputError("truth must vary in every channel to scale an error by it.")
        error = np.sqrt(np.mean(((f[:length] - t[:length]) / scale) ** 2, axis=1))
        beyond = np.flatnonzero(~(error <= threshold))  # NaN counts as beyond
        return float((beyond[0] if len(beyond) else length) / lyapunov_time)

    return per_series(measure, forecast, truth)
