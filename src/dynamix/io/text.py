"""Text files as tables: their encoding, separator, and the lines above the numbers."""

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
from .numbers import MISSING, is_missing, is_number, read_numbers

_SEPARATORS = (";", "\t", "|", ",")  # a comma may be the decimal sign where another one stands
_SHOWN = 60  # lines that show how a file is laid out
_RULE = r"[\s|+:=-]*[=-]{3}[\s|+:=-]*"  # a line drawn below the names
_COMMENT = r'\s*"?(?:#|%|//)'
_MONTHS = re.compile(r"(0[1-9]|1[0-2])\.(1[5-9]|2[0-2])\d\d")  # 01.2000
_SINGLE = re.compile(r'\s*"?[+-]?\d*,\d+"?\s*')  # one number, its decimal sign a comma


@dataclass
class Table:
    """A table, the line of the file that each row stands in, and notes on how it was read."""

    frame: pd.DataFrame
    lines: ndarray | None = None
    notes: list[str] = field(default_factory=list)

    def place(self, row: int) -> str:
        """A row in words, for messages."""
        return f"row {row + 1}" if self.lines is None else f"line {self.lines[row]}"

    def only(self, frame: pd.DataFrame, rows: ndarray) -> Table:
        """The ``rows`` of the table that are left in a ``frame``, numbered anew."""
        lines = None if self.lines is None else self.lines[rows]
        return Table(frame.reset_index(drop=True), lines, self.notes)


def numbered(count: int) -> list[str]:
    """Names for columns without any."""
    return [f"x{i + 1}" for i in range(count)]


def parse(content: bytes) -> Table:
    """A text file as a table; a ValueError names the line that does not fit the others."""
    texts, numbers, blanks, comments, separator = _lines(_decoded(content))
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
    texts, numbers = _with_blanks(texts, numbers, blanks, separator * (width - 1))

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
            na_values=MISSING,
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
        frame[i], note = read_numbers(frame[i], separator)
        notes += [f"column `{names[i]}`: {note}"] if note else []
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


def _lines(text: str) -> tuple[list[str], list[int], dict[int, str], list[str], str | None]:
    """Lines with content, their numbers, empty lines by number, comments, and that of ``sep=;``."""
    every = re.split(r"\r\n|\n|\r", text)
    given = re.fullmatch(r'"?sep=(.)"?[;,]*', every[0].strip("\ufeff "), re.IGNORECASE)
    texts: list[str] = []
    numbers: list[int] = []
    blanks: dict[int, str] = {}
    comments: list[str] = []
    open_quote = False
    for number, line in enumerate(every, start=1):
        if open_quote:  # a field in quotes continues
            texts[-1] += " " + line
        elif number == 1 and given:
            continue
        elif not (bare := line.strip(" \t;,|")):
            blanks[number] = line.strip(" ")
            continue
        elif bare[0] in "+:=-" and re.fullmatch(_RULE, line):
            continue
        elif bare[0] in '"#%/' and re.match(_COMMENT, line):
            comments.append(line)
            continue
        else:
            texts.append(line)
            numbers.append(number)
        open_quote ^= line.count('"') % 2 == 1
    return texts, numbers, blanks, comments, given[1] if given else None


def _with_blanks(
    texts: list[str], numbers: list[int], blanks: dict[int, str], empty: str
) -> tuple[list[str], list[int]]:
    """The rows, and among them those without an entry: a line of separators, or of one column.

    A file whose every other line is empty was written with one line end too many.
    """
    inside = [n for n, line in blanks.items() if numbers[0] < n < numbers[-1]]
    doubled = len(inside) >= len(numbers) - 1
    rows = dict(zip(numbers, texts, strict=True))
    rows |= {n: empty or "nan" for n in inside if (blanks[n] or not empty) and not doubled}
    return [rows[n] for n in sorted(rows)], sorted(rows)


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


def _kind(entries: list[str]) -> str:
    """What a column holds by most of its entries: number, date, clock or text."""
    entries = [entry for entry in entries if not is_missing(entry)]
    if len(set(entries)) > 2 and all(map(_MONTHS.fullmatch, entries)):
        return "date"
    if not entries or sum(map(is_number, entries)) >= len(entries) / 2:
        return "number"
    some = pd.Series(entries[:20], dtype="string")
    return "date" if are_dates(some) else "clock" if to_clock(some) is not None else "text"


def _fits(entry: str, kind: str) -> bool:
    if kind == "text" or is_missing(entry) or (kind == "number" and is_number(entry)):
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
        numbers = any(k == "number" and is_number(x) for x, k in zip(row, kinds, strict=False))
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
        decimals = [x for x in entries if is_number(x) and re.search(r"\d[.,eE][\d+-]", x)]
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
