"""What a benchmark's tables say: medians with intervals, shares of fates, win rates.

The unit is the system. A system's starts are first made into one number, their median, so that
every system weighs the same; intervals are bootstrapped over systems, the only thing that was
drawn. Failures (NaN of an error) count as the worst there is, and are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError
from ..metrics.fates import FATES

ERRORS = ("d_stsp", "d_h", "mase")  # smaller is better, NaN is a failure
MEASURES = (*ERRORS, "vpt", "lyapunov", "quiet_lyapunov")
LABELS = {
    "d_stsp": r"$D_\mathrm{stsp}$",
    "d_h": r"$D_H$",
    "mase": "MASE(10)",
    "vpt": "valid time [Lyapunov times]",
    "lyapunov": "largest Lyapunov exponent / the system's",
    "quiet_lyapunov": "the same without gate noise",
}
DRAWS = 2000
LEVEL = 0.95
_INTERVAL = ["interval low", "interval high"]


def per_system(table: pd.DataFrame) -> pd.DataFrame:
    """One row per system: each measure's median over its starts, failures as infinite errors.

    Parameters
    ----------
    table
        What :func:`dynamix.evaluation.benchmark.run` returns: a row per system and start.

    Returns
    -------
    A row per system, a column per measure, in the units of the table. ``vpt`` and the exponents are
    NaN for a system without chaos; columns without any value (of older tables, of rivals) are left
    out.

    Raises
    ------
    InputError
        If the table is empty or not a benchmark's.

    Examples
    --------
    >>> table = pd.DataFrame({"system": ["Lorenz"] * 3 + ["Rossler"] * 3, "start": [0, 1, 2] * 2})
    >>> table = table.assign(d_stsp=[1.0, 2.0, np.nan, 5.0, np.nan, np.nan], d_h=0.1, mase=0.5)
    >>> per_system(table)["d_stsp"].tolist()  # one failure of three, then two
    [2.0, inf]
    """
    _check(table, "the table")
    measured = [m for m in MEASURES if m in table and (m in ERRORS or table[m].notna().any())]
    worst = table[["system", *measured]].copy()
    errors = [m for m in measured if m in ERRORS]
    worst[errors] = worst[errors].fillna(np.inf)
    return worst.groupby("system", sort=False)[measured].median()


def summary(table: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Median over systems per measure, its 95 % interval, quartiles, and failures.

    Parameters
    ----------
    table
        What :func:`dynamix.evaluation.benchmark.run` returns.
    draws
        How often the bootstrap draws systems; see :func:`bootstrap`.
    seed
        Of these draws.

    Returns
    -------
    A row per measure: ``median``, ``interval low`` and ``interval high`` (bootstrap over systems),
    ``lower quartile``, ``upper quartile``, ``systems`` (those with a value), ``forecasts`` and how
    many of them are ``failures``. The shares of fates: :func:`shares`.

    Raises
    ------
    InputError
        If the table is empty or not a benchmark's.

    Examples
    --------
    >>> table = pd.DataFrame({"system": ["Lorenz", "Chua", "Thomas"], "start": 0})
    >>> table = table.assign(d_stsp=[1.0, 2.0, np.nan], d_h=[0.1, 0.2, 0.3], mase=0.5)
    >>> summary(table)[["median", "systems", "failures"]]
            median  systems  failures
    d_stsp     2.0        3         1
    d_h        0.2        3         0
    mase       0.5        3         0
    """
    values, rows = per_system(table), {}
    for name in values:
        column = values[name].dropna().to_numpy()
        failed = table[name].isna() if name in ERRORS else np.isinf(table[name])
        rows[name] = [
            _quantiles(column, 0.5),
            *bootstrap(column, draws=draws, seed=seed),
            *_quantiles(column, [0.25, 0.75]),
            len(column),
            len(table),
            int(failed.sum()),
        ]
    columns = ["median", *_INTERVAL, "lower quartile", "upper quartile"]
    counts = ["systems", "forecasts", "failures"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[*columns, *counts])
    return frame.astype(dict.fromkeys(counts, int))


