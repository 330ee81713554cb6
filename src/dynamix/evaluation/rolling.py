"""Rolling-origin evaluation: every forecaster forecasts one series from the same origins.

The spread over origins gives the intervals (Tashman 2000). Each forecast is made once, for the
longest horizon, and its first steps are measured for the shorter ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..errors import InputError, whole_number
from ..io.arrays import check_values, unpack
from ..io.progress import tqdm
from ..io.shapes import Float, Int
from ..metrics.reconstruction import (
    histogram_hellinger,
    spectral_hellinger,
    state_space_divergence,
)
from ..preprocessing.embedding import embed
from ..preprocessing.periods import decorrelation_time
from .settings import RollingConfig
from .statistics import bootstrap, quantiles

# smaller is better; infinite for a failed forecast
ERRORS = ("mase", "mae", "d_stsp", "hellinger", "d_h")
_LEAST_FOR_SHAPE = 50  # steps; geometry and spectrum of fewer steps carry no information


def origins(length: int, config: RollingConfig) -> Int[ndarray, " K"]:
    """First steps of the continuations, spread evenly, equal for all contexts and horizons."""
    first, last = max(config.contexts), length - max(config.horizons)
    room = last - first + 1
    if room < config.origins:
        raise InputError(
            f"a series of {length} steps leaves {max(room, 0)} origins for a context of {first} "
            f"and a horizon of {max(config.horizons)} steps, but the config asks for "
            f"{config.origins}. Shorten the context or the horizon."
        )
    return np.unique(np.linspace(first, last, config.origins).round().astype(np.int64))


def evaluate(
    series: Any,
    *,
    forecasters: Mapping[str, Callable[..., ndarray]],
    config: RollingConfig | None = None,
    contexts: Sequence[int] | None = None,
    label: str = "forecasts",
) -> pd.DataFrame:
    """Measure every forecaster from every origin, at every context and horizon.

    ``series`` is ``(T,)`` or ``(T, N)``: an array, or a frame with regular time steps as rows.
    ``forecasters`` are ``f(context, horizon, *, seed) -> forecast`` by name, with arrays ``(T,
    N)``. ``config`` is the protocol. Its longest context determines the origins, even if
    ``contexts`` names shorter ones for this run. ``label`` is the text of the progress bar.

    There is a row per forecaster, context, origin and horizon. ``mae`` is in the data's units;
    ``mase`` divides it by the mean absolute change of the *whole* series at a lag of
    ``config.season`` steps. ``d_stsp`` and ``hellinger`` compare delay embeddings if there is
    one channel. They and ``d_h`` are NaN below 50 steps. ``seconds`` is CPU time. ``failure`` is
    the forecaster's InputError or ``"not finite"``; the errors are then infinite.

    Raises
    ------
    InputError
        If the series, a context or the shape of a forecast is unusable, or no forecaster is given.

    Examples
    --------
    >>> from dynamix import baselines
    >>> table = evaluate(
    ...     np.sin(np.arange(300) / 5), forecasters={"parrot": baselines.parrot},
    ...     config=RollingConfig(contexts=(100,), horizons=(10, 60), origins=5))
    >>> len(table), bool(table["mase"].max() < 1)
    (10, True)
    """
    config = config or RollingConfig()
    lengths = config.contexts if contexts is None else tuple(contexts)
    if not forecasters:
        raise InputError(
            "nothing to evaluate: give a forecaster by name, {'mean': baselines.mean}."
        )
    for length in lengths:
        whole_number("a context", length, least=2)
    if not lengths or max(lengths) > max(config.contexts):
        raise InputError(
            f"contexts must name lengths of at most {max(config.contexts)} steps, the config's "
            f"longest, which determines the origins, found {lengths}."
        )
    values = unpack(series)[0]
    check_values(values, name="the series", moving=False)
    if values.shape[1] != 1:
        raise InputError(f"expected one series, (T,) or (T, N), found {values.shape[1]} of them.")
    x = values[:, 0]
    starts = origins(len(x), config).tolist()
    scale = np.abs(x[config.season :] - x[: -config.season]).mean(axis=0)
    if not (scale > 0).all():
        raise InputError(
            f"every channel must change at a lag of {config.season} steps, found scales {scale}."
        )
    delays = {horizon: delays_of(x, horizon, config) for horizon in config.horizons}
    rows = []
    jobs = list(product(lengths, forecasters, enumerate(starts)))
    for context, name, (k, start) in tqdm(jobs, desc=label, disable=None):
        shown = x[start - context : start]
        made, seconds, failure = _ask(forecasters[name], shown, max(config.horizons), config.seed)
        place = {"forecaster": name, "context": context}
        for horizon in config.horizons:
            errors = dict.fromkeys(ERRORS, np.inf)
            if made is not None:
                truth, own = x[start : start + horizon], delays[horizon]
                errors = measure(made[:horizon], truth, scale=scale, delays=own, config=config)
            where = {"horizon": horizon, "origin": k, "start": start}
            rows.append(place | where | errors | {"seconds": seconds, "failure": failure})
    return pd.DataFrame(rows)


def _ask(
    forecaster: Callable[..., ndarray], context: Float[ndarray, "T_C N"], horizon: int, seed: int
) -> tuple[Float[ndarray, "horizon N"] | None, float, str]:
    """The forecast or None, its CPU seconds, and the reason for a failure."""
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
    delays: tuple[int, ...],
    config: RollingConfig,
) -> dict[str, float]:
    """Errors of a finite forecast; D_stsp is infinite if it never enters the truth's range."""
    error = np.abs(forecast - truth).mean(axis=0)
    found = dict.fromkeys(ERRORS, float("nan"))
    found |= {"mase": float((error / scale).mean()), "mae": float(error.mean())}
    if len(truth) >= _LEAST_FOR_SHAPE and (np.ptp(truth, axis=0) > 0).all():
        dims = truth.shape[1] + len(delays)
        both: dict[str, Any] = {
            key: embed(x, dims=dims, embedding="delay", delays=delays)
            for key, x in (("forecast", forecast), ("truth", truth))
        }
        divergence = state_space_divergence(**both, bins=config.bins)
        found["d_stsp"] = float(np.nan_to_num(divergence, nan=np.inf))
        found["hellinger"] = float(histogram_hellinger(**both, bins=config.bins))
        found["d_h"] = float(
            spectral_hellinger(forecast=forecast, truth=truth, smoothing=config.smoothing)
        )
    return found


