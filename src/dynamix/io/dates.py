"""Texts as dates and as times of the clock, in the notations that files use."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray
from pandas.errors import OutOfBoundsDatetime

from ..errors import InputError
from .shapes import Float
from .time_axis import fit

_LONG = 1000  # entries from which days and times of the day are read each for itself
_SAMPLE = 50  # entries that show whether a column holds dates
_NAT = np.datetime64("NaT", "D")
_MONTHS = (  # the first letters of their names in English, German, French, Spanish, Italian
    "jan ene gen", "feb fév fev", "mar mär mrz", "apr avr abr", "may mai mag", "jun juin giu",
    "jul juil lug", "aug aoû aou ago", "sep set", "oct okt ott out", "nov", "dec dez déc dic",
)  # fmt: skip
_MONTH_OF = {word: i + 1.0 for i, words in enumerate(_MONTHS) for word in words.split()}
_ZONES = {"Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "BST": 1, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2}
_ZONES |= {"EET": 2, "EEST": 3, "EST": -5, "EDT": -4, "PST": -8, "PDT": -7}  # hours before UTC
_NAME = r"(?P<name>[^\W\d_]{3,10})\.?"
_CLOCK = (
    r"(?:(?P<days>\d+)(?: days?,? |\.(?=\d\d:\d\d:)))?(?P<H>\d{1,4}):(?P<M>\d{2})"
    r"(?::(?P<S>\d{2}(?:[.,]\d{1,9})?))?\s*(?P<half>[AP]\.?M\.?)?"
    r"|(?P<H1>\d{1,2})\s*(?P<half1>[AP]M)|(?P<M1>\d{1,4}):(?P<S1>\d{2}[.,]\d{1,9})"
    r"|(?P<H2>\d{1,2})[.h](?P<M2>\d{2})(?:[.:](?P<S2>\d{2}))?"
)
_AFTER = (
    rf"(?:[T ,;_:-]+(?:{_CLOCK}|(?P<H3>\d{{2}})(?:(?P<M3>\d{{2}})(?P<S3>\d{{2}})?)?)"
    r"\s*(?P<zone>[A-Z]{3,4}|Z|[+-]\d{2}(?::?\d{2})?)?)?"
)
_BETWEEN = r"(?:[-/.]|\. |[年月년월] ?)"  # 2024年1月5日, 2024. 1. 5.
_WEEK = r"(?:[kc]?w|week|woche)"
_DATES = (
    rf"(?P<Y>\d{{4}}){_BETWEEN}(?P<m>\d{{1,2}})"
    rf"(?:{_BETWEEN}(?P<d>\d{{1,2}})(?:[日일]|(?<=\. \d)\.|(?<=\. \d\d)\.)?|[月월])?" + _AFTER,
    r"(?P<a>\d{1,2})(?P<sign>[-/.])(?P<b>\d{1,2})[-/.](?P<Y>\d{4}|\d{2})" + _AFTER,
    r"(?P<Y>\d{4})(?P<m>\d{2})(?P<d>\d{2})" + _AFTER,
    r"(?P<Y>\d{4})[-/ ]*" + _WEEK + r"[- ]?(?P<week>\d{1,2})(?:-?(?P<weekday>[1-7]))?",
    _WEEK + r" ?(?P<week>\d{1,2})[-/., ]+(?P<Y>\d{4})",
    r"(?P<Y>\d{4})[-/: ]*Q(?P<quarter>[1-4])",
    r"Q(?P<quarter>[1-4])[-/ ]*(?P<Y>\d{4})",
    r"(?P<quarter>[1-4])\.? ?Q(?:uartal|uarter)?[-/ ]*(?P<Y>\d{4})",
    r"(?P<Y>\d{4})[- ]?M(?P<m>\d{1,2})",
    r"(?P<m>\d{1,2})[-/.](?P<Y>\d{4})",
    _NAME + r"[-/ ',]*(?P<Y>\d{4}|\d{2})",
    r"(?P<Y>\d{4})[-/ ]?" + _NAME,
    r"(?P<d>\d{1,2})\.?[-/ ]?" + _NAME + r"[-/ ,]*(?P<Y>\d{4}|\d{2})" + _AFTER,
    _NAME + r" (?P<d>\d{1,2}),? (?P<Y>\d{4})" + _AFTER,
    _NAME + rf" (?P<d>\d{{1,2}}) (?:{_CLOCK}) (?P<Y>\d{{4}})",
)
_ISO = r"\d{4}-\d\d-\d\d([T ]\d\d:[\d:.]+(Z|[+-]\d\d:?\d\d)?)?"
_LEFT_OUT = (  # days of the week, names of zones, and the end of a period
    r"^(?:(?:mon|tue|wed|thu|fri|sat|sun|die|mit|don|fre|sam|son)[a-z]*|mo|di|mi|do|fr|sa|so)[., ]+"
    r"|\[[^\]]*\]$|(?<=\d)\s+(?:-|–|to|bis)\s+\d.*$|(?<=\d\d-\d\d)/\d{4}-.*$"
    r"|(?<=^\d\d:\d\d) ?[-–] ?\d\d:\d\d$"
)


def to_dates(column: pd.Series) -> tuple[pd.Series, int | None]:
    """Texts as dates, and the position of the first that is none; empty ones are ``NaT``.

    Where day and month could change places, the reading counts whose dates are regular; if both
    are, an InputError says so. Weeks begin on their Monday. Offsets from UTC that differ give dates
    in UTC; but days that begin at one time of the clock stay local.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return column, None
    codes, texts = _distinct(column)
    if len(texts) and re.fullmatch(_ISO, texts[0]) and len(set(map(_zone, texts))) == 1:
        with suppress(ValueError):  # a hundred times faster, for the notation of the standard
            dates = pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601"))
            return _spread(dates, codes, column), None
    if len(texts) > _LONG and all(" " in text for text in texts):
        days, bad = to_dates(pd.Series([text.partition(" ")[0] for text in texts]))
        seconds = to_clock(pd.Series([text.partition(" ")[2] for text in texts]))
        if bad is None and seconds is not None and (seconds <= 86400).all():
            dates = pd.DatetimeIndex(days + pd.to_timedelta(seconds, unit="s"))
            return _spread(dates, codes, column), None
    found = np.full(len(texts), "NaT", dtype="datetime64[us]")
    ahead = np.full(len(texts), np.nan)  # minutes before UTC
    left = np.arange(len(texts))
    for pattern in _DATES:
        fields = pd.Series(texts[left], dtype="string").str.extract(f"^(?:{pattern})$", re.I)
        fits = fields["Y"].notna().to_numpy(dtype=bool)
        if fits.any():
            repeated = len(texts) < (codes >= 0).sum()
            found[left[fits]], ahead[left[fits]] = _assembled(fields[fits], repeated=repeated)
            left = left[~fits]
        if not len(left):
            break
    zoned = ~np.isnan(ahead)
    if len(set(ahead[zoned].tolist())) > 1 and zoned.all() and _are_days(found):
        ahead, zoned = np.full(len(texts), np.nan), ~zoned
    wrong = np.append(np.isnat(found) | (zoned != zoned.any()), False)
    misread = np.flatnonzero(wrong[codes])
    dates = pd.DatetimeIndex(found - np.where(zoned, ahead, 0).astype("m8[m]"))
    with suppress(OutOfBoundsDatetime):
        dates = dates.as_unit("ns")
    if zoned.any():
        minutes = set(ahead[zoned].tolist())
        local = timezone(timedelta(minutes=minutes.pop())) if len(minutes) == 1 else UTC
        dates = dates.tz_localize("UTC").tz_convert("UTC" if local == UTC else local)
    return _spread(dates, codes, column), int(misread[0]) if len(misread) else None


