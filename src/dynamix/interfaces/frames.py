"""Forecasts of a long table: many series below each other, of different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from ..errors import InputError, one_of, whole_number
from ..forecasting.batches import Context, Found, LeftOut, each_series, side_by_side
from ..io.arrays import check_values, plain_dtype
from ..io.dates import to_dates
from ..io.time_axis import continue_index
from ..settings import checked

if TYPE_CHECKING:
    from ..model.dynamix import DynaMix


@checked
def predict_df(
    df: pd.DataFrame,
    *,
    horizon: int,
    id_column: str = "item_id",
    timestamp_column: str = "timestamp",
    target: str = "target",
    quantile_levels: Sequence[float] = (0.1, 0.5, 0.9),
    model: DynaMix | str | Path | None = None,
    n_samples: int = 100,
    seed: int = 0,
    **settings: Any,
) -> pd.DataFrame:
    """Forecast every series of a long table, with calibrated quantiles.

    They come from the errors of free runs inside each series
    (:mod:`dynamix.forecasting.calibration`), and with ``odds="gate"`` from an ensemble.

    Parameters
    ----------
    df
        A row per series and time, in any order. Other columns are ignored.
    horizon, n_samples
        Steps to forecast, and forecasts in the ensemble of each series, both at least 1. Calibrated
        quantiles need no ensemble.
    id_column, timestamp_column, target
        Names of the columns that hold the series' name, the time (dates, texts of dates, or
        numbers) and the value.
    quantile_levels
        Levels between 0 and 1.
    model, seed, **settings
        As :func:`dynamix.forecast` takes them. A series' forecast does not depend on the others,
        though series of equal length run side by side.

    Returns
    -------
    A row per series and future time, series in the order of their first rows. The columns are
    the id, the timestamp, ``predictions`` (the median), and one per level, named by the level as a
    string. The values are in the units of the target.

    Raises
    ------
    InputError
        If a column is missing, a level is out of range, or a series cannot be forecast; then the
        message names the series. With ``errors="skip"`` the log names it, and its rows are left
        out.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=60)
    >>> wave = np.sin(2 * np.pi * np.arange(60) / 12)
    >>> df = pd.DataFrame({"item_id": "a", "timestamp": days, "target": wave})
    >>> table = predict_df(df, horizon=3, n_samples=5)
    >>> table.columns.tolist(), str(table["timestamp"].iloc[0].date()), len(table)
    (['item_id', 'timestamp', 'predictions', '0.1', '0.5', '0.9'], '2024-03-01', 3)
    """
    if not isinstance(df, pd.DataFrame):
        raise InputError(
            f"df must be a pandas DataFrame with a row per series and time, found "
            f"{type(df).__name__}. Give an array or one series to dynamix.forecast."
        )
    for name in (id_column, timestamp_column, target):
        one_of("column", name, [column for column in df.columns if isinstance(column, str)])
    if len({id_column, timestamp_column, target}) < 3:
        raise InputError("id_column, timestamp_column and target must be three different columns.")
    if not df.columns.is_unique:
        raise InputError(f"df has columns of the same name: {list(df.columns)}. Rename them.")
    horizon = whole_number("horizon", horizon)
    n_samples = whole_number("n_samples", n_samples)
    if df.empty or df[id_column].isna().any():
        raise InputError(f"df is empty, or has rows without {id_column!r}. Drop those rows.")
    table = df[[id_column, timestamp_column, target]]
    table = with_dates(table, timestamp_column)
    left_out = LeftOut(settings.get("errors", "raise"))
    named = Columns(id_column, timestamp_column, (target,))
    contexts, later = contexts_of(table, named, left_out, horizon=horizon)
    how = {"horizon": horizon, "model": model, "n_samples": n_samples, "seed": seed, **settings}
    found = side_by_side(contexts, left_out, quantile_levels=[0.5, *quantile_levels], **how)
    if not found:
        raise InputError("no series of the table can be forecast; the log says why.")
    names = ["predictions", *map(str, quantile_levels)]
    return long_table(found, later, named, names, dtype=df[id_column].dtype)


class Columns(NamedTuple):
    """Names of the columns of a long table: the series' name, the time, the channels."""

    id: str
    time: str
    channels: tuple[str, ...]


