"""Time: which column of a table holds it, whether its steps are regular, how it continues."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError, whole_number

ROUNDING = 1e-6  # of a step: a time this near to a grid point lies on it
_NAMES = {"time", "t", "index", "step", "date", "datetime", "timestamp", "unnamed: 0"}
_CALENDAR = ("year", "month", "day", "hour", "minute", "second")
_WHOLE_MONTH = pd.Timedelta(days=27.5)  # a median spacing beyond this, all on the 1st: monthly


def take_time(
    table: pd.DataFrame, *, time: str | None = None, channels: Collection[str] = ()
) -> tuple[pd.DataFrame, pd.Index | None]:
    """Split a table into its channels and its time; None if no column holds time.

    Without a column ``time``, it is the first if that holds dates or text or is named like time, or
    else ``year``, ``month`` and ``day`` together. No column of ``channels`` is taken.
    """
    if time is None and table.shape[1]:
        first = table.columns[0]
        text = not pd.api.types.is_numeric_dtype(table[first])
        dates = [name for name in table if pd.api.types.is_datetime64_any_dtype(table[name])]
        if str(first) not in channels and (text or str(first).lower() in _NAMES):
            time = str(first)
        elif dates and str(dates[0]) not in channels:
            time = str(dates[0])
    if time is None:
        return _from_calendar(table, channels)
    values = table[time]
    if not pd.api.types.is_numeric_dtype(values):
        values = to_dates(values)
    index = pd.Index(values, name=None if time.startswith("Unnamed") else time)
    return table.drop(columns=time), index


def to_dates(column: pd.Series) -> pd.Series:
    """Texts as dates; with full stops, or if nothing else fits, the day precedes the month."""
    dotted = column.dropna().astype(str).str.match(r"\s*\d{1,2}\.\d{1,2}\.\d{2,4}").any()
    for day_first in (True,) if dotted else (False, True):
        try:
            with warnings.catch_warnings():  # about formats that pandas guesses
                warnings.simplefilter("ignore", UserWarning)
                return pd.to_datetime(column, dayfirst=day_first)
        except (ValueError, TypeError) as error:
            failure = error
    raise InputError(
        f"column {column.name!r} holds neither numbers nor dates, for example "
        f"{column.iloc[0]!r}. Name the channels (command line: --columns), or another column of "
        "times (--time)."
    ) from failure


def _from_calendar(
    table: pd.DataFrame, channels: Collection[str]
) -> tuple[pd.DataFrame, pd.Index | None]:
    """Columns year, month, day, ... as one index of dates, where the table has them."""
    by_name = {str(name).lower(): name for name in table.columns if str(name) not in channels}
    parts = {name: by_name[name] for name in _CALENDAR if name in by_name}
    if not {"year", "month", "day"} <= set(parts):
        return table, None
    columns = list(parts.values())
    try:
        dates = pd.to_datetime(table[columns].set_axis(list(parts), axis=1))
    except (ValueError, TypeError):  # columns of these names that hold something else
        return table, None
    return table.drop(columns=columns), pd.Index(dates, name="time")


def check_index(index: pd.Index) -> pd.Index:
    """The index as dates or numbers, none of them missing; periods become dates."""
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    dates = isinstance(index, pd.DatetimeIndex)
    if not dates and getattr(index.dtype, "kind", "O") not in "fiu":
        raise InputError(
            f"expected an index of dates or numbers, found {index.dtype}. Convert it with "
            "pd.to_datetime."
        )
    if index.isna().any() or (not dates and np.isinf(index.to_numpy(dtype=np.float64)).any()):
        raise InputError("the index must not have missing or infinite times. Drop those rows.")
    return index


def step_of(index: pd.Index, step: Any = None) -> Any:
    """``step``, checked, or the frequency or median spacing of ascending times."""
    if not isinstance(index, pd.DatetimeIndex):
        spacing = np.diff(index.to_numpy())
        found = _middle(spacing) if step is None and len(spacing) else step
        valid = isinstance(found, int | float | np.number) and not isinstance(found, bool)
        if not valid or not 0 < found < np.inf:
            raise InputError(f"step must be a positive number for this index, found {found!r}.")
        return int(found) if index.dtype.kind in "iu" and found == int(found) else float(found)
    step = _frequency(index) if step is None else step
    if step is None:
        spacing = pd.Timedelta(_middle(np.diff(index.asi8)), unit=index.unit)
        step = "MS" if spacing > _WHOLE_MONTH and (index.day == 1).all() else spacing
    try:
        offset = pd.tseries.frequencies.to_offset(step)
        forwards = index[0] + offset > index[0]
    except (ValueError, TypeError) as error:
        expected = "step must be a pandas offset such as '15min' or 'MS'"
        raise InputError(f"{expected}, found {step!r} ({error}).") from error
    if not forwards:
        raise InputError(f"step must be positive, found {step!r}.")
    return offset


def _frequency(index: Any) -> Any:
    """The offset that dates carry or show without exception; None where there is none."""
    name = pd.infer_freq(index) if index.freq is None and len(index) > 2 else None
    return index.freq if name is None else pd.tseries.frequencies.to_offset(name)


def _middle(spacing: ndarray) -> Any:
    """The lower median, which is a spacing that occurs: a gap must not stretch the step."""
    return np.quantile(spacing, 0.5, method="lower").item()


def grid_positions(index: pd.Index, step: Any) -> tuple[pd.Index, Float[ndarray, " T"]]:
    """The grid, to one step past the last time, and each time's place on it, in steps."""
    if not isinstance(index, pd.DatetimeIndex):
        times = index.to_numpy()
        position = (times - times[0]) / step
        count = int(position[-1] + ROUNDING) + 2
        return pd.Index(times[0] + step * np.arange(count), name=index.name), position
    whole = pd.date_range(index[0], index[-1], freq=step)
    if not len(whole) or whole[0] != index[0]:
        raise InputError(
            f"the first time {index[0]} does not lie on a grid of {step.freqstr!r}. Give a step "
            "that fits, or cut the series to begin on one."
        )
    grid = pd.date_range(index[0], periods=len(whole) + 1, freq=step, name=index.name)
    grid = grid.as_unit(index.unit)
    # nanoseconds since the beginning overflow after 292 years, microseconds do not
    fine = "us" if index[-1].year - index[0].year > 250 else "ns"
    start = index[:1].as_unit(fine).asi8[0]
    at, points = ((times.as_unit(fine).asi8 - start).astype(np.float64) for times in (index, grid))
    return grid, np.interp(at, points, np.arange(len(grid)))


