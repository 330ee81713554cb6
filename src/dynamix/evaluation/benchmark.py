"""The zero-shot benchmark: each system is shown briefly and continued far.

A row of the table is one system from one start. Every measure compares the forecast with the true
continuation. Failures are NaN and count as worst in :mod:`dynamix.evaluation.statistics`. A row
depends only on its system, its start, the model and the protocol.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy import ndarray
from tqdm import tqdm

from ..baselines.registry import baseline, digest
from ..engine import tangent as lyapunov
from ..engine.runtime import EngineUnavailable
from ..errors import InputError, whole_number
from ..flows.generated import flow
from ..forecasting.pipeline import Pipeline
from ..forecasting.zero_shot import forecast
from ..local.forecaster import LocalForecaster
from ..metrics import reconstruction as metrics
from ..metrics.fates import fate as fate_of
from ..model.dynamix import DynaMix
from ..model.rollouts import gate_noise_stream
from ..settings import BUNDLED_MODEL, Engine, ForecastConfig
from ..systems.corpus import everyone, lyapunov_time, split, system_facts, trajectory
from . import results
from .parallel import spread
from .settings import BenchmarkConfig
from .statistics import MEASURES

logger = logging.getLogger(__name__)

COLUMNS: dict[str, Callable[[str], Any]] = {
    "system": str,
    "start": int,
    **dict.fromkeys(MEASURES, float),
    "fate": str,
    "quiet_fate": str,
    "seconds": float,
}
_BATCH = 16  # series forecast side by side; bounds memory and lets the bar move
_TRANSIENT = 200  # steps before the Lyapunov exponent's average begins
_SETTLED = 1e-2  # of the deviation: a trajectory that stays this near its last state is at rest


def run(
    model: DynaMix | str | Path = BUNDLED_MODEL,
    *,
    config: BenchmarkConfig | None = None,
    names: Sequence[str] | None = None,
    engine: Engine = ForecastConfig.engine,
    output: str | Path | None = None,
    resume: bool = False,
    workers: int = 1,
    dask: str | None = None,
) -> pd.DataFrame:
    """Forecast the systems and measure; one row per system and start.

    Parameters
    ----------
    model
        A model, or a name of :func:`dynamix.baselines.baseline`. ``"ceiling"`` is the true system
        continued from another start.
    config
        The protocol; None: the defaults. Its ``source`` says where systems come from.
    names
        Systems of any dimension, or seeds of generated flows; None: all of the source.
    engine
        As of :func:`dynamix.forecast`.
    output
        CSV file of the table; its record is written beside it. Rows are added while the run goes on.
    resume
        Continue the unfinished run in ``output``.
    workers
        Processes that share the work.
    dask
        Address of a Dask scheduler whose workers do the work instead, ``"tcp://host:8786"``.

    Returns
    -------
    Columns :data:`COLUMNS`. ``d_stsp`` is in nats, ``vpt`` in Lyapunov times. ``lyapunov`` is the
    model's largest exponent after this context over the system's (1 is right), with the noise of the
    forecast; ``quiet_lyapunov`` and ``quiet_fate`` are without gate noise. ``seconds`` is a forecast's
    share of its batch. ``vpt`` and exponents are NaN for systems without chaos, exponents and quiet
    columns also for rivals. An exponent is infinite where the model diverges.

    Raises
    ------
    InputError
        If a name is unknown, ``output`` and ``resume`` do not fit, or the compiled kernel or a package
        is not available.

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
    workers = whole_number("workers", workers)
    chosen = list(dict.fromkeys(_names(config) if names is None else names))
    dims = {name: _dims(name, config) for name in chosen}  # raises where there is no such system
    if not chosen:
        raise InputError("there is no system to run the benchmark on.")
    if resume and output is None:
        raise InputError("resume goes on with the run in output, but no output is given.")
    told = model if isinstance(model, str | Path) else type(model).__name__
    if not isinstance(model, DynaMix | LocalForecaster):
        model = str(model)
        entry = baseline(model)
        if not entry.rival:
            model = entry.model
    if (
        isinstance(model, DynaMix | LocalForecaster)
        and config.lyapunov_steps
        and not lyapunov.supports(model)
    ):
        logger.warning(
            "no Lyapunov exponents: the compiled ones lack a part of this model; "
            "dynamics.lyapunov_spectrum follows every model, slowly"
        )

    journal = None
    if output is not None:
        record = results.provenance(
            command(told, config, names), dataclasses.asdict(config), seconds=0.0
        )
        record |= {
            "model": Path(model).name if isinstance(model, str) else digest(model),
            "engine": engine,
            "systems": ", ".join(chosen),
        }
        record["versions"] |= baseline(model).versions
        same = ("model", "settings", "engine", "systems", "versions")
        journal = results.Journal(output, columns=COLUMNS, record=record, same=same, resume=resume)
    done = {} if journal is None else {(r["system"], r["start"]): r for r in journal.rows}
    cases = [(name, start) for name in chosen for start in range(config.starts)]
    # a batch holds all starts of its systems, and the same systems however the work is shared
    together = max(1, _BATCH // config.starts)
    alike: dict[int, list[str]] = {}
    for name in chosen:  # series side by side have equally many channels
        alike.setdefault(dims[name], []).append(name)
    batches = [
        batch
        for same_dims in alike.values()
        for batch in (same_dims[i : i + together] for i in range(0, len(same_dims), together))
        if not all((name, s) in done for name in batch for s in range(config.starts))
    ]
    left = {name for batch in batches for name in batch}
    rows = [row for case, row in done.items() if case in set(cases) and case[0] not in left]
    bar = tqdm(total=len(cases), initial=len(rows), desc="benchmark", unit="forecast", disable=None)
    work = partial(_measured, model=model, config=config, engine=engine)
    with bar:
        for new in spread(work, batches, workers=workers, dask=dask):
            rows += new
            if journal is not None:
                journal.append(new, seconds=time.perf_counter() - began)
            bar.update(len(new))
    order = {case: i for i, case in enumerate(cases)}
    rows.sort(key=lambda row: order[row["system"], row["start"]])
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if journal is not None:
        journal.finish(table)
    return table


def _measured(
    names: Sequence[str], *, model: Any, config: BenchmarkConfig, engine: Engine
) -> list[dict[str, Any]]:
    """The rows of some systems, all their starts."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # processes share the cores, and a sum must not depend on their number
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # a forecast that explodes is a result
            return _rows(names, model, config, engine)
    finally:
        torch.set_num_threads(threads)


def _rows(
    names: Sequence[str], model: Any, config: BenchmarkConfig, engine: Engine
) -> list[dict[str, Any]]:
    cases = [
        (name, start, stretch)
        for name in names
        for start, stretch in enumerate(stretches(name, config))
    ]
    contexts = np.stack([x[: config.context] for *_, x in cases], axis=1)
    nothing = np.full(len(cases), np.nan)
    exponents = {"lyapunov": nothing, "quiet_lyapunov": nothing}
    quiet_fates: list[str | None] = [None] * len(cases)
    began = time.perf_counter()
    if isinstance(model, str):
        beyond = np.stack([x[config.context :] for *_, x in cases], axis=1)
        y = baseline(model)(contexts, config.horizon, seed=config.seed, truth=beyond)
    else:
        options: dict[str, Any] = {
            "horizon": config.horizon,
            "model": model,
            "seed": config.seed,
            "engine": engine,
        }
        y = forecast(contexts, **options)
    seconds = (time.perf_counter() - began) / len(cases)
    if isinstance(model, DynaMix | LocalForecaster):
        quiet = forecast(contexts, **options, gate_noise=False)
        quiet_fates = list(fate_of(forecast=quiet, context=contexts))
        exponents = _exponents(model, contexts, config)
    rows = []
    for s, (name, start, x) in enumerate(cases):
        truth = x[config.context : config.context + config.horizon]
        row = measure(y[:, s], truth, config=config, name=name, context=contexts[:, s])
        steps = _lyapunov_time(name, config)
        for key, values in exponents.items():  # per step; over the system's own
            row[key] = float(values[s] * steps) if np.isfinite(steps) else float("nan")
        rows.append(
            {
                "system": name,
                "start": start,
                **row,
                "quiet_fate": quiet_fates[s],
                "seconds": seconds,
            }
        )
    return [{column: row[column] for column in COLUMNS} for row in rows]


def _exponents(
    model: DynaMix | LocalForecaster,
    contexts: Float[ndarray, "T_C S n"],
    config: BenchmarkConfig,
) -> dict[str, Float[ndarray, " S"]]:
    """The model's largest Lyapunov exponents per step, with and without the gate's noise."""
    N, S = model.config.observed_dims, contexts.shape[1]
    found = {key: np.full(S, np.nan) for key in ("lyapunov", "quiet_lyapunov")}
    by_channel = contexts.shape[2] > N  # each channel is a forecast of its own
    if config.lyapunov_steps == 0 or by_channel or not lyapunov.supports(model):
        return found
    pipeline = Pipeline(model)
    series = (np.ascontiguousarray(contexts[:, s], dtype=np.float64) for s in range(S))
    prepared = [pipeline.prepare(x, seed=config.seed) for x in series]
    steps, quiet = _TRANSIENT + config.lyapunov_steps, model.defaults.quiet_steps
    eps = gate_noise_stream(steps, N, seed=config.seed, quiet_steps=quiet)
    try:
        for members, shown, _, adapted in pipeline.batches(prepared):
            for key, noise in zip(found, (eps, None), strict=True):
                found[key][members] = lyapunov.largest_exponents(
                    adapted, shown, steps=config.lyapunov_steps, transient=_TRANSIENT, noise=noise
                )
    except EngineUnavailable as error:
        raise InputError(
            f"Lyapunov exponents need the compiled kernel, which is not available here ({error}). "
            "Leave them out with lyapunov_steps=0."
        ) from error
    return found


def stretches(name: str, config: BenchmarkConfig) -> list[Float[ndarray, "n N"]]:
    """Per start ``(context + 2 horizon, N)``: context, truth, and a further horizon for the ceiling.

    The starts of the system ``name`` are views of one trajectory, a context and a horizon apart.
    Where a system comes to rest (PanXuZhou's chaos is transient) they move closer together, so that
    none begins there.

    Examples
    --------
    >>> short = BenchmarkConfig(context=100, horizon=100, starts=2)
    >>> first, second = stretches("Rossler", short)
    >>> first.shape
    (300, 3)
    >>> bool((first[200:] == second[:100]).all())  # the second starts where the first's truth ends
    True
    """
    length = config.context + config.horizon
    n = config.starts * length + config.horizon
    values = _trajectory(name, n, config)
    away = np.abs(values - values[-1]) > _SETTLED * values.std(axis=0)
    moving = 1 + np.flatnonzero(away.any(axis=1)).max(initial=0)  # steps until it rests for good
    apart = min(length, max(int(moving - length) // max(config.starts - 1, 1), 1))
    return [
        values[start * apart : start * apart + length + config.horizon]
        for start in range(config.starts)
    ]


def _names(config: BenchmarkConfig) -> list[str]:
    """All systems of the source: those held out, or the seeds of generated flows."""
    if config.source == "generated":
        return [str(config.first_flow + i) for i in range(config.flows)]
    return split()["test"]


def _dims(name: str, config: BenchmarkConfig) -> int:
    """Dimensions of a system; raise where there is none of that name."""
    if config.source == "dysts":
        return len(system_facts(name)["initial_conditions"])
    if not name.isdecimal():
        raise InputError(f"a generated flow is named by its seed, such as 100000, found {name!r}.")
    return 3


def _trajectory(name: str, n: int, config: BenchmarkConfig) -> Float[ndarray, "n N"]:
    if config.source == "generated":
        return flow(int(name), n=n, points_per_period=config.points_per_period)
    unit = 10 ** (len(str(n)) - 1)
    rounded = -(-n // unit) * unit  # one digit and zeros: similar protocols share a cached file
    return trajectory(name, n=rounded, points_per_period=config.points_per_period)[:n]


def _lyapunov_time(name: str | None, config: BenchmarkConfig) -> float:
    """In steps; infinite without chaos, and where it is unknown, as for generated flows."""
    if name is None or config.source == "generated":
        return float("inf")
    return lyapunov_time(name, points_per_period=config.points_per_period)


def measure(
    forecast: np.ndarray,
    truth: np.ndarray,
    *,
    config: BenchmarkConfig,
    name: str | None = None,
    context: np.ndarray | None = None,
) -> dict[str, Any]:
    """All measures of one forecast ``(T, N)`` against the truth ``(T, N)``.

    Parameters
    ----------
    forecast, truth
        In the same units.
    config
        The protocol: ``bins``, ``smoothing``, ``mase_steps`` and ``points_per_period``.
    name
        The system, for its Lyapunov time; without one, ``vpt`` is NaN.
    context
        ``(T_C, N)``, the scale of a fate; None: ``fate`` is left out.

    Returns
    -------
    ``d_stsp``, ``d_h``, ``mase``, ``vpt`` in Lyapunov times, and the ``fate``, by :mod:`dynamix.metrics`.

    Examples
    --------
    >>> x = np.sin(np.arange(2000) / 7)[:, None]
    >>> measure(x, x, config=BenchmarkConfig(), context=x[:300])
    {'d_stsp': 0.0, 'd_h': 0.0, 'mase': 0.0, 'vpt': nan, 'fate': 'cycle'}
    """
    lyapunov_time = _lyapunov_time(name, config)
    both: dict[str, Any] = {"forecast": forecast, "truth": truth}
    with np.errstate(all="ignore"):
        measured: dict[str, Any] = {
            "d_stsp": float(metrics.state_space_divergence(**both, bins=config.bins)),
            "d_h": float(metrics.spectral_hellinger(**both, smoothing=config.smoothing)),
            "mase": float(metrics.mase(**both, steps=config.mase_steps)),
            "vpt": float(metrics.valid_prediction_time(**both, lyapunov_time=lyapunov_time))
            if np.isfinite(lyapunov_time)
            else float("nan"),
        }
        if context is not None:
            measured["fate"] = fate_of(forecast=forecast, context=context)
    return measured


def command(model: str | Path, config: BenchmarkConfig, names: Sequence[str] | None = None) -> str:
    """The command line that repeats a run of ``model`` with ``config``; settings at their defaults are left out.

    Examples
    --------
    >>> command("models/mine.safetensors", BenchmarkConfig(context=512), ["Lorenz", "Rossler"])
    'dynamix benchmark --model mine.safetensors --context 512 --systems Lorenz,Rossler'
    """
    flags = [
        f"--{field.name.replace('_', '-')} {getattr(config, field.name)}"
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    ]
    if names is not None:
        told = "all" if list(names) == everyone() else ",".join(names)
        flags.append(f"--systems {told}")
    return " ".join(["dynamix benchmark --model", Path(model).name, *flags])


def read(path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table that :func:`run` wrote to ``path``, and its record, which is empty if there is none.

    Raises
    ------
    InputError
        If the file is missing or not a benchmark's, or the run was interrupted.

    Examples
    --------
    >>> import tempfile
    >>> table = pd.DataFrame({"system": ["Lorenz"], "start": [0], "d_stsp": [1.5]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.csv"
    ...     results.write(table, path, {"model": "mine"})
    ...     again, record = read(path)
    >>> again.equals(table), record
    (True, {'model': 'mine'})
    """
    path = Path(path)
    try:
        table = pd.read_csv(path, float_precision="round_trip")
        beside = path.with_suffix(".json")
        record = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise InputError(f"{path.name!r} is not a readable benchmark table: {error}") from error
    missing = [c for c in ("system", "start", "d_stsp") if c not in table]
    if missing:
        raise InputError(
            f"{path.name!r} is not a benchmark table: expected the columns {', '.join(COLUMNS)}, "
            f"found {', '.join(map(str, table.columns))}."
        )
    if record.get("unfinished"):
        raise InputError(f"the run in {path.name!r} was interrupted. Finish it with --resume.")
    return table, record
