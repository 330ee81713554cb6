"""What becomes of a free run: rest, a cycle, escape, or else; :mod:`dynamix.metrics` offers it.

Source: Mindlin & Gilmore (1992) for close returns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .inputs import Points, per_series

_BOX = 5.0  # times the context's range: whatever leaves that has escaped
_REST = 1e-3  # of the context's deviation: whatever moves less stands still
_RETURN = 0.01  # of the deviation: a cycle comes back this closely, sampled chaos of dysts does not

FATES = ("fixed point", "cycle", "escape", "chaotic/other")


def fate(*, forecast: Any, context: Any) -> str | ndarray:
    """Where a forecast ends up: ``"fixed point"``, ``"cycle"``, ``"escape"``, ``"chaotic/other"``.

    * *escape*: it is not finite, or leaves a box of 5 times the context's range about its middle;
    * *fixed point*: its last tenth deviates by less than 1e-3 of the context's deviation;
    * *cycle*: its last half repeats itself: :func:`closest_return` is under 0.01. Whatever is drawn
      anew at every step, such as the gate's noise, prevents that;
    * everything else: chaos, tori, noisy cycles, and what has not settled yet.

    Parameters
    ----------
    forecast, context
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, lengths apart equally shaped, in the same units.

    Returns
    -------
    str, or (S,) for several series
        Each one of :data:`FATES`.

    Raises
    ------
    InputError
        If the two are no arrays of numbers of the shapes above or differ in series or channels, or
        if the context is not finite.

    Examples
    --------
    >>> t = np.arange(2000)
    >>> fate(forecast=np.sin(t / 7), context=np.sin(t[:300] / 7))
    'cycle'
    >>> fate(forecast=np.exp(-t / 50) * np.sin(t / 7), context=np.sin(t[:300] / 7))
    'fixed point'
    """

    def judge(f: Points, c: Points) -> str:
        low, high = c.min(axis=0), c.max(axis=0)
        # NaN compares as False, so it escapes too
        if not (np.abs(f - (low + high) / 2) <= _BOX * (high - low) / 2).all():
            return "escape"
        still = _REST * c.std(axis=0)
        if (f[-max(len(f) // 10, 1) :].std(axis=0) <= still).all():
            return "fixed point"
        if closest_return(f[len(f) // 2 :], least_deviation=still) < _RETURN:
            return "cycle"
        return "chaotic/other"

    return per_series(judge, forecast, context, names=("forecast", "context"))


def closest_return(x: Points, *, least_deviation: float | Float[ndarray, " N"] = 0.0) -> float:
    """How closely a series comes back to itself, at the best single lag: 0 for a cycle.

    The least of :func:`returns` over lags from the first at which it exceeds 1, for at short lags
    any smooth series is near itself, up to half the length. Unrelated stretches give 1.41. The
    close returns of Mindlin & Gilmore (1992), as one number.

    Parameters
    ----------
    x
        ``(T, N)``, finite.
    least_deviation
        Channels that deviate less are scaled by this instead, so that rounding does not count: one
        number or one for each channel, in the data's units.

    Returns
    -------
    float
        In deviations. Infinite where no lag up to half the length exceeds 1.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * np.arange(400)[:, None] / 40)
    >>> round(closest_return(wave), 5)
    0.0
    >>> closest_return(1e-9 * wave, least_deviation=1e-3)  # so little motion never goes away
    inf
    """
    error = returns(x, least_deviation=least_deviation)
    away = np.flatnonzero(error > 1.0)
    return float(error[away[0] :].min()) if len(away) else float("inf")


def returns(
    x: Points, *, least_deviation: float | Float[ndarray, " N"] = 0.0
) -> Float[ndarray, " lags"]:
    """``sqrt(mean_t,i ((x_i(t + L) - x_i(t)) / std(x_i))^2)`` for lags ``L = 0 .. T // 2``.

    Parameters
    ----------
    x
        ``(T, N)``, finite.
    least_deviation
        As of :func:`closest_return`.

    Returns
    -------
    (T // 2 + 1,)
        In deviations; entry L belongs to a lag of L steps. 0 where all channels stand still.

    Examples
    --------
    A wave is the opposite of itself after half a period, and itself after a whole one:

    >>> wave = np.sin(2 * np.pi * np.arange(400)[:, None] / 40)
    >>> returns(wave)[[0, 20, 40]].round(5).tolist()
    [0.0, 2.0, 0.0]
    """
    n = len(x)
    deviation = np.maximum(x.std(axis=0), least_deviation)
    y = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    padded = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(y, padded, axis=0)) ** 2
    lags = np.arange(n // 2 + 1)
    products = np.fft.irfft(spectrum, padded, axis=0)[lags].mean(axis=1)
    # sum_t (y(t + L) - y(t))^2: the squares of the first n - L and of the last n - L, less the rest
    squares = np.concatenate([[0.0], np.cumsum((y**2).mean(axis=1))])
    error = (squares[n - lags] + squares[n] - squares[lags] - 2 * products) / (n - lags)
    return np.sqrt(np.maximum(error, 0.0))