def delays_of(x: Float[ndarray, "T N"], horizon: int, config: RollingConfig) -> tuple[int, ...]:
    """Delays, in steps, of the embedding in which D_stsp is measured; none for several channels."""
    if x.shape[1] > 1:
        return ()
    most = max(1, horizon // (4 * max(config.dims - 1, 1)))  # three quarters of the points remain
    delay = min(decorrelation_time(x), most)
    return tuple(delay * i for i in range(1, config.dims))


def summary(table: pd.DataFrame, *, against: str | None = None) -> pd.DataFrame:
    """Medians over origins of a table of :func:`evaluate`, with 95 % bootstrap intervals.

    Failed forecasts count as infinite errors. ``beats`` is the share of origins with a smaller MASE
    than the forecaster ``against``; a tie is no win. Origins share data, so the intervals are
    narrower than those of independent stretches.
    """
    keys, place = ["forecaster", "context", "horizon"], ["context", "horizon", "origin"]
    rival = None
    if against is not None:
        rival = table[table["forecaster"] == against].set_index(place)["mase"]
        if not len(rival):
            raise InputError(f"no forecaster named {against!r} in the table.")
    rows = []
    for key, part in table.groupby(keys, sort=False):
        row: dict[str, Any] = dict(zip(keys, key, strict=True))
        for name in ERRORS:
            values = part[name].dropna().to_numpy(dtype=np.float64)
            row[name] = float(quantiles(values, 0.5))
            row[f"{name}_low"], row[f"{name}_high"] = bootstrap(values)
        if rival is not None:
            theirs = rival.loc[part.set_index(place).index].to_numpy()
            won = part["mase"].to_numpy() < theirs
            row["beats"] = won.mean()
            row["beats_low"], row["beats_high"] = bootstrap(won, mean=True)
        row["seconds"], row["origins"] = float(part["seconds"].median()), len(part)
        row["failures"] = int((part["failure"] != "").sum())
        rows.append(row)
    return pd.DataFrame(rows)
