"""Forecasts of a long table: many series below each other, of different lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import InputError, one_of, whole_number
from ..io.arrays import check_values
from ..io.dates import to_dates
from ..settings import checked
from .zero_shot import each_series, forecast

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
        As :func:`dynamix.forecast` takes them. A series' forecast does not depend on the others.

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
        one_of("column", name, map(str, df.columns))
    horizon = whole_number("horizon", horizon)
    n_samples = whole_number("n_samples", n_samples)
    if df.empty or df[id_column].isna().any():
        raise InputError(f"df is empty, or has rows without {id_column!r}. Drop those rows.")
    table = df[[id_column, timestamp_column, target]]
    times = table[timestamp_column]
    if not (pd.api.types.is_numeric_dtype(times) or hasattr(times, "dt")):
        dates, bad = to_dates(times)
        if bad is not None:
            raise InputError(
                f"column {timestamp_column!r} should hold dates or numbers, found "
                f"{times.iloc[bad]!r} in row {bad + 1}. Convert it with pd.to_datetime."
            )
        table = table.assign(**{timestamp_column: dates})
    how = {"horizon": horizon, "model": model, "n_samples": n_samples, "seed": seed, **settings}
    how["quantile_levels"] = [0.5, *quantile_levels]

    def one(rows: pd.DataFrame) -> pd.DataFrame:
        later, found = _continued(rows, timestamp_column, target, how)
        names = [timestamp_column, "predictions", *map(str, quantile_levels)]
        return pd.DataFrame(dict(zip(names, [later, *found], strict=True)))

    groups = table.groupby(id_column, sort=False)
    errors = settings.get("errors", "raise")
    parts = each_series(groups, one, total=groups.ngroups, errors=errors)
    if not parts:
        raise InputError("no series of the table can be forecast; the log says why.")
    for item, part in parts.items():
        part.insert(0, id_column, item)
    return pd.concat(parts.values(), ignore_index=True)


def _continued(
    rows: pd.DataFrame, timestamp: str, target: str, how: dict[str, Any]
) -> tuple[pd.Index, np.ndarray]:
    """The future times of one series, and its quantiles ``(levels, horizon)``."""
    if rows[timestamp].isna().any():
        raise InputError(f"column {timestamp!r} lacks times. Drop those rows.")
    series = rows.sort_values(timestamp, kind="stable").set_index(timestamp)[target]
    if not pd.api.types.is_numeric_dtype(series):
        raise InputError(f"column {target!r} must hold numbers, found {series.dtype}.")
    values = series.to_numpy(dtype=np.float64, na_value=np.nan)
    own = getattr(series.dtype, "numpy_dtype", series.dtype)
    check_values(values[:, None, None], name=f"column {target!r}", dtype=own)
    found = forecast(pd.Series(values, index=series.index), **how)
    return found.index, found.to_numpy().T