def shares(table: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """Shares of forecasts that end in each fate, averaged over systems, with 95 % intervals.

    Parameters
    ----------
    table
        What :func:`dynamix.evaluation.benchmark.run` returns.
    draws
        How often the bootstrap draws systems; see :func:`bootstrap`.
    seed
        Of these draws.

    Returns
    -------
    A row per fate of :data:`dynamix.metrics.FATES`; columns ``share``, ``interval low`` and
    ``interval high``, from 0 to 1, under ``fate`` (as the model forecasts) and, for DynaMix models,
    under ``quiet_fate`` (the gate's noise left out). No columns for tables without fates.

    Raises
    ------
    InputError
        If the table is empty or not a benchmark's.

    Examples
    --------
    >>> table = pd.DataFrame({"system": ["Lorenz"] * 2 + ["Chua"] * 2, "start": [0, 1] * 2})
    >>> table = table.assign(d_stsp=1.0, d_h=0.1, mase=0.5)
    >>> table["fate"] = ["cycle", "cycle", "escape", "cycle"]
    >>> shares(table)["fate"]["share"].to_dict()
    {'fixed point': 0.0, 'cycle': 0.75, 'escape': 0.25, 'chaotic/other': 0.0}
    """
    _check(table, "the table")
    parts = {}
    for column in ("fate", "quiet_fate"):
        if column in table and table[column].notna().any():
            rows = {}
            for name in FATES:
                share = (table[column] == name).groupby(table["system"]).mean().to_numpy()
                low, high = bootstrap(share, draws=draws, seed=seed, mean=True)
                rows[name] = [share.mean(), low, high]
            parts[column] = pd.DataFrame.from_dict(
                rows, orient="index", columns=["share", *_INTERVAL]
            )
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=pd.Index(FATES))


def win_rates(
    tables: Mapping[str, pd.DataFrame], against: str, *, draws: int = DRAWS, seed: int = 0
) -> pd.DataFrame:
    """In what share of systems each model beats the one named ``against``.

    Systems are paired: both have seen the same contexts. The better has the smaller error, the
    longer valid time, the ratio of exponents nearer 1; a tie counts one half, two failures tie, and
    a failure loses against everything else.

    Parameters
    ----------
    tables
        Results of :func:`dynamix.evaluation.benchmark.run` by name.
    against
        One of the names.
    draws
        How often the bootstrap draws systems; see :func:`bootstrap`.
    seed
        Of these draws.

    Returns
    -------
    Rows ``(model, measure)`` for every other model and each measure that both have: ``share`` with
    its bootstrap interval over systems, ``p`` of the two-sided sign test (ties left out), ``wins``,
    ``ties``, ``losses``, ``systems``.

    Raises
    ------
    InputError
        If ``against`` is not among the tables, a table is not a benchmark's, or two tables hold
        different systems or starts.

    Examples
    --------
    >>> mine = pd.DataFrame({"system": ["Lorenz", "Chua", "Rossler", "Thomas"], "start": 0})
    >>> mine = mine.assign(d_stsp=[1.0, 1.0, 1.0, 1.0], d_h=0.1, mase=0.5)
    >>> other = mine.assign(d_stsp=[2.0, 2.0, 1.0, np.nan])
    >>> rates = win_rates({"mine": mine, "other": other}, "other").loc[("mine", "d_stsp")]
    >>> rates[["share", "wins", "ties", "losses", "p"]].to_dict()
    {'share': 0.875, 'wins': 3.0, 'ties': 1.0, 'losses': 0.0, 'p': 0.25}
    """
    from scipy.stats import binomtest

    if against not in tables:
        raise InputError(f"no table named {against!r}. Known: {', '.join(map(str, tables))}.")
    theirs, rows = _badness(tables[against]), {}
    for name, table in tables.items():
        if name == against:
            continue
        _check_paired(table, tables[against], name, against)
        ours = _badness(table).reindex(theirs.index)
        for measure in (m for m in MEASURES if m in ours and m in theirs):
            a, b = ours[measure].to_numpy(), theirs[measure].to_numpy()
            applies = ~(np.isnan(a) & np.isnan(b))  # a system without chaos has no valid time
            a, b = (np.where(np.isnan(x), np.inf, x)[applies] for x in (a, b))
            points = np.where(a < b, 1.0, np.where(a == b, 0.5, 0.0))
            wins, losses = int((points == 1).sum()), int((points == 0).sum())
            rows[name, measure] = {
                "share": points.mean(),
                **dict(
                    zip(
                        _INTERVAL, bootstrap(points, draws=draws, seed=seed, mean=True), strict=True
                    )
                ),
                "p": binomtest(wins, wins + losses).pvalue if wins + losses else 1.0,
                "wins": wins,
                "ties": len(points) - wins - losses,
                "losses": losses,
                "systems": len(points),
            }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(rows, names=["model", "measure"]) if rows else None
    return frame


