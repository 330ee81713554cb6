"""The one reader of tables; the content of a file decides on the format, not the name."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import logging
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..errors import InputError, one_of, suggestion, whole_number
from ..settings import checked
from .files import write_whole
from .numbers import without_sentinels
from .text import Table, numbered, parse
from .time_axis import is_regular
from .time_columns import take_time

logger = logging.getLogger(__name__)

_LARGE = 2e7  # bytes, which take about two seconds
_FOREIGN = {  # by their first bytes
    b"PK\x03\x04\x14\x00\x06\x00": "an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"%PDF": "a PDF document",
    b"MATLAB": "a MATLAB file",
    b"\x89HDF": "an HDF5, netCDF or MATLAB file",
    b"CDF": "a netCDF file",
    b"SQLite": "a database",
    b"<": "a web page or XML",
    b"{": "JSON",
    b"[": "JSON",
}
_WRITTEN = ("", ".csv", ".tsv", ".json", ".parquet", ".npy", ".npz")  # suffixes
_UNREADABLE = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)


@checked
def read(
    path: str | Path,
    *,
    columns: Sequence[str | int] = (),
    time: str | int | None = None,
    no_time: bool = False,
    last: int | None = None,
) -> pd.DataFrame:
    r"""Read a table: a row per time step, a column per channel, its time as the index.

    The formats are CSV and its relatives, Parquet, ``.npy`` and ``.npz``, also compressed by gzip.
    Encoding, separator, decimal sign, lines above the names and notations of missing values are
    found in the file. ``frame.attrs["notes"]`` says what was found, as does the log.

    Parameters
    ----------
    path
        The file; ``"-"`` reads standard input.
    columns
        Channels to keep; empty: all but time.
    time
        The column of dates or times. None: the column, or the columns together, that hold dates,
        parts of a calendar, elapsed times, or numbers that rise in regular steps.
    no_time
        Number the rows; the columns of time are left out.
    last
        Keep only this many rows from the end; at least 2.

    Returns
    -------
    A row per row of the file, sorted by time. Empty fields are NaN; text stays text. Row counters
    and calendar columns beside the time are left out unless ``columns`` names them.

    Raises
    ------
    InputError
        If the file or a named column is missing, the file is empty or unreadable, or a number or
        time cannot be read, by line and entry. If several series stand below each other, by the
        column that tells them apart; see :func:`dynamix.predict_df`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.csv"
    ...     _ = path.write_text("day;load\n31.12.2024;1,5\n01.01.2025;2,5\n")
    ...     frame = read(path)
    >>> frame["load"].tolist(), frame.index.name, str(frame.index[1].date())
    ([1.5, 2.5], 'day', '2025-01-01')
    >>> frame.attrs["notes"]
    ['time: `day`, step day, 2 rows']
    """
    series = read_series(path, columns=columns, time=time, no_time=no_time, last=last)
    if len(series) > 1:
        names, column = list(series), next(iter(series.values())).attrs["id_column"]
        shown = ", ".join(map(str, names[:3])) + (", ..." if len(names) > 3 else "")
        raise InputError(
            f"{_shown(path)} holds {len(names)} series below each other, told apart by column "
            f"{column!r} ({shown}). Give one of them, or use dynamix.predict_df with "
            f"id_column={column!r} (dynamix forecast forecasts each)."
        )
    return next(iter(series.values()))


def read_series(
    path: str | Path,
    *,
    columns: Sequence[str | int] = (),
    time: str | int | None = None,
    no_time: bool = False,
    last: int | None = None,
    strict: bool = True,
) -> dict[Any, pd.DataFrame]:
    """The series of a table by their names, one of no name if it isn't a long table; see `read`.

    Unless ``strict``, a column of numbers may hold entries that are none; it has dtype object.
    """
    table = _load(path)
    if isinstance(table, ndarray):
        if table.ndim not in (1, 2):
            raise InputError(
                f"{_shown(path)} holds an array of shape {table.shape}, expected (T,) or (T, n). "
                "Save one series of it."
            )
        values = table.reshape(len(table), -1)
        table = Table(pd.DataFrame(values, columns=numbered(values.shape[1])))
    frame, counted = without_sentinels(table.frame)
    table.notes += [f"column `{name}`: {note}" for name, note in counted.items()]
    known, named = [str(column) for column in frame.columns], [str(name) for name in columns]
    for name in (*named, *([] if time is None else [str(time)])):
        one_of("column", name, known)
    time = None if time is None else str(time)
    blank = frame.isna().all(axis=1).to_numpy() & (not no_time)
    seen = table.only(frame[~blank], ~blank) if blank.any() else table
    rest, index, notes = take_time(seen.frame, time=time, channels=named, place=seen.place)
    if index is not None:  # nothing is lost where a column tells the time
        table, frame = seen, seen.frame
    by_name = {str(name): name for name in frame.columns}
    rest = frame[[by_name[name] for name in named] if named else rest.columns]
    if strict:
        _check_numbers(rest, table)
    notes = [*table.notes, *notes]
    keys: list[Any] = []
    if index is not None:
        if strict and not no_time:
            _check_times(index, table)
        keys = _identity(frame[[n for n in rest if str(n) not in named and str(n) != time]], index)
        if not no_time:
            rest = rest.set_axis(index, axis=0)
        elif notes and not keys:
            notes[-1] += "; not used, the rows are numbered"
    codes = frame.groupby(keys, sort=False).ngroup().to_numpy() if keys else np.zeros(len(frame))
    idle = [n for n in rest if str(n) not in named and n not in keys and _is_idle(rest[n], codes)]
    if idle and len(idle) + len(keys) < rest.shape[1]:
        notes.append(f"left out, as nothing changes in it: {', '.join(f'`{n}`' for n in idle)}")
        rest = rest.drop(columns=idle)
    for note in notes:
        logger.info("%s", note)
    least = None if last is None else whole_number("context", last, least=2)
    parts = {"": rest}
    if keys:
        groups = rest.drop(columns=keys, errors="ignore").groupby(codes, sort=False)
        rows = frame[keys].drop_duplicates().itertuples(index=False, name=None)
        names = [row[0] if len(keys) == 1 else row for row in rows]
        parts = dict(zip(names, (part for _, part in groups), strict=True))
    found = {}
    for name, part in parts.items():
        part, more = _sorted(part)
        part = part if least is None else part.iloc[-least:]
        part.attrs = {"notes": notes + more, "sorted": bool(more)}
        if keys:
            part.attrs["id_column"] = ", ".join(map(str, keys))
            part.attrs["id_columns"] = [str(key) for key in keys]
        found[name] = part
        for note in more:
            logger.info("%s", note)
    return found


def check_suffix(path: str | Path) -> None:
    """Raise unless :func:`write` knows the format of a file by its suffix.

    >>> check_suffix("out.docx")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: cannot write a table to 'out.docx': expected a name ending in .csv...
    """
    if _kind(path) not in _WRITTEN and not _is_stream(path):
        known = ", ".join(filter(None, _WRITTEN))
        raise InputError(
            f"cannot write a table to {str(path)!r}: expected a name ending in {known}, or in .gz "
            "after one of text."
        )


def write(table: pd.DataFrame, path: str | Path | None) -> None:
    """Write a table with its index in the format of the suffix; None: CSV to standard output.

    The suffixes are ``.csv``, ``.tsv``, ``.json`` (a list of rows), ``.parquet``, ``.npy`` and
    ``.npz`` (values without the index), and ``.gz`` after those of text. Without a suffix, and for
    a device or a pipe, it is CSV.
    """
    if path is None:
        _clocks(table).to_csv(sys.stdout)
        return
    check_suffix(path)
    kind = _kind(path)
    with write_whole(path) as temporary:
        if kind == ".parquet":
            _clocks(table).rename(columns=str).reset_index().to_parquet(temporary, index=False)
        elif kind == ".npy":
            np.save(temporary, table.to_numpy())
        elif kind == ".npz":
            np.savez(temporary, forecast=table.to_numpy())
        elif kind == ".json":
            text = json.dumps(records(table), indent=1, ensure_ascii=False, allow_nan=False)
            packed = Path(path).suffix.lower() == ".gz"
            content = f"{text}\n".encode()
            temporary.write_bytes(gzip.compress(content, mtime=0) if packed else content)
        else:
            _clocks(table).to_csv(temporary, sep="\t" if kind == ".tsv" else ",")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON takes them, its index first: times are texts, NaN is None.

    >>> days = pd.date_range("2024-01-01", periods=2, name="day")
    >>> records(pd.DataFrame({"load": [1.5, np.nan]}, index=days))
    [{'day': '2024-01-01', 'load': 1.5}, {'day': '2024-01-02', 'load': None}]
    """
    table = _clocks(table)
    names = ["step" if name is None else str(name) for name in table.index.names]
    columns = [" ".join(map(str, c)) if isinstance(c, tuple) else str(c) for c in table.columns]
    flat = table.set_axis(columns, axis=1).reset_index(names=names)
    for name in flat.columns:
        column = flat[name]
        if not pd.api.types.is_numeric_dtype(column):
            texts = pd.Index(column).astype(str) if hasattr(column, "dt") else column.map(str)
            flat[name] = pd.Series(texts, dtype=object).where(column.notna().to_numpy(), None)
        elif column.dtype.kind == "f":
            flat[name] = column.astype(object).where(np.isfinite(column), None)
    return flat.to_dict(orient="records")


