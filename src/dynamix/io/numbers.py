"""Texts as numbers, in the notations of offices, instruments and programs."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

MISSING = ["?", "-", "--", "---", ".", "..", "...", "…", "*", "missing", "nodata", "NoData", "nil"]
_NOTHING = {
    "",
    *["nan", "na", "n/a", "#n/a", "#na", "null", "none", "<na>"],
    *map(str.lower, MISSING),
}
_SIGNS = str.maketrans("\u00a0\u202f\u2009\u2212\u2019", "   -'")
_EXPONENT = r"(?:[eEdD][+-]?\d+)?"
_POINT = r"[+-]?(?=[\d.]*\d)(?:\d+|\d{1,3}(?:,\d{2,3})*,\d{3})?(?:\.\d*)?" + _EXPONENT
_COMMA = r"[+-]?(?=[\d,]*\d)(?:\d+|\d{1,3}(?:\.\d{3})+)?(?:,\d*)?" + _EXPONENT
_MARKED = r"^([+-]?)(?:[$€£¥]\s*)?(.*?)\s*[%€$£¥]?$"
_UNIT = r"^([^A-Za-z°µμΩ]*\d)\s*((?!nan|inf)[A-Za-z°µμΩ][\w°µμΩ²³/^*·.-]*)$"
_MULTIPLES = {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9}
_NUMBER = re.compile(rf"(?:{_POINT}|{_COMMA})")


def is_missing(text: str) -> bool:
    """Whether an entry stands for nothing."""
    return text.strip().lower() in _NOTHING


def is_number(text: str) -> bool:
    """Whether an entry is a number in any notation."""
    plain = re.sub(r"(?<=\d)[ '](?=\d{3})", "", text.translate(_SIGNS).strip())
    match = re.match(_MARKED, re.sub(r"^\((.*)\)$", r"-\1", plain))
    return bool(match and _NUMBER.fullmatch(match[1] + match[2]))


def read_numbers(column: pd.Series, separator: str) -> tuple[pd.Series, str]:
    """A column of texts as numbers, where most are numbers, and a note; others stay as they are."""
    texts = column.astype("string").str.translate(_SIGNS).str.strip()
    seen = (texts.notna() & ~texts.str.lower().isin(list(_NOTHING))).fillna(value=False)
    plain = texts.str.replace(r"(?<=\d)[ '](?=\d{3}(?:\D|$))", "", regex=True)
    plain = plain.str.replace(r"^\((.*\d)\)$", r"-\1", regex=True)  # (1.50) in accounts
    plain, scale, unit = _without_units(plain.str.replace(_MARKED, r"\1\2", regex=True), seen)
    point, comma = (plain.str.fullmatch(p).fillna(value=False) & seen for p in (_POINT, _COMMA))
    as_point = _reads_point(plain[seen], point[seen], comma[seen], separator)
    fits = (point if as_point else comma).to_numpy(dtype=bool)
    if not seen.any() or fits.sum() < 0.5 * seen.sum():
        return column, ""
    thousands, decimal = (",", ".") if as_point else (".", ",")
    grouped = plain.str.contains(thousands, regex=False)[fits].any()
    plain = plain.str.replace(thousands, "", regex=False).str.replace(decimal, ".", regex=False)
    values = pd.to_numeric(plain.where(fits).str.replace(r"[dD]", "e", regex=True)) * scale
    notes = [f"`{thousands}` separates thousands"] if grouped else []
    notes += [unit] if unit else []
    notes += ["signs of per cent were left out"] if texts.str.contains("%").any() else []
    bad = seen.to_numpy(dtype=bool) & ~fits
    if bad.any():  # an entry that is not a number stays visible
        return values.astype(object).where(~bad, texts.astype(object)), ""
    missing = values.isna().any()
    return values.astype("float64" if missing else values.dtype.name.lower()), "; ".join(notes)


def _without_units(plain: pd.Series, seen: pd.Series) -> tuple[pd.Series, Any, str]:
    """Texts without a unit behind each number, what 1.5K and 2M multiply, and a note."""
    parts = plain[seen].str.extract(_UNIT)
    units = set(parts[1].dropna())
    multiples = len(units) > 1 and units <= set(_MULTIPLES)
    if not multiples and (len(units) != 1 or parts[1].isna().any()):
        return plain, 1, ""
    shown = ", ".join(sorted(units))
    found = plain.str.replace(_UNIT, r"\1", regex=True)
    if not multiples:
        return found, 1, f"the unit `{shown}` was left out"
    scale = plain.str.extract(_UNIT)[1].map(_MULTIPLES).fillna(1.0)
    return (
        found,
        scale,
        f"{shown} multiply by {', '.join(f'{_MULTIPLES[u]:g}' for u in sorted(units))}",
    )


def _reads_point(plain: pd.Series, point: pd.Series, comma: pd.Series, separator: str) -> bool:
    """Whether the point is the decimal sign; if all fits both ways, by the digits in a group."""
    if point.sum() != comma.sum():
        return bool(point.sum() > comma.sum())
    sign = "," if plain.str.contains(",").any() else "."
    single = plain[~plain.str.contains(sign, regex=False)]
    small = len(single) > 0 and bool((pd.to_numeric(single, errors="coerce").abs() < 1000).all())
    leading = bool(plain.str.match(r"[+-]?0" + re.escape(sign)).any())
    many = bool((plain.str.count(re.escape(sign)) > 1).any())
    if sign == ",":
        return not leading and (separator == "," or small or many)
    return leading or not (small or many)


def without_sentinels(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[Any, str]]:
    """A table without numbers that stand for missing, and a note for each column that had some."""
    marks = {name: _sentinels(frame[name]) for name in frame}
    every, notes = set().union(*marks.values()), {}
    for name in frame if every else ():
        column = frame[name]
        marked = column.isin([v for v in every if v in marks[name] or _is_end(column, v)])
        if marked.any():
            notes[name] = _counted(column[marked])
            frame[name] = column.astype(np.float64).mask(marked)
    return frame, notes


def _counted(found: pd.Series) -> str:
    shown, one = ", ".join(f"{v:g}" for v in np.unique(found)), len(found) == 1
    return f"{len(found)} {'entry' if one else 'entries'} {shown} count{'s' * one} as missing"


def _sentinels(column: pd.Series) -> set[float]:
    """Numbers that stand for missing, such as -999, far from all others of the column."""
    found: set[float] = set()
    if column.dtype.kind not in "if" or column.isna().all():
        return found
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = values[np.isfinite(values)]
    own = getattr(column.dtype, "numpy_dtype", column.dtype)  # -999.9 has more digits as a float64
    for end in {float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))}:
        others = values[values != end]
        if len(others) < 2 or not np.isfinite(end):
            continue
        spread, size = float(np.ptp(others)), float(np.abs(others).max())
        away = others.min() - end if end < 0 else end - others.max()
        text = str(np.asarray(end, own)[()])
        nines = re.fullmatch(r"-?9+(\.9*|\.0)?", text) and abs(end) >= (99 if end < 0 else 999)
        ends = end in (-32768, 32767, -(2.0**31), 2.0**31 - 1)  # of whole numbers in a computer
        known = (ends or end == -200) and np.sum(values == end) > 1
        known = known and (others.min() >= 0 or away > spread)
        alike = re.fullmatch(r"-?([1-8])\1{2,}(\.0)?", text)  # -8888
        if (
            (nines and away > (spread if end < 0 else 3 * spread))
            or known
            or ((alike or ends) and away > 10 * max(spread, size))
            or (abs(end) > 1e12 * max(size, 1e-6) and size > 0)
        ):
            found.add(end)
    return found


def _is_end(column: pd.Series, value: float) -> bool:
    """Whether a sentinel of another column lies outside the other values of this one."""
    if column.dtype.kind not in "if" or not (column == value).any():
        return False
    others = column[column.notna() & (column != value)]
    away = others.min() - value if value < 0 else value - others.max()
    return len(others) < 2 or bool(away > 0.3 * (others.max() - others.min()))