def bootstrap(
    values: Float[ndarray, " n"],
    *,
    draws: int = DRAWS,
    seed: int = 0,
    mean: bool = False,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Percentile interval of the median, or the mean, of values drawn with replacement.

    Efron & Tibshirani (1993), chapter 13.

    Parameters
    ----------
    values
        ``(n,)``, a number per system, in any unit. Infinite values stay what they are.
    draws
        How many samples of n values are drawn.
    seed
        Of the draws.
    mean
        Take the mean of each sample instead of its median.
    level
        The share of samples within the interval, between 0 and 1.

    Returns
    -------
    The lower and the upper end, in the unit of the values.
    Both are NaN where there are no values.

    Examples
    --------
    >>> bootstrap(np.full(10, 3.0))
    (3.0, 3.0)
    >>> bootstrap(np.array([1.0, 2.0, np.inf]))  # the median of three may be any of them
    (1.0, inf)
    >>> low, high = bootstrap(np.arange(101.0))
    >>> low < 50.0 < high
    True
    """
    n = len(values)
    if n == 0:
        return float("nan"), float("nan")
    drawn = values[np.random.default_rng(seed).integers(n, size=(draws, n))]
    statistic = drawn.mean(axis=1) if mean else _quantiles(drawn, 0.5)
    low, high = _quantiles(np.asarray(statistic), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _quantiles(values: ndarray, q: float | list[float]) -> Any:
    """Quantiles along the last axis, each one of the values: an average could be of infinities."""
    if values.shape[-1] == 0:
        return np.full(np.shape(q), np.nan)
    return np.quantile(values, q, axis=-1, method="nearest")


def _badness(table: pd.DataFrame) -> pd.DataFrame:
    """:func:`per_system`, turned so that smaller is better for every measure."""
    values = per_system(table)
    if "vpt" in values:
        values["vpt"] = -values["vpt"]
    for name in ("lyapunov", "quiet_lyapunov"):
        if name in values:
            values[name] = (values[name] - 1.0).abs()
    return values


def _check(table: pd.DataFrame, what: str) -> None:
    missing = [c for c in ("system", "start", *ERRORS) if c not in table]
    if missing or not len(table):
        raise InputError(
            f"{what} should be a benchmark's, with a row per system and start; found "
            f"{len(table)} rows, without the columns {missing}."
        )


def _check_paired(a: pd.DataFrame, b: pd.DataFrame, first: str, second: str) -> None:
    for table, name in ((a, first), (b, second)):
        _check(table, repr(name))
    pairs = [set(zip(t["system"], t["start"], strict=True)) for t in (a, b)]
    only = [sorted(pairs[0] - pairs[1]), sorted(pairs[1] - pairs[0])]
    if only[0] or only[1]:
        told = [
            f"{len(rest)} only in {name!r} ({rest[0][0]}, start {rest[0][1]}, ...)"
            for rest, name in zip(only, (first, second), strict=True)
            if rest
        ]
        raise InputError(
            f"{first!r} and {second!r} must hold the same systems and starts to be compared, found "
            f"{' and '.join(told)}. Run both alike, or keep only the rows that both have."
        )
