"""Periods and correlation times of a series, in steps."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy import ndarray
from scipy import signal

from ..errors import InputError, one_of
from ..io.scale import unit
from ..io.shapes import Float

_DECORRELATED = math.exp(-1.0)
_FEW_LAGS = (16, 64, 256)
_TOGETHER = 8192  # numbers in a sum
_TINY = 1e-12


def autocorrelation(x: Float[ndarray, " T"]) -> Float[ndarray, " T"]:
    """Biased autocorrelation of one channel at lags 0 to T - 1: every sum is divided by T.

    ``x`` is ``(T,)``. The first value is 1.

    It raises InputError if the channel is constant.

    >>> autocorrelation(np.array([1.0, -1.0, 1.0, -1.0])).round(2)
    array([ 1.  , -0.75,  0.5 , -0.25])
    """
    x = x / unit(x)
    centred = x - x.mean()
    if not centred.any():
        raise InputError("a constant series has no autocorrelation.")
    sums = signal.correlate(centred, centred, mode="full", method="auto")[len(x) - 1 :]
    return sums / sums[0]


def decorrelation_time(x: Float[ndarray, "T n"]) -> int:
    """First lag in steps whose autocorrelation is below 1/e, the longest over channels.

    ``x`` is ``(T, n)``. The result is 1 if no lag of the first half is below 1/e. No channel
    may be constant.

    A cosine falls to 1/e after a fifth of its period:

    >>> decorrelation_time(np.cos(2 * np.pi * np.arange(2000) / 100)[:, None])
    19
    """
    columns = np.ascontiguousarray(x.T) / unit(x)[:, None]
    half, longest = columns.shape[1] // 2, 1
    ends = np.unique(np.minimum(_FEW_LAGS, half))  # a few lags are enough for most series
    for x in columns - columns.mean(axis=1, keepdims=True):
        level = _DECORRELATED * np.einsum("i,i", x, x)  # BLAS would start threads
        first, below = 1, np.zeros(0, bool)
        for end in ends[ends > 1].tolist():
            # every lag multiplies all but the last `end` steps, and then some of these
            whole, last = len(x) - end, x[len(x) - end :]
            sums = np.correlate(last, last, mode="full")[end - 1 + first : 2 * end - 1]
            for at in range(0, whole, _TOGETHER):
                part = x[at : min(at + _TOGETHER, whole)]
                ahead = x[at + first : at + len(part) + end - 1]
                sums = sums + np.correlate(ahead, part, mode="valid")
            below = sums < level
            if below.any():
                break
            first = end
        else:
            if first < half:
                below = autocorrelation(x)[first:half] < _DECORRELATED
        if below.any():
            longest = max(longest, first + int(below.argmax()))
    return longest


def dominant_period(
    x: Float[ndarray, "T n"], *, by: Literal["autocorrelation", "spectrum"] = "autocorrelation"
) -> int | float:
    """The period of the strongest oscillation in steps, the longest over channels.

    ``x`` is ``(T, n)``, finite, in any units. ``by="autocorrelation"`` is the lag of its highest
    local maximum beyond ``T // 10``, or else of its largest value there: a whole number. A shorter
    period is found as one of its multiples, which suits an embedding (Hemmer & Durstewitz 2025,
    appendix). ``by="spectrum"`` is the highest peak of the detrended, tapered power spectrum,
    interpolated by a parabola. Without an oscillation the period is of the order of T.

    >>> t = np.arange(200)
    >>> x = np.stack([np.sin(2 * np.pi * t / 40), np.sin(2 * np.pi * t / 25)], axis=1)
    >>> dominant_period(x), round(dominant_period(x, by="spectrum"), 1)
    (40, 40.0)
    """
    one_of("by", by, _METHODS)
    return max(_METHODS[by](column) for column in x.T)


def _by_autocorrelation(x: Float[ndarray, " T"]) -> int:
    acf = autocorrelation(x)
    first = len(acf) // 10 + 1
    lags = np.arange(first, len(acf) - 1)
    peaks = lags[(acf[lags] > acf[lags - 1]) & (acf[lags] > acf[lags + 1])]
    return int(peaks[np.argmax(acf[peaks])]) if len(peaks) else first + int(np.argmax(acf[first:]))


def _by_spectrum(x: Float[ndarray, " T"]) -> float:
    x, T = x / unit(x), len(x)
    power = np.abs(np.fft.rfft(signal.detrend(x) * np.hanning(T))) ** 2
    peak = 1 + int(np.argmax(power[1:]))
    shift = 0.0
    if 1 < peak < len(power) - 1:
        # the vertex of the parabola through the logarithms of the peak and its neighbours
        low, top, high = np.log(power[peak - 1 : peak + 2] + _TINY * power[peak])
        shift = 0.5 * (low - high) / (low - 2 * top + high) if low + high < 2 * top else 0.0
    return float(T / (peak + shift))


_METHODS = {"autocorrelation": _by_autocorrelation, "spectrum": _by_spectrum}
