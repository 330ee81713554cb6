"""Forecasts of one series from many origins, every forecaster on the same ones, and what they miss.

A single forecast of a single stretch says little: the next stretch may be easier. So the origin
rolls along the series (Tashman 2000): from each one, every forecaster sees the same context and is
held against the same continuation. What varies over origins gives the intervals.

A forecast is made once, for the longest horizon, and measured over its beginnings. For direct
forecasters, which make another forecast for another horizon, the short numbers are thus those of
the long forecast's beginning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from tqdm import tqdm

from ..baselines.registry import Forecaster
from ..errors import InputError, whole_number
from ..io.arrays import unpack
from ..metrics import reconstruction as metrics
from ..preprocessing.periods import decorrelation_time
from ..settings import RollingConfig
from .statistics import bootstrap

ERRORS = ("mase", "mae", "d_stsp", "d_h")  # smaller is better, NaN is a failure
LABELS = {
    "mase": "MASE",
    "mae": "MAE",
    "d_stsp": r"$D_\mathrm{stsp}$",
    "d_h": r"$D_H$",
    "seconds": "seconds",
}
_LEAST_FOR_SHAPE = 50  # steps; geometry and spectrum of a shorter stretch say nothing


def origins(length: int, config: RollingConfig) -> Int[ndarray, " K"]:
    """First steps of the continuations, spread evenly over ``length`` steps; equal for all contexts and horizons of ``config``.

    Raises
    ------
    InputError
        If the series leaves no room for so many origins.
    """
    first, last = max(config.contexts), length - max(config.horizons)
    room = last - first + 1
    if room < config.origins:
        raise InputError(
            f"a series of {length} steps leaves {max(room, 0)} origins for a context of {first} "
            f"and a horizon of {max(config.horizons)} steps, and {config.origins} are asked for. "
            "Shorten the context or the horizon."
        )
    return np.unique(np.linspace(first, last, config.origins).round().astype(np.int64))


def evaluate(
    series: Any,
    *,
    forecasters: Mapping[str, Forecaster],
    config: RollingConfig | None = None,
    contexts: Sequence[int] | None = None,
    label: str = "forecasts",
) -> pd.DataFrame:
    """Every forecaster from every origin at every context, measured over every horizon.

    Parameters
    ----------
    series
        ``(T,)`` or ``(T, N)``: an array, or a frame whose rows are regular steps of time.
    forecasters
        ``f(context, horizon, *, seed) -> forecast`` by name, with arrays ``(T, N)``.
    config
        Contexts, horizons, origins and how things are measured.
    contexts
        Those of the config to run now; None: all. The origins are always those that leave room for
        the longest of the config, so none may be longer.
    label
        What the progress bar says.

    Returns
    -------
    A row per forecaster, context, origin and horizon. ``mase``: mean absolute error over the mean
    absolute change of the *whole* series at a lag of ``config.season`` steps, per channel, then
    averaged; with the default of 1 that is the one-step change of :func:`dynamix.metrics.mase`,
    taken over the whole series so that every origin divides by the same number. ``mae``: the same
    error in the data's units, averaged over channels. ``d_stsp``: :func:`state_space_divergence` of
    the delay embedding of a single channel (``config.dims`` dimensions, the delay chosen from the
    whole series), of the channels themselves where there are several. ``d_h``:
    :func:`spectral_hellinger` of the channels; a delayed copy has the same spectrum. Both are NaN
    below 50 steps, where they say nothing. ``seconds``: CPU time of the
    whole forecast, which other work on the machine disturbs less than the clock's. ``failure``: the
    message of a forecaster that gave up, or ``"not finite"``; its errors are infinite.

    Raises
    ------
    InputError
        If the series holds several series, is not finite, does not change at the season's lag or is
        too short for the origins; if there is no forecaster, or a context is longer than the
        config's longest; if a forecast has another shape than was asked for. An InputError of a
        forecaster is a ``failure`` in the table instead.

    Examples
    --------
    >>> from dynamix import baselines
    >>> t = np.arange(300.0)
    >>> table = evaluate(
    ...     np.sin(t / 5), forecasters={"parrot": baselines.parrot},
    ...     config=RollingConfig(contexts=(100,), horizons=(10, 60), origins=5))
    >>> len(table), bool(table["mase"].max() < 1)
    (10, True)
    """
    config = config or RollingConfig()
    if not forecasters:
        raise InputError(
            "nothing to evaluate: give a forecaster by name, {'mean': baselines.mean}."
        )
    shown_lengths = config.contexts if contexts is None else tuple(contexts)
    for length in shown_lengths:
        whole_number("a context", length, least=2)
    if not shown_lengths or max(shown_lengths) > max(config.contexts):
        raise InputError(
            f"contexts must name lengths of at most {max(config.contexts)} steps, the config's "
            f"longest, which the origins leave room for, found {tuple(shown_lengths)}."
        )
    values = unpack(series)[0]
    if values.shape[1] != 1:
        raise InputError(f"expected one series, (T,) or (T, N), found {values.shape[1]} of them.")
    x = values[:, 0]
    if not np.isfinite(x).all():
        raise InputError("the series must be finite. Fill its gaps first: preprocessing.resample.")
    starts = origins(len(x), config)
    scale = np.abs(x[config.season :] - x[: -config.season]).mean(axis=0)
    if not (scale > 0).all():
        raise InputError(
            f"every channel must change at a lag of {config.season} steps, found scales {scale}."
        )
    delays = {horizon: delays_of(x, horizon, config) for horizon in config.horizons}
    rows = []
    jobs = [(name, context) for context in shown_lengths for name in forecasters]
    with tqdm(total=len(jobs) * len(starts), desc=label, disable=None) as bar:
        for name, context in jobs:
            for k, start in enumerate(starts):
                shown, truth = x[start - context : start], x[start : start + max(config.horizons)]
                made, seconds, failure = _ask(forecasters[name], shown, len(truth), config.seed)
                for horizon in config.horizons:
                    errors = dict.fromkeys(ERRORS, np.inf)
                    if made is not None:
                        errors = measure(
                            made[:horizon],
                            truth[:horizon],
                            scale=scale,
                            delays=delays[horizon],
                            config=config,
                        )
                    rows.append(
                        {
                            "forecaster": name,
                            "context": context,
                            "horizon": horizon,
                            "origin": k,
                            "start": int(start),
                            **errors,
                            "seconds": seconds,
                            "failure": failure,
                        }
                    )
                bar.update()
    return pd.DataFrame(rows)


def _ask(
    forecaster: Forecaster, context: Float[ndarray, "T_C N"], horizon: int, seed: int
) -> tuple[Float[ndarray, "horizon N"] | None, float, str]:
    """The forecast, its seconds, and why there is none."""
    began = time.process_time()
    try:
        made = np.asarray(forecaster(context, horizon, seed=seed), dtype=np.float64)
    except InputError as error:
        return None, time.process_time() - began, str(error)
    seconds = time.process_time() - began
    if made.shape != (horizon, context.shape[1]):
        raise InputError(
            f"a forecaster must return {(horizon, context.shape[1])}, found {made.shape}."
        )
    return (made, seconds, "") if np.isfinite(made).all() else (None, seconds, "not finite")


def measure(
    forecast: Float[ndarray, "T N"],
    truth: Float[ndarray, "T N"],
    *,
    scale: Float[ndarray, " N"],
    delays: Sequence[int],
    config: RollingConfig,
) -> dict[str, float]:
    """The errors of one ``forecast`` ``(T, N)`` against the ``truth``; see :func:`evaluate`.

    Absolute errors are divided by ``scale`` ``(N,)`` in ``mase``. ``d_stsp`` is measured in the
    embedding with ``delays``, and infinite if the forecast never enters the truth's range.
    ``config`` gives bins and smoothing. Geometry and spectrum are NaN below 50 steps.
    """
    error = np.abs(forecast - truth).mean(axis=0)
    found = {"mase": float((error / scale).mean()), "mae": float(error.mean())}
    shape = {"d_stsp": float("nan"), "d_h": float("nan")}
    if len(truth) >= _LEAST_FOR_SHAPE and (np.ptp(truth, axis=0) > 0).all():
        bins = config.bins
        made, real = (delayed(values, delays) for values in (forecast, truth))
        divergence = metrics.state_space_divergence(forecast=made, truth=real, bins=bins)
        shape["d_stsp"] = float(np.nan_to_num(divergence, nan=np.inf))
        shape["d_h"] = float(
            metrics.spectral_hellinger(forecast=forecast, truth=truth, smoothing=config.smoothing)
        )
    return found | shape


def delays_of(x: Float[ndarray, "T N"], horizon: int, config: RollingConfig) -> list[int]:
    """Delays, in steps, of the embedding of the series ``x`` in which geometry is measured; none for several channels.

    Multiples of the decorrelation time for ``config.dims`` dimensions, shortened so that the
    ``horizon`` keeps three quarters of its points.
    """
    if x.shape[1] > 1:
        return []
    most = max(1, horizon // (4 * max(config.dims - 1, 1)))
    delay = min(decorrelation_time(x), most)
    return [delay * i for i in range(1, config.dims)]


def delayed(x: Float[ndarray, "T N"], delays: Sequence[int]) -> Float[ndarray, "_ _"]:
    """A series ``x`` beside itself at each of the ``delays``; the first rows, which lack a past, are dropped."""
    longest = max(delays, default=0)
    return np.concatenate([x[longest - d : len(x) - d] for d in (0, *delays)], axis=1)


def summary(table: pd.DataFrame, *, against: str | None = None) -> pd.DataFrame:
    """Medians over origins with 95 % bootstrap intervals, failures counting as worst.

    Parameters
    ----------
    table
        Of :func:`evaluate`.
    against
        A forecaster: the column ``beats`` is then the share of origins on which each one's MASE is
        smaller than this one's (a tie counts half), with its interval.

    Returns
    -------
    A row per forecaster, context and horizon: ``mase``, ``mase_low``, ``mase_high``, and so on for
    each error, the median ``seconds``, ``origins`` and ``failures``. A median is infinite where
    half of the forecasts failed; NaN where an error was measured nowhere.

    Raises
    ------
    InputError
        If the table has no forecaster named ``against``.

    Notes
    -----
    Neighbouring origins share much of their contexts, and long horizons overlap, so the intervals
    are narrower than those of as many independent stretches would be.

    Examples
    --------
    >>> from dynamix import baselines
    >>> table = evaluate(
    ...     np.sin(np.arange(300) / 5),
    ...     forecasters={"parrot": baselines.parrot, "naive": baselines.naive},
    ...     config=RollingConfig(contexts=(100,), horizons=(10,), origins=5))
    >>> summary(table, against="naive").set_index("forecaster")["beats"].to_dict()
    {'parrot': 1.0, 'naive': 0.5}
    """
    keys = ["forecaster", "context", "horizon"]
    if against is not None and against not in set(table["forecaster"]):
        raise InputError(f"no forecaster named {against!r} in the table.")
    rival = None
    if against is not None:
        rival = table[table["forecaster"] == against].set_index(["context", "horizon", "origin"])
    rows = []
    for key, part in table.groupby(keys, sort=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        for name in ERRORS:
            values = part[name].dropna().to_numpy(dtype=np.float64)
            row[name] = np.quantile(values, 0.5, method="nearest") if len(values) else np.nan
            row[f"{name}_low"], row[f"{name}_high"] = bootstrap(values)
        if rival is not None:
            places = part.set_index(["context", "horizon", "origin"]).index
            theirs, ours = rival.loc[places, "mase"].to_numpy(), part["mase"].to_numpy()
            points = np.where(ours < theirs, 1.0, np.where(ours == theirs, 0.5, 0.0))
            row["beats"] = points.mean()
            row["beats_low"], row["beats_high"] = bootstrap(points, mean=True)
        row["seconds"] = float(part["seconds"].median())
        row["origins"] = len(part)
        row["failures"] = int((part["failure"] != "").sum())
        rows.append(row)
    return pd.DataFrame(rows)


def phase_lags(
    *, forecast: Any, truth: Any, season: int, longest: int | None = None
) -> Int[ndarray, " K"]:
    """By how many steps a forecast is late, season by season: 0 where its clock is right.

    For each whole season of the horizon, the shift that brings the forecast nearest to the truth in
    the mean absolute error, at most ``longest`` steps either way (None: half a season).

    Parameters
    ----------
    forecast, truth
        ``(T,)`` or ``(T, N)``, equally long, in the same units.
    season
        Steps of the period, at least 2.
    longest
        Largest shift tried, in steps, at least 1.

    Returns
    -------
    A lag in steps per season whose shifts all lie within the horizon, positive where the forecast
    is late. Of lags that fit equally well the shortest is taken.

    Raises
    ------
    InputError
        If the shapes differ, ``season`` or ``longest`` is too small or not whole, or the horizon
        does not hold a season with room for the largest shift either way.

    Examples
    --------
    >>> t = np.arange(100)
    >>> phase_lags(forecast=np.sin((t - 2) / 20 * 6.283), truth=np.sin(t / 20 * 6.283), season=20)
    array([2, 2, 2, 2])
    """
    made, real = (np.asarray(x, dtype=np.float64).reshape(len(x), -1) for x in (forecast, truth))
    season = whole_number("season", season, least=2)
    longest = whole_number("longest", season // 2 if longest is None else longest)
    if made.shape != real.shape or len(real) < season + 2 * longest:
        raise InputError(
            f"phase lags need forecast and truth of the same shape and at least "
            f"{season + 2 * longest} steps, a season of {season} with room for a shift of "
            f"{longest} either way, found {made.shape} and {real.shape}."
        )
    lags = []
    # each season starts late enough and ends early enough to be shifted either way
    for start in range(longest, len(real) - season - longest + 1, season):
        part = real[start : start + season]
        errors = {
            lag: np.abs(made[start + lag : start + lag + season] - part).mean()
            for lag in sorted(range(-longest, longest + 1), key=abs)
        }
        lags.append(min(errors, key=errors.__getitem__))
    return np.array(lags)
