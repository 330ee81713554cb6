"""Which columns of a table hold its time: judged by what they hold, and by names second."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray
from pandas.errors import OutOfBoundsDatetime

from ..errors import InputError
from .dates import are_dates, from_parts, to_clock, to_dates
from .time_axis import Axis, fit, is_regular

_FEWEST = 4  # rows from which a straight line is a clock, whatever its name
_MOST_MISSING = 0.1  # of a clock's labels, where its name doesn't say that it is one
_CALLED = re.compile(  # names of clocks, in a few languages
    r"times?|t|dates?|datetime|timestamp|[td]s|index|steps?|sec(?:s|onds?)?|[sh]|[mun]s|min(?:utes?)?"
    r"|h(?:ou)?rs?|days?|years?|yr|month|epoch|unix|posix|utc|elapsed|clock|samples?|frames?|m?jd"
    r"|datenum|age|ka|kyr|alter|bp|zeit|datum|uhrzeit|jahr|tiempo|fecha|temps|heure|tempo"
)
_PARTS = {
    "year": "year years yr yyyy yy y jahr année annee año ano anno",
    "quarter": "quarter qtr q quartal trimestre",
    "month": "month mon mo mm monat mois mes mese",
    "week": "week wk isoweek woche kw semaine semana",
    "day": "day dd dy doy dayofyear yday dom tag jour dia giorno",
    "hour": "hour hr hh h hours hourending hourofday he stunde std heure hora ora",
    "minute": "minute min minutes mn mi",
    "second": "second sec seconds",
}
_PART_OF = {word: part for part, words in _PARTS.items() for word in words.split()}
_LIMITS = {
    "quarter": 4,
    "month": 12,
    "week": 53,
    "day": 366,
    "hour": 24,
    "minute": 59,
    "second": 60,
}
_SINCE_1970 = ((1e8, 1e10, "seconds"), (1e11, 1e13, "ms"), (1e14, 1e16, "us"), (1e17, 1e19, "ns"))

Found = tuple[list[Any], pd.Index]  # the columns taken, and the times that they make


def take_time(
    table: pd.DataFrame,
    *,
    time: str | None = None,
    channels: Collection[str] = (),
    place: Callable[[int], str] = lambda row: f"row {row + 1}",
) -> tuple[pd.DataFrame, pd.Index | None, list[str]]:
    """Split a table into its channels and its time, with notes on what was taken.

    Times are dates, parts of a calendar, a date beside a time of day, elapsed times, or numbers
    that rise in regular steps. Row counters and calendar columns beside the time are no channels.
    No column of ``channels`` is taken. ``place`` names a row in messages.
    """
    free = [name for name in table.columns if str(name) not in channels]
    searches: list[Callable[..., Found | None]] = [_dates, _calendar, _clock, _numbers]
    if time is not None:
        free = [name for name in free if str(name) != time]
        named = next(name for name in table.columns if str(name) == time)
        found: Found | None = _of_column(table, named, free, place)
    else:
        found = next(filter(None, (search(table, free, place) for search in searches)), None)
    if found is None:
        counters = [n for n in free if _called(n) and _restarts(table[n])]
        if not 0 < len(counters) < table.shape[1]:
            return table, None, []
        shown = ", ".join(f"`{name}`" for name in counters)
        return table.drop(columns=counters), None, [f"left out, as it counts and restarts: {shown}"]
    taken, index = found
    rest = table.drop(columns=taken)
    times = index.dropna().unique().sort_values()
    grid = fit(times) if len(times) > 1 else None
    free = [name for name in free if name not in taken]
    others = list(_no_channels(rest, index, grid, free))
    if len(others) < rest.shape[1]:
        rest = rest.drop(columns=others)
        left_out = ", ".join(f"`{name}`" for name in others)
        notes = [f"left out as row counters or times: {left_out}"] if others else []
    else:
        notes = []
    return rest, index, [_note(taken, index, times, grid), *notes]


def _note(taken: list[Any], index: pd.Index, times: pd.Index, grid: Axis | None) -> str:
    """For example: time: `t [s]`, step 0.02 s, 480 rows."""
    unit = re.search(r"[\[(]\s*([^\])]+?)\s*[\])]\s*$", str(taken[0]))
    step = "of unknown step"
    if grid is not None:
        step = f"{'' if grid.complete(times) else 'usual '}step {grid.step}"
    if unit and index.dtype.kind in "fiu":
        step += f" {unit[1]}"
    since = ""
    if index.dtype.kind in "fiu" and len(times):
        low, high = float(times[0]), float(times[-1])
        since = next(
            (f", in {u} since 1970" for a, b, u in _SINCE_1970 if a <= low and high < b), ""
        )
    return f"time: {' and '.join(f'`{name}`' for name in taken)}, {step}{since}, {len(index)} rows"


def _of_column(
    table: pd.DataFrame, name: Any, free: list[Any], place: Callable[[int], str]
) -> Found:
    """The times of the column that was named, with a time of day beside it if it needs one."""
    column = table[name]
    if pd.api.types.is_numeric_dtype(column) and column.dtype != bool:
        if _compact(column) is None:
            return [name], pd.Index(column, name=name)
    elif not _holds_dates(column) and to_clock(column.dropna()) is not None:
        if column.isna().any():
            row = int(np.argmax(column.isna()))
            raise InputError(
                f"column {str(name)!r} should hold times, found nothing in {place(row)}. Fill or "
                "delete that row."
            )
        return [name], _durations(column, name)
    return _dates_of(table, name, free, place)


def _dates(table: pd.DataFrame, free: list[Any], place: Callable[[int], str]) -> Found | None:
    """The first column of dates, one without repetitions before others."""
    names = [name for name in free if _holds_dates(table[name])]
    varied = [name for name in names if table[name].nunique() > 1]
    if not names:
        return None
    name = next((name for name in varied if table[name].is_unique), (varied or names)[0])
    return _dates_of(table, name, free, place)


def _dates_of(
    table: pd.DataFrame, name: Any, free: list[Any], place: Callable[[int], str]
) -> Found:
    column = table[name]
    compact = _compact(column)
    dates, bad = to_dates(column if compact is None else compact)
    if bad is not None:
        raise InputError(
            f"column {str(name)!r} should hold times, found {column.iloc[bad]!r} in {place(bad)}. "
            "Correct or delete that row, name the channels (command line: --columns), or name "
            "another column of times (--time)."
        )
    taken = [name]
    repeated = dates.duplicated().any()
    if repeated or (len(dates) and (dates.dropna() == dates.dropna().dt.normalize()).all()):
        for other in free:
            clock = repeated or not pd.api.types.is_numeric_dtype(table[other])
            if other == name or not clock:
                continue
            if (seconds := _time_of_day(table[other], other, dates)) is not None:
                whole = pd.DatetimeIndex(dates).normalize()
                dates = pd.Series(whole + pd.to_timedelta(seconds, unit="s"), table.index)
                taken.append(other)
                break
    index = pd.DatetimeIndex(dates)
    return taken, index.rename("time" if len(taken) > 1 else _label(name))


def _holds_dates(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    if pd.api.types.is_numeric_dtype(column):
        return _compact(column) is not None
    return are_dates(column)


def _compact(column: pd.Series) -> pd.Series | None:
    """Numbers such as 20240131, 202401 or 2024013123 as dates; None if one of them is no date."""
    values = column.to_numpy()
    if column.dtype.kind == "f" and len(column) > 2 and np.isfinite(values).all():  # 2024.01
        values = np.rint(100 * values)
        counted = 12 * (values // 100) + values % 100
        rises = np.abs(np.diff(counted)).max() == 1 and (values % 100 > 0).all()
        exact = np.abs(values - 100 * column).max() < 1e-6 and (values % 100 < 13).all()
        if not (rises and exact and 1e5 < values.min() < 3e5):
            return None
    elif column.dtype.kind not in "iu" or not len(column):
        return None
    values = values.astype(np.int64)
    digits = len(str(values.max()))
    if digits not in (6, 8, 10, 12, 14) or len(str(values.min())) != digits or len(values) < 2:
        return None
    if not (np.all(np.diff(values) >= 0) or np.all(np.diff(values) <= 0)):
        return None
    whole = values * 10 ** (14 - digits)
    year, rest = np.divmod(whole, 10**10)
    month, rest = np.divmod(rest, 10**8)
    day, rest = np.divmod(rest, 10**6)
    hour, rest = np.divmod(rest, 10**4)
    minute, second = np.divmod(rest, 100)
    day = np.maximum(day, 1) if digits == 6 else day
    days = from_parts(year.astype(float), month=month.astype(float), day=day.astype(float))
    valid = ~np.isnat(days) & (year >= 1600) & (year < 2200) & (hour <= 24) & (minute < 60)
    if digits == 6 and not valid.all():  # 202352
        week = (values % 100).astype(float)
        days = from_parts(year.astype(float), week=week)
        follow = np.abs(np.diff(days)) == np.timedelta64(7, "D")
        valid = ~np.isnat(days) & (year >= 1600) & (year < 2200) & (follow.mean() >= 0.9)
        hour = minute = second = np.zeros(len(values), np.int64)
    if not (valid & (second < 60)).all():
        return None
    after = (3600 * hour + 60 * minute + second).astype("m8[s]")
    return pd.Series(pd.DatetimeIndex(days + after).as_unit("ns"), column.index, name=column.name)


def _time_of_day(column: pd.Series, name: Any, dates: pd.Series) -> ndarray | None:
    """Seconds after midnight of a column of clock times, hours, 1530 or periods of the day."""
    if not pd.api.types.is_numeric_dtype(column):
        seconds = to_clock(column)
        return seconds if seconds is not None and (seconds <= 86400).all() else None
    if not _whole(column, 2400):
        return None
    values = column.to_numpy(dtype=np.float64)
    low, high = values.min(), values.max()
    readings = [3600 * values] if high <= 24 else []
    if low == 1 and high in (48, 96, 144, 288):
        readings.append((values - 1) * 86400 / high)
    if high >= 100 and (values % 100 < 60).all():
        readings.append(3600 * (values // 100) + 60 * (values % 100))
    for seconds in readings:
        times = pd.DatetimeIndex(dates + pd.to_timedelta(seconds, unit="s"))
        ordered = times[::-1] if len(times) > 1 and times[0] > times[-1] else times
        if (_part(name) == "hour" and high <= 24) or is_regular(ordered):
            return seconds
    return None


def _calendar(table: pd.DataFrame, free: list[Any], place: Callable[[int], str]) -> Found | None:
    """Columns of years, months, weeks, ... together; by their content if they have no names."""
    columns: dict[str, Any] = {}
    letters = {"y", "m", "d"} <= {str(name).lower() for name in free}  # alone they say little
    for name in free:
        part = _part({"m": "month", "d": "day"}.get(str(name).lower(), name) if letters else name)
        part = "minute" if part == "month" and part in columns and str(name) == "mm" else part
        if table[name].dtype == object:
            some = table[name].dropna().astype(str)
            coded = {"month": r"M(0?[1-9]|1[0-2])", "quarter": r"Q0?[1-4]"}
            part = next((k for k, form in coded.items() if some.str.fullmatch(form).all()), part)
        months = part in ("month", "quarter") and not pd.api.types.is_numeric_dtype(table[name])
        numbers = part and _whole(table[name], _LIMITS.get(part, 9999))
        if part and part not in columns and (months or numbers):
            columns[part] = name
    if "year" not in columns and len(free) > 2:
        nameless = all(re.fullmatch(r"x\d+", str(name)) for name in free)
        year, month, day = (table[name] for name in free[:3])
        if nameless and _whole(year, 2999) and _whole(month, 12) and year.min() >= 1000:
            following = month.min() >= 1 and (np.diff(12 * year + month) == 1).all()
            columns = {"year": free[0], "month": free[1]} if following else columns
            if not following and _whole(day, 31):
                columns = dict(zip(("year", "month", "day"), free, strict=False))
                days = 366 * year + 31 * month + day
                if days.duplicated().any() and _whole(table[free[3]], 24):
                    columns["hour"] = free[3]
    finer = [part for part in ("quarter", "month", "week", "day") if part in columns]
    if "year" not in columns or not finer:
        return None
    if "week" in columns and "month" not in columns:
        columns.pop("day", None)
    parts = {part: _part_values(table[name]) for part, name in columns.items()}
    days = from_parts(**{k: v for k, v in parts.items() if k in ("year", *finer)})
    zero = np.zeros(len(table))
    seconds = sum(
        size * parts.get(part, zero)
        for part, size in (("hour", 3600), ("minute", 60), ("second", 1))
    )
    times = pd.DatetimeIndex(days.astype("M8[s]") + np.asarray(seconds).astype("m8[s]"))
    if times.isna().any() or times.nunique() < 2:
        return None
    with suppress(OutOfBoundsDatetime):
        times = times.as_unit("ns")
    return list(columns.values()), times.rename("time")


def _part(name: Any) -> str | None:
    return _PART_OF.get(re.sub(r"[\s_.-]", "", str(name).lower()))


def _part_values(column: pd.Series) -> ndarray:
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64)
    if column.astype("string").str.fullmatch(r"[QM]\d+").all():
        return column.str[1:].to_numpy(dtype=np.float64)
    dates, _ = to_dates("1 " + column.astype("string").str.strip() + " 2000")
    return dates.dt.month.to_numpy(dtype=np.float64)


def _whole(column: pd.Series, most: int) -> bool:
    """Whether a column holds whole numbers from 0 to ``most`` only."""
    if not pd.api.types.is_numeric_dtype(column) or column.dtype == bool or column.isna().any():
        return False
    return bool(((column >= 0) & (column <= most) & (column % 1 == 0)).all())


def _clock(table: pd.DataFrame, free: list[Any], place: Callable[[int], str]) -> Found | None:
    """Times of the clock without dates: elapsed times, or days that follow each other."""
    for name in free:
        column = table[name]
        if pd.api.types.is_timedelta64_dtype(column):
            return [name], pd.TimedeltaIndex(column, name=_label(name))
        if not pd.api.types.is_numeric_dtype(column) and to_clock(column) is not None:
            return [name], _durations(column, name)
    return None


def _durations(column: pd.Series, name: Any) -> pd.TimedeltaIndex:
    seconds = to_clock(column)
    assert seconds is not None
    falls = np.diff(seconds, prepend=seconds[0]) < 0
    if (seconds <= 86400).all() and falls.mean() < 0.5:
        seconds = seconds + 86400.0 * np.cumsum(falls)  # the clock has passed midnight
    return pd.to_timedelta(seconds, unit="s").rename(_label(name))


def _numbers(table: pd.DataFrame, free: list[Any], place: Callable[[int], str]) -> Found | None:
    """The column of numbers that rises, or falls, as a clock does."""
    numeric = [
        name
        for name in free
        if pd.api.types.is_numeric_dtype(table[name]) and table[name].dtype != bool
    ]
    if len([n for n in table.columns if pd.api.types.is_numeric_dtype(table[n])]) < 2:
        return None
    called = [name for name in numeric if _called(name)]
    first = [name for name in numeric if name == table.columns[0]]
    for name in [*[n for n in first if n in called], *called, *first]:
        if _clock_like(table[name], named=name in called):
            return [name], pd.Index(table[name], name=_label(name))
    others = [name for name in table if table[name].dtype.kind != "f"]
    for name, other in itertools.product(called, others):  # series below each other
        if name == other or not 1 < table[other].nunique() < len(table) / 2:
            continue
        series = [part for _, part in table.groupby(other, sort=False)[name]]
        if 1 < len(series) < len(table) and all(_clock_like(x, named=True) for x in series):
            return [name], pd.Index(table[name], name=_label(name))
    lines = [name for name in numeric if _straight(table[name])]
    return ([lines[0]], pd.Index(table[lines[0]], name=_label(lines[0]))) if lines else None


def _called(name: Any) -> bool:
    return any(map(_CALLED.fullmatch, re.findall(r"[a-zäéñ]+", str(name).lower())))


def _restarts(column: pd.Series) -> bool:
    """Whether numbers count up in equal steps, and begin again, more than once."""
    if not pd.api.types.is_numeric_dtype(column) or column.dtype == bool or column.isna().any():
        return False
    values = column.to_numpy(dtype=np.float64)
    gaps = np.diff(values)
    falls = gaps < 0
    up = gaps[~falls]
    return bool(
        1 < falls.sum() < len(up) / 2
        and up.min() > 0
        and np.allclose(up, up[0])
        and (values[1:][falls] == values[0]).all()
    )


def _clock_like(column: pd.Series, *, named: bool) -> bool:
    """Whether numbers are times: they ascend or descend, regularly if no name says so."""
    values = column.dropna().to_numpy(dtype=np.float64)
    if len(values) < (2 if named else _FEWEST) or not np.isfinite(values).all():
        return False
    gaps = np.diff(values)
    if named and ((gaps > 0).all() or (gaps < 0).all()):
        return True
    if len(values) < len(column):
        return False
    if not ((gaps > 0).all() or (gaps < 0).all()):
        unique = np.unique(values)  # rows in another order
        return named and len(unique) == len(values) and is_regular(pd.Index(unique))
    times = pd.Index(np.sort(values))
    labels = fit(times).place(times)
    return bool(len(values) >= (1 - _MOST_MISSING) * (labels[-1] + 1)) and bool(
        (np.diff(np.rint(labels)) > 0).all() and np.abs(labels - np.rint(labels)).max() < 0.5
    )


def _straight(column: pd.Series, rows: ndarray | None = None) -> bool:
    """Whether numbers lie on a sloping line up to their last digit: nothing to forecast."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if len(values) < _FEWEST or not np.isfinite(values).all() or values[0] == values[1]:
        return False
    rows = np.arange(len(values)) if rows is None else rows
    line = np.polynomial.Polynomial.fit(rows, values, 1)
    step = abs((values[-1] - values[0]) / (len(values) - 1))
    digits = (np.abs(values * 10**d - np.rint(values * 10**d)).max() < 1e-6 for d in range(7))
    unit = next((10.0**-d for d, exact in enumerate(digits) if exact), 0.0)
    last_digit = 0.6 * unit if unit < 0.5 * step else 0.0
    blur = max(last_digit, 8 * float(np.spacing(np.abs(values).max())), 1e-9 * step)
    return bool(step > 0 and np.abs(values - line(rows)).max() <= blur)


