"""How often each model fails in which way over the held-out systems, and what it is sensitive to.

    python experiments/failure_rates.py --resume                      all models, both tables
    python experiments/failure_rates.py --resume --models dynamix-3d  one model anew or in addition

Writes results/failures.csv (a row per model and system) and results/sensitivity.csv (a row per
model, condition and system), each with its record. With --resume, rows that are there already stay,
unless the model's weights have changed. The published weights take part where the environment
variable DYNAMIX_UPSTREAM names a folder that holds them.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from experiment import Experiment, flags  # the script beside this one
from tqdm import tqdm

from dynamix import BenchmarkConfig, systems
from dynamix.baselines import Baseline, baseline
from dynamix.evaluation import benchmark, failures

PUBLISHED = "dynamix-3d-alrnn-v1.0.safetensors"
# on all held-out systems; on the subset alone, for they train or search on every context, or take
# a minute for a forecast
MODELS = (
    "dynamix-3d", "dynamix-3d-untrained", "dynamix-3d-scratch", "dynamix-3d-flows",
    "dynamix-3d-plus", "published",
    "transformer-control", "parrot", "parrot_noisy", "mean", "seasonal_naive", "echo_state",
    "echo_state_untuned", "dmd", "edmd", "sindy", "sindy_untuned",
)  # fmt: skip
EXPENSIVE = (
    "fracast", "auto_arima", "alrnn_stf", "lstm_stf", "neural_ode", "transformer-control-median",
)  # fmt: skip
VARIED_MODELS = (
    "dynamix-3d", "dynamix-3d-untrained", "dynamix-3d-scratch", "dynamix-3d-flows",
    "dynamix-3d-plus", "published",
    "transformer-control", "fracast", "parrot", "echo_state", "echo_state_untuned", "sindy",
    "sindy_untuned", "alrnn_stf", "lstm_stf", "neural_ode",
)  # fmt: skip
CONTEXT, HORIZON = 512, 4000  # what a transformer of Chronos' class sees, and can afford
RATES, CONTEXTS, NOISE = (25, 50, 100), (256, 512, 1000, 2000), (0.0, 0.02, 0.05, 0.1)
# well-known ones, forced and quasiperiodic ones among them; the models that cost more than a few
# seconds a forecast run on these alone, so compare them with others on these alone
SUBSET = (
    "Lorenz", "Chua", "SprottM", "Rossler", "Aizawa", "Blasius", "RayleighBenard", "Thomas",
    "SprottTorus", "Bouali", "HastingsPowell", "ForcedBrusselator",
)  # fmt: skip
MEASURES = (
    "parroting_index", "remaining", "fading_rate", "faded_from", "exponent", "true_exponent",
    "dimension", "true_dimension", "period", "lost", "invented", "outside",
)  # fmt: skip
MODES = tuple(f"fails by {mode}" for mode in failures.MODES)
COLUMNS: dict[str, Any] = {
    "model": str,
    "system": str,
    **dict.fromkeys(MEASURES, float),
    "fate": str,
    **dict.fromkeys(MODES, str),
    **dict.fromkeys(("d_stsp", "hellinger", "d_h", "mase", "seconds"), float),
}
VARIED = {
    "model": str,
    "varied": str,
    "value": float,
    "system": str,
    **dict.fromkeys(("d_stsp", "hellinger", "d_h", "mase", "vpt"), float),
    "fate": str,
}
PROTOCOL = (  # the settings that these tables depend on; the others choose generated flows
    "context", "horizon", "points_per_period", "starts", "bins", "smoothing", "mase_steps", "seed",
)  # fmt: skip
BATCH = 12  # systems at a time: the journal grows, and memory does not


def named(model: str) -> str:
    """What loads it; the published weights lie in a folder that the environment names."""
    if model != "published":
        return model
    folder = os.environ.get("DYNAMIX_UPSTREAM", "")
    return str(Path(folder) / PUBLISHED)


def table(
    output: Path,
    columns: dict[str, Any],
    key: tuple[str, ...],
    settings: dict[str, Any],
    calls: dict[str, Baseline],
    options: Any,
) -> Experiment:
    """The table so far, without rows of models whose weights have changed."""
    identities = {name: call.identity for name, call in calls.items()}
    made = Experiment(
        output,
        columns=columns,
        key=key,
        settings=settings,
        command=["failure_rates.py"],
        resume=options.resume,
    )
    before = made.journal.before.get("identities", {})
    made.journal.record["identities"] = before | identities
    changed = {name for name, identity in identities.items() if before.get(name) != identity}
    made.drop(lambda row: row["model"] in changed | set(options.again))
    return made


def headline(rows: pd.DataFrame, level: float = 0.02) -> dict[str, float]:
    """Of the forecasts from contexts with noise: median geometry, and how many escaped."""
    noisy = rows[(rows["varied"] == "noise") & (rows["value"] == level)]
    # what failed to be a number is the worst
    medians = noisy["d_stsp"].fillna(np.inf).groupby(noisy["model"], sort=False).median()
    found = {f"d_stsp {key}, noise {level}": float(v) for key, v in medians.items()}
    for key, fates in noisy.groupby("model", sort=False)["fate"]:
        found[f"escaped {key}, noise {level}"] = float((fates == "escape").sum())
    return found | {"systems": float(noisy["system"].nunique())}


def main() -> None:
    """Both tables."""
    parser = flags(__doc__, "results")  # the folder of both tables
    parser.add_argument("--models", nargs="+", default=None, help="names; default: all")
    parser.add_argument("--systems", nargs="+", default=None, help="default: all held-out ones")
    parser.add_argument("--again", nargs="*", default=[], help="models whose rows are made anew")
    parser.add_argument("--only", choices=("failures", "sensitivity"), help="one table only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    models = options.models or [*MODELS, *EXPENSIVE]
    if "published" in models and not Path(named("published")).is_file():
        models.remove("published")
        print("the published weights are not to be had: set DYNAMIX_UPSTREAM")
    calls = {model: baseline(named(model)) for model in models}
    everything = options.systems or systems.split()["test"]
    shown = {
        model: [n for n in everything if model not in EXPENSIVE or n in SUBSET] for model in models
    }
    if options.only != "sensitivity":
        rates(options.output / "failures.csv", calls, shown, options)
    if options.only != "failures":
        chosen = options.models or VARIED_MODELS
        varied = {name: call for name, call in calls.items() if name in chosen}
        reactions(options.output / "sensitivity.csv", varied, options)


def rates(
    path: Path, calls: dict[str, Baseline], shown: dict[str, list[str]], options: Any
) -> None:
    """A row per model and system: every measure, and the verdicts."""
    config = BenchmarkConfig(context=CONTEXT, horizon=HORIZON, starts=1)
    settings = {
        "benchmark": {name: getattr(config, name) for name in PROTOCOL},
        "failures": failures.LIMITS,
    }
    made = table(path, COLUMNS, ("model", "system"), settings, calls, options)
    todo = {m: [n for _, n in made.left((m, n) for n in shown[m])] for m in calls}
    bar = tqdm(total=sum(map(len, todo.values())), desc="failures", unit="forecast", disable=None)
    known: dict[str, Any] = {}  # a system's own invariants, of which every model needs the same
    for model, names in todo.items():
        for first in range(0, len(names), BATCH):
            part = names[first : first + BATCH]
            stretches = [benchmark.stretches(name, config)[0] for name in part]
            contexts = [x[: config.context] for x in stretches]
            asked = time.perf_counter()
            answers = together(calls[model], contexts, config.horizon, seed=config.seed)
            seconds = (time.perf_counter() - asked) / len(part)
            new = []
            for name, x, c, y in zip(part, stretches, contexts, answers, strict=True):
                truth = x[config.context : config.context + config.horizon]
                with np.errstate(over="ignore", invalid="ignore"):
                    found = failures.examine(
                        forecast=y, context=c, truth=truth, known=known.get(name)
                    )
                    measured = benchmark.measure(y, truth, config=config)
                known[name] = {k: v for k, v in found.items() if k.startswith("true_")}
                both = {**measured, **found, "model": model, "system": name, "seconds": seconds}
                new.append({c: both[c] for c in COLUMNS})
            for row in new:  # as their texts are read back: True, False, or nothing
                row.update({m: None if row[m] is None else str(bool(row[m])) for m in MODES})
            made.add(new)
            bar.update(len(part))
    bar.close()
    made.finish()


def reactions(path: Path, calls: dict[str, Baseline], options: Any) -> None:
    """A row per model, condition and system of the subset; a condition is saved when it is done."""
    config = BenchmarkConfig(context=CONTEXT, horizon=2000, starts=1)
    settings = {
        "benchmark": {name: getattr(config, name) for name in PROTOCOL},
        "systems": list(SUBSET),
        "points_per_period": list(RATES),
        "contexts": list(CONTEXTS),
        "noise": list(NOISE),
    }
    made = table(path, VARIED, ("model", "varied", "value"), settings, calls, options)
    varied = {"points_per_period": RATES, "context": CONTEXTS, "noise": NOISE}
    usual = {"points per period": config.points_per_period, "context": CONTEXT, "noise": 0.0}
    named = {(key.replace("_", " "), value): key for key in varied for value in varied[key]}
    left = made.left((model, *condition) for model in calls for condition in named)
    for model, *condition in tqdm(left, desc="sensitivity", unit="condition", disable=None):
        said, value = condition
        same = [(model, *pair) for pair in usual.items()] if value == usual[said] else []
        rows = [row for row in made.rows if made.job(row) in same][: len(SUBSET)]
        if not rows:  # else these contexts have been forecast already
            about = {"names": SUBSET, "config": config, "longest": max(CONTEXTS)}
            rows = reaction(calls[model], named[said, value], value, **about)
        place = {"model": model, "varied": said, "value": value}
        made.add([{c: {**row, **place}[c] for c in VARIED} for row in rows])
    order = list(named)
    made.finish(
        lambda row: (row["model"], order.index((row["varied"], row["value"]))), headline=headline
    )


def sensitivity(
    call: Callable[..., np.ndarray],
    *,
    names: Sequence[str],
    config: BenchmarkConfig,
    varied: Mapping[str, Sequence[Any]],
) -> list[dict[str, Any]]:
    """The benchmark's measures while one condition changes; a row per condition and system."""
    longest = max([config.context, *varied["context"]])
    return [
        row
        for key, values in varied.items()
        for value in values
        for row in reaction(call, key, value, names=names, config=config, longest=longest)
    ]


