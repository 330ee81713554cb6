"""Regular times: the step of an index, the place of each label on its grid, the labels after it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray
from pandas.errors import OutOfBoundsDatetime

from ..errors import InputError, whole_number
from .shapes import Float, Int

ROUNDING = 1e-6  # of a step: a time this near to a grid point lies on it
_FEWEST = 0.5  # of a calendar's labels must have a row, or the rows follow another one
_UNITS = {"day": 86400.0, "hour": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_MONTHS = {1: "month", 3: "quarter", 12: "year"}
_WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Labels = Callable[[Int[ndarray, " K"]], Any]


@dataclass(frozen=True)
class Axis:
    """A grid of times: ``labels(k)`` for whole k, and ``place(times)``, in steps from label 0."""

    step: str  # in words
    labels: Labels
    place: Callable[[Any], Float[ndarray, " T"]]

    def complete(self, times: Any) -> bool:
        """Whether the times lie at labels 0, 1, 2, ..., less than half a step away."""
        return bool((np.abs(self.place(times) - np.arange(len(times))) < 0.5).all())


def fit(index: Any, step: Any = None) -> Axis:
    """The grid of ascending times, of which some labels may have no row.

    Dates follow a calendar if one fits: months, quarters or years at any day, business days, weeks
    with other days off, or days of the clock on the wall. All else has a constant step, with every
    time less than half a step from its label if that is possible. A ``step`` given (a number, or a
    pandas offset for dates) begins at the first time.
    """
    if isinstance(index, pd.PeriodIndex):
        first = index[0].ordinal
        return Axis(
            index.freqstr,
            lambda k: pd.PeriodIndex.from_ordinals(first + k, freq=index.freq, name=index.name),
            lambda times: (times.asi8 - first).astype(np.float64),
        )
    if not isinstance(index, pd.DatetimeIndex):
        return _even_numbers(index, step)
    step = index.freq if step is None else step
    if step is not None:
        return _given(index, step)
    _at_least_two(index)
    found = _calendar(index) or _even_dates(index)
    if len(index) > 2 and np.abs(found.place(index) - np.arange(len(index))).max() > ROUNDING:
        with suppress(OutOfBoundsDatetime):
            name = pd.infer_freq(index)  # rules such as the third Friday of a month
            return found if name is None else _given(index, name)
    return found


def continue_index(index: Any, steps: int) -> Any:
    """The next labels of a pandas index with regular steps: dates, durations, periods or numbers.

    The step needs two labels; periods, and dates with a frequency, need one. An InputError says if
    labels are missing, repeated or not ascending, or are neither dates nor numbers.

    Examples
    --------
    >>> continue_index(pd.Index([0.0, 0.5, 1.0]), 3).tolist()
    [1.5, 2.0, 2.5]
    >>> continue_index(pd.Index([0, 1, 3]), 3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the context's times are not regular and ascending: of 4 steps of 1...
    """
    steps = whole_number("steps", steps)
    index = check_index(index, periods=True)
    problem = "the context's times are not regular and ascending"
    if not index.is_monotonic_increasing or index.has_duplicates:
        i = int(np.argmax(np.asarray(index[1:] <= index[:-1])))
        raise InputError(
            f"{problem}: {index[i + 1]} follows {index[i]}. Give one row per time, sorted by time "
            "(df.sort_index())."
        )
    axis = fit(index)
    if not axis.complete(index):
        place = axis.place(index)
        i = int(np.argmax(np.abs(np.diff(place) - 1)))
        raise InputError(
            f"{problem}: of {round(place[-1]) + 1} steps of {axis.step}, {len(index)} have a row; "
            f"{index[i + 1]} follows {index[i]}. Fill the holes with "
            "dynamix.preprocessing.resample (command line: --fill), or number the rows with "
            "df.reset_index(drop=True) (command line: --no-time)."
        )
    last = len(index) - 1
    try:
        end = axis.labels(np.array([last + steps]))  # one label shows it, before there are many
        if isinstance(end, pd.DatetimeIndex) and not index[-1].year <= end[0].year < 10_000:
            raise OverflowError("the year 9999 is the last")
        return axis.labels(last + np.arange(1, steps + 1))
    except (OutOfBoundsDatetime, OverflowError, ValueError) as error:
        raise InputError(
            f"{steps} steps of {axis.step} after {index[-1]} leave the calendar: {error}. Shorten "
            "the horizon, or number the rows."
        ) from error


def check_index(index: Any, *, periods: bool = False) -> Any:
    """The index as dates, durations or numbers, none missing; periods become dates unless kept."""
    if isinstance(index, pd.PeriodIndex) and not periods:
        index = index.to_timestamp()
    numbers = getattr(index.dtype, "kind", "O") in "fiu"
    if not numbers and not isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex):
        raise InputError(
            f"expected an index of dates or numbers, found {index.dtype}, from {index[0]!r} to "
            f"{index[-1]!r}, which cannot be continued. Convert it with pd.to_datetime, or drop it "
            "with df.reset_index(drop=True) (command line: --no-time)."
        )
    if index.isna().any() or (numbers and np.isinf(index.to_numpy(dtype=np.float64)).any()):
        raise InputError("the index must not have missing or infinite times. Drop those rows.")
    return index


def is_regular(index: Any) -> bool:
    """Whether the times ascend, and each label of their grid has one row."""
    ascending = index.is_monotonic_increasing and not index.has_duplicates
    return bool(len(index) > 1 and ascending and fit(index).complete(index))


def _at_least_two(index: Any) -> None:
    if len(index) < 2:
        raise InputError(
            f"the single time {index[0]} cannot be continued: it shows no step. Give 2 rows."
        )


def _given(index: Any, step: Any) -> Axis:
    """The grid of a pandas offset."""
    try:
        with warnings.catch_warnings():  # pandas may propose a deprecated name in capitals
            warnings.simplefilter("ignore", FutureWarning)
            offset = pd.tseries.frequencies.to_offset(step)
        forwards = index[0] + offset > index[0]
    except (ValueError, TypeError) as error:
        expected = "step must be a pandas offset such as '15min' or 'MS'"
        raise InputError(f"{expected}, found {step!r} ({error}).") from error
    if not forwards:
        raise InputError(f"step must be positive, found {step!r}.")
    if isinstance(offset, pd.offsets.Day):
        return _days(index, offset.n)
    if isinstance(offset, pd.offsets.Tick):
        return _even_dates(index, pd.Timedelta(offset).total_seconds())
    if not offset.is_on_offset(index[0]):
        raise InputError(
            f"the first time {index[0]} does not lie on a grid of {offset.freqstr!r}. Give a step "
            "that fits, or cut the series to begin on one."
        )

    def labels(k: Int[ndarray, " K"]) -> Any:
        start = index[0].as_unit("us")  # which holds dates after 2262
        every = accumulate(range(int(k.max())), lambda label, _: label + offset, initial=start)
        found = pd.DatetimeIndex(np.array([label.to_datetime64() for label in every])[k])
        return _like(_in_zone(found, index), index)

    return Axis(offset.freqstr, labels, _between(labels))


def _calendar(index: Any) -> Axis | None:
    """The first calendar on which all dates lie, half of its labels or more having a row."""
    wall = index.tz_localize(None).to_numpy()
    day = wall.astype("datetime64[D]")
    if (wall - day != wall[0] - day[0]).any():
        return None
    for axis in _calendars(index, day):
        if len(index) >= _FEWEST * (axis.place(index[-1:])[0] + 1):
            return axis
    return None


def _calendars(index: Any, day: ndarray) -> Iterator[Axis]:
    """The calendars on which all days lie."""
    month = day.astype("datetime64[M]")
    months = np.diff(month).astype(np.int64)
    if months.min() >= 1:
        step = math.gcd(*months.tolist())
        latest = int((day - month.astype("datetime64[D]")).astype(np.int64).max()) + 1
        for which in (31, latest, "first business day", "last business day"):
            if (_of_month(month, which) == day).all():
                words = _MONTHS.get(step, f"{step} months")
                yield _on_wall(index, words, partial(_months, month[0], step, which))
                break
    step = math.gcd(*np.diff(day).astype(np.int64).tolist())
    of_week = (day.astype(np.int64) + 3) % 7  # Monday comes first
    count = np.bincount(of_week, minlength=7)
    works = count > 0.1 * count.max()  # a few Saturdays make no week of six days
    if step == 1 and 2 <= works.sum() <= 6 and (day[-1] - day[0]).astype(np.int64) >= 14:
        words = ", ".join(name for name, flag in zip(_WEEK, works, strict=True) if flag)
        words = "business day" if words == "Mon, Tue, Wed, Thu, Fri" else f"day of {words}"
        yield _on_wall(index, words, partial(_working, day[0], works, day[~works[of_week]]))
    yield _days(index, step)


def _working(first: Any, works: ndarray, others: ndarray, k: ndarray) -> ndarray:
    """Days of a week with days off, and a few ``others``."""
    if not len(others):
        return np.busday_offset(first, k, weekmask=works)
    days = np.busday_offset(first, np.arange(int(k.max()) + 1), "forward", weekmask=works)
    return np.unique(np.concatenate([days, others]))[k]


def _months(first: Any, step: int, which: int | str, k: ndarray) -> ndarray:
    return _of_month(first + step * k, which)


def _of_month(month: ndarray, which: int | str) -> ndarray:
    """A day of each month: the ``which``-th or, in a shorter month, the last."""
    first, last = month.astype("datetime64[D]"), (month + 1).astype("datetime64[D]") - 1
    if which == "first business day":
        return np.busday_offset(first, 0, roll="forward")
    if which == "last business day":
        return np.busday_offset(last, 0, roll="backward")
    return np.minimum(first + (int(which) - 1), last)


def _days(index: Any, step: int) -> Axis:
    day = index[:1].tz_localize(None).to_numpy()[0].astype("datetime64[D]")
    words = {1: "day", 7: "week"}.get(step, f"{step} days")
    return _on_wall(index, words, lambda k: day + step * k)


def _on_wall(index: Any, words: str, days: Callable[[ndarray], ndarray]) -> Axis:
    """A grid of days, each at the first row's time on the clock of the index's time zone."""
    wall = index[:1].tz_localize(None).to_numpy()[0].astype("datetime64[us]")
    clock = wall - wall.astype("datetime64[D]")

    def labels(k: Int[ndarray, " K"]) -> Any:
        found = pd.DatetimeIndex(days(k).astype("datetime64[us]") + clock)
        summer = np.ones(len(found), dtype=bool)  # of an hour that the clock shows twice
        found = found.tz_localize(index.tz, ambiguous=summer, nonexistent="shift_forward")
        return _like(found, index)

    return Axis(words, labels, _between(labels))


def _between(labels: Labels) -> Callable[[Any], Float[ndarray, " T"]]:
    """The place of any time on a grid of dates, linear between two labels."""

    def place(times: Any) -> Float[ndarray, " T"]:
        count = 2
        while (grid := labels(np.arange(count)))[-1] < times[-1]:
            count *= 2
        start = grid[:1].as_unit("us").asi8[0]  # nanoseconds overflow after 292 years
        at, points = ((x.as_unit("us").asi8 - start).astype(np.float64) for x in (times, grid))
        return np.interp(at, points, np.arange(count))

    return place


def _like(found: Any, index: Any) -> Any:
    """Dates in the unit of the index, where it can hold them, and with its name."""
    with suppress(OutOfBoundsDatetime):
        found = found.as_unit(index.unit)
    return found.rename(index.name)


def _in_zone(found: Any, index: Any) -> Any:
    """Dates in UTC as the clock of the index shows them, with its name."""
    found = found if index.tz is None else found.tz_localize("UTC").tz_convert(index.tz)
    return found.rename(index.name)


@dataclass(frozen=True)
class _Even:
    """Labels at ``start + step k``; ``rounded``: times differ from them by rounding only."""

    step: float
    start: float
    rounded: bool
    blur: float

    def place(self, ticks: Float[ndarray, " T"]) -> Float[ndarray, " T"]:
        """Ticks in steps from label 0."""
        place = (ticks - self.start) / self.step
        whole = np.rint(place)
        near = np.abs(place - whole) <= max(ROUNDING, self.blur / self.step)
        return np.where(near | self.rounded, whole, place)


def _even(
    ticks: Float[ndarray, " T"], step: float | None, *, units: Sequence[float], blur: float = 0.0
) -> _Even:
    """The constant step of ascending ticks from 0, whose digits resolve ``blur``.

    Each gap counts as a whole number of typical gaps. The slope of the ticks over these counts is
    the step, shortened to the fewest digits that fit the ticks as well. Times are usually rounded
    to one of the ``units``.
    """
    if step is not None:
        return _Even(float(step), 0.0, False, blur)
    gaps = np.diff(ticks)
    usual = float(np.quantile(gaps, 0.5, method="lower"))
    step = float(gaps[gaps < 1.5 * usual].mean())
    for _ in range(3):
        count = np.concatenate([[0.0], np.cumsum(np.maximum(1.0, np.rint(gaps / step)))])
        step, away = _slope(ticks, count)
    rows = np.arange(len(ticks), dtype=np.float64)
    if (unbroken := _slope(ticks, rows))[1] < min(0.5, 2 * away):  # no label is missing
        count, step = rows, unbroken[0]

    def spread(step: float) -> float:
        return float(np.ptp(ticks - step * count))

    allowed = 1.02 * spread(step) + blur + 4 * float(np.spacing(ticks[-1]))
    shorter = (
        candidate
        for digits in range(1, 14)
        for candidate in (float(f"{step:.{digits}g}"), 1 / float(f"{1 / step:.{digits}g}"))
    )
    step = next((short for short in shorter if spread(short) <= allowed), step)
    error = ticks - step * count
    start = 0.0 if np.abs(error).max() < 0.5 * step else float(error.max() + error.min()) / 2
    error = np.abs(error - start)
    if error.max() >= 0.5 * step:  # times without a grid: that of the usual gap serves best
        return _Even(usual, 0.0, False, blur)
    rounded = any(
        error.max() <= 1.01 * unit and np.abs(ticks / unit - np.rint(ticks / unit)).max() < 1e-3
        for unit in units
    )
    return _Even(step, start, rounded, blur)


def _slope(ticks: Float[ndarray, " T"], count: Float[ndarray, " T"]) -> tuple[float, float]:
    """The step by least squares, and how far ticks lie from its grid, in steps."""
    centred = count - count.mean()
    step = float(centred @ ticks / (centred @ centred))
    return step, float(np.ptp(ticks - step * count)) / (2 * step)


def _even_dates(index: Any, step: float | None = None) -> Axis:
    """Dates at a constant step, in seconds."""
    first = index.asi8[0]

    def seconds(times: Any) -> Float[ndarray, " T"]:
        return (times.as_unit(index.unit).asi8 - first) / _PER_SECOND[index.unit]

    even = _even(seconds(index), step, units=(60.0, 1.0, 1e-3, 1e-6))

    def labels(k: Int[ndarray, " K"]) -> Any:
        for unit in dict.fromkeys((index.unit, "us", "s")):
            begin = int(index[:1].as_unit(unit).asi8[0]) + round(even.start * _PER_SECOND[unit])
            ticks = even.step * _PER_SECOND[unit]
            if abs(begin + ticks * float(k.max())) < 2**63:  # the unit holds the last date
                break
        whole = abs(ticks - round(ticks)) < ROUNDING
        after = round(ticks) * k if whole else np.rint(ticks * k).astype(np.int64)
        return _in_zone(pd.DatetimeIndex((begin + after).view(f"M8[{unit}]")), index)

    return Axis(in_units(even.step), labels, lambda times: even.place(seconds(times)))


def _even_numbers(index: Any, step: Any) -> Axis:
    """Numbers, or durations, at a constant step."""
    if isinstance(index, pd.TimedeltaIndex):
        seconds = None if step is None else pd.Timedelta(step).total_seconds()
        numbers = _even_numbers(pd.Index(index.total_seconds()), seconds)
        return Axis(
            in_units(float(numbers.step)),
            lambda k: pd.to_timedelta(numbers.labels(k), unit="s").rename(index.name),
            lambda times: numbers.place(pd.Index(times.total_seconds())),
        )
    number = isinstance(step, int | float | np.number) and not isinstance(step, bool)
    if step is not None and (not number or not 0 < step < np.inf):
        raise InputError(f"step must be a positive number for this index, found {step!r}.")
    if step is None:
        _at_least_two(index)
    values = index.to_numpy()
    short = values.dtype.kind in "iu" and values.dtype.itemsize < 8  # its differences wrap round
    first = np.int64(values[0]) if short else values[0]

    def since(times: Any) -> Float[ndarray, " T"]:
        return (times.to_numpy() - first).astype(np.float64)

    blur = 0.0 if values.dtype.kind in "iu" else 4 * float(np.spacing(np.abs(values).max()))
    size = 10.0 ** np.floor(np.log10(max(since(index)[-1] / max(len(index) - 1, 1), 1e-300)))
    even = _even(since(index), step, units=[size / 10**p for p in range(6)], blur=blur)
    whole = values.dtype.kind in "iu" and even.step.is_integer() and even.start == 0

    def labels(k: Int[ndarray, " K"]) -> Any:
        if whole:
            if int(first) + int(even.step) * int(k.max()) >= 2**63:
                raise OverflowError("no whole number of 64 bits is as large")
            return pd.Index(int(first) + int(even.step) * k, name=index.name)
        found = float(first) + even.start + even.step * k
        digits = max(map(_decimals, (even.step, even.start, float(first))))
        return pd.Index(found if digits > 9 else np.round(found, digits), name=index.name)

    return Axis(f"{even.step:.9g}", labels, lambda times: even.place(since(times)))


def _decimals(number: float) -> int:
    """Digits after the point of a number as it is written."""
    return max(0, -int(Decimal(repr(number)).normalize().as_tuple().exponent))


def in_units(seconds: float) -> str:
    """A duration in words: ``30 min``.

    >>> in_units(1800.0), in_units(1 / 256)
    ('30 min', '3.90625 ms')
    """
    large = (item for item in _UNITS.items() if seconds >= item[1] * (1 - ROUNDING))
    unit, size = next(large, ("ns", 1e-9))
    count = float(f"{seconds / size:.9g}")
    return unit if count == 1 else f"{count:g} {unit}" if count < 1e6 else f"{count:.9g} {unit}"