def _clocks(table: pd.DataFrame) -> pd.DataFrame:
    """The table with elapsed times as clocks write them: 04:00:00."""
    if not isinstance(table.index, pd.TimedeltaIndex):
        return table
    labels = [_elapsed(t) for t in table.index.total_seconds()]
    return table.set_axis(pd.Index(labels, name=table.index.name), axis=0)


def _kind(path: str | Path) -> str:
    """The suffix that chooses the format, without that of a compression of text."""
    kinds = [suffix.lower() for suffix in Path(path).suffixes]
    if kinds[-1:] == [".gz"]:
        return kinds[-2] if kinds[-2:-1] and kinds[-2] in (".csv", ".tsv", ".json") else ".gz"
    return "".join(kinds[-1:])


def _is_stream(path: str | Path) -> bool:
    return Path(path).exists() and not Path(path).is_file()


def _elapsed(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 6), 60)
    second = f"{rest:09.6f}".rstrip("0").rstrip(".")
    return f"{int(minutes // 60):02d}:{int(minutes % 60):02d}:{second}"


def read_array(path: str | Path) -> ndarray:
    """The numbers of a file, ``(T, n)``, or ``(T, S, n)`` from an array file; text is left out."""
    if str(path) != "-" and isinstance(values := _load(path), ndarray) and values.ndim == 3:
        return values
    table = read(path)
    numeric = table.select_dtypes("number")
    dropped = [str(column) for column in table.columns if column not in numeric.columns]
    if dropped:
        logger.warning("%s: left out non-numeric columns %s", Path(path).name, dropped)
    return numeric.to_numpy(dtype=np.float64)


