"""Texts as dates and as times of the clock, in the notations that files use."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, timedelta, timezone

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from pandas.errors import OutOfBoundsDatetime

from ..errors import InputError
from .time_axis import fit

_LONG = 1000
_SAMPLE = 50  # entries that show whether a column holds dates
_NAT = np.datetime64("NaT", "D")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = r"(?P<name>[A-Za-z]{3,9})\.?"
_CLOCK = (
    r"(?P<H>\d{1,4})(?::(?P<M>\d{2})(?::(?P<S>\d{2}(?:[.,]\d{1,9})?))?|[.h](?P<M2>\d{2})"
    r"(?:[.:](?P<S2>\d{2}))?)\s*(?P<half>[AaPp][Mm])?"
)
_AFTER = rf"(?:[T ,;_-]+(?:{_CLOCK}|(?P<H2>\d{{2}})))?\s*(?P<zone>Z|UTC|GMT|[+-]\d{{2}}:?\d{{2}})?"
_DATES = (
    r"(?P<Y>\d{4})[-/.](?P<m>\d{1,2})(?:[-/.](?P<d>\d{1,2}))?" + _AFTER,
    r"(?P<a>\d{1,2})(?P<sign>[-/.])(?P<b>\d{1,2})[-/.](?P<Y>\d{4}|\d{2})" + _AFTER,
    r"(?P<Y>\d{4})(?P<m>\d{2})(?P<d>\d{2})" + _AFTER,
    r"(?P<Y>\d{4})[- ]?[Ww](?P<week>\d{1,2})(?:-?(?P<weekday>[1-7]))?",
    r"(?P<Y>\d{4})[-/ ]?[Qq](?P<quarter>[1-4])",
    r"[Qq](?P<quarter>[1-4])[-/ ]?(?P<Y>\d{4})",
    r"(?P<Y>\d{4})[- ]?[Mm](?P<m>\d{1,2})",
    r"(?P<m>\d{1,2})[-/.](?P<Y>\d{4})",
    _NAME + r"[-/ ',]*(?P<Y>\d{4}|\d{2})",
    r"(?P<Y>\d{4})[-/ ]?" + _NAME,
    r"(?P<d>\d{1,2})\.?[-/ ]?" + _NAME + r"[-/ ,]*(?P<Y>\d{4}|\d{2})" + _AFTER,
    r"(?:[A-Za-z]{3,9},? )?" + _NAME + r" (?P<d>\d{1,2}),? (?P<Y>\d{4})" + _AFTER,
    r"[A-Za-z]{3,9},? (?P<d>\d{1,2}) " + _NAME + r" (?P<Y>\d{4})" + _AFTER,
)


def to_dates(column: pd.Series) -> tuple[pd.Series, int | None]:
    """Texts as dates, and the position of the first that is none; empty ones are ``NaT``.

    Where day and month could change places, the reading counts whose dates are regular. Weeks begin
    on their Monday. Offsets from UTC that differ give dates in UTC.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return column, None
    texts = column.astype("string").str.strip()
    seen = (texts.notna() & (texts != "")).to_numpy(dtype=bool)
    if len(texts) > _LONG and re.fullmatch(r"\d{4}-\d\d-\d\d([T ][\d:.]+)?", str(texts.iloc[0])):
        with suppress(ValueError):  # a hundred times faster, for the notation of the standard
            return pd.to_datetime(texts, format="ISO8601").rename(column.name), None
    found = np.full(len(texts), "NaT", dtype="datetime64[us]")
    ahead = np.full(len(texts), np.nan)  # minutes before UTC
    left = np.flatnonzero(seen)
    for pattern in _DATES:
        fields = texts.iloc[left].str.extract(f"^(?:{pattern})$")
        fits = fields["Y"].notna().to_numpy(dtype=bool)
        if fits.any():
            found[left[fits]], ahead[left[fits]] = _assembled(fields[fits])
            left = left[~fits]
        if not len(left):
            break
    zoned = ~np.isnan(ahead)
    bad = np.flatnonzero(seen & (np.isnat(found) | (zoned != zoned.any())))
    dates = pd.DatetimeIndex(found - np.where(zoned, ahead, 0).astype("m8[m]"))
    with suppress(OutOfBoundsDatetime):
        dates = dates.as_unit("ns")
    if zoned.any():
        minutes = set(ahead[zoned].tolist())
        local = timezone(timedelta(minutes=minutes.pop())) if len(minutes) == 1 else UTC
        dates = dates.tz_localize("UTC").tz_convert("UTC" if local == UTC else local)
    return pd.Series(dates, column.index, name=column.name), int(bad[0]) if len(bad) else None


def are_dates(column: pd.Series) -> bool:
    """Whether most entries of a column are dates, judged by some of them."""
    some = column.dropna()
    if not len(some):
        return False
    some = some.iloc[np.unique(np.linspace(0, len(some) - 1, _SAMPLE).astype(int))]
    return bool(to_dates(some)[0].notna().mean() >= 0.8)


def to_clock(column: pd.Series) -> Float[ndarray, " T"] | None:
    """Times of the clock, or elapsed times, in seconds; None if an entry is neither.

    >>> to_clock(pd.Series(["00:30", "1:30:00", "11:30 pm"])).tolist()
    [1800.0, 5400.0, 84600.0]
    """
    texts = column.astype("string").str.strip()
    pattern = rf"^(?!\d+\.\d+$)(?:{_CLOCK})$"  # 1.50 is a number
    if not len(texts) or not texts.head(_SAMPLE).str.fullmatch(pattern).all():
        return None
    fields = texts.str.extract(pattern)
    return None if fields["H"].isna().any() else _seconds(fields)