def with_dates(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The table with texts in its column of times as dates."""
    times = table[column]
    if pd.api.types.is_numeric_dtype(times) or hasattr(times, "dt"):
        return table
    dates, bad = to_dates(times)
    if bad is not None:
        raise InputError(
            f"column {column!r} should hold dates or numbers, found {times.iloc[bad]!r} in row "
            f"{bad + 1}. Convert it with pd.to_datetime."
        )
    return table.assign(**{column: dates})


def contexts_of(
    table: pd.DataFrame, named: Columns, left_out: LeftOut, *, horizon: int
) -> tuple[dict[Any, Context], dict[Any, pd.Index]]:
    """The series of a long table and the times after them, by name, without those left out."""
    contexts: dict[Any, Context] = {}
    later: dict[Any, pd.Index] = {}
    known: dict[Any, pd.Index] = {}
    groups = _split(table, named.id, named.time)
    for name, rows in each_series(groups.items(), total=len(groups)):
        with left_out.naming(name):
            times = pd.Index(rows[named.time])
            if times.hasnans:
                raise InputError(f"column {named.time!r} lacks times. Drop those rows.")
            values = np.stack([_numbers(rows[channel], channel) for channel in named.channels], 1)
            later[name] = _continued(times, horizon, known)
            contexts[name] = Context(values, times)
    return contexts, later


def long_table(
    found: dict[Any, Found],
    later: dict[Any, pd.Index],
    named: Columns,
    names: Sequence[str],
    *,
    dtype: Any,
) -> pd.DataFrame:
    """A row per series and future time; ``names`` are those of each sample and channel."""
    first, *others = (later[name] for name in found)
    columns = {named.id: np.repeat(pd.Index(list(found), dtype=dtype), len(first))}
    columns[named.time] = first.append(others)
    samples = (np.atleast_3d(one.values.T).T for one in found.values())  # (K, horizon, n)
    numbers = np.concatenate([np.concatenate(list(y), axis=1) for y in samples])
    columns |= zip(names, numbers.T, strict=True)
    return pd.DataFrame(columns)


def _split(table: pd.DataFrame, name: str, time: str) -> dict[Any, pd.DataFrame]:
    """The rows of each series, sorted by time; series in the order of their first rows."""
    try:
        codes, names = pd.factorize(table[name])
    except TypeError as error:  # lists and the like
        raise InputError(f"column {name!r} must hold names of series: {error}.") from error
    sorted_ = table.assign(**{name: codes}).sort_values(time, kind="stable")
    order = np.argsort(sorted_[name].to_numpy(), kind="stable")
    ends = np.bincount(codes).cumsum()
    rows = sorted_.iloc[order]
    return {n: rows.iloc[a:b] for n, a, b in zip(names, [0, *ends[:-1]], ends, strict=True)}


def _numbers(column: pd.Series, name: str) -> np.ndarray:
    """The values of a series ``(T_C,)``, checked."""
    if getattr(column.dtype, "kind", "O") not in "fiu":
        raise InputError(f"column {name!r} must hold real numbers, found {column.dtype}.")
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    own = plain_dtype(column.dtype)
    check_values(values[:, None, None], name=f"column {name!r}", dtype=own)
    return values


def _continued(times: pd.Index, steps: int, known: dict[Any, pd.Index]) -> pd.Index:
    """The times after an index; ``known`` keeps them, since series often have the same ones."""
    if not isinstance(times, pd.DatetimeIndex) and times.dtype.kind not in "fiu":
        return continue_index(times, steps)
    key = str(times.dtype), times.to_numpy().tobytes()
    if key not in known:
        known[key] = continue_index(times, steps)
    return known[key]
