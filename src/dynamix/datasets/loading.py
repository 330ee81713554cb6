"""Measured series: each file is fetched once from a fixed source, checked, kept, and read."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ..errors import InputError, one_of
from ..io.files import cache_directory, digest, scratch
from ..io.tables import read_array
from ..preprocessing.resampling import resample
from .registry import CARRIED, REGISTRY, Dataset

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "DYNAMIX_DATA"
_TIMEOUT = 30  # seconds without an answer from the source


class UnreachableError(InputError):
    """A dataset's file is not here and could not be fetched."""


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
    return not entry.url or _readable(folder() / entry.file)


def folder() -> Path:
    """Where the files are kept: ``$DYNAMIX_DATA``, else in the cache."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else cache_directory() / "datasets"


def fetch(name: str) -> Path:
    """The file of a dataset, with its SHA-256 checked; downloaded if it is missing.

    A damaged file in the cache is fetched again. A file in ``$DYNAMIX_DATA`` is never overwritten.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its bars ask for widgets where a notebook has none
        import pooch

    entry = find(name)
    if not entry.url:
        raise InputError(f"{name!r} comes with statsmodels; there is no file to fetch: load it.")
    path = folder() / entry.file
    if _readable(path):
        if digest(path) == entry.sha256:
            return path
        if os.environ.get(FOLDER_VARIABLE):
            raise InputError(
                f"the file {entry.file!r} in the folder that {FOLDER_VARIABLE} names is not the "
                f"one that this version expects: its SHA-256 should begin with "
                f"{entry.sha256[:12]}. Replace it by {entry.url}, or delete it to have it fetched."
            )
        logger.warning("the cached file %s is damaged; fetching it anew", entry.file)
    # pooch's own notes name folders of this machine; the bar is all that a reader needs
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        # pooch asks the bar whether it is true, which tqdm answers only with a total; pooch sets it
        with tqdm(desc=entry.file, total=1, unit="B", unit_scale=True, disable=None) as bar:
            pooch.retrieve(
                entry.url,
                known_hash=f"sha256:{entry.sha256}",
                fname=entry.file,
                path=path.parent if _writable(path.parent) else scratch(),
                downloader=partial(_download, bar=bar),
            )
    except InputError:
        raise
    # requests' errors are OSErrors, some ValueErrors as well; a wrong hash is pooch's ValueError
    except OSError as error:
        raise UnreachableError(
            f"could not fetch {name!r} ({type(error).__name__}). Without a network, put "
            f"{entry.file!r} ({entry.url}) into a folder and name that in the environment variable "
            f"{FOLDER_VARIABLE}, or use what statsmodels carries: {', '.join(CARRIED)}."
        ) from error
    except ValueError as error:
        raise InputError(
            f"{entry.url} sent another file than expected: its SHA-256 differs, so the file was "
            "truncated or has changed at the source. Nothing was kept. Try again later, or put the "
            f"file into a folder and name that in {FOLDER_VARIABLE}."
        ) from error
    return path if _readable(path) else scratch() / entry.file


def _readable(path: Path) -> bool:
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:  # a name that is too long, or a folder of another user
        return False


def _writable(folder: Path) -> bool:
    """Whether a folder can be written to; it is made if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    except OSError:
        return False


def _download(url: str, output_file: str, pooch: Any, *, bar: Any) -> None:
    """Pooch's download; a web page in place of the file is an error."""
    from pooch import HTTPDownloader

    HTTPDownloader(timeout=_TIMEOUT, progressbar=bar)(url, output_file, pooch)
    beginning = Path(output_file).read_bytes()[:200].lstrip().lower()
    if beginning.startswith((b"<!doctype html", b"<html")):
        raise InputError(
            f"{url} sent a web page instead of the file, as a proxy or a login page would. Nothing "
            f"was kept. Fetch it by browser, put it into a folder and name that in "
            f"{FOLDER_VARIABLE}."
        )


def _read(entry: Dataset, path: Path) -> pd.DataFrame:
    """The file as a frame; its dates, if any, become the index."""
    if path.suffix == ".npy":
        values = read_array(path)
        return pd.DataFrame(values, columns=[str(i) for i in range(values.shape[1])])
    table = pd.read_csv(path)
    parts = table[list(entry.time)]
    times = pd.to_datetime(parts.iloc[:, 0] if len(entry.time) == 1 else parts)
    return table.set_index(pd.DatetimeIndex(times, name="time"))


def _from_statsmodels(entry: Dataset) -> pd.DataFrame:
    """A series that statsmodels carries, dates as its index."""
    try:
        import statsmodels.api as sm
    except ImportError as error:
        raise InputError(
            f"the series {entry.name!r} comes with statsmodels, which is not installed here. "
            "Install it with: pip install 'dynamix-companion[realworld]'"
        ) from error
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