def from_parts(year: ndarray, **parts: ndarray) -> ndarray:
    """Days ``datetime64[D]`` from numbers; ``NaT`` where there is no such day.

    The ``parts`` are month, quarter, day, week (its Monday) or weekday; a day without a month is
    that of the year.
    """
    one = np.ones(len(year))
    if "quarter" in parts:
        parts["month"] = 3 * parts["quarter"] - 2
    if "week" in parts:
        fourth = _day(year, one, 4 * one)  # of January lies in week 1
        monday = fourth - (fourth.astype(np.int64) + 3) % 7
        days = 7 * parts["week"] + parts.get("weekday", one) - 8
        valid = (parts["week"] >= 1) & (parts["week"] <= 53)
        return _later(monday, days, valid)
    if "month" not in parts and "day" in parts:
        return _later(
            _day(year, one, one), parts["day"] - 1, (parts["day"] >= 1) & (parts["day"] < 367)
        )
    return _day(year, parts.get("month", one), parts.get("day", one))


def _day(year: ndarray, month: ndarray, day: ndarray) -> ndarray:
    valid = (month >= 1) & (month <= 12) & (day >= 1) & np.isfinite(year)
    first = np.where(valid, 12 * (year - 1970) + month - 1, 0).astype(np.int64).astype("M8[M]")
    found = _later(first.astype("M8[D]"), day - 1, valid)
    return np.where(found.astype("M8[M]") == first, found, _NAT)


def _later(start: ndarray, days: ndarray, valid: ndarray) -> ndarray:
    return np.where(valid, start + np.where(valid, days, 0).astype(np.int64), _NAT)


def _seconds(fields: pd.DataFrame) -> Float[ndarray, " T"]:
    """Seconds of a day from the parts of a clock; NaN where there is no such time."""
    hour, minute, second = (_first(fields, part, f"{part}2") for part in "HMS")
    half = fields["half"].str.lower()
    evening = (half == "pm").fillna(value=False).to_numpy(dtype=bool)
    hour = np.where(half.isna(), hour, hour % 12 + 12 * evening)
    return np.where((minute < 60) & (second < 61), 3600 * hour + 60 * minute + second, np.nan)


def _first(fields: pd.DataFrame, *parts: str) -> Float[ndarray, " T"]:
    """The first of several parts that is given, as a number; else 0."""
    found = np.full(len(fields), np.nan)
    for part in parts:
        if part in fields:
            found = np.where(np.isnan(found), _number(fields[part]), found)
    return np.nan_to_num(found)


def _number(texts: pd.Series) -> Float[ndarray, " T"]:
    plain = texts.astype("string").str.replace(",", ".", regex=False)
    return pd.to_numeric(plain).to_numpy(np.float64, na_value=np.nan)


def _assembled(fields: pd.DataFrame) -> tuple[ndarray, Float[ndarray, " T"]]:
    """Dates ``datetime64[us]`` from the parts of one notation, and minutes before UTC, if given."""
    year = _number(fields["Y"])
    short = (fields["Y"].str.len() == 2).to_numpy(dtype=bool)
    year = np.where(short, np.where(year < 69, 2000, 1900) + year, year)
    after, ahead = np.zeros(len(year)), np.full(len(year), np.nan)
    if "H" in fields:
        after = _seconds(fields)
        zone = fields["zone"].str.extract(r"^(?P<sign>[+-])(?P<h>\d{2}):?(?P<m>\d{2})$")
        minutes = np.nan_to_num(60 * _number(zone["h"]) + _number(zone["m"]))
        minutes *= np.where((zone["sign"] == "-").fillna(value=False), -1, 1)
        ahead = np.where(fields["zone"].notna(), minutes, np.nan)
    exists = after <= 86400
    after = np.rint(np.where(exists, 1e6 * after, 0)).astype("m8[us]")
    after[~exists] = np.timedelta64("NaT")
    if "a" in fields:
        a, b = _number(fields["a"]), _number(fields["b"])
        first, second = (
            from_parts(year, day=a, month=b) + after,
            from_parts(year, day=b, month=a) + after,
        )
        return (first if _day_first(first, second, fields["sign"].iloc[0]) else second), ahead
    parts = {}
    for part, name in (
        ("m", "month"),
        ("d", "day"),
        ("week",) * 2,
        ("weekday",) * 2,
        ("quarter",) * 2,
    ):
        if part in fields:
            given = _number(fields[part])
            parts[name] = np.where(np.isnan(given), 1, given)
    if "name" in fields:
        names = fields["name"].str.lower().str[:3].map({m: i + 1.0 for i, m in enumerate(_MONTHS)})
        parts["month"] = names.to_numpy(np.float64, na_value=np.nan)
    return from_parts(year, **parts) + after, ahead


def _day_first(first: ndarray, second: ndarray, sign: str) -> bool:
    """Whether dates are read with the day first; ``second`` has the month first."""
    lost = [int(np.isnat(dates).sum()) for dates in (first, second)]
    if lost[0] != lost[1]:
        return lost[0] < lost[1]
    missing = [_missing(dates) for dates in (first, second)]
    return missing[0] < missing[1] if missing[0] != missing[1] else sign == "."


def _missing(dates: ndarray) -> float:
    """Labels of the dates' grid without a date; infinite if they neither rise nor fall."""
    index = pd.DatetimeIndex(dates[~np.isnat(dates)])
    index = index[::-1] if len(index) > 1 and index[0] > index[-1] else index
    index = index[~index.duplicated()]
    if len(index) < 3 or not index.is_monotonic_increasing:
        return np.inf
    with suppress(InputError):
        return float(fit(index).place(index[-1:])[0]) + 1 - len(index)
    return np.inf
