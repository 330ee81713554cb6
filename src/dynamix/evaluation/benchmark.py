"""The zero-shot benchmark "dysts-3d": every held-out system, shown briefly and continued long.

A row is one system from one start: its context goes in, ``horizon`` steps come out, and every
measure compares them with the true continuation. Failures stay in the table as NaN and count as
worst in :mod:`dynamix.evaluation.statistics`. Rivals of a model: whatever
:func:`dynamix.baselines.baseline` finds, and ``"ceiling"``, the true system continued from
elsewhere, which is as good as a reconstruction can look.

A row depends on its system, its start, the model and the protocol, and on nothing else: not on the
rows beside it, nor on how many processes share the work.
"""

from __future__ import annotations

import dataclasses
import hashlib
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

from ..baselines.registry import baseline
from ..engine import tangent as lyapunov
from ..engine.runtime import EngineUnavailable
from ..errors import InputError, whole_number
from ..forecasting.spacing import widened, widening
from ..forecasting.zero_shot import forecast, sharpened
from ..local.forecaster import LocalForecaster
from ..metrics import reconstruction as metrics
from ..metrics.fates import fate as fate_of
from ..model.dynamix import DynaMix
from ..model.rollouts import gate_noise_stream
from ..preprocessing.embedding import embed
from ..preprocessing.transforms import fit_transforms
from ..settings import BUNDLED_MODEL, BenchmarkConfig, Engine, ForecastConfig
from ..systems import corpus as systems
from . import results
from .parallel import spread
from .statistics import LABELS, MEASURES, per_system, shares, summary, win_rates