def continue_index(index: Any, steps: int) -> Any:
    """The next labels of a pandas index with regular steps: dates, periods or numbers.

    The step needs two labels; periods, and dates with a frequency, need one. An InputError says if
    the labels are not regular, run backwards, or are neither dates nor numbers.

    Examples
    --------
    >>> continue_index(pd.Index([0.0, 0.5, 1.0]), 3).tolist()
    [1.5, 2.0, 2.5]
    >>> continue_index(pd.Index([0, 1, 3]), 3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the context's index (int64, from ...) cannot be continued: ...
    """
    steps, name = whole_number("steps", steps), index.name
    if isinstance(index, pd.PeriodIndex):
        return pd.period_range(index[-1] + 1, periods=steps, freq=index.freq, name=name)
    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex):
        step, gaps = _frequency(index), index.to_series().diff().dropna()
        if step is None and gaps.nunique() == 1:
            step = gaps.iloc[0]
        if step is None or not index[-1] + step > index[-1]:
            raise InputError(
                f"the context's dates are not regular and ascending: steps range from "
                f"{gaps.min()} to {gaps.max()}. Sort them, resample first (for example "
                "df.resample('h').mean()), or drop the dates with df.reset_index(drop=True) (on "
                "the command line: --no-time)."
            )
        labels = accumulate(range(steps), lambda label, _: label + step, initial=index[-1])
        return type(index)(list(labels)[1:], name=name)
    if pd.api.types.is_numeric_dtype(index.dtype) and len(index) >= 2:
        gaps = np.diff(index.to_numpy())
        if gaps[0] != 0 and np.allclose(gaps, gaps[0], rtol=1e-6, atol=0.0):
            step = gaps[0] if index.dtype.kind in "iu" else (index[-1] - index[0]) / len(gaps)
            return pd.Index(index[-1] + step * np.arange(1, steps + 1), name=name)
    raise InputError(
        f"the context's index ({index.dtype}, from {index[0]!r} to {index[-1]!r}) cannot be "
        "continued: it should hold dates or numbers in regular steps. Convert it with "
        "pd.to_datetime, or drop it with df.reset_index(drop=True) (command line: --no-time)."
    )
