"""The zero-shot benchmark "dysts-3d": every held-out system, shown briefly and continued long.

A row is one system from one start: its context goes in, ``horizon`` steps come out, and every
measure compares them with the true continuation. Failures stay in the table as NaN and count as
worst in the summary. Rivals of a model: ``"parrot"``, ``"mean"``, ``"naive"``, and ``"ceiling"``,
the true system continued from elsewhere, which is as good as a reconstruction can look.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from . import baselines, metrics, systems
from .config import BUNDLED_MODEL, BenchmarkConfig, Engine, ForecastConfig
from .errors import InputError, one_of
from .forecasting import forecast
from .model import DynaMix

MEASURES = ("d_stsp", "d_h", "mase", "vpt")
LABELS = {
    "d_stsp": r"$D_\mathrm{stsp}$",
    "d_h": r"$D_H$",
    "mase": "MASE(10)",
    "vpt": "valid time [Lyapunov times]",
}
_BATCH = 16  # series forecast side by side; bounds memory and lets the bar move


def run(
    model: DynaMix | str | Path = BUNDLED_MODEL,
    *,
    config: BenchmarkConfig | None = None,
    names: Sequence[str] | None = None,
    engine: Engine = ForecastConfig.engine,
) -> pd.DataFrame:
    """Forecast the systems and measure; one row per system and start.

    Parameters
    ----------
    model
        A model, what ``from_pretrained`` takes, or a rival's name.
    config
        The protocol.
    names
        Systems; None: all that the split holds out.
    engine
        See :func:`dynamix.forecast`.

    Returns
    -------
    Columns ``system``, ``start``, ``d_stsp``, ``d_h``, ``mase``, ``vpt`` (in Lyapunov times; NaN
    for systems without chaos), ``seconds`` (of the forecast, its share of a batch).

    Raises
    ------
    InputError
        If a system or model is unknown.
    """
    config = config or BenchmarkConfig()
    chosen = list(systems.split()["test"] if names is None else names)
    for name in chosen:
        one_of("system", name, systems.catalogue())
    if not chosen:
        raise InputError("there is no system to run the benchmark on.")
    rival = model if isinstance(model, str) and model in {"ceiling", *baselines.BASELINES} else None
    if rival is None and not isinstance(model, DynaMix):
        model = DynaMix.from_pretrained(model)
    cases = [(name, start) for name in chosen for start in range(config.starts)]
    rows = []
    bar = tqdm(total=len(cases), desc="benchmark", unit="forecast", disable=None)
    with bar:
        for first in range(0, len(cases), _BATCH):
            batch = cases[first : first + _BATCH]
            stretches = [_stretch(name, start, config) for name, start in batch]
            contexts = np.stack([x[: config.context] for x in stretches], axis=1)
            began = time.perf_counter()
            if rival == "ceiling":
                y = np.stack([x[config.context + config.horizon :] for x in stretches], axis=1)
            elif rival is not None:
                call = baselines.baseline(rival)
                y = np.stack(
                    [
                        call(contexts[:, s], config.horizon, seed=config.seed)
                        for s in range(len(batch))
                    ],
                    axis=1,
                )
            else:
                y = forecast(
                    contexts,
                    horizon=config.horizon,
                    model=model,
                    seed=config.seed,
                    engine=engine,
                )
            seconds = (time.perf_counter() - began) / len(batch)
            for s, (name, start) in enumerate(batch):
                truth = stretches[s][config.context : config.context + config.horizon]
                row = measure(y[:, s], truth, config=config, name=name)
                rows.append({"system": name, "start": start, **row, "seconds": seconds})
                bar.update()
    return pd.DataFrame(rows)


def _stretch(name: str, start: int, config: BenchmarkConfig) -> np.ndarray:
    """Context, truth, and as much again for the ceiling; starts lie behind one another."""
    length = config.context + 2 * config.horizon
    values = systems.trajectory(
        name, n=length * (start + 1), points_per_period=config.points_per_period
    )
    return values[length * start :]


def measure(
    forecast: np.ndarray, truth: np.ndarray, *, config: BenchmarkConfig, name: str | None = None
) -> dict[str, float]:
    """All measures of one forecast ``(T, N)``; ``name`` gives the system's Lyapunov time."""
    lyapunov_time = (
        float("inf")
        if name is None
        else systems.lyapunov_time(name, points_per_period=config.points_per_period)
    )
    with np.errstate(all="ignore"):
        return {
            "d_stsp": float(
                metrics.state_space_divergence(forecast=forecast, truth=truth, bins=config.bins)
            ),
            "d_h": float(
                metrics.spectral_hellinger(
                    forecast=forecast, truth=truth, smoothing=config.smoothing
                )
            ),
            "mase": float(metrics.mase(forecast=forecast, truth=truth, steps=config.mase_steps)),
            "vpt": float(
                metrics.valid_prediction_time(
                    forecast=forecast, truth=truth, lyapunov_time=lyapunov_time
                )
            )
            if np.isfinite(lyapunov_time)
            else float("nan"),
        }


def command(model: str | Path, config: BenchmarkConfig) -> str:
    """The command line that repeats a run; the model by its file's name."""
    flags = [
        f"--{field.name.replace('_', '-')} {getattr(config, field.name)}"
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    ]
    return " ".join(["dynamix benchmark --model", Path(model).name, *flags])


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Median and quartiles over systems per measure, and failures; NaN of an error counts as worst.

    Starts of one system are averaged first (their median), so that every system weighs the same.
    """
    worst = table.copy()
    errors = ["d_stsp", "d_h", "mase"]
    worst[errors] = worst[errors].fillna(np.inf)
    per_system = worst.groupby("system")[list(MEASURES)].median()
    rows = {}
    for name in MEASURES:
        column = per_system[name].dropna()
        quartiles = [column.quantile(q, interpolation="nearest") for q in (0.25, 0.5, 0.75)]
        failures = 0 if name == "vpt" else int(table[name].isna().sum())
        rows[name] = [quartiles[1], quartiles[0], quartiles[2], len(column), failures]
    columns = ["median", "lower quartile", "upper quartile", "systems", "failures"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return frame.astype({"systems": int, "failures": int})
