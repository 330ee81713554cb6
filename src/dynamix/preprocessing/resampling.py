"""Irregular series with gaps are put on a regular grid, with a report of the changes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy import ndarray

from ..errors import InputError
from ..io.arrays import columns_of
from ..io.shapes import Bool, Float
from ..io.time_axis import ROUNDING, check_index, fit
from ..settings import setting, settings, takes

Holes = Literal["refuse", "cut"]


@settings
class ResampleConfig:
    """What :func:`resample` mends, and where it refuses."""

    longest_gap: int = setting(
        6, "steps without an observation that are still interpolated", at_least=0
    )
    most_filled: float = setting(0.2, "largest share of interpolated steps", at_least=0, below=1)
    holes: Holes = setting("refuse", "longer gaps: refuse, or cut to the longest stretch without")


@dataclass(frozen=True)
class ResampleReport:
    """The changes that :func:`resample` made; ``str(report)`` is one sentence on them.

    >>> print(resample(pd.Series([0.0, 1.0, 2.0]))[1])
    3 steps of 1, none missing; nothing was changed
    """

    step: str  # of the grid, in words
    observations: int  # rows of the input that hold a value
    repeated: int  # rows at the time of an earlier row
    out_of_order: bool  # the rows had to be sorted
    moved: int  # rows that did not lie on the grid
    steps: int  # of the result
    filled: int  # steps of the result that were interpolated in at least one column
    longest_gap: int  # the longest run of such steps
    cut: int  # steps left out, beyond a hole or at an end where a column has no value

    def __str__(self) -> str:
        steps, filled = counted(self.steps, "step"), counted(self.filled, "step")
        if self.unchanged:
            return f"{steps} of {self.step}, none missing; nothing was changed"
        parts = {
            f"{counted(self.observations, 'observation')} put on {steps} of {self.step}": True,
            f"{filled} ({self.filled / self.steps:.1%}) had no observation and "
            f"{_were(self.filled)} interpolated linearly, at most {self.longest_gap} in a row": (
                self.filled
            ),
            f"{counted(self.moved, 'observation')} lay off the grid": self.moved,
            f"{self.repeated} came at a time already taken and {_were(self.repeated)} averaged": (
                self.repeated
            ),
            "they were sorted by time": self.out_of_order,
            f"{counted(self.cut, 'step')} beyond holes or at ragged ends {_were(self.cut)} left "
            "out": self.cut,
        }
        return "; ".join(text for text, happened in parts.items() if happened)

    @property
    def unchanged(self) -> bool:
        """Whether the input was regular and complete, and came back as it was."""
        return not (self.filled or self.moved or self.repeated or self.out_of_order or self.cut)


def counted(number: int, what: str) -> str:
    """A number and what it counts: ``1 step``, ``2 steps``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