def _check_numbers(rest: pd.DataFrame, table: Table) -> None:
    """Raise for the first entry that is no number in a column where most are."""
    for name in rest.select_dtypes(object):
        column = rest[name]
        bad = (pd.to_numeric(column, errors="coerce").isna() & column.notna()).to_numpy()
        if bad.any() and bad.sum() < 0.5 * column.notna().sum():
            row = int(np.argmax(bad))
            raise InputError(
                f"column {str(name)!r} should hold numbers, found {column.iloc[row]!r} in "
                f"{table.place(row)}. Correct or delete that entry, or leave the column out "
                "(command line: --columns)."
            )


def _check_times(index: pd.Index, table: Table) -> None:
    """Raise for the first row without a time: it may be a sum or an average."""
    if index.hasnans:
        row = int(np.argmax(index.isna()))
        told = "Fill or delete that row, or number the rows instead (no_time=True; command line:"
        raise InputError(f"the time is missing in {table.place(row)}. {told} --no-time).")


def _is_idle(column: pd.Series, codes: ndarray) -> bool:
    """Whether a column is empty, or holds one text for each series."""
    if pd.api.types.is_numeric_dtype(column):
        return bool(column.isna().all())
    return bool(pd.Series(column.to_numpy()).groupby(codes).nunique().max() <= 1)