def _no_channels(
    rest: pd.DataFrame, index: pd.Index, grid: Axis | None, free: list[Any]
) -> Iterator[Any]:
    """Columns that follow from the time: counters of rows, and parts of the date."""
    parts = []
    rows = np.arange(len(index), dtype=np.float64)
    if grid is not None and not index.hasnans and not index.has_duplicates:
        order = index.argsort()
        rows[order] = grid.place(index[order])
    if isinstance(index, pd.DatetimeIndex):
        week = index.isocalendar().week.to_numpy(dtype=np.float64, na_value=np.nan)
        parts = [index.year, index.quarter, index.month, week, index.day, index.dayofyear]
        parts += [index.dayofweek, index.dayofweek + 1, index.hour, index.minute]
    for name in free:
        column = rest[name]
        if pd.api.types.is_datetime64_any_dtype(column) or column.dtype in ("object", "string"):
            some = column.dropna().iloc[:50]
            names = parts and any(_names(column, index.strftime(form)) for form in ("%u", "%m"))
            if len(some) and (names or are_dates(some) or to_clock(some) is not None):
                yield name
        if not pd.api.types.is_numeric_dtype(column) or column.dtype == bool:
            continue
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        varies = _part(name) or len(np.unique(values)) > 1
        copied = varies and any(np.array_equal(values, part) for part in parts)
        if copied or _straight(column) or _straight(column, rows):
            yield name


def _names(column: pd.Series, part: pd.Index) -> bool:
    """Whether texts name the days of the week or the months, in any language."""
    pairs = pd.DataFrame({"text": column.to_numpy(), "part": part})
    counts = {column.nunique(dropna=False), part.nunique(), len(pairs.drop_duplicates())}
    return len(counts) == 1 and 2 < counts.pop() < len(column)


def _label(name: Any) -> Any:
    return None if str(name).startswith("Unnamed") or not str(name) else name