@takes(ResampleConfig)
def resample(
    frame: pd.DataFrame | pd.Series, *, step: Any = None, **settings: Any
) -> tuple[Any, ResampleReport]:
    """Put a series with irregular times, repetitions or gaps on a regular grid.

    Values and times of all observations nearest to one grid point are averaged. A grid point gets
    its value by linear interpolation between these averages. So data on the grid stay unchanged,
    and a coarser step averages.

    Parameters
    ----------
    frame
        Columns of numbers over an index of dates or numbers; NaN means missing.
    step
        The grid's step: a pandas offset (``"15min"``) for dates, a number otherwise, from the first
        observation; None: the index's frequency, the calendar that its dates follow, or the
        constant step nearest to its times.
    **settings

    Returns
    -------
    The frame or Series on its regular index, and the :class:`ResampleReport`.

    Raises
    ------
    InputError
        If too many steps are missing, the index or a column does not hold numbers, fewer than 2
        rows hold a value, or ``step`` does not fit the index.

    Examples
    --------
    >>> times = pd.to_datetime(["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 03:00"])
    >>> frame, report = resample(pd.Series([0.0, 1.0, 3.0], index=times), most_filled=0.5)
    >>> frame.tolist(), report.filled
    ([0.0, 1.0, 2.0, 3.0], 1)
    """
    if isinstance(frame, pd.Series):
        table, report = resample(frame.to_frame(), step=step, **settings)
        return table.iloc[:, 0].rename(frame.name), report
    limits, values = ResampleConfig(**settings), columns_of(frame, "the series")
    if np.isinf(values).any():
        t, i = (int(v) for v in np.argwhere(np.isinf(values))[0])
        place = f"column {frame.columns[i]!r} is infinite at {frame.index[t]}"
        raise InputError(f"{place}. Replace infinities by NaN if they mean missing.")
    index = check_index(frame.index)
    seen = ~np.isnan(values).all(axis=1)
    if seen.sum() < 2:
        found = f"{int(seen.sum())} in {len(frame)} rows"
        raise InputError(f"resampling needs at least 2 observations, found {found}.")
    index, values = index[seen], values[seen]
    if out_of_order := not index.is_monotonic_increasing:
        order = np.argsort(index.to_numpy(), kind="stable")
        index, values = index[order], values[order]
    repeated = int(index.duplicated().sum())
    axis = fit(index.unique(), step)
    position = axis.place(index)
    grid = axis.labels(np.arange(int(position[-1] + ROUNDING) + 2))
    moved = int((np.abs(position - np.round(position)) > ROUNDING).sum())

    filled, result = _fill(values, position, len(grid))
    first, last = _kept(filled, result, limits)
    kept, steps = filled[first:last], last - first
    report = ResampleReport(
        step=axis.step,
        observations=len(values),
        repeated=repeated,
        out_of_order=out_of_order,
        moved=moved,
        steps=steps,
        filled=int(kept.sum()),
        longest_gap=max((b - a for a, b in runs(kept)), default=0),
        cut=int(position[-1] + ROUNDING) + 1 - steps,
    )
    if kept.sum() > limits.most_filled * steps:
        raise InputError(
            f"too much is missing: {kept.sum()} of {steps} steps of {axis.step} "
            f"({kept.sum() / steps:.0%}) hold no observation, expected at most "
            f"{limits.most_filled:.0%}. Give a larger step, or raise most_filled."
        )
    if report.unchanged and seen.all():
        table = frame.copy()
        table.index = index
    else:
        table = pd.DataFrame(result[first:last], index=grid[first:last], columns=frame.columns)
    if step is not None and isinstance(table.index, pd.DatetimeIndex):
        with suppress(ValueError):  # local days are no pandas frequency
            table.index = pd.DatetimeIndex(table.index, freq=step)
    table.attrs = dict(frame.attrs)
    return table, report


def _fill(
    values: Float[ndarray, "T n"], position: Float[ndarray, " T"], count: int
) -> tuple[Bool[ndarray, " K"], Float[ndarray, "K n"]]:
    """Which grid points lack an observation, and the values; NaN outside a column's own times."""
    empty, result = np.zeros(count, dtype=bool), np.empty((count, values.shape[1]))
    nearest = np.floor(position + 0.5).astype(np.int64)
    points = np.arange(count, dtype=np.float64)
    for i, column in enumerate(values.T):
        here = ~np.isnan(column)
        many = np.bincount(nearest[here], minlength=count)
        filled = np.flatnonzero(many)
        empty |= many == 0
        if not len(filled):
            result[:, i] = np.nan
            continue
        at, mean = (
            np.bincount(nearest[here], weights=w[here], minlength=count)[filled] / many[filled]
            for w in (position, column)
        )
        on_grid = np.abs(at - filled) < ROUNDING
        at[on_grid] = filled[on_grid]
        result[:, i] = np.interp(points, at, mean)
        # where the only observation of a grid point lies on it, its value counts to the last digit
        result[filled[on_grid], i] = mean[on_grid]
        outside = (points < at[0] - ROUNDING) | (points > at[-1] + ROUNDING)
        result[outside, i] = np.nan
    return empty, result


def _kept(
    filled: Bool[ndarray, " K"], result: Float[ndarray, "K n"], limits: ResampleConfig
) -> tuple[int, int]:
    """The stretch to keep: all of it, or the longest without a hole."""
    hole = np.isnan(result).any(axis=1)
    inside = np.flatnonzero(~hole)
    if not len(inside):
        raise InputError("no time has observations of all columns nearby. Resample them singly.")
    begin, end = int(inside[0]), int(inside[-1]) + 1
    long = [(a, b) for a, b in runs(filled[begin:end]) if b - a > limits.longest_gap]
    if not long:
        return begin, end
    if limits.holes == "refuse":
        a, b = max(long, key=lambda run: run[1] - run[0])
        raise InputError(
            f"{len(long)} {'hole is' if len(long) == 1 else 'holes are'} longer than "
            f"{limits.longest_gap} steps, the longest of {b - a} begins at step {begin + a}. Raise "
            "longest_gap, give a larger step, or keep the longest stretch without a hole with "
            "holes='cut'."
        )
    edges = [0, *(edge for run in long for edge in run), end - begin]
    stretches = [(begin + a, begin + b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return max(stretches, key=lambda stretch: stretch[1] - stretch[0])


def runs(flags: Bool[ndarray, " K"]) -> list[tuple[int, int]]:
    """Begin and end of each run of True."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))
