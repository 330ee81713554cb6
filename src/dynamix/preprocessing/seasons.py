"""Seasons of fixed length: found in a series or on a calendar, removed, and continued.

A season is a pattern that repeats every ``p`` steps, with ``p`` a whole number. A chaotic
oscillation has a dominant period, too, but its phase drifts. A flow with a steady phase, such as a
limit cycle, is smooth, so a model continues it without help. Both are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..errors import InputError
from ..io.scale import unit
from ..io.shapes import Float
from ..io.time_axis import check_index
from .periods import dominant_period

Channel = Float[ndarray, " _"]
Series = Float[ndarray, "_ n"]

# cycles that calendars have: quarters, days of a week, months, hours, half hours, weeks, quarters
# of an hour; and the week of the last
CALENDAR = (4, 7, 12, 24, 48, 52, 96)
FURTHER = (168, 336, 672)  # only beside a season of a day, because a flow may return as late
CYCLES = 10  # of the end of a context, whose mean is the season
LEAST_CYCLES = 3  # in a context
LEAST_STRENGTH = 0.1  # share of a cycle's variance that the other cycles explain
LEAST_ROUGHNESS = 0.27  # of what a season leaves: second differences over deviation
_NOTHING = 1e-6  # share of the variance below which a season leaves nothing
_CLEARLY = 0.05  # a longer period must explain so much more than a shorter one
_DAY, _WEEK, _YEAR = 86_400.0, 7.0, 365.25  # a day in seconds, the others in days
_WHOLE = 0.05  # a cycle's distance from a whole number of steps, as a share


@dataclass(frozen=True)
class Season:
    """Patterns of fixed periods, subtracted from each channel.

    ``shapes`` holds the patterns of each channel. A pattern of ``p`` values has mean 0, and its
    first value is that of steps 1, 1 + p, 1 + 2 p, ... .

    >>> x = np.tile([0.0, 5.0, 1.0], 6)[:, None] + np.arange(18.0)[:, None]
    >>> season = Season.fit(x, (3,))
    >>> season.apply(x)[:3].round(6).ravel(), season.invert(np.zeros((3, 1)), start=19).ravel()
    (array([2., 3., 4.]), array([-2.,  3., -1.]))
    """

    shapes: tuple[tuple[Channel, ...], ...]

    @classmethod
    def fit(cls, x: Series, periods: Sequence[int]) -> Season:
        """The patterns of all ``periods`` in each channel, the shortest first.

        An InputError says if a period is longer than a third of the series.
        """
        cls.check(len(x), periods)
        return cls.of(x, [tuple(periods)] * x.shape[1])

    @staticmethod
    def check(steps: int, periods: Sequence[int]) -> None:
        """Raise if a context of so many steps is too short for one of the periods."""
        for period in periods:
            if LEAST_CYCLES * period > steps:
                raise InputError(
                    f"a season of {period} steps needs a context of {LEAST_CYCLES * period} steps, "
                    f"found {steps}. Give a longer context, or season='off'."
                )

    @classmethod
    def of(cls, x: Series, periods: Sequence[Sequence[int]], *, cycles: int = CYCLES) -> Season:
        """The patterns of the given periods of each channel, means of its last ``cycles``."""
        size, shapes = unit(x), []
        for channel, scale, own in zip(x.T, size, periods, strict=True):
            rest, found = channel / scale, []
            for period in sorted(own):
                found.append(scale * _pattern(rest, period, cycles))
                rest = rest - _repeated(found[-1] / scale, 1, len(rest))
            shapes.append(tuple(found))
        return cls(tuple(shapes))

    def _at(self, start: int, steps: int) -> Series:
        each = [
            sum((_repeated(s, start, steps) for s in own), np.zeros(steps)) for own in self.shapes
        ]
        return np.stack(each, axis=1)

    def apply(self, x: Series, *, start: int = 1) -> Series:
        """``x`` of the steps ``start``, ``start + 1``, ... without its seasons."""
        return x - self._at(start, len(x))

    def invert(self, y: Series, *, start: int) -> Series:
        """``y`` of the steps ``start``, ``start + 1``, ... with its seasons."""
        return y + self._at(start, len(y))


def find_seasons(
    x: Channel, candidates: Sequence[int] | None = None, *, smooth: bool = False
) -> tuple[int, ...]:
    """The periods of the seasons of one channel; empty if it has none.

    ``x`` is ``(T,)``, finite, in any units. A season must pass three tests. The mean of the other
    cycles explains at least a tenth of the variance of a cycle. The first half of the cycles
    explains some of the second half. What remains is rough, unlike a flow. A further season must be
    a multiple of the first. ``candidates`` are the periods that are tried; None tries those of
    calendars. It also takes the dominant period of the spectrum (:func:`dominant_period`) if the
    series repeats it exactly. With ``smooth`` the rest need not be rough.

    >>> day = np.random.default_rng(0).normal(size=24)
    >>> noise = 0.2 * np.random.default_rng(1).normal(size=480)
    >>> find_seasons(np.tile(day, 20) + noise), find_seasons(noise)
    ((24,), ())
    """
    x = x / unit(x)
    T, seasons, rest = len(x), list[int](), x
    if candidates is None and T > LEAST_CYCLES and np.ptp(x) > 0:
        period = round(dominant_period(x[:, None], by="spectrum"))
        if 1 < period <= T // LEAST_CYCLES:
            pattern = _pattern(x, period, T)
            left = _detrended(x - _repeated(pattern, 1, T), period)
            if pattern.any() and left.std() ** 2 <= _NOTHING * pattern.std() ** 2:
                return (period,)  # nothing else is left
    first, further = (CALENDAR, FURTHER) if candidates is None else (candidates, candidates)
    while True:
        best, chosen = 0.0, 0
        for period in further if seasons else first:
            if seasons and (period <= seasons[-1] or period % seasons[-1]):
                continue
            if LEAST_CYCLES * period <= T:
                share = strength(rest, period)
                if share > LEAST_STRENGTH and share > best + (_CLEARLY if chosen else 0.0):
                    best, chosen = share, period
        if not chosen:
            return tuple(seasons)
        rest = rest - _repeated(_pattern(rest, chosen, T), 1, T)
        left = _detrended(rest, chosen)
        if not smooth and np.diff(left, 2).std() < LEAST_ROUGHNESS * left.std():
            return tuple(seasons)
        seasons.append(chosen)


def seasons_of(
    x: Series, candidates: Sequence[int] | None = None, *, smooth: bool = False
) -> list[tuple[int, ...]]:
    """The seasons of each channel of ``x (T, n)``, as :func:`find_seasons` finds them."""
    # each channel in memory of its own: its sums round the same, whatever is beside it
    return [find_seasons(np.ascontiguousarray(c), candidates, smooth=smooth) for c in x.T]


def strength(x: Channel, period: int) -> float:
    """Share of the variance of a cycle that the mean of the others explains; below 0: none.

    The series is detrended by a moving mean. The share is 0, too, if the first half of the cycles
    explains nothing of the second half.
    """
    rest = _detrended(x, period)
    count = len(rest) // period
    if count < 2:
        return 0.0
    cycles = rest[len(rest) - count * period :].reshape(count, period)
    cycles = cycles - cycles.mean(axis=1, keepdims=True)
    total, half = (cycles**2).sum(), count // 2
    later = cycles[half:]
    unexplained = ((later - cycles[:half].mean(axis=0)) ** 2).sum()
    if not unexplained < (later**2).sum():
        return 0.0
    others = (cycles.sum(axis=0) - cycles) / (count - 1)
    return float(1.0 - ((cycles - others) ** 2).sum() / total)


def calendar_seasons(index: Any) -> tuple[int, ...] | None:
    """The seasons that the step of an index suggests; None if it has no dates.

    They are the steps of a day and a week, or of a year for steps of weeks and more.

    >>> calendar_seasons(pd.date_range("2024-01-01", periods=5, freq="h"))
    (24, 168)
    >>> calendar_seasons(pd.date_range("2024-01-01", periods=5, freq="MS"))
    (12,)
    """
    if not isinstance(index, pd.DatetimeIndex | pd.PeriodIndex) or len(index) < 3:
        return None
    times = check_index(index)
    days = np.diff(times.as_unit("us").asi8) / 1e6 / _DAY
    step = float(np.median(days))
    if 0.9 < step < 1.1:  # of rows on working days alone, a week has five
        return (5,) if days.max() > 2 * step else (7,)
    cycles = (_YEAR / step,) if step >= 1 else (1 / step, _WEEK / step)
    return tuple(round(p) for p in cycles if p > 1.5 and abs(p - round(p)) < _WHOLE * p)


def _pattern(x: Channel, period: int, cycles: int) -> Channel:
    """The mean cycle of the last ``cycles``, of mean 0, beginning at the phase of step 1.

    The mean is one of mean and median, so that one odd cycle changes little.
    """
    rest, begin = _detrended(x, period), period // 2
    count = min(cycles, len(rest) // period)
    each = rest[len(rest) - count * period :].reshape(count, period)
    mean = (each.mean(axis=0) + np.median(each, axis=0)) / 2
    first = begin + len(rest) - count * period  # index of the first value
    return np.roll(mean - mean.mean(), first % period)


def _detrended(x: Channel, period: int) -> Channel:
    """``x`` without its moving mean over a period, and without half a period at both ends."""
    x = x - x.mean()
    sums = np.concatenate([[0.0], np.cumsum(x)])
    mean = (sums[period:] - sums[:-period]) / period
    if period % 2 == 0:
        mean = (mean[1:] + mean[:-1]) / 2
    half = period // 2
    return x[half : len(x) - half] - mean


def _repeated(shape: Channel, start: int, steps: int) -> Channel:
    """The pattern at the steps ``start``, ``start + 1``, ..."""
    return shape[np.arange(start - 1, start - 1 + steps) % len(shape)]
