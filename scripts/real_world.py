"""The table of chapter 6: every dataset, every forecaster, the same origins for all.

    python scripts/real_world.py --output results/real_world.csv

A row is a forecaster on a dataset at one context and horizon: medians over 20 origins with their
bootstrap intervals. The contexts and horizons below were fixed before anything was run: about a
handful of the subject's periods, and one of them ahead, as far as the series is long enough for 20
origins. Rows are saved as they come, and calling it again goes on. Seasons beyond 24 steps are
taken out by MSTL before AutoARIMA and AutoETS (dynamix.classical), or these would take hours.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from dynamix import RollingConfig, baselines, classical, datasets, results, rolling
from dynamix.config import EMBEDDINGS

PROTOCOL: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {  # contexts, horizons
    "nyc_taxi": ((336, 1344), (48, 336)),
    "occupancy_6005": ((192, 384), (24, 192)),
    "occupancy_t4013": ((192, 384), (24, 192)),
    "speed_6005": ((192, 384), (24, 192)),
    "melbourne_min": ((365, 1095), (30, 365)),
    "melbourne_max": ((365, 1095), (30, 365)),
    "beijing_weather": ((240, 720), (24, 240)),
    "etth1": ((168, 672), (24, 168)),
    "cloud_requests": ((288, 864), (48, 288)),
    "sunspots_monthly": ((528, 1056), (12, 264)),
    "airline_passengers": ((48, 72), (12, 24)),
    "ecg": ((500, 2000), (20, 500)),
    "fmri": ((100, 200), (10, 60)),
    "co2": ((260, 1040), (52, 260)),
    "el_nino": ((120, 360), (12, 60)),
    "sunspots_yearly": ((77, 154), (11, 55)),
}
MODELS = ("dynamix-3d", "dynamix-3d-plus")
TRANSFORMS = {"detrend": (True, False), "box_cox": (False, True), "both": (True, True)}
NUMBERS = [f"{error}{end}" for error in rolling.ERRORS for end in ("", "_low", "_high")]
COLUMNS: dict[str, Callable[[str], Any]] = {
    "dataset": str,
    "forecaster": str,
    "embedding": str,
    "transforms": str,
    "context": int,
    "horizon": int,
    **dict.fromkeys([*NUMBERS, "beats", "beats_low", "beats_high", "seconds"], float),
    "origins": int,
    "failures": int,
}
REFERENCE = "seasonal naive"


def forecasters(name: str) -> dict[tuple[str, str, str], rolling.Forecaster]:
    """All of them for a dataset, by name, embedding and transforms."""
    entry, found = datasets.find(name), {}
    embeddings = EMBEDDINGS if not entry.joint else EMBEDDINGS[:1]  # joint channels fill the model
    for model in MODELS:
        for embedding in embeddings:
            label = "none" if entry.joint else embedding
            found[model, label, ""] = rolling.DynaMixForecaster(model, embedding)
        for transform, (detrend, box_cox) in TRANSFORMS.items():
            label = "none" if entry.joint else embeddings[0]
            found[model, label, transform] = rolling.DynaMixForecaster(
                model, embeddings[0], detrend, box_cox
            )
    seasons = entry.seasons or (1,)
    for season in seasons:
        # the reference is the longest season, which holds the shorter ones
        label = REFERENCE if season == max(seasons) else f"{REFERENCE}, {season} steps"
        found[label, "", ""] = partial(classical.seasonal_naive, season=season)
    found["context parroting", "", ""] = baselines.parrot
    found["mean", "", ""] = baselines.mean
    found["naive", "", ""] = baselines.naive
    for classic in classical.CLASSICS:
        found[classic, "", ""] = classical.classic(classic, seasons=entry.seasons)
    return found


def rows_of(name: str, context: int, config: RollingConfig) -> list[dict[str, Any]]:
    """The rows of a dataset at one context."""
    known = {" | ".join(key): (key, made) for key, made in forecasters(name).items()}
    table = rolling.evaluate(
        datasets.target(name),
        forecasters={label: made for label, (_, made) in known.items()},
        config=config,
        contexts=(context,),
        label=f"{name} {context}",
    )
    rows = []
    for row in rolling.summary(table, against=f"{REFERENCE} |  | ").to_dict("records"):
        forecaster, embedding, transforms = known[row.pop("forecaster")][0]
        told = {"dataset": name, "forecaster": forecaster}
        told |= {"embedding": embedding or None, "transforms": transforms or None}
        rows.append(told | {k: _short(v) for k, v in row.items()})
    return rows


def _short(value: Any) -> Any:
    """Four digits: more are noise, and the table is read by people."""
    return float(f"{value:.4g}") if isinstance(value, float | np.floating) else value


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("results/real_world.csv"))
    parser.add_argument("--only", nargs="+", choices=PROTOCOL, metavar="NAME", default=[])
    parser.add_argument("--origins", type=int, default=RollingConfig.origins)
    options = parser.parse_args()
    began = time.perf_counter()
    configs = {
        name: RollingConfig(contexts=contexts, horizons=horizons, origins=options.origins)
        for name, (contexts, horizons) in PROTOCOL.items()
    }
    settings = {
        "protocol": {name: dataclasses.asdict(config) for name, config in configs.items()},
        "embeddings": EMBEDDINGS,
        "reference": f"{REFERENCE}, of the longest season",
    }
    command = f"python scripts/real_world.py --output results/{options.output.name}"
    record = results.provenance(command, settings, seconds=0.0)
    record["versions"] |= {
        name: metadata.version(name) for name in ("statsforecast", "statsmodels")
    }
    journal = results.Journal(
        options.output, columns=COLUMNS, record=record, same=("settings",), resume=True
    )
    done = {(row["dataset"], row["context"]) for row in journal.rows}
    jobs = [
        (name, context)
        for name in options.only or PROTOCOL
        for context in PROTOCOL[name][0]
        if (name, context) not in done
    ]
    rows = list(journal.rows)
    for name, context in tqdm(jobs, desc="datasets", disable=None):
        new = rows_of(name, context, configs[name])
        journal.append(new, seconds=time.perf_counter() - began)
        rows += new
    missing = [name for name in PROTOCOL if name not in {row["dataset"] for row in rows}]
    journal.record["not run"] = missing
    order = list(PROTOCOL)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table.sort_values("dataset", key=lambda c: c.map(order.index), kind="stable")
    journal.finish(table)


if __name__ == "__main__":
    main()