def _identity(frame: pd.DataFrame, index: pd.Index) -> list[Any]:
    """The columns that tell apart series below each other; none if all rows are of one."""
    texts = [n for n in frame if not pd.api.types.is_numeric_dtype(frame[n])]
    whole = [n for n in frame if frame[n].dtype.kind in "iu"]
    times = index.dropna()
    if not times.has_duplicates:
        rows = pd.Series(np.arange(len(index)))
        for name in texts if not is_regular(times.sort_values()) else []:
            series = [index[g].sort_values() for _, g in rows.groupby(frame[name].to_numpy())]
            if 1 < len(series) <= len(index) / 3 and all(map(is_regular, series)):
                return [name]
        return []
    if len(times) < 1.2 * times.nunique():  # a number may differ where a time came twice
        whole = []
    known = [
        n for n in texts + whole if 1 < frame[n].nunique() < len(frame) and frame[n].notna().all()
    ][:8]
    for size in (1, 2, 3):
        for names in itertools.combinations(known, size):
            columns = [frame[name] for name in names]
            if not pd.MultiIndex.from_arrays([index, *columns]).has_duplicates:
                return [name for name in frame if name in names]
    for name in texts:  # never average what a text tells apart
        if pd.Series(frame[name].to_numpy()).groupby(index.to_numpy()).nunique().max() > 1:
            return [name]
    return []


def _sorted(part: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows in the order of time, if they have one."""
    index = part.index
    if index.is_monotonic_increasing or index.hasnans or index.has_duplicates:
        return part.copy(), []
    newest = "the newest row came first; " if index.is_monotonic_decreasing else ""
    return part.sort_index(kind="stable"), [f"{newest}the rows were sorted by time"]


def _shown(path: str | Path) -> str:
    return "standard input" if str(path) == "-" else repr(str(path))


def _load(path: str | Path) -> Table | ndarray:
    """The content of a file as a table or an array; its first bytes tell the format."""
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read()
        elif Path(path).is_file():
            content = Path(path).read_bytes()
        else:
            raise _missing(Path(path))
    except OSError as error:
        raise InputError(f"{_shown(path)} cannot be read: {error.strerror or error}.") from error
    kind = "table"
    if len(content) > _LARGE:
        logger.info("reading %s, %.0f MB", _shown(path), len(content) / 1e6)
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        for start, name in _FOREIGN.items():
            if content.lstrip(b"\xef\xbb\xbf \r\n").startswith(start):
                raise InputError(f"{_shown(path)} is {name}. Save the table as CSV or Parquet.")
        if content.startswith(b"\x93NUMPY"):
            kind = ".npy array"
            return np.load(io.BytesIO(content), allow_pickle=False)
        if content.startswith(b"PK\x03\x04"):
            kind = ".npz file"
            if (other := _archive(content)) is not None:
                raise InputError(f"{_shown(path)} is {other}. Save the table as CSV or Parquet.")
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                found = _joined({name: arrays[name] for name in arrays})
                return found if isinstance(found, ndarray) else Table(found)
        if content.startswith(b"PAR1"):
            kind = "Parquet file"
            frame = pd.read_parquet(io.BytesIO(content))
            return Table(frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index())
        kind = "CSV file"
        return parse(content)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"{_shown(path)} is a {kind}, which needs pyarrow: pip install pyarrow."
        ) from error
    except _UNREADABLE as error:  # pandas' parser errors are ValueErrors
        raise InputError(f"{_shown(path)} is not a readable {kind}: {error}.") from error


def _archive(content: bytes) -> str | None:
    """What a zip archive is, if it holds no arrays of NumPy."""
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook"
    if "mimetype" in names:
        return "an OpenDocument file"
    return None if all(name.endswith(".npy") for name in names) else "a zip archive"


def _missing(path: Path) -> InputError:
    """What to do where a file is none, or is not there."""
    if path.is_dir():
        return InputError(f"{str(path)!r} is a folder. Name a table in it.")
    folder = path.parent
    beside = sorted(folder.iterdir()) if folder.is_dir() else []
    below = [entry / path.name for entry in beside if (entry / path.name).is_file()]
    names = [entry.name for entry in beside if not entry.name.startswith(".")]
    near = suggestion(path.name, names, cutoff=0.75)  # a suffix alone is alike to a half
    if below:
        near = f" Did you mean {str(below[0])!r}?"
    return InputError(
        f"no file {str(path)!r} (looked in {str(folder.absolute())!r}).{near} Give a table with a "
        "row per time step."
    )


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