def _are_days(local: ndarray) -> bool:
    """Whether local times lie whole days apart."""
    known = np.unique(local[~np.isnat(local)])
    return len(known) > 1 and bool((np.diff(known) % np.timedelta64(1, "D") == 0).all())


def _zone(text: str) -> str:
    found = re.search(r"Z$|[+-]\d\d:?\d\d$", text[10:])
    return found[0] if found else ""


def _distinct(column: pd.Series) -> tuple[ndarray, Any]:
    """The place of each entry among the distinct ones, -1 if it is empty; and these."""
    places, entries = pd.factorize(column.astype("string"))
    texts = pd.Series(entries, dtype="string").str.strip()
    codes, distinct = pd.factorize(texts.where(texts != ""))
    codes = np.append(codes, -1)[places]
    plain = pd.Series(distinct, dtype="string")
    if any(re.search(_LEFT_OUT, text, re.I) for text in plain[:_SAMPLE]):
        plain = plain.str.replace(_LEFT_OUT, "", regex=True, flags=re.I)
    return codes, plain.to_numpy(dtype=object)


def _spread(dates: pd.DatetimeIndex, codes: ndarray, column: pd.Series) -> pd.Series:
    """The dates of distinct entries at the place of each entry."""
    return pd.Series(dates.take(codes, fill_value=pd.NaT), column.index, name=column.name)


