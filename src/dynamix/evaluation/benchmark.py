"""The zero-shot benchmark: forecast each system after a short context, and measure the forecasts.

A row of the table is one system from one start. It depends only on its system, its start, the model
and the protocol. Failures are NaN and count as worst in :mod:`dynamix.evaluation.statistics`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy import ndarray

from ..baselines.registry import Baseline, baseline
from ..dynamics.invariants import largest_exponent
from ..engine.machine import one_thread
from ..errors import InputError
from ..flows.generated import flow
from ..forecasting.models import Model, is_noisy
from ..io.progress import tqdm
from ..io.shapes import Float
from ..metrics import reconstruction as metrics
from ..metrics.fates import fate as fate_of
from ..settings import BUNDLED_MODEL, Engine, ForecastConfig
from ..systems import corpus as systems
from . import results
from .parallel import spread
from .settings import BenchmarkConfig
from .statistics import EXPONENT, MEASURES

COLUMNS: dict[str, Callable[[str], Any]] = {
    "system": str,
    "start": int,
    **dict.fromkeys(MEASURES, float),
    "fate": str,
    "quiet_fate": str,
    "seconds": float,
}
_BATCH = 16  # series forecast side by side
_LEAST_FOR_EXPONENT = 500  # steps
_SETTLED = 1e-2  # in deviations: a trajectory this near its last state is at rest


def run(
    model: Model | str | Path = BUNDLED_MODEL,
    *,
    config: BenchmarkConfig | None = None,
    names: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    engine: Engine = ForecastConfig.engine,
    output: str | Path | None = None,
    resume: bool = False,
    workers: int = 1,
    dask: str | None = None,
) -> pd.DataFrame:
    """Forecast the systems and measure the forecasts; one row per system and start.

    Parameters
    ----------
    model, engine
        A model, or a name of :func:`dynamix.baselines.baseline`, such as ``"ceiling"``: the true
        system continued from another start. The engine is that of :func:`dynamix.forecast`.
    config, names
        The protocol; systems of any dimension, or seeds of generated flows (None: all).
    settings
        Settings of the forecaster other than its own, such as ``{"quiet_steps": 0}``.
    output, resume
        CSV file of the table, with its record beside it, and whether to continue an unfinished run.
    workers, dask
        Processes that share the work, or the address of a Dask scheduler, ``"tcp://host:8786"``.

    Returns
    -------
    Columns :data:`COLUMNS`. ``d_stsp`` is in nats, ``vpt`` in Lyapunov times. ``exponent`` is the
    forecast's largest Lyapunov exponent over the truth's, both estimated by
    :func:`dynamix.dynamics.largest_exponent`: 1 is right, and the ceiling's scatter is the
    estimator's. Both are NaN for systems without chaos, the exponent also for a forecast that
    escapes or rests, and where the estimate from the truth misses the system's by a factor of
    two. ``quiet_fate`` is that without gate noise, and empty for rivals. ``seconds`` is a
    forecast's share of its batch.

    Raises
    ------
    InputError
        If a name is unknown, ``output`` and ``resume`` do not fit, or the compiled kernel or a
        package is not available.

    Examples
    --------
    The mean of the context is a fixed point, and wrong from the first step on:

    >>> short = BenchmarkConfig(context=100, horizon=100, starts=2, bins=5)
    >>> run("mean", config=short, names=["Rossler"])[["system", "start", "vpt", "fate"]]
        system  start  vpt         fate
    0  Rossler      0  0.0  fixed point
    1  Rossler      1  0.0  fixed point
    """
    began = time.perf_counter()
    config = config or BenchmarkConfig()
    chosen = list(dict.fromkeys(_names(config) if names is None else names))
    dims = {name: _dims(name, config) for name in chosen}  # raises for an unknown system
    if not chosen:
        raise InputError("there is no system to run the benchmark on.")
    if resume and output is None:
        raise InputError("resume continues the run in output, but no output is given.")
    entry = baseline(model, **(settings or {}))
    journal, found = None, {}
    if output is not None:
        line = command(entry.name, config, names, settings)
        record = results.provenance(line, dataclasses.asdict(config), seconds=0.0)
        record |= {"model": entry.identity, "engine": engine, "systems": ", ".join(chosen)}
        record["forecast"] = forecast_settings(entry)
        record["versions"] |= entry.versions
        same = ("model", "settings", "forecast", "engine", "systems", "versions")
        journal = results.Journal(output, columns=COLUMNS, record=record, same=same, resume=resume)
        found = {(row["system"], row["start"]): row for row in journal.rows}
    # a batch holds all starts of its systems, which have equally many channels, and it is the same
    # however the work is shared
    together = max(1, _BATCH // config.starts)
    groups = [[name for name in chosen if dims[name] == n] for n in dict.fromkeys(dims.values())]
    batches = [
        batch
        for group in groups
        for batch in (group[i : i + together] for i in range(0, len(group), together))
        if not all((name, start) in found for name in batch for start in range(config.starts))
    ]
    total, left = (config.starts * n for n in (len(chosen), sum(map(len, batches))))
    bar = tqdm(total=total, initial=total - left, desc="benchmark", unit="forecast", disable=None)
    shared = str(model) if entry.rival else entry.model
    if not entry.rival:
        entry = entry.having(engine=engine)
    work = partial(_rows, model=shared, settings=entry.settings, config=config)
    with bar:
        for rows in spread(work, batches, workers=workers, dask=dask):
            found |= {(row["system"], row["start"]): row for row in rows}
            if journal is not None:
                journal.append(rows, seconds=time.perf_counter() - began)
            bar.update(len(rows))
    cases = [(name, start) for name in chosen for start in range(config.starts)]
    table = pd.DataFrame([found[case] for case in cases], columns=list(COLUMNS))
    if journal is not None:
        journal.finish(table)
    return table


@one_thread()  # processes share the cores, and a sum must not depend on their number
@np.errstate(over="ignore", invalid="ignore")  # a forecast that explodes is a result
def _rows(
    names: Sequence[str], *, model: Any, settings: Mapping[str, Any], config: BenchmarkConfig
) -> list[dict[str, Any]]:
    """The rows of some systems, all their starts."""
    cases = [(name, start, x) for name in names for start, x in enumerate(stretches(name, config))]
    series = np.stack([x for *_, x in cases], axis=1)
    contexts, beyond = series[: config.context], series[config.context :]
    if config.noise:
        noise = [_noise(name, start, contexts[:, 0].shape) for name, start, _ in cases]
        contexts = contexts + config.noise * contexts.std(axis=0) * np.stack(noise, axis=1)
    entry = baseline(model, **settings)
    began = time.perf_counter()
    y = entry(contexts, config.horizon, seed=config.seed, truth=beyond)
    seconds = (time.perf_counter() - began) / len(cases)
    quiet_fates: Sequence[str | None] = [None] * len(cases)
    if not entry.rival:
        quiet = y
        if is_noisy(entry.model):
            quiet = entry.having(gate_noise=False)(contexts, config.horizon, seed=config.seed)
        quiet_fates = list(fate_of(forecast=quiet, context=contexts))
    rows = []
    for s, (name, start, x) in enumerate(cases):
        truth = x[config.context : config.context + config.horizon]
        row = measure(y[:, s], truth, config=config, name=name, context=contexts[:, s])
        row |= {"system": name, "start": start, "quiet_fate": quiet_fates[s], "seconds": seconds}
        rows.append({column: row[column] for column in COLUMNS})
    return rows


def _noise(name: str, start: int, shape: tuple[int, ...]) -> Float[ndarray, "T_C n"]:
    """Standard normal; of a system and start alone, whoever forecasts it."""
    return np.random.default_rng([crc32(name.encode()), start]).standard_normal(shape)


def forecast_settings(entry: Baseline) -> dict[str, Any]:
    """How a forecaster forecasts: for DynaMix what its checkpoint says, then what was given."""
    own = {} if entry.rival else dataclasses.asdict(entry.model.defaults)
    return {**own, **{k: v for k, v in entry.settings.items() if k != "engine"}}


def stretches(name: str, config: BenchmarkConfig) -> list[Float[ndarray, "n N"]]:
    """Per start ``(context + 2 horizon, N)``: context, truth, and the ceiling's forecast.

    The starts of a system are views of one trajectory, a context and a horizon apart. The chaos of
    some systems is transient; there the starts are closer, and none begins at rest.
    """
    length = config.context + config.horizon
    n = config.starts * length + config.horizon
    values = _trajectory(name, n, config)
    away = np.abs(values - values[-1]) > _SETTLED * values.std(axis=0)
    moving = 1 + np.flatnonzero(away.any(axis=1)).max(initial=0)  # steps until it rests for good
    apart = min(length, max(int(moving - length) // max(config.starts - 1, 1), 1))
    firsts = range(0, config.starts * apart, apart)
    return [values[first : first + length + config.horizon] for first in firsts]


def _names(config: BenchmarkConfig) -> list[str]:
    """All systems of the source: those held out, or the seeds of generated flows."""
    if config.source == "generated":
        return [str(config.first_flow + i) for i in range(config.flows)]
    return systems.split()["test"]


def _dims(name: str, config: BenchmarkConfig) -> int:
    """Dimensions of a system; raise where there is none of that name."""
    if config.source == "dysts":
        return len(systems.system_facts(name)["initial_conditions"])
    if not name.isdecimal():
        raise InputError(f"a generated flow is named by its seed, such as 100000, found {name!r}.")
    return 3


def _trajectory(name: str, n: int, config: BenchmarkConfig) -> Float[ndarray, "n N"]:
    if config.source == "generated":
        return flow(int(name), n=n, points_per_period=config.points_per_period)
    unit = 10 ** (len(str(n)) - 1)
    rounded = -(-n // unit) * unit  # one digit and zeros: similar protocols share a cached file
    return systems.trajectory(name, n=rounded, points_per_period=config.points_per_period)[:n]


def _lyapunov_time(name: str | None, config: BenchmarkConfig) -> float:
    """In steps; infinite without chaos, and where it is unknown, as for generated flows."""
    if name is None or config.source == "generated":
        return float("inf")
    return systems.lyapunov_time(name, points_per_period=config.points_per_period)


def measure(
    forecast: np.ndarray,
    truth: np.ndarray,
    *,
    config: BenchmarkConfig,
    name: str | None = None,
    context: np.ndarray | None = None,
) -> dict[str, Any]:
    """All measures of one forecast ``(T, N)`` against the truth ``(T, N)``, in the same units.

    ``d_stsp``, ``hellinger`` of the same histograms, ``d_h``, ``mase``, ``vpt`` in Lyapunov times,
    ``exponent`` over the system's, and the ``fate``, by :mod:`dynamix.metrics` with the settings of
    ``config``. ``name`` is the system, for its Lyapunov time; without one, ``vpt`` and ``exponent``
    are NaN. ``context (T_C, N)`` is the scale of the fate; without one, the fate is left out.

    >>> x = np.sin(np.arange(2000) / 7)[:, None]
    >>> found = measure(x, x, config=BenchmarkConfig(), context=x[:300])
    >>> found["d_stsp"], found["hellinger"], found["d_h"], found["mase"], found["fate"]
    (0.0, 0.0, 0.0, 0.0, 'cycle')
    """
    scale = _lyapunov_time(name, config)
    both: dict[str, Any] = {"forecast": forecast, "truth": truth}
    with np.errstate(all="ignore"):
        measured: dict[str, Any] = {
            "d_stsp": float(metrics.state_space_divergence(**both, bins=config.bins)),
            "hellinger": float(metrics.histogram_hellinger(**both, bins=config.bins)),
            "d_h": float(metrics.spectral_hellinger(**both, smoothing=config.smoothing)),
            "mase": float(metrics.mase(**both, steps=config.mase_steps)),
            "vpt": float("nan"),
            EXPONENT: float("nan"),
        }
        if context is not None:
            measured["fate"] = fate_of(forecast=forecast, context=context)
        if np.isfinite(scale):
            measured["vpt"] = float(metrics.valid_prediction_time(**both, lyapunov_time=scale))
            if measured.get("fate") not in ("escape", "fixed point"):
                measured[EXPONENT] = _exponent_ratio(forecast, truth, scale)
    return measured


def _exponent_ratio(
    forecast: Float[ndarray, "T N"], truth: Float[ndarray, "T N"], lyapunov_time: float
) -> float:
    """The forecast's exponent over the truth's, by one estimator, whose bias cancels so.

    NaN for a series too short, and where the estimate from the truth is off by more than a factor
    of two from the exponent of the equations: the series does not show that exponent.
    """
    if min(len(forecast), len(truth)) < _LEAST_FOR_EXPONENT or not np.isfinite(forecast).all():
        return float("nan")
    own = largest_exponent(truth)
    shown = 0.5 <= own * lyapunov_time <= 2.0
    return float(largest_exponent(forecast) / own) if shown else float("nan")


def command(
    model: str | Path,
    config: BenchmarkConfig,
    names: Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> str:
    """The command line that repeats a run, without settings at their defaults.

    >>> command("models/mine.safetensors", BenchmarkConfig(context=512), ["Lorenz", "Rossler"])
    'dynamix benchmark --model mine.safetensors --context 512 --systems Lorenz,Rossler'
    """
    flags = [
        f"--{field.name.replace('_', '-')} {getattr(config, field.name)}"
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    ]
    flags += results.given(settings or {})
    if names is not None:
        listed = "all" if list(names) == systems.everyone() else ",".join(names)
        flags.append(f"--systems {listed}")
    return " ".join(["dynamix benchmark --model", Path(model).name, *flags])


def read(path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table that :func:`run` wrote to ``path``, and its record."""
    path = Path(path)
    try:
        table, record = results.stored(path)
    except (OSError, ValueError, TypeError) as error:  # pandas' own errors are ValueErrors
        raise InputError(f"{path.name!r} is not a readable benchmark table: {error}") from error
    if not {"system", "start", "d_stsp"} <= set(table):
        raise InputError(
            f"{path.name!r} is not a benchmark table: expected the columns {', '.join(COLUMNS)}, "
            f"found {', '.join(map(str, table.columns))}."
        )
    return table, record
