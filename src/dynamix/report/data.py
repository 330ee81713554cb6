"""From a file to a context on a regular grid, for the report on a reader's own data."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from ..errors import InputError, whole_number
from ..io.files import write_text
from ..io.tables import read_series
from ..preprocessing.resampling import ResampleReport, counted, resample
from ..settings import checked
from .checks import Finding, graded, worst
from .limits import ReportConfig

_LIMITS = ReportConfig()


@dataclass(frozen=True)
class Loaded:
    """A context on a regular grid, and how it was made from the file."""

    frame: pd.DataFrame  # (T, n) in float64, without NaN, in the file's units
    source: str
    notes: tuple[str, ...]  # the columns read, the channels chosen, the repairs
    findings: tuple[Finding, ...]


def find_file(name: str | Path) -> Path:
    """The file of a relative path; papermill may have left the folder that the caller was in."""
    given = Path(name).expanduser()
    here = Path.cwd()
    folders = list(dict.fromkeys([Path(os.environ.get("PWD", here)), here, here.parent]))
    for folder in folders:
        if os.path.isfile(folder / given):  # False in a folder of another user
            return folder / given
    places = ", ".join(str(folder) for folder in folders)
    where = "" if given.is_absolute() else f" in {places}"
    raise InputError(f"no file {str(name)!r}{where}. Give a CSV file with a row per time step.")


def write_example(path: str | Path, *, seed: int = 0) -> Path:
    """Write an invented half-hourly load with two gaps, an outlier and decimal commas to ``path``.

    ``seed`` is that of the weather and the measurement noise.

    >>> write_example("load.csv")  # doctest: +SKIP
    """
    rng = np.random.default_rng(seed)
    times = pd.date_range("2024-01-08", periods=1536, freq="30min", name="time")
    day = 2 * np.pi * np.arange(len(times)) / 48
    shocks = np.append(0.0, 0.06 * rng.standard_normal(len(times) - 1))
    weather = lfilter([1.0], [1.0, -0.99], shocks)
    week = np.where(times.dayofweek < 5, 1.0, 0.75)
    load = 50 + week * (1 + 0.3 * weather) * (-12 * np.cos(day) - 6 * np.sin(2 * day + 0.5))
    load += 0.5 * rng.standard_normal(len(times))
    load[700] = 140.0
    frame = pd.DataFrame({"load": load.round(2)}, index=times)
    frame = frame.drop(times[[*range(200, 204), *range(911, 918)]])
    write_text(path, frame.to_csv(sep=";", decimal=","))
    return Path(path)


@checked
def load(
    path: str | Path,
    *,
    column: str | int = "",
    time_column: str | int = "",
    no_time: bool = False,
    context_length: int = 0,
) -> Loaded:
    """Read a file and put one to three of its columns on a regular grid.

    Parameters
    ----------
    path
        A file that :func:`dynamix.read` takes.
    column
        The channel, or several separated by commas; empty: the first column of numbers that is
        neither constant nor a counter.
    time_column
        The column of times; empty: as :func:`dynamix.read` finds it.
    no_time
        Number the rows, for records whose rows are steps although their times have gaps.
    context_length
        Only the last steps are used; 0: all.

    Returns
    -------
    The context, and notes on how it was made. The longest stretch without a hole is kept; see
    ``longest_gap`` of :class:`dynamix.report.limits.ReportConfig`.

    Raises
    ------
    InputError
        If the file or column is missing, the column cannot be forecast, or too little data remain.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loaded = load(write_example(Path(folder) / "load.csv"))
    >>> loaded.frame.shape, loaded.notes[0]
    ((1536, 1), '1525 rows with columns load')
    >>> loaded.findings[0].severity, loaded.findings[0].found
    ('note', '11 of 1536 steps interpolated, at most 7 in a row')
    """
    whole_number("context_length", context_length, least=0)
    path = find_file(path)
    column, time = str(column), None if time_column == "" else str(time_column)
    series = read_series(path, time=time, no_time=no_time, strict=False)
    frame = next(iter(series.values()))
    known = set(map(str, frame.columns))
    asked = [column] if column in known else [part.strip() for part in column.split(",") if part]
    if not known.issuperset(asked):  # a counter, which is left out unasked, or a wrong name
        series = read_series(path, columns=asked, time=time, no_time=no_time, strict=False)
        frame = next(iter(series.values()))
    if len(series) > 1:
        raise InputError(
            f"{path.name} holds {len(series)} series below each other, told apart by column "
            f"{frame.attrs['id_column']!r} ({', '.join(map(str, list(series)[:3]))}, ...). Give a "
            "file of one of them."
        )
    notes = [f"{len(frame)} rows with columns {', '.join(map(str, frame.columns))}"]
    notes += frame.attrs["notes"]
    numbers, unreadable = _as_numbers(frame)
    names = _chosen(numbers, frame, asked, notes)
    findings = [_unreadable(str(k), *unreadable[k], len(frame)) for k in names if unreadable[k][0]]
    table = numbers[names]
    if missing_times := int(table.index.isna().sum()):
        notes.append(f"{missing_times} rows without a time were left out")
        table = table[~table.index.isna()]
    mended, what = resample(
        table, longest_gap=_LIMITS.longest_gap, most_filled=_LIMITS.most_filled, holes="cut"
    )
    notes.append(str(what))
    behind = int((table.dropna(how="all").index > mended.index[-1]).sum())
    findings += _times(what, behind=behind, unsorted=frame.attrs["sorted"] or what.out_of_order)
    if context_length:
        mended = mended.iloc[-context_length:]
    if len(mended) < _LIMITS.fewest_rows:
        raise InputError(
            f"{path.name} leaves {len(mended)} steps of {', '.join(map(str, names))}, expected at "
            f"least {_LIMITS.fewest_rows}. Give a longer record."
        )
    for name in names:
        if mended[name].nunique() < 2:
            raise InputError(
                f"column {name!r} is constant in the context ({mended[name].iloc[0]!r}). Choose "
                "another column or a longer context."
            )
    notes.append(f"the context goes from {mended.index[0]} to {mended.index[-1]}")
    return Loaded(mended.astype(float), str(path), tuple(notes), tuple(findings))


def _times(what: ResampleReport, *, behind: int, unsorted: bool) -> list[Finding]:
    """Findings on the times; ``behind`` rows come after the context."""
    filled = what.filled / what.steps
    moved = (what.moved + what.repeated) / what.observations
    gaps = worst(
        graded(filled, *_LIMITS.missing),
        "note" if what.cut else "fine",
        "warning" if behind > _LIMITS.longest_gap else "fine",
    )
    grid = worst(graded(moved, *_LIMITS.off_grid), "note" if unsorted else "fine")
    found = f"{what.filled} of {what.steps} steps interpolated, at most {what.longest_gap} in a row"
    if what.cut:
        found += f"; {counted(what.cut, 'step')} beyond longer holes not used"
    if behind:
        found += f"; {behind} rows come after the context's end"
    times = (
        f"{what.moved} of {what.observations} rows off the grid of {what.step}, {what.repeated} at "
        f"times already taken, {'not ' if unsorted else ''}in order of time"
    )
    return [Finding("gaps", gaps, filled, found), Finding("sampling times", grid, moved, times)]


def _as_numbers(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[Any, tuple[int, str]]]:
    """The columns that are mostly numbers, and for each how many entries are not, with one."""
    columns, unreadable = {}, {}
    for name in frame.columns:
        made = pd.to_numeric(frame[name], errors="coerce")
        bad = made.isna() & frame[name].notna()
        if bad.sum() <= _LIMITS.most_unreadable * frame[name].notna().sum() and made.notna().any():
            columns[name] = made.astype(float)
            unreadable[name] = (int(bad.sum()), repr(frame[name][bad].iloc[0]) if bad.any() else "")
    return pd.DataFrame(columns, index=frame.index), unreadable


def _chosen(
    numbers: pd.DataFrame, frame: pd.DataFrame, asked: list[str], notes: list[str]
) -> list[Any]:
    """The channels asked for, or the first that could be one."""
    by_text = {str(name): name for name in frame.columns}
    if asked:
        for name in asked:
            if by_text[name] not in numbers:
                raise InputError(
                    f"column {name!r} holds text, for example {frame[by_text[name]].iloc[0]!r}. "
                    f"Columns of numbers: {', '.join(map(str, numbers.columns)) or 'none'}."
                )
        return [by_text[name] for name in asked]
    constant = [name for name in numbers if numbers[name].nunique() < 2]
    for name in numbers:
        if name not in constant:
            passed = f"; passed over, since constant: {', '.join(constant)}" if constant else ""
            notes.append(f"column {name} was chosen{passed}")
            return [name]
    found = ", ".join(f"{name} ({dtype})" for name, dtype in frame.dtypes.items()) or "none"
    raise InputError(f"no column of numbers that vary. Columns found: {found}.")


def _unreadable(name: str, count: int, example: str, rows: int) -> Finding:
    share = count / rows
    found = f"{count} entries are no number, for example {example}; they count as missing"
    severity = graded(share, *_LIMITS.missing)
    return Finding("unreadable entries", severity, share, found, channel=name)