def are_dates(column: pd.Series) -> bool:
    """Whether most entries of a column are dates, judged by some of them."""
    some = column.dropna()
    # numbers beside a text are no dates: 2.2026 is no month there
    if not len(some) or pd.api.types.infer_dtype(some).startswith("mixed"):
        return False
    some = some.iloc[np.unique(np.linspace(0, len(some) - 1, _SAMPLE).astype(int))]
    with suppress(InputError):
        return bool(to_dates(some)[0].notna().mean() >= 0.8)
    return True


def to_clock(column: pd.Series) -> Float[ndarray, " T"] | None:
    """Times of the clock, or elapsed times, in seconds; None if an entry is neither.

    Two parts are hours and minutes, unless the name, more than 24 hours or the other entries say
    that they are minutes and seconds.

    >>> to_clock(pd.Series(["00:30", "1:30:00", "11:30 pm"])).tolist()
    [1800.0, 5400.0, 84600.0]
    >>> to_clock(pd.Series(["59:30", "1:00:30"])).tolist()
    [3570.0, 3630.0]
    """
    codes, texts = _distinct(column)
    pattern = rf"^(?!\d+\.\d+$)(?:{_CLOCK})$"  # 1.50 is a number
    distinct = pd.Series(texts, dtype="string")
    if (codes < 0).any() or not len(codes):
        return None
    if not distinct[:_SAMPLE].str.fullmatch(pattern, flags=re.I).all():
        return None
    fields = distinct.str.extract(pattern, re.I)
    if fields[["H", "H1", "M1", "H2"]].isna().all(axis=1).any():
        return None
    short = (fields["H"].notna() & fields["S"].isna() & fields["half"].isna()).to_numpy(dtype=bool)
    seconds = _seconds(fields)
    by_minutes = np.where(short, seconds / 60, seconds)
    name = str(column.name).lower()
    called = re.search(r"mm:ss|m:ss?\b|min:s|elapsed|duration|dauer", name) and "hh" not in name
    over = short.all() and "hh" not in name and np.nanmax(seconds) > 86400
    rises = len(texts) == len(codes) and (np.diff(by_minutes) > 0).all()
    mixed = not short.all() and rises and not (np.diff(seconds) > 0).all()
    return (by_minutes if called or over or mixed else seconds)[codes]


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
    hour, minute, second = (_first(fields, *(f"{x}{i}" for i in ("", 1, 2, 3))) for x in "HMS")
    half = fields["half"].fillna(fields["half1"]).str.lower().str.replace(".", "", regex=False)
    evening = (half == "pm").fillna(value=False).to_numpy(dtype=bool)
    hour = np.where(half.isna(), hour, hour % 12 + 12 * evening) + 24 * _first(fields, "days")
    exists = ((minute < 60) | fields["M1"].notna().to_numpy(dtype=bool)) & (second < 61)
    return np.where(exists, 3600 * hour + 60 * minute + second, np.nan)


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