__all__ = [
    "COLUMNS",
    "LABELS",
    "MEASURES",
    "command",
    "measure",
    "per_system",
    "read",
    "run",
    "shares",
    "summary",
    "win_rates",
]

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
        A model, what :meth:`dynamix.DynaMix.from_pretrained` takes, or a rival's name: one of
        :func:`dynamix.baselines.table`, or ``"ceiling"``.
    config
        The protocol; None: the defaults of :class:`dynamix.BenchmarkConfig`.
    names
        Systems, of any dimension; None: all that the split holds out.
    engine
        See :func:`dynamix.forecast`.
    output
        CSV file that gets the table, with its record beside it (:mod:`dynamix.evaluation.results`). Rows are
        added as they come in, so that an interrupted run can go on. Its folder has to exist.
    resume
        Go on with the unfinished run in ``output``.
    workers
        Processes that share the work.
    dask
        Address of a Dask scheduler whose workers do the work instead, ``"tcp://host:8786"``. Every
        worker needs this library.

    Returns
    -------
    Columns :data:`COLUMNS`: ``system``, ``start``; ``d_stsp`` in nats, ``d_h`` from 0 to 1 and
    ``mase`` in the truth's mean one-step changes, NaN where the forecast failed; ``vpt`` in
    Lyapunov times; ``lyapunov``, the model's largest exponent behind this context over that of the
    system (1 is right), under the very noise of the forecast; ``fate`` of the forecast
    (:func:`dynamix.metrics.fates`); ``quiet_lyapunov`` and ``quiet_fate``, the same with the gate's
    noise left out; ``seconds`` of the forecast, its share of a batch. ``vpt`` and the exponents are
    NaN for systems without chaos, the exponents and what is quiet also for rivals. An exponent is
    infinite where the model diverges.

    Raises
    ------
    InputError
        If a system, model or engine is unknown or there is no system; if ``workers`` is not a whole
        number of at least 1; if ``output`` holds an unfinished run and ``resume`` is off, or
        ``resume`` is on without an ``output`` or with one of other settings; if a rival's package,
        the exponents' compiled kernel or Dask is not to be had.

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
    chosen = list(dict.fromkeys(systems.split()["test"] if names is None else names))
    for name in chosen:
        systems.system_facts(name)  # raises where there is none
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
        record |= {"model": identity(model), "engine": engine, "systems": ", ".join(chosen)}
        record["versions"] |= baseline(model).versions
        same = ("model", "settings", "engine", "systems", "versions")
        journal = results.Journal(output, columns=COLUMNS, record=record, same=same, resume=resume)
    done = {} if journal is None else {(r["system"], r["start"]): r for r in journal.rows}
    cases = [(name, start) for name in chosen for start in range(config.starts)]
    # a batch holds all starts of its systems, and the same systems however the work is shared
    together = max(1, _BATCH // config.starts)
    alike: dict[int, list[str]] = {}
    for name in chosen:  # series side by side have equally many channels
        alike.setdefault(len(systems.system_facts(name)["initial_conditions"]), []).append(name)
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
    names: Sequence[str], *, model: DynaMix | str, config: BenchmarkConfig, engine: Engine
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
    names: Sequence[str], model: DynaMix | str, config: BenchmarkConfig, engine: Engine
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
        steps = systems.lyapunov_time(name, points_per_period=config.points_per_period)
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
    model: DynaMix, contexts: Float[ndarray, "T_C S n"], config: BenchmarkConfig
) -> dict[str, Float[ndarray, " S"]]:
    """The model's largest Lyapunov exponents per step, with and without the gate's noise."""
    N, S = model.config.observed_dims, contexts.shape[1]
    keys = ("lyapunov", "quiet_lyapunov")
    by_channel = contexts.shape[2] > N  # several systems, then, not one
    if config.lyapunov_steps == 0 or by_channel or not lyapunov.supports(model):
        return dict.fromkeys(keys, np.full(S, np.nan))
    seen = []
    for s in range(S):
        scaled, _ = fit_transforms(
            np.ascontiguousarray(contexts[:, s], dtype=np.float64),
            standardize=True,
            detrend=False,
            box_cox=False,
        )
        kind = model.defaults.embedding_of(scaled.shape[1])
        seen.append(embed(scaled, dims=N, embedding=kind, seed=config.seed))
    eps = gate_noise_stream(
        _TRANSIENT + config.lyapunov_steps,
        N,
        seed=config.seed,
        quiet_steps=model.defaults.quiet_steps,
    )
    factors = np.array([widening(x, reference=model.defaults.reference_spacing) for x in seen])
    found = {key: np.empty(S) for key in keys}
    try:
        for factor in np.unique(factors):
            members = np.flatnonzero(factors == factor)
            for key, noise in zip(keys, (eps, None), strict=True):
                found[key][members] = lyapunov.largest_exponents(
                    widened(sharpened(model), float(factor)),
                    torch.from_numpy(np.stack([seen[s] for s in members], axis=1)),
                    steps=config.lyapunov_steps,
                    transient=_TRANSIENT,
                    noise=noise,
                )
    except EngineUnavailable as error:
        raise InputError(
            f"Lyapunov exponents are computed by a compiled kernel, which is not to be had here "
            f"({error}). Leave them out with lyapunov_steps=0."
        ) from error
    return found


