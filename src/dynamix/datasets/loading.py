"""Measured series: each file is fetched once from a fixed source, checked, kept, and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError, needs, one_of
from ..io.tables import read_array
from ..preprocessing.resampling import resample
from . import files
from .files import Source, UnreachableError
from .registry import CARRIED, REGISTRY, Dataset


def load(name: str) -> pd.DataFrame:
    """A measured series as a frame on a regular index.

    Parameters
    ----------
    name
        A name of :func:`catalogue`.

    Returns
    -------
    Columns of float64 over dates with a frequency, or over step numbers if the file has no times.
    ``attrs`` holds ``name``, ``description``, ``unit``, ``source``, ``licence``, ``seasons``
    (periods in steps), and ``gaps``: a sentence on missing steps.

    Raises
    ------
    InputError
        If the name is unknown, the file can neither be found nor fetched, its SHA-256 differs, or
        the series comes with statsmodels and that is not installed.

    Examples
    --------
    >>> frame = load("sunspots_yearly")
    >>> frame.shape, frame.attrs["unit"], frame.attrs["gaps"]
    ((309, 1), 'sunspots', '309 steps of YS-JAN, none missing; nothing was changed')
    """
    entry, table = find(name), raw(name)
    if entry.step is None:
        gaps = f"{len(table)} steps; the file has no times, so gaps are unknown"
    else:
        table, report = resample(table, step=entry.step, **entry.grid)
        gaps = str(report)
    facts = {k: getattr(entry, k) for k in ("name", "description", "unit", "source", "licence")}
    table.attrs = facts | {"seasons": list(entry.seasons), "gaps": gaps}
    return table


def raw(name: str) -> pd.DataFrame:
    """The columns of :func:`load` before resampling, with their own times and gaps."""
    entry = find(name)
    table = _read(entry, fetch(name)) if entry.url else _from_statsmodels(entry)
    return table[list(entry.columns)].rename(columns=entry.columns).astype(np.float64)


def find(name: str) -> Dataset:
    """The registry's entry of a dataset."""
    one_of("dataset", name, REGISTRY)
    return REGISTRY[name]


def reachable(name: str) -> tuple[str, str]:
    """The ``name`` itself, or another dataset's if its file cannot be fetched, and a note on why.

    The other dataset comes with statsmodels. So a page runs without a network.

    >>> reachable("electricity")[0]  # doctest: +SKIP
    'electricity'
    """
    entry = find(name)
    try:
        if entry.url:
            fetch(name)
    except UnreachableError as error:
        return CARRIED[0], f"{CARRIED[0]!r} stands in for {name!r}: {error}"
    return name, ""


def target(name: str) -> pd.DataFrame:
    """The first column of :func:`load` of ``name``, or all columns if they form one system.

    Examples
    --------
    >>> target("el_nino").columns.tolist(), target("el_nino").shape
    (['temperature'], (732, 1))
    """
    table = load(name)
    return table if find(name).joint else table.iloc[:, :1]


def catalogue() -> pd.DataFrame:
    """All datasets, a row each; ``at hand`` tells whether :func:`load` works without a network.

    Examples
    --------
    >>> catalogue().loc["nyc_taxi", ["unit", "step", "licence"]].tolist()
    ['passengers per half hour', '30min', 'MIT']
    """
    rows = {
        entry.name: {
            "description": entry.description,
            "columns": len(entry.columns),
            "unit": entry.unit,
            "step": entry.step or "not stated",
            "source": entry.source,
            "licence": entry.licence,
            "at hand": is_at_hand(entry.name),
        }
        for entry in REGISTRY.values()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def is_at_hand(name: str) -> bool:
    """Whether :func:`load` works without a network; the file is not checked."""
    entry = find(name)
    return not entry.url or files.at_hand(_source(entry)) is not None


def fetch(name: str) -> Path:
    """The file of a dataset: :func:`dynamix.datasets.files.fetch`."""
    entry = find(name)
    if not entry.url:
        raise InputError(f"{name!r} comes with statsmodels; there is no file to fetch: load it.")
    carried = f", or use what statsmodels carries: {', '.join(CARRIED)}"
    return files.fetch(_source(entry), name=name, instead=carried)


def _source(entry: Dataset) -> Source:
    return Source(entry.file, entry.url, entry.sha256)


def _read(entry: Dataset, path: Path) -> pd.DataFrame:
    """The file as a frame; its dates, if any, become the index."""
    if Path(entry.file).suffix == ".npy":
        values = read_array(path)
        return pd.DataFrame(values, columns=[str(i) for i in range(values.shape[1])])
    table = pd.read_csv(path)
    parts = table[list(entry.time)]
    times = pd.to_datetime(parts.iloc[:, 0] if len(entry.time) == 1 else parts)
    return table.set_index(pd.DatetimeIndex(times, name="time"))


def _from_statsmodels(entry: Dataset) -> pd.DataFrame:
    """A series that statsmodels carries, dates as its index."""
    with needs("realworld"):
        import statsmodels.api as sm
    readers: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
        "co2": lambda table: table.rename_axis("time"),
        "elnino": _months_of_rows,
        "sunspots": lambda table: table.set_index(
            pd.to_datetime(table["YEAR"].astype(int).astype(str), format="%Y").rename("time")
        ),
    }
    return readers[entry.file](getattr(sm.datasets, entry.file).load_pandas().data)


def _months_of_rows(table: pd.DataFrame) -> pd.DataFrame:
    """A row per year with a column per month as one long series."""
    first = int(table["YEAR"].iloc[0])
    values = table.drop(columns="YEAR").to_numpy().reshape(-1)
    index = pd.date_range(f"{first}-01-01", periods=len(values), freq="MS", name="time")
    return pd.DataFrame({"temperature": values}, index=index)
