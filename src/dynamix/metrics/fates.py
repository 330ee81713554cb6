"""How a forecast ends: at rest, in a cycle, outside the range, or in none of these."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from ..io.scale import unit
from ..io.shapes import Float
from .inputs import Points, per_series

_BOX = 5.0  # times the context's range: a forecast that leaves this box has escaped
_REST = 1e-3  # of the context's deviation: a forecast that moves less is at rest
_RETURN = 0.01  # of the deviation: a cycle returns this closely, sampled chaos of dysts does not

FATES = ("fixed point", "cycle", "escape", "chaotic/other")


def fate(*, forecast: Any, context: Any) -> str | ndarray:
    """Classify how a forecast ends: one of :data:`FATES` for each series.

    * *escape*: the forecast is not finite, or leaves a box of 5 times the context's range;
    * *fixed point*: its last tenth deviates by less than 1e-3 of the context's deviation;
    * *cycle*: its last half repeats with an error below 0.01 deviations. Gate noise prevents this;
    * *chaotic/other*: chaos, tori, noisy cycles, and forecasts that have not settled.

    ``forecast`` and ``context`` are ``(T,)``, ``(T, N)`` or ``(T, S, N)``, of any lengths.

    >>> t = np.arange(2000)
    >>> fate(forecast=np.sin(t / 7), context=np.sin(t[:300] / 7))
    'cycle'
    """

    def judge(f: Points, c: Points) -> str:
        low, high = c.min(axis=0), c.max(axis=0)
        # NaN compares as False, so it counts as an escape
        if not (np.abs(f - (low + high) / 2) <= _BOX * (high - low) / 2).all():
            return "escape"
        still = _REST * c.std(axis=0)
        if (f[-max(len(f) // 10, 1) :].std(axis=0) <= still).all():
            return "fixed point"
        repeats = closest_return(f[len(f) // 2 :], least_deviation=still) < _RETURN
        return "cycle" if repeats else "chaotic/other"

    return per_series(judge, forecast, context, names=("forecast", "context"))


def closest_return(x: Points, *, least_deviation: float | Float[ndarray, " N"] = 0.0) -> float:
    """Least of :func:`returns` after it first exceeds 1 (Mindlin & Gilmore 1992), or infinity.

    It is 0 for a cycle and 1.41 for noise.
    """
    error = returns(x, least_deviation=least_deviation)
    away = np.flatnonzero(error > 1.0)
    return float(error[away[0] :].min()) if len(away) else float("inf")


def returns(
    x: Points, *, least_deviation: float | Float[ndarray, " N"] = 0.0
) -> Float[ndarray, " lags"]:
    """Root mean square of ``(x(t + L) - x(t)) / std(x)`` for each lag ``L = 0 .. T // 2``.

    Deviations are at least ``least_deviation``, so that rounding does not count.
    """
    n, size = len(x), unit(x)
    x, least_deviation = x / size, least_deviation / size
    deviation = np.maximum(x.std(axis=0), least_deviation)
    y = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    padded = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(y, padded, axis=0)) ** 2
    lags = np.arange(n // 2 + 1)
    products = np.fft.irfft(spectrum, padded, axis=0)[lags].mean(axis=1)
    # sum_t (y(t + L) - y(t))^2 = squares of the first and of the last n - L steps - 2 products
    squares = np.concatenate([[0.0], np.cumsum((y**2).mean(axis=1))])
    error = (squares[n - lags] + squares[n] - squares[lags] - 2 * products) / (n - lags)
    return np.sqrt(np.maximum(error, 0.0))