def stretches(name: str, config: BenchmarkConfig) -> list[Float[ndarray, "n N"]]:
    """Per start: the context, the truth behind it, and a horizon more for the ceiling.

    Views of one trajectory, a context and a horizon apart; a start's ceiling thus reaches into the
    next one's stretch. Where the system comes to rest (PanXuZhou's chaos is transient) the starts
    move closer together, so that none begins there: at rest there is nothing to reconstruct.

    Parameters
    ----------
    name
        A system that :func:`dynamix.systems.trajectory` knows.
    config
        The protocol: ``context``, ``horizon`` and ``points_per_period`` in steps, and ``starts``.

    Returns
    -------
    ``(context + 2 * horizon, N)`` for each start, in the system's own units.

    Raises
    ------
    InputError
        If the system is unknown, or cannot be integrated.

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
    values = systems.trajectory(name, n=_one_digit(n), points_per_period=config.points_per_period)[
        :n
    ]
    away = np.abs(values - values[-1]) > _SETTLED * values.std(axis=0)
    moving = 1 + np.flatnonzero(away.any(axis=1)).max(initial=0)  # steps until it rests for good
    apart = min(length, max(int(moving - length) // max(config.starts - 1, 1), 1))
    return [
        values[start * apart : start * apart + length + config.horizon]
        for start in range(config.starts)
    ]


def _one_digit(n: int) -> int:
    """``n`` rounded up to one digit and zeros: protocols that differ little share a trajectory."""
    unit = 10 ** (len(str(n)) - 1)
    return -(-n // unit) * unit


def measure(
    forecast: np.ndarray,
    truth: np.ndarray,
    *,
    config: BenchmarkConfig,
    name: str | None = None,
    context: np.ndarray | None = None,
) -> dict[str, Any]:
    """All measures of one forecast.

    Parameters
    ----------
    forecast, truth
        ``(T, N)``, in the same units.
    config
        The protocol, which says how: its ``bins``, ``smoothing`` and ``mase_steps``, and the
        ``points_per_period`` by which a Lyapunov time becomes steps.
    name
        The system, for its Lyapunov time; None, or one without chaos: ``vpt`` is NaN.
    context
        ``(T_C, N)``: gives the scale of a fate; None: ``fate`` is left out.

    Returns
    -------
    ``d_stsp`` in nats, ``d_h`` from 0 to 1, ``mase`` in the truth's mean one-step changes, ``vpt``
    in Lyapunov times, and the ``fate``, by the functions of :mod:`dynamix.metrics`. An error is NaN
    where the forecast is not finite, ``d_stsp`` also where it never enters the truth's range.

    Raises
    ------
    InputError
        If the system is unknown, the shapes differ in their channels, the truth holds NaN or stands
        still, or there are fewer steps than the measures need.

    Examples
    --------
    >>> x = np.sin(np.arange(2000) / 7)[:, None]
    >>> measure(x, x, config=BenchmarkConfig(), context=x[:300])
    {'d_stsp': 0.0, 'd_h': 0.0, 'mase': 0.0, 'vpt': nan, 'fate': 'cycle'}
    """
    lyapunov_time = (
        float("inf")
        if name is None
        else systems.lyapunov_time(name, points_per_period=config.points_per_period)
    )
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


def identity(model: DynaMix | str) -> str:
    """What makes a model this one: a digest of its config and weights; a rival's name.

    A ``model`` given as text is a rival. A folder of a pretrained rival counts by its own name,
    whatever it lies in.

    Returns
    -------
    A text that begins with ``sha256`` and holds 32 hexadecimal digits,
    or the name.

    Examples
    --------
    >>> identity(DynaMix(seed=0)) == identity(DynaMix(seed=0))
    True
    >>> identity(DynaMix(seed=0)) == identity(DynaMix(seed=1))
    False
    >>> identity("weights/chronos-2")
    'chronos-2'
    """
    if isinstance(model, str):
        return Path(model).name
    digest = hashlib.sha256()
    described = dataclasses.asdict(model.config) | dataclasses.asdict(model.defaults)
    digest.update(json.dumps(described, sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return f"sha256:{digest.hexdigest()[:32]}"


def command(model: str | Path, config: BenchmarkConfig, names: Sequence[str] | None = None) -> str:
    """The command line that repeats a run.

    Parameters
    ----------
    model
        What :func:`run` was given; a file or folder is told by its own name.
    config
        The protocol; what is as by default is not told.
    names
        Systems; None: those held out, which need no flag.

    Examples
    --------
    >>> command("dynamix-3d", BenchmarkConfig(context=512))
    'dynamix benchmark --model dynamix-3d --context 512'
    >>> command("models/mine.safetensors", BenchmarkConfig(), ["Lorenz", "Rossler"])
    'dynamix benchmark --model mine.safetensors --systems Lorenz,Rossler'
    """
    flags = [
        f"--{field.name.replace('_', '-')} {getattr(config, field.name)}"
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    ]
    if names is not None:
        told = "all" if list(names) == systems.everyone() else ",".join(names)
        flags.append(f"--systems {told}")
    return " ".join(["dynamix benchmark --model", Path(model).name, *flags])


def read(path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table that :func:`run` wrote, and its record.

    Parameters
    ----------
    path
        The CSV file; its record lies beside it as ``.json``.

    Returns
    -------
    The table, with the columns :data:`COLUMNS` (older ones may lack some), and the record, which is
    empty where there is none.

    Raises
    ------
    InputError
        If the file is missing or no such table, or the run was interrupted.

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
