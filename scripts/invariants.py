"""Dynamical invariants of the bundled models in context, beside the held-out systems' own.

    python scripts/invariants.py --output results/invariants.csv

A row per model, gate noise and system: the largest Lyapunov exponents of the map that the model is
behind a context (from its Jacobians, in units of the system's own largest), the Kaplan-Yorke
dimension that they give, and the correlation dimension of a forecast, each with the true one. An
interrupted run goes on. The published weights take part where DYNAMIX_UPSTREAM names their folder.
Of dynamix-3d-plus, whose maps are fitted anew at every step, the benchmark has the largest one.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from dynamix import (
    BenchmarkConfig,
    DynaMix,
    InputError,
    benchmark,
    expert_use,
    forecast,
    invariants,
    jacobians,
    results,
    systems,
)

MODELS = ("dynamix-3d", "dynamix-3d-scratch", "published")
PUBLISHED = "dynamix-3d-alrnn-v1.0.safetensors"
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
    found = {name: DynaMix.from_pretrained(name) for name in MODELS if name != "published"}
    path = Path(os.environ.get("DYNAMIX_UPSTREAM", "")) / PUBLISHED
    if path.is_file():
        found["published"] = DynaMix.from_pretrained(path)
    else:
        print("the published weights are not to be had: set DYNAMIX_UPSTREAM")
    return found


def row_of(
    model: DynaMix, x: np.ndarray, name: str, *, noise: bool, context: int
) -> dict[str, Any]:
    """Exponents and dimensions of one model behind one context."""
    unit = systems.lyapunov_time(name, points_per_period=BenchmarkConfig().points_per_period)
    unit = unit if np.isfinite(unit) else float("nan")
    facts = systems.system_facts(name)
    true = np.array(facts["lyapunov_spectrum_estimated"], dtype=float)
    row: dict[str, Any] = {"noise": str(noise), "system": name}
    row |= dict.fromkeys(COLUMNS.keys() - row.keys() - {"model"}, float("nan"))
    try:
        seen = expert_use.watch(x[:context], steps=TRANSIENT + STEPS, model=model, gate_noise=noise)
        own = jacobians.spectrum(seen, exponents=EXPONENTS, transient=TRANSIENT)
    except InputError:  # the run diverged: it has no exponents
        own = np.full(EXPONENTS, np.nan)
    if np.isfinite(own).all():
        row |= {f"exponent_{i + 1}": own[i] * unit for i in range(TOLD)}
        row["kaplan_yorke"] = invariants.kaplan_yorke_dimension(own)
    row |= {f"true_exponent_{i + 1}": true[i] / true[0] for i in range(min(TOLD, len(true)))}
    row["true_kaplan_yorke"] = invariants.kaplan_yorke_dimension(true)
    y = forecast(x[:context], horizon=POINTS, model=model, gate_noise=noise)
    for key, points in (("correlation", y), ("true_correlation", x[context : context + POINTS])):
        if np.isfinite(points).all():
            row[key] = invariants.correlation_dimension(points)
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("results/invariants.csv"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = dataclasses.replace(BenchmarkConfig(), starts=1)
    settings = {
        "benchmark": dataclasses.asdict(config),
        "steps": STEPS,
        "transient": TRANSIENT,
        "exponents": EXPONENTS,
        "points": POINTS,
    }
    began = time.perf_counter()
    record = results.provenance(
        f"python scripts/invariants.py --output results/{options.output.name}",
        settings,
        seconds=0.0,
    )
    made = results.Journal(
        options.output, columns=COLUMNS, record=record, same=("settings",), resume=True
    )
    rows = list(made.rows)
    done = {(row["model"], row["noise"], row["system"]) for row in rows}
    models = loaded()
    left = [
        (label, model, noise, name)
        for name in systems.split()["test"]
        for label, model in models.items()
        for noise in (True, False)
        if (label, str(noise), name) not in done
    ]
    for label, model, noise, name in tqdm(left, desc="invariants", disable=None):
        x = benchmark.stretches(name, config)[0]
        row = {"model": label} | row_of(model, x, name, noise=noise, context=config.context)
        made.append([row], seconds=time.perf_counter() - began)
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    made.finish(table.sort_values(["model", "noise", "system"], kind="stable"))


if __name__ == "__main__":
    main()
