"""Irregular and gappy series onto a regular grid, with a report of what was done.

A model of dynamics takes one step at a time, so its context must have equal steps. Real sensors
drop out, drift off the minute, report twice, or change their phase. :func:`resample` mends what can
be mended by averaging and linear interpolation, says what it did, and refuses where so much is
missing that the result would be interpolation rather than data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from ..errors import InputError, one_of
from ..io.time_axis import ROUNDING, check_index, grid_positions, step_of
from ..settings import ResampleConfig

_DEFAULTS = ResampleConfig()


@dataclass(frozen=True)
class ResampleReport:
    """What :func:`resample` did. Counts of steps are steps of the new grid.

    As text it is one sentence for a reader; ``unchanged`` tells whether anything was done at all.

    Examples
    --------
    >>> series = pd.Series([0.0, 1.0, 3.0], index=[0, 1, 3])
    >>> _, report = resample(series, most_filled=0.5)
    >>> report.steps, report.filled, report.longest_gap, report.unchanged
    (4, 1, 1, False)
    >>> print(resample(pd.Series([0.0, 1.0, 2.0]))[1])
    3 steps of 1, none missing; nothing was changed
    """

    step: str
    """The grid's step, as pandas writes it or as a number."""
    observations: int
    """Rows that came in."""
    repeated: int
    """Rows at a time that an earlier row has already."""
    out_of_order: bool
    """Whether the rows had to be sorted."""
    moved: int
    """Rows that did not lie on the grid."""
    steps: int
    """Steps of the result."""
    filled: int
    """Steps of the result without an observation in at least one column: interpolated."""
    longest_gap: int
    """The longest run of such steps in the result."""
    cut: int
    """Steps left out: parted from what was kept by a hole, or ends where a column is missing."""

    def __str__(self) -> str:
        if self.unchanged:
            return f"{self.steps} steps of {self.step}, none missing; nothing was changed"
        parts = [f"{self.observations} observations put on {self.steps} steps of {self.step}"]
        if self.filled:
            parts.append(
                f"{self.filled} steps ({self.filled / self.steps:.1%}) had no observation and were "
                f"interpolated linearly, at most {self.longest_gap} in a row"
            )
        if self.moved:
            parts.append(f"{self.moved} observations lay off the grid")
        if self.repeated:
            parts.append(f"{self.repeated} came at a time already taken and were averaged")
        if self.out_of_order:
            parts.append("they were sorted by time")
        if self.cut:
            parts.append(f"{self.cut} steps beyond holes or at ragged ends were left out")
        return "; ".join(parts)

    @property
    def unchanged(self) -> bool:
        """Whether the input was regular and complete, and came back as it was."""
        return not (self.filled or self.moved or self.repeated or self.out_of_order or self.cut)


