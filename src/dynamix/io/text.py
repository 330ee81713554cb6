"""Text files as tables: their encoding, separator, lines above the numbers, and notations."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from .dates import are_dates, to_clock, to_dates

_SEPARATORS = (";", "\t", "|", ",")  # a comma may be the decimal sign where another one stands
_SHOWN = 60  # lines that show how a file is laid out
_RULE = r"[\s|+:=-]*[=-]{3}[\s|+:=-]*"  # a line drawn below the names
_COMMENT = r'\s*"?(?:#|%|//)'
_MISSING = ["?", "-", "--", "---", ".", "..", "...", "…", "*", "missing", "nodata", "NoData", "nil"]
_NOTHING = {
    "",
    *["nan", "na", "n/a", "#n/a", "#na", "null", "none", "<na>"],
    *map(str.lower, _MISSING),
}
_SIGNS = str.maketrans("\u00a0\u202f\u2009\u2212\u2019", "   -'")
_EXPONENT = r"(?:[eEdD][+-]?\d+)?"
_POINT = r"[+-]?(?=[\d.]*\d)(?:\d+|\d{1,3}(?:,\d{2,3})*,\d{3})?(?:\.\d*)?" + _EXPONENT
_COMMA = r"[+-]?(?=[\d,]*\d)(?:\d+|\d{1,3}(?:\.\d{3})+)?(?:,\d*)?" + _EXPONENT
_MARKED = r"^([+-]?)(?:[$€£¥]\s*)?(.*?)\s*[%€$£¥]?$"
_UNIT = r"^([^A-Za-z°µμΩ]*\d)\s*((?!nan|inf)[A-Za-z°µμΩ][\w°µμΩ²³/^*·.-]*)$"
_MULTIPLES = {"K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9}
_MONTHS = re.compile(r"(0[1-9]|1[0-2])\.(1[5-9]|2[0-2])\d\d")  # 01.2000
_SINGLE = re.compile(r'\s*"?[+-]?\d*,\d+"?\s*')  # one number, its decimal sign a comma
_NUMBER = re.compile(rf"(?:{_POINT}|{_COMMA})")


@dataclass
class Table:
    """A table, the line of the file that each row stands in, and notes on how it was read."""

    frame: pd.DataFrame
    lines: ndarray | None = None
    notes: list[str] = field(default_factory=list)

    def place(self, row: int) -> str:
        """A row in words, for messages."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"


def numbered(count: int) -> list[str]:
    """Names for columns without any."""
    return [f"x{i + 1}" for i in range(count)]