def reaction(
    call: Callable[..., np.ndarray],
    key: str,
    value: Any,
    *,
    names: Sequence[str],
    config: BenchmarkConfig,
    longest: int,
) -> list[dict[str, Any]]:
    """The rows of one condition.

    Noise is in deviations of the context. The truth stays clean, and levels scale the same draws.
    """
    level = value if key == "noise" else 0.0
    here = config if key == "noise" else dataclasses.replace(config, **{key: value})
    # contexts of every length end, and truths begin, at the same place
    protocol = dataclasses.replace(here, context=max(longest, here.context))
    rows, shown = [], []
    stretches = [benchmark.stretches(name, protocol)[0] for name in names]
    for name, x in zip(names, stretches, strict=True):
        context = x[protocol.context - here.context : protocol.context].astype(np.float64)
        rng = np.random.default_rng([config.seed, *name.encode()])
        kick = level * context.std(axis=0) * rng.standard_normal(context.shape)
        shown.append((context + kick).astype(np.float32))
    answers = together(call, shown, here.horizon, seed=here.seed)
    for name, x, context, y in zip(names, stretches, shown, answers, strict=True):
        truth = x[protocol.context : protocol.context + here.horizon]
        measured = benchmark.measure(y, truth, config=here, name=name, context=context)
        place = {"varied": key.replace("_", " "), "value": value, "system": name}
        rows.append(place | measured)
    return rows


def together(
    call: Callable[..., np.ndarray], contexts: Sequence[np.ndarray], horizon: int, *, seed: int
) -> np.ndarray:
    """Forecasts ``(S, horizon, N)`` of equally long contexts."""
    return np.swapaxes(call(np.stack(contexts, axis=1), horizon, seed=seed), 0, 1)


if __name__ == "__main__":
    main()
