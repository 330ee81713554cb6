"""Other people's CSV files: separators, decimal commas, dates and names as they come.

What a file says of itself decides: the separator is the one in its first line, the decimal sign the
one its numbers have, and the column of times the first one that holds dates or is named like time.
Nothing is dropped in silence; what cannot be read is an error that says so.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, one_of, whole_number

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_TIME_NAMES = {"time", "t", "index", "step", "date", "datetime", "timestamp", "unnamed: 0"}
_CALENDAR = ("year", "month", "day", "hour", "minute", "second")
_SEPARATORS = (";", "\t", ",")  # a comma may be the decimal sign where another one stands
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d{1,3}(\.?\d{3})*,\d+([eE][+-]?\d+)?\s*")
_ENCODINGS = ("utf-8-sig", "cp1252")  # a byte order mark is no part of the first name


def read_csv(
    path: str | Path,
    *,
    columns: Sequence[str] = (),
    time: str | None = None,
    no_time: bool = False,
    last: int | None = None,
) -> pd.DataFrame:
    r"""A CSV as a frame with its time as index.

    Fields may be separated by commas, semicolons or tabs, and numbers may have decimal commas where
    the fields do not. A first line of numbers only is data: the columns are then x1, x2, ...

    Parameters
    ----------
    path
        The file, in UTF-8 or else in Windows' Latin letters (cp1252).
    columns
        Channels to keep; none named: all but time.
    time
        Column of dates or times; None: a first column that holds dates, or is named like time, or
        else columns named year, month, day (and hour, minute, second) together.
    no_time
        Drop the column of dates or times and number the rows.
    last
        Keep only that many rows from the end; at least 2.

    Returns
    -------
    The columns as they are, a row per row of the file; empty fields are NaN, and entries that are
    no number leave their column as text. Dates written with full stops have the day first.

    Raises
    ------
    InputError
        If the file is missing, empty, no CSV, or a named column is not in it; if the column of
        times holds neither numbers nor dates; or if ``last`` is no whole number of at least 2.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text("day;load\n31.12.2024;1,5\n01.01.2025;2,5\n")
    ...     frame = read_csv(path)
    >>> frame["load"].tolist(), frame.index.name, str(frame.index[1].date())
    ([1.5, 2.5], 'day', '2025-01-01')
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise InputError(f"no file {str(path)!r}. Give a CSV file with a row per time step.")
    try:
        frame = _parse(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{str(path)!r} is not a readable CSV file: {error}".strip()) from error
    known = [str(column) for column in frame.columns]
    for name in (*columns, *([time] if time else [])):
        one_of("column", name, known)
    if time is None and known:
        first = frame.columns[0]
        text = not pd.api.types.is_numeric_dtype(frame[first])
        if str(first) not in columns and (text or str(first).lower() in _TIME_NAMES):
            time = str(first)
    if time is not None:
        index = frame.pop(time)
        if not no_time:
            if not pd.api.types.is_numeric_dtype(index):
                index = _dates(index, time, path)
            frame.index = pd.Index(index, name=None if time.startswith("Unnamed") else time)
    else:
        frame = _calendar(frame, columns, no_time)
    if columns:
        frame = frame[list(columns)]
    if last is not None:
        frame = frame.iloc[-whole_number("context", last, least=2) :]
    return frame


def _parse(path: Path) -> pd.DataFrame:
    """The file as pandas reads it, with its own separator, decimal sign and encoding."""
    import pandas as pd

    encoding = _ENCODINGS[0]
    try:
        path.read_text(encoding=encoding)
    except UnicodeDecodeError:
        encoding = _ENCODINGS[1]
    with path.open(encoding=encoding) as file:
        head = next((line for line in file if line.strip()), "")
    separator = next((sign for sign in _SEPARATORS if sign in head), ",")
    given: dict[str, Any] = {"sep": separator, "encoding": encoding}
    fields = [field.strip().strip('"') for field in head.strip().split(separator)]
    if separator != ",":
        fields = [field.replace(",", ".") for field in fields]
    if fields and all(_is_number(field) for field in fields):
        given |= {"header": None, "names": [f"x{i + 1}" for i in range(len(fields))]}
        logger.info("the first line of %s holds numbers only and is read as data", path.name)
    frame = pd.read_csv(path, **given)
    if separator != ",":
        for name in frame.columns:
            if pd.api.types.is_numeric_dtype(frame[name]):
                continue
            seen = frame[name].dropna().astype(str)
            if len(seen) and seen.str.fullmatch(_DECIMAL_COMMA).mean() > 0.5:
                dots = seen.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
                # what is no number stays as it is, for the caller to see
                frame[name] = dots.where(seen.str.fullmatch(_DECIMAL_COMMA), seen)
                frame[name] = _numbers_if_all(frame[name])
    return frame


def _numbers_if_all(column: pd.Series) -> pd.Series:
    import pandas as pd

    try:
        return pd.to_numeric(column)
    except (ValueError, TypeError):
        return column


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _dates(index: pd.Series, time: str, path: Path) -> pd.Series:
    """Texts as dates; with full stops or where nothing else fits the day comes before the month."""
    import pandas as pd

    days_first = index.dropna().astype(str).str.match(r"\s*\d{1,2}\.\d{1,2}\.\d{2,4}").any()
    for day_first in (True,) if days_first else (False, True):
        try:
            with warnings.catch_warnings():  # of a format it has to guess; failure is told below
                warnings.simplefilter("ignore", UserWarning)
                return pd.to_datetime(index, dayfirst=day_first)
        except (ValueError, TypeError) as error:
            failure = error
    raise InputError(
        f"column {time!r} of {str(path)!r} holds neither numbers nor dates, for "
        f"example {index.iloc[0]!r}. Name the channels with --columns, or another "
        "--time."
    ) from failure


def _calendar(frame: pd.DataFrame, columns: Sequence[str], no_time: bool) -> pd.DataFrame:
    """Columns year, month, day, ... as an index of dates, where the file has them."""
    import pandas as pd

    by_name = {str(name).lower(): name for name in frame.columns if str(name) not in columns}
    parts = {name: by_name[name] for name in _CALENDAR if name in by_name}
    if not {"year", "month", "day"} <= set(parts):
        return frame
    try:
        index = pd.to_datetime(frame[list(parts.values())].set_axis(list(parts), axis=1))
    except (ValueError, TypeError):
        return frame  # columns of that name which are something else
    frame = frame.drop(columns=list(parts.values()))
    if not no_time:
        frame.index = pd.Index(index, name="time")
    return frame