def parse(content: bytes) -> Table:
    """A text file as a table; a ValueError names the line that does not fit the others."""
    texts, numbers, comments, separator = _lines(_decoded(content))
    if any(line.startswith("'") for line in texts[:_SHOWN]):
        texts = [re.sub(r"(?<![^;,\t|])'([^';,\t|]*)'(?![^;,\t|])", r"\1", t) for t in texts]
    if not texts:
        raise ValueError("it holds no line with data")
    separator = separator or _separator(texts[:_SHOWN])
    rows = [_fields(text, separator) for text in texts[:_SHOWN]]
    body = rows[len(rows) // 2 :]
    width = Counter(map(len, body)).most_common(1)[0][0]
    kinds = [_kind([row[i] for row in body if len(row) > i]) for i in range(width)]
    head, start = _head(rows, kinds)
    notes = [f"{len(comments)} comment lines were left out"] if comments else []
    if not any(len(row) == width for row in head) and comments:  # "# t x y" names the columns
        lines = [_fields(re.sub(_COMMENT + r"+\s*", "", text), separator) for text in comments[-2:]]
        named = [line for line in lines if len(line) == width and _mismatch(line, kinds)]
        head = named[:1] or head  # units may stand below
    if not head and _counts(rows, kinds):
        head, start = rows[:1], 1
    last_empty = not any(row[-1] for row in body if len(row) == width)
    _check_head(head, kinds, body, separator, numbers)
    names, extra = _names(head, width, last_empty=last_empty)
    if not head:
        notes.append(
            f"no line of names: the columns are called {', '.join(numbered(width)[:3])}, ..."
        )
    for i, row in enumerate(rows[:start]):
        if row in extra:
            shown = ", ".join(row)[:60]
            notes.append(f"line {numbers[i]} holds no numbers and was left out: {shown}")
    texts, numbers = texts[start:], numbers[start:]
    if not texts:
        raise ValueError("it has a line of names, but no row of data")
    _check_widths(texts, numbers, separator, width)

    entries = [x for row in rows[start:] for x, k in zip(row, kinds, strict=False) if k == "number"]
    decimals = separator != "," and any(
        re.fullmatch(r"[+-]?\d*,(\d{1,2}|\d{4,})", entry) for entry in entries
    )
    decimal = "," if decimals and not any("." in entry for entry in entries) else "."

    def columns(**how: Any) -> pd.DataFrame:
        return pd.read_csv(
            io.StringIO("\n".join(texts)),
            sep=r"\s+" if separator == " " else separator,
            header=None,
            names=list(range(width)),
            index_col=False,
            skipinitialspace=True,
            skip_blank_lines=False,
            na_values=_MISSING,
            low_memory=False,
            decimal=decimal,
            **{"dtype": {i: str for i, kind in enumerate(kinds) if kind in ("date", "clock")}}
            | how,
        )

    frame = columns()
    for i, kind in enumerate(kinds):
        seen = [row[i] for row in rows[start:] if len(row) > i]
        dotted = separator != "," and all(re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})?", x) for x in seen)
        if dotted and any("." in x for x in seen):  # perhaps the point separates thousands
            frame[i] = columns(usecols=[i], dtype=str)[i]
        if pd.api.types.is_numeric_dtype(frame[i]) or kind in ("date", "clock"):
            continue
        frame[i], note = _read_numbers(frame[i], separator)
        notes += [f"column `{names[i]}`: {note}"] if note else []
    marks = {i: _sentinels(frame[i]) for i in frame}
    every = set().union(*marks.values())
    for i in frame:
        marked = frame[i].isin([v for v in every if v in marks[i] or _is_end(frame[i], v)])
        if every and marked.any():
            notes.append(f"column `{names[i]}`: {_counted(frame[i][marked])}")
            frame[i] = frame[i].astype(np.float64).mask(marked)
    frame.columns = pd.Index(names)
    empty = [i for i, name in enumerate(names) if not name and frame.iloc[:, i].isna().all()]
    labels = [name or f"Unnamed: {i}" for i, name in enumerate(names)]
    frame = frame.set_axis(labels, axis=1).drop(columns=[labels[i] for i in empty])
    return Table(frame, np.array(numbers), notes)


def _decoded(content: bytes) -> str:
    """Text in UTF-8, UTF-16 or, since every byte is a letter in it, cp1252."""
    head = content[:200]
    if content.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return content.decode("utf-32")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if len(head) > 3 and head[1::2].count(0) > len(head) / 4:
        return content.decode("utf-16-le")
    if len(head) > 3 and head[::2].count(0) > len(head) / 4:
        return content.decode("utf-16-be")
    content = content.rstrip(b"\x00\x1a")  # of a logger that lost its power, of DOS
    if b"\x00" in content:
        raise ValueError("it holds bytes that are no text")
    try:
        return content.decode("utf-8-sig")  # a byte order mark is no part of the first name
    except UnicodeDecodeError:
        return content.decode("cp1252")


def _lines(text: str) -> tuple[list[str], list[int], list[str], str | None]:
    """Lines with content, their numbers, comment lines, and the separator of a line ``sep=;``."""
    every = re.split(r"\r\n|\n|\r", text)
    given = re.fullmatch(r'"?sep=(.)"?[;,]*', every[0].strip("\ufeff "), re.IGNORECASE)
    texts: list[str] = []
    numbers: list[int] = []
    comments: list[str] = []
    open_quote = False
    for number, line in enumerate(every, start=1):
        if open_quote:  # a field in quotes goes on
            texts[-1] += " " + line
        elif (
            (number == 1 and given)
            or not (bare := line.strip(" \t;,|"))
            or (bare[0] in "+:=-" and re.fullmatch(_RULE, line))
        ):
            continue
        elif bare[0] in '"#%/' and re.match(_COMMENT, line):
            comments.append(line)
            continue
        else:
            texts.append(line)
            numbers.append(number)
        open_quote ^= line.count('"') % 2 == 1
    return texts, numbers, comments, given[1] if given else None