def _assembled(fields: pd.DataFrame, *, repeated: bool) -> tuple[ndarray, Float[ndarray, " T"]]:
    """Dates ``datetime64[us]`` from the parts of one notation, and minutes before UTC, if given."""
    year = _number(fields["Y"])
    short = (fields["Y"].str.len() == 2).to_numpy(dtype=bool)
    if short.any():
        full = np.where(year < 40, 2000, 1900) + year
        leaps = np.abs(np.diff(full)).max(initial=0) == 99  # 2039 beside 1940
        year = np.where(short, 1900 + year if leaps else full, year)
    after, ahead = np.zeros(len(year)), np.full(len(year), np.nan)
    if "H" in fields:
        after = _seconds(fields)
        if "zone" in fields and fields["zone"].notna().any():
            zone = fields["zone"].str.extract(r"^(?P<sign>[+-])(?P<h>\d{2}):?(?P<m>\d{2})?$")
            minutes = 60 * _number(zone["h"]) + np.nan_to_num(_number(zone["m"]))
            minutes *= np.where((zone["sign"] == "-").fillna(value=False), -1, 1)
            named = 60 * fields["zone"].str.upper().map(_ZONES).to_numpy(np.float64)
            ahead = np.where(np.isnan(minutes), named, minutes)
            after[fields["zone"].notna().to_numpy(dtype=bool) & np.isnan(ahead)] = np.nan
    exists = after <= 86400
    after = np.rint(np.where(exists, 1e6 * after, 0)).astype("m8[us]")
    after[~exists] = np.timedelta64("NaT")
    if "a" in fields:
        a, b = _number(fields["a"]), _number(fields["b"])
        first, second = (
            from_parts(year, day=a, month=b) + after,
            from_parts(year, day=b, month=a) + after,
        )
        sign = fields["sign"].iloc[0]
        return (first if _day_first(first, second, sign, repeated) else second), ahead
    parts = {}
    for part, name in (
        ("m", "month"),
        ("d", "day"),
        ("week",) * 2,
        ("weekday",) * 2,
        ("quarter",) * 2,
    ):
        if part in fields and fields[part].notna().any():
            given = _number(fields[part])
            parts[name] = np.where(np.isnan(given), 1, given)
    if "name" in fields:
        names = fields["name"].str.lower()
        months = names.str[:4].map(_MONTH_OF)
        months = months.where(months.notna(), names.str[:3].map(_MONTH_OF))
        parts["month"] = months.to_numpy(np.float64, na_value=np.nan)
    elif set(parts) == {"month"} and (parts["month"] > 12).mean() > 0.1:  # 23/2024 is a week
        parts = {"week": parts["month"]}
    return from_parts(year, **parts) + after, ahead


def _day_first(first: ndarray, second: ndarray, sign: str, repeated: bool) -> bool:
    """Whether dates are read with the day first; ``second`` has the month first."""
    lost = [int(np.isnat(dates).sum()) for dates in (first, second)]
    if lost[0] != lost[1]:
        return lost[0] < lost[1]
    missing = [_missing(dates) for dates in (first, second)]
    if repeated and not lost[0] and missing[0] == missing[1]:  # each day has many rows
        missing = [float(np.ptp(dates) / np.timedelta64(1, "D")) for dates in (first, second)]
    if missing[0] == missing[1] < np.inf and sign != "." and not np.array_equal(first, second):
        raise InputError(
            f"the dates from {first[0]} to {first[-1]} are regular with the day first and with the "
            "month first. Write them as 2024-01-31."
        )
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
