"""Dynamical invariants of the bundled models in context, beside the held-out systems' own.

    python experiments/invariants.py --output results/invariants.csv

A row per model, gate noise and system: the largest Lyapunov exponents of the model's map after a
context (from its Jacobians, in units of the system's own largest), the Kaplan-Yorke dimension that
they give, and the correlation dimension of a forecast, each beside the true value. The published
weights take part where DYNAMIX_UPSTREAM names their folder. The maps of dynamix-3d-plus are fitted
anew at every step; the benchmark has its largest exponent.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiment import Experiment, flags
from failure_rates import named  # the script beside this one
from tqdm import tqdm

from dynamix import BenchmarkConfig, DynaMix, InputError, forecast, systems
from dynamix.dynamics import expert_use, invariants, jacobian
from dynamix.evaluation import benchmark

MODELS = ("dynamix-3d", "dynamix-3d-scratch", "dynamix-3d-flows", "published")
STEPS, TRANSIENT, EXPONENTS, POINTS = 1000, 200, 12, 5000
TOLD = 3  # exponents stored: as many as the systems have
COLUMNS: dict[str, Any] = {
    "model": str,
    "noise": str,
    "system": str,
    **{f"exponent_{i}": float for i in range(1, TOLD + 1)},
    **{f"true_exponent_{i}": float for i in range(1, TOLD + 1)},
    "kaplan_yorke": float,
    "true_kaplan_yorke": float,
    "correlation": float,
    "true_correlation": float,
}


def loaded() -> dict[str, DynaMix]:
    """Those of the models that are here."""
    here = list(MODELS)
    if not Path(named("published")).is_file():
        here.remove("published")
        print("the published weights are not to be had: set DYNAMIX_UPSTREAM")
    return {name: DynaMix.from_pretrained(named(name)) for name in here}


def of_system(name: str, truth: np.ndarray) -> dict[str, float]:
    """A system's own exponents and dimensions."""
    true = np.array(systems.system_facts(name)["lyapunov_spectrum_estimated"], dtype=float)
    row = {f"true_exponent_{i + 1}": true[i] / true[0] for i in range(min(TOLD, len(true)))}
    row["true_kaplan_yorke"] = invariants.kaplan_yorke_dimension(true)
    return row | {"true_correlation": invariants.correlation_dimension(truth)}


def of_model(model: DynaMix, context: np.ndarray, name: str, *, noise: bool) -> dict[str, float]:
    """Exponents and dimensions of one model behind one context; none where it diverges."""
    row: dict[str, float] = {}
    unit = systems.lyapunov_time(name, points_per_period=BenchmarkConfig().points_per_period)
    unit = unit if np.isfinite(unit) else float("nan")
    try:
        seen = expert_use.watch(context, steps=TRANSIENT + STEPS, model=model, gate_noise=noise)
        own = jacobian.spectrum(seen, exponents=EXPONENTS, transient=TRANSIENT)
    except InputError:  # the run diverged: it has no exponents
        own = np.full(EXPONENTS, np.nan)
    if np.isfinite(own).all():
        row |= {f"exponent_{i + 1}": own[i] * unit for i in range(TOLD)}
        row["kaplan_yorke"] = invariants.kaplan_yorke_dimension(own)
    y = forecast(context, horizon=POINTS, model=model, gate_noise=noise)
    if np.isfinite(y).all():
        row["correlation"] = invariants.correlation_dimension(y)
    return row


def main() -> None:
    """Entry point."""
    options = flags(__doc__, "results/invariants.csv").parse_args()
    torch.set_num_threads(1)
    config = dataclasses.replace(BenchmarkConfig(), starts=1)
    made = Experiment(
        options.output,
        columns=COLUMNS,
        key=("model", "noise", "system"),
        settings={
            "benchmark": dataclasses.asdict(config),
            "steps": STEPS,
            "transient": TRANSIENT,
            "exponents": EXPONENTS,
            "points": POINTS,
        },
        command=["invariants.py", "--output", f"results/{options.output.name}"],
        resume=options.resume,
    )
    models = loaded()
    for name in tqdm(systems.split()["test"], desc="invariants", unit="system", disable=None):
        left = made.left((label, noise, name) for label in models for noise in ("True", "False"))
        if not left:
            continue
        x = benchmark.stretches(name, config)[0]
        context, truth = np.split(x[: config.context + POINTS], [config.context])
        own = of_system(name, truth)
        for job in left:
            numbers = own | of_model(models[job[0]], context, name, noise=job[1] == "True")
            row = dict(zip(made.key, job, strict=True))
            row |= {k: round(float(numbers.get(k, "nan")), 5) for k in COLUMNS if k not in row}
            made.add([row])
    made.finish()


if __name__ == "__main__":
    main()