def _separator(texts: list[str]) -> str:
    """The sign that cuts the lower lines into the same number of parts, more than one."""
    lower = texts[len(texts) // 2 :]
    best, found = 0.0, " "
    for sign in _SEPARATORS:
        counts = [len(_fields(text, sign)) for text in lower]
        width, often = Counter(counts).most_common(1)[0]
        decimals = sign == "," and all(map(_SINGLE.fullmatch, lower))
        zeros = any(re.search(r",0\d", text) for text in texts)  # 1,05 is one number
        decimals = decimals and ("," not in texts[0] or zeros)
        if width > 1 and not decimals and often / len(lower) > best + 0.1:
            best, found = often / len(lower), sign
    return found


def _fields(text: str, separator: str) -> list[str]:
    if separator == " ":
        return next(csv.reader([" ".join(text.split())], delimiter=" "), [])
    return [
        part.strip()
        for part in next(csv.reader([text], delimiter=separator, skipinitialspace=True))
    ]


def _is_missing(text: str) -> bool:
    return text.strip().lower() in _NOTHING


def _is_number(text: str) -> bool:
    plain = re.sub(r"(?<=\d)[ '](?=\d{3})", "", text.translate(_SIGNS).strip())
    match = re.match(_MARKED, re.sub(r"^\((.*)\)$", r"-\1", plain))
    return bool(match and _NUMBER.fullmatch(match[1] + match[2]))


def _kind(entries: list[str]) -> str:
    """What a column holds by most of its entries: number, date, clock or text."""
    entries = [entry for entry in entries if not _is_missing(entry)]
    if len(set(entries)) > 2 and all(map(_MONTHS.fullmatch, entries)):
        return "date"
    if not entries or sum(map(_is_number, entries)) >= len(entries) / 2:
        return "number"
    some = pd.Series(entries[:20], dtype="string")
    return "date" if are_dates(some) else "clock" if to_clock(some) is not None else "text"


def _fits(entry: str, kind: str) -> bool:
    if kind == "text" or _is_missing(entry) or (kind == "number" and _is_number(entry)):
        return True
    if kind == "date":
        return to_dates(pd.Series([entry], dtype="string"))[1] is None
    return kind == "clock" and to_clock(pd.Series([entry], dtype="string")) is not None


def _mismatch(row: list[str], kinds: list[str]) -> bool:
    return not all(map(_fits, row, kinds))


def _head(rows: list[list[str]], kinds: list[str]) -> tuple[list[list[str]], int]:
    """The rows above the data, and the number of the first row of data."""
    head: list[list[str]] = []
    for i, row in enumerate(rows):
        full = len(row) == len(kinds)
        numbers = any(k == "number" and _is_number(x) for x, k in zip(row, kinds, strict=False))
        named = any(len(other) == len(kinds) for other in head)
        if all(kind == "text" for kind in kinds) and full and not named:
            return [*head, row], i + 1
        if full and (not _mismatch(row, kinds) or (named and numbers)):
            return head, i
        if not full and named:  # a row of data that lacks entries
            return head, i
        head.append(row)
    return head[:1], 1


def _check_head(
    head: list[list[str]],
    kinds: list[str],
    body: list[list[str]],
    separator: str,
    numbers: list[int],
) -> None:
    """Raise if the names do not belong to the columns: one of them may be a row of data."""
    width = len(kinds)
    cut = separator == "," and head and len(head[-1]) < width and len(body) > 2
    for i in range(1, width if cut else 0):
        column = [row[i] for row in body if len(row) == width]
        if all(map(str.isdigit, column)) and any(re.match(r"0\d", entry) for entry in column):
            raise ValueError(
                f"line {numbers[0]} has {len(head[-1])} names, and the lines below have {width} "
                "entries: commas separate columns and decimals. Save it with another separator"
            )
    for row in head[:1] if len(head) == 1 and len(head[0]) == width else []:
        entries = [x for x, kind in zip(row, kinds, strict=True) if kind == "number" and x]
        decimals = [x for x in entries if _is_number(x) and re.search(r"\d[.,eE][\d+-]", x)]
        if len(decimals) > len(entries) / 2:
            bad = next(x for x, kind in zip(row, kinds, strict=True) if not _fits(x, kind))
            raise ValueError(
                f"line {numbers[0]} should hold names or data, found {bad!r} among numbers. "
                "Correct or delete that line"
            )


def _counts(rows: list[list[str]], kinds: list[str]) -> bool:
    """Whether the first row is a count, 0, 1, 2 or years, over columns of decimals: names."""
    first = rows[0][1:] if rows[0][0] == "" else rows[0]
    if not all(re.fullmatch(r"\d{1,4}", text) for text in first) or len(rows) < 3 or not first:
        return False
    values = [int(text) for text in first]
    counted = values == list(range(values[0], values[0] + len(values)))
    decimals = all(
        any(re.search(r"[.,]\d", row[-1 - i]) for row in rows[1:]) for i in range(len(first))
    )
    known = values[0] == 0 or (len(values) > 1 and (values[0] == 1 or values[0] > 1500))
    return counted and decimals and known


def _names(
    head: list[list[str]], width: int, *, last_empty: bool
) -> tuple[list[str], list[list[str]]]:
    """The names of the columns from the rows above the data, and the rows left over."""
    full = [row for row in head if len(row) == width and (width < 3 or sum(map(bool, row)) > 1)]
    if not full:
        if head and len(head[-1]) == width - 1:  # row names have none
            return ([*head[-1], ""] if last_empty else ["", *head[-1]]), head[:-1]
        found = [
            row + [""] * (width - len(row)) for row in head[-1:] if width > len(row) > width / 2
        ]
        return (found[0], head[:-1]) if found else (numbered(width), head)
    names, used = list(full[0]), [full[0]]
    given = [name for name in names if name]
    if len(set(given)) < len(given) and len(full) > 1:  # two levels of names
        names = [" ".join(filter(None, pair)) for pair in zip(names, full[1], strict=True)]
        used.append(full[1])
    below = head[head.index(full[0]) + 1 :]
    alone = [row for row in below if len(row) == width and row[0] and not any(row[1:])]
    if width > 2 and alone:  # pandas writes the name of the index by itself
        names[0] = alone[-1][0]
        used.append(alone[-1])
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name] += bool(name)
        names[i] = f"{name}.{seen[name] - 1}" if seen[name] > 1 else name
    return names, [row for row in head if row not in used]


