"""Reads tables in any usual format; the content of a file decides on the format, not the name."""

from __future__ import annotations

import gzip
import io
import logging
import re
import sys
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..errors import InputError, one_of, whole_number
from .time_axis import take_time

logger = logging.getLogger(__name__)

_SEPARATORS = (";", "\t", ",")  # a comma may be the decimal sign where another one stands
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d{1,3}(\.?\d{3})*,\d+([eE][+-]?\d+)?\s*")
_UNREADABLE = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


def read(
    path: str | Path,
    *,
    columns: Sequence[str] = (),
    time: str | None = None,
    no_time: bool = False,
    last: int | None = None,
) -> pd.DataFrame:
    r"""Read a table: a row per time step, a column per channel, its time as the index.

    The formats are CSV, TSV, Parquet, ``.npy`` and ``.npz``, also compressed by gzip. The separator
    and decimal commas are found in the file. Without a line of names, the columns are x1, x2, ...

    Parameters
    ----------
    path
        The file; ``"-"`` reads standard input. Text is UTF-8 or cp1252.
    columns
        Channels to keep; empty: all but time.
    time
        The column of dates or times. None: the first column if it holds dates or is named like
        time, or else columns named year, month, day (and hour, minute, second) together.
    no_time
        Drop the column of dates or times and number the rows.
    last
        Keep only this many rows from the end; at least 2.

    Returns
    -------
    A row per row of the file. Empty fields are NaN; a column with an entry that is not a number
    stays text. Dates with full stops have the day first.

    Raises
    ------
    InputError
        If the file or a named column is missing, the file is empty or unreadable, or the column of
        times holds neither numbers nor dates.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text("day;load\n31.12.2024;1,5\n01.01.2025;2,5\n")
    ...     frame = read(path)
    >>> frame["load"].tolist(), frame.index.name, str(frame.index[1].date())
    ([1.5, 2.5], 'day', '2025-01-01')
    """
    table = _load(path)
    if isinstance(table, ndarray):
        if table.ndim not in (1, 2):
            raise InputError(
                f"{_shown(path)} holds an array of shape {table.shape}, expected (T,) or (T, n). "
                "Save one series of it."
            )
        values = table.reshape(len(table), -1)
        table = pd.DataFrame(values, columns=_numbered(values.shape[1]))
    known = [str(column) for column in table.columns]
    for name in (*columns, *([time] if time else [])):
        one_of("column", name, known)
    table, index = take_time(table, time=time, channels=columns)
    if index is not None and not no_time:
        table = table.set_axis(index, axis=0)
    table = table[list(columns)] if columns else table
    return table if last is None else table.iloc[-whole_number("context", last, least=2) :]


def read_array(path: str | Path) -> ndarray:
    """The numbers of a file, ``(T, n)``, or ``(T, S, n)`` from an array file; text is left out."""
    if str(path) != "-" and isinstance(values := _load(path), ndarray):
        return values
    table = read(path)
    numeric = table.select_dtypes("number")
    dropped = [str(column) for column in table.columns if column not in numeric.columns]
    if dropped:
        logger.warning("%s: left out non-numeric columns %s", Path(path).name, dropped)
    return numeric.to_numpy(dtype=np.float64)


def _shown(path: str | Path) -> str:
    return "standard input" if str(path) == "-" else repr(str(path))


def _numbered(count: int) -> list[str]:
    return [f"x{i + 1}" for i in range(count)]


def _load(path: str | Path) -> pd.DataFrame | ndarray:
    """The content of a file as a table or an array; its first bytes tell the format."""
    if str(path) == "-":
        content = sys.stdin.buffer.read()
    elif Path(path).is_file():
        content = Path(path).read_bytes()
    else:
        raise InputError(f"no file {str(path)!r}. Give a table with a row per time step.")
    kind = "table"
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        if content.startswith(b"\x93NUMPY"):
            kind = ".npy array"
            return np.load(io.BytesIO(content), allow_pickle=False)
        if content.startswith(b"PK\x03\x04"):
            kind = ".npz file"
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                return _joined({name: arrays[name] for name in arrays})
        if content.startswith(b"PAR1"):
            kind = "Parquet file"
            frame = pd.read_parquet(io.BytesIO(content))
            return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
        kind = "CSV file"
        return _parse(content, _shown(path))
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"{_shown(path)} is a {kind}, and pyarrow is not installed.") from error
    except _UNREADABLE as error:  # pandas' parser errors are ValueErrors
        raise InputError(f"{_shown(path)} is not a readable {kind}: {error}".strip()) from error


def _joined(arrays: dict[str, ndarray]) -> pd.DataFrame | ndarray:
    """The arrays of an ``.npz`` file as one: the only one, or all side by side."""
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    shapes = {name: array.shape for name, array in arrays.items()}
    if len({shape[:1] for shape in shapes.values()}) != 1 or any(
        len(shape) not in (1, 2) for shape in shapes.values()
    ):
        raise ValueError(f"expected one array, or several of equal length (T,), found {shapes}.")
    frames = [
        pd.DataFrame(array.reshape(len(array), -1)).set_axis(
            [name] if array.ndim == 1 else [f"{name}{i + 1}" for i in range(array.shape[1])], axis=1
        )
        for name, array in arrays.items()
    ]
    return pd.concat(frames, axis=1)


def _parse(content: bytes, shown: str) -> pd.DataFrame:
    """A text as pandas reads it, with its own separator, decimal sign and encoding."""
    try:
        text = content.decode("utf-8-sig")  # a byte order mark is no part of the first name
    except UnicodeDecodeError:
        text = content.decode("cp1252")
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = next((sign for sign in _SEPARATORS if sign in head), ",")
    given: dict[str, Any] = {"sep": separator}
    fields = [field.strip().strip('"') for field in head.strip().split(separator)]
    if all(_is_number(field.replace(",", ".")) for field in fields):
        given |= {"header": None, "names": _numbered(len(fields))}
        logger.info("the first line of %s holds numbers only and is read as data", shown)
    frame = pd.read_csv(io.StringIO(text), **given)
    for name in frame.columns if separator != "," else ():
        seen = frame[name].dropna().astype(str)
        fits = seen.str.fullmatch(_DECIMAL_COMMA)
        if not pd.api.types.is_numeric_dtype(frame[name]) and len(seen) and fits.mean() > 0.5:
            dots = seen.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
            frame[name] = dots.where(fits, seen)  # an entry that is not a number stays visible
            with suppress(ValueError, TypeError):
                frame[name] = pd.to_numeric(frame[name])
    return frame


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