def resample(
    frame: pd.DataFrame | pd.Series,
    *,
    step: Any = None,
    longest_gap: int = _DEFAULTS.longest_gap,
    most_filled: float = _DEFAULTS.most_filled,
    holes: str = _DEFAULTS.holes,
) -> tuple[Any, ResampleReport]:
    """Put a series with irregular times, repetitions or gaps on a regular grid.

    Every observation belongs to the nearest grid point. Where several do, their values *and times*
    are averaged; the value at a grid point is then read off the polygon through these averages. So
    data on the grid stays untouched to the last digit, a straight line stays a straight line
    however it was sampled, and a coarser step averages rather than skips.

    Parameters
    ----------
    frame
        Columns of numbers over an index of dates or numbers; NaN means missing.
    step
        The grid's step: a pandas offset (``"15min"``, ``"MS"``) or Timedelta for dates, a number
        otherwise; None: the index's own frequency, else the median spacing. The grid begins at the
        first observation.
    longest_gap
        Steps without an observation that are still interpolated; a longer run is a hole.
    most_filled
        Largest share of interpolated steps in the result, from 0 to below 1.
    holes
        What to do with a hole: ``"refuse"``, or ``"cut"`` to keep the longest stretch without any.

    Returns
    -------
    The frame (or Series) on its regular index, in float64 unless nothing had to be done, and the
    :class:`ResampleReport`.

    Raises
    ------
    InputError
        If more steps are missing than ``most_filled``, or there is a hole and ``holes`` is
        ``"refuse"``; if the index holds neither dates nor numbers, or lacks some; if columns are
        not numbers, are infinite or never observed together, or fewer than 2 rows are; if ``step``
        is no positive step for the index, or ``holes``, ``longest_gap`` or ``most_filled`` is out
        of range.

    Examples
    --------
    The reading of 2 o'clock is missing:

    >>> times = pd.to_datetime(["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 03:00"])
    >>> frame, report = resample(pd.Series([0.0, 1.0, 3.0], index=times), most_filled=0.5)
    >>> frame.tolist(), report.filled
    ([0.0, 1.0, 2.0, 3.0], 1)
    >>> resample(pd.Series([0.0, 1.0, 3.0], index=times), longest_gap=0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: 1 hole is longer than 0 steps, ... begins at step 2. ...
    """
    one_of("holes", holes, ("refuse", "cut"))
    if isinstance(frame, pd.Series):
        table, report = resample(
            frame.to_frame(),
            step=step,
            longest_gap=longest_gap,
            most_filled=most_filled,
            holes=holes,
        )
        return table.iloc[:, 0].rename(frame.name), report
    limits = ResampleConfig(longest_gap=longest_gap, most_filled=most_filled, holes=holes)
    values = _numbers(frame)
    index = check_index(frame.index)
    seen = ~np.isnan(values).all(axis=1)
    if seen.sum() < 2:
        raise InputError(
            f"resampling needs at least 2 observations, found {int(seen.sum())} in {len(frame)} "
            "rows."
        )
    index, values = index[seen], values[seen]
    out_of_order = not index.is_monotonic_increasing
    if out_of_order:
        order = np.argsort(index.to_numpy(), kind="stable")
        index, values = index[order], values[order]
    repeated = int(index.duplicated().sum())
    step = step_of(index.unique(), step)
    grid, position = grid_positions(index, step)
    moved = int((np.abs(position - np.round(position)) > ROUNDING).sum())

    filled, result = _fill(values, position, len(grid))
    first, last = _kept(filled, result, limits)
    kept = filled[first:last]
    report = ResampleReport(
        step=step.freqstr if isinstance(step, pd.DateOffset) else f"{step:g}",
        observations=len(values),
        repeated=repeated,
        out_of_order=out_of_order,
        moved=moved,
        steps=last - first,
        filled=int(kept.sum()),
        longest_gap=max((b - a for a, b in _runs(kept)), default=0),
        cut=int(position[-1] + ROUNDING) + 1 - (last - first),
    )
    if report.filled > limits.most_filled * report.steps:
        raise InputError(
            f"too much is missing: {report.filled} of {report.steps} steps of {report.step} "
            f"({report.filled / report.steps:.0%}) hold no observation, expected at most "
            f"{limits.most_filled:.0%}. Give a larger step, or raise most_filled."
        )
    if report.unchanged and seen.all():
        same = frame.copy()
        same.index = grid[first:last]
        return same, report
    table = pd.DataFrame(result[first:last], index=grid[first:last], columns=frame.columns)
    table.attrs = dict(frame.attrs)
    return table, report


def _numbers(frame: pd.DataFrame) -> Float[ndarray, "T n"]:
    bad = [
        f"{name!r} ({dtype})"
        for name, dtype in zip(frame.columns, frame.dtypes, strict=True)
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype)
    ]
    if bad or not frame.shape[1]:
        raise InputError(
            f"expected columns of numbers, found {', '.join(bad) or 'no column at all'}. Drop or "
            "convert them; dates belong in the index."
        )
    values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(values).any():
        t, i = (int(v) for v in np.argwhere(np.isinf(values))[0])
        raise InputError(
            f"column {frame.columns[i]!r} is infinite at {frame.index[t]}. Replace infinities by "
            "NaN if they mean missing."
        )
    return values


def _fill(
    values: Float[ndarray, "T n"], position: Float[ndarray, " T"], count: int
) -> tuple[Bool[ndarray, " K"], Float[ndarray, "K n"]]:
    """Averages per grid point, the polygon through them, and where a column had no observation.

    NaN before the first and after the last average of a column.
    """
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
    long = [(a, b) for a, b in _runs(filled[begin:end]) if b - a > limits.longest_gap]
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


def _runs(flags: Bool[ndarray, " K"]) -> list[tuple[int, int]]:
    """Begin and end of each run of True."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))