def _check_widths(texts: list[str], numbers: list[int], separator: str, width: int) -> None:
    """Raise unless every line has ``width`` parts; empty ones at its end are cut."""
    for i, text in enumerate(texts):
        if separator != " " and '"' not in text and text.count(separator) == width - 1:
            continue
        parts = _fields(text, separator)
        if len(parts) == width:
            continue
        if len(parts) > width and not any(parts[width:]):
            texts[i] = separator.join(f'"{p}"' if separator in p else p for p in parts[:width])
            continue
        raise ValueError(
            f"line {numbers[i]} has {len(parts)} of {width} entries: {text.strip()[:60]!r}. "
            "Correct or delete that line"
        )


def _read_numbers(column: pd.Series, separator: str) -> tuple[pd.Series, str]:
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


def _counted(found: pd.Series) -> str:
    shown, one = ", ".join(f"{v:g}" for v in np.unique(found)), len(found) == 1
    return f"{len(found)} {'entry' if one else 'entries'} {shown} count{'s' * one} as missing"


def _sentinels(column: pd.Series) -> set[float]:
    """Numbers that stand for missing, such as -999, far from all others of the column."""
    found: set[float] = set()
    if column.dtype.kind not in "if" or column.isna().all():
        return found
    values = column.to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    for end in {float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))}:
        others = values[values != end]
        if len(others) < 2 or not np.isfinite(end):
            continue
        spread, size = float(np.ptp(others)), float(np.abs(others).max())
        away = others.min() - end if end < 0 else end - others.max()
        nines = re.fullmatch(r"-?9+(\.9*|\.0)?", repr(end)) and abs(end) >= (99 if end < 0 else 999)
        known = end in (-200, -32768, -(2.0**31)) and np.sum(values == end) > 1
        known = known and (others.min() >= 0 or away > spread)
        if (
            (nines and away > (spread if end < 0 else 3 * spread))
            or known
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
