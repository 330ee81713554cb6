"""Statistics of benchmark tables: medians with intervals, shares of fates, win rates.

Each system counts as one value, the median of its starts. Intervals are bootstrapped over systems.
A forecast has failed in an error that is NaN, and in every long-term error where its fate is an
escape (:func:`dynamix.metrics.fate`). Failures count as the worst value, and are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..errors import InputError
from ..io.shapes import Bool, Float
from ..metrics.fates import FATES

LONG_TERM = ("d_stsp", "hellinger", "d_h")  # errors of a forecast's whole length
ERRORS = (*LONG_TERM, "mase")  # smaller is better, NaN is a failure
EXPONENT = "exponent"  # a ratio to the system's own; 1 is right
MEASURES = (*ERRORS, "vpt", EXPONENT)
_NEEDED = ("system", "start", "d_stsp", "d_h", "mase")  # older tables have no Hellinger distance
_INTERVAL = ["interval low", "interval high"]


def per_system(table: pd.DataFrame) -> pd.DataFrame:
    """One row per system: each measure's median over its starts, failures as infinite errors.

    ``table`` is a result of :func:`dynamix.evaluation.run`. ``vpt`` and ``exponent`` are NaN for a
    system without chaos. Columns without any value are left out.

    Examples
    --------
    >>> table = pd.DataFrame({"system": ["Lorenz"] * 3 + ["Rossler"] * 3, "start": [0, 1, 2] * 2})
    >>> table = table.assign(d_stsp=[1.0, 2.0, np.nan, 5.0, np.nan, np.nan], d_h=0.1, mase=0.5)
    >>> per_system(table)["d_stsp"].tolist()  # one failure of three, then two
    [2.0, inf]
    """
    _check(table, "the table")
    measured = [m for m in MEASURES if m in table and (m in ERRORS or table[m].notna().any())]
    failed = failures(table)
    values = table[measured].mask(failed.reindex(columns=measured, fill_value=False), np.inf)
    return values.groupby(table["system"], sort=False).median()


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """Which forecasts failed in which error: a column of True and False per error."""
    failed = table[[m for m in ERRORS if m in table]].isna()
    if "fate" in table:
        for name in failed.columns.intersection(LONG_TERM):
            failed[name] |= table["fate"] == "escape"
    return failed


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Median over systems per measure, its 95 % interval, quartiles, and failures.

    ``table`` is a result of :func:`dynamix.evaluation.run`. A row per measure: ``median``,
    ``interval low`` and ``interval high`` (bootstrap over systems), the quartiles, ``systems``
    (those with a value), ``forecasts`` and the number of ``failures``.

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
    rows, failed = {}, failures(table)
    for name, values in per_system(table).items():
        column = values.dropna().to_numpy()
        low, middle, high = quantiles(column, [0.25, 0.5, 0.75])
        counts = len(column), len(table), int(failed[name].sum()) if name in failed else 0
        rows[name] = [middle, *bootstrap(column), low, high, *counts]
    columns = ["median", *_INTERVAL, "lower quartile", "upper quartile"]
    columns += ["systems", "forecasts", "failures"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of forecasts that end in each fate, averaged over systems, with 95 % intervals.

    A row per fate of :data:`dynamix.metrics.FATES`. Columns ``share``, ``interval low`` and
    ``interval high``, from 0 to 1, under ``fate`` and ``quiet_fate``, if the table has them.

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
                rows[name] = [share.mean(), *bootstrap(share, mean=True)]
            parts[column] = pd.DataFrame(rows, index=["share", *_INTERVAL]).T
    return pd.concat(parts, axis=1) if parts else pd.DataFrame(index=pd.Index(FATES))


def win_rates(tables: Mapping[str, pd.DataFrame], against: str) -> pd.DataFrame:
    """In what share of systems each model beats the one named ``against``.

    Systems are paired. The better model has the smaller error, the longer valid time, the exponent
    nearer the system's. A tie is no win, and a failure loses against everything but a failure.

    ``tables`` holds results of :func:`dynamix.evaluation.run` by name. There is a row ``(model,
    measure)`` for every other model and each measure that both have: ``share`` with its bootstrap
    interval over systems, ``p`` of the two-sided sign test (ties left out), ``wins``, ``ties``,
    ``losses``, ``systems``.

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
    {'share': 0.75, 'wins': 3.0, 'ties': 1.0, 'losses': 0.0, 'p': 0.25}
    """
    if against not in tables:
        raise InputError(f"no table named {against!r}. Known: {', '.join(map(str, tables))}.")
    theirs, rows = _badness(tables[against]), {}
    for name in (name for name in tables if name != against):
        _check_paired(tables[name], tables[against], name, against)
        ours = _badness(tables[name])
        for measure in theirs.columns.intersection(ours.columns, sort=False):
            both = pd.DataFrame({"a": ours[measure], "b": theirs[measure]}).reindex(theirs.index)
            # a system without chaos has no valid time
            both = both.dropna(how="all").fillna(np.inf)
            rows[name, measure] = paired(both["a"].to_numpy(), both["b"].to_numpy())
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(rows, names=["model", "measure"]) if rows else None
    return frame


def paired(ours: Float[ndarray, " n"], theirs: Float[ndarray, " n"]) -> dict[str, float]:
    """How often ours is smaller, as a row of :func:`win_rates`."""
    from scipy.stats import binomtest

    won, lost = ours < theirs, ours > theirs
    wins, losses = int(won.sum()), int(lost.sum())
    return {
        "share": won.mean(),
        **dict(zip(_INTERVAL, bootstrap(won, mean=True), strict=True)),
        "p": binomtest(wins, wins + losses).pvalue if wins + losses else 1.0,
        "wins": wins,
        "ties": len(won) - wins - losses,
        "losses": losses,
        "systems": len(won),
    }


def bootstrap(
    values: Float[ndarray, " n"] | Bool[ndarray, " n"],
    *,
    draws: int = 2000,
    seed: int = 0,
    mean: bool = False,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of the median, or the mean, of values drawn with replacement.

    Both ends are NaN without values. Efron & Tibshirani (1993), chapter 13.

    >>> bootstrap(np.array([1.0, 2.0, np.inf]))  # the median of three may be any of them
    (1.0, inf)
    """
    n = len(values)
    if n == 0:
        return float("nan"), float("nan")
    drawn = values[np.random.default_rng(seed).integers(n, size=(draws, n))]
    statistic = drawn.mean(axis=1) if mean else quantiles(drawn, 0.5)
    low, high = quantiles(np.asarray(statistic), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def quantiles(values: ndarray, q: float | list[float]) -> Any:
    """Quantiles along the last axis, each one of the values: an average could be of infinities."""
    if values.shape[-1] == 0:
        return np.full(np.shape(q), np.nan)
    return np.quantile(values, q, axis=-1, method="nearest")


def _badness(table: pd.DataFrame) -> pd.DataFrame:
    """:func:`per_system`, turned so that smaller is better for every measure."""
    values = per_system(table)
    if "vpt" in values:
        values["vpt"] = -values["vpt"]
    if EXPONENT in values:
        values[EXPONENT] = (values[EXPONENT] - 1.0).abs()
    return values


def _check(table: pd.DataFrame, what: str) -> None:
    missing = [c for c in _NEEDED if c not in table]
    if missing or not len(table):
        raise InputError(
            f"{what} should be a benchmark's, with a row per system and start; found "
            f"{len(table)} rows, without the columns {missing}."
        )


def _check_paired(a: pd.DataFrame, b: pd.DataFrame, first: str, second: str) -> None:
    _check(a, repr(first))
    x, y = (set(zip(t["system"], t["start"], strict=True)) for t in (a, b))
    found = [
        f"{len(only)} only in {name!r} ({min(only)[0]}, start {min(only)[1]}, ...)"
        for name, only in ((first, x - y), (second, y - x))
        if only
    ]
    if found:
        raise InputError(
            f"{first!r} and {second!r} must hold the same systems and starts to be compared, found "
            f"{' and '.join(found)}. Run both alike, or keep only the rows that both have."
        )
