"""What choosing their settings on the context does for the rivals that are fitted to it.

    python experiments/rivals.py --resume

A row of results/rivals_tuning.csv is a forecaster, a training system, a context length and a level
of noise on the context, in deviations; the truth is clean. The held-out systems are not looked at.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from experiment import Experiment, flags  # the script beside this one
from tqdm import tqdm

from dynamix import BenchmarkConfig, systems
from dynamix.baselines import baseline
from dynamix.evaluation import benchmark

FORECASTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "echo_state_untuned": ("echo_state_untuned", {}),
    "echo_state": ("echo_state", {}),
    "sindy_untuned": ("sindy_untuned", {}),
    "sindy": ("sindy", {}),
    "dmd, optimal rank": ("dmd", {}),
    "dmd, rank 10": ("dmd", {"rank": 10}),
    "dmd, all modes": ("dmd", {"rank": -1}),
    "edmd, rank 15": ("edmd", {"rank": 15}),
    "edmd, rank 50": ("edmd", {}),
    "edmd, rank 150": ("edmd", {"rank": 150}),
}
SYSTEMS = (
    "AnishchenkoAstakhov", "Arneodo", "Coullet", "DequanLi", "ForcedVanDerPol", "Halvorsen",
    "NoseHoover", "RikitakeDynamo", "RabinovichFabrikant", "ShimizuMorioka", "SprottL", "YuWang",
)  # fmt: skip
CONTEXTS, NOISE, HORIZON = (2000, 512), (0.0, 0.02, 0.05), 5000
MEASURES = ("d_stsp", "hellinger", "d_h", "mase")
COLUMNS: dict[str, Any] = {
    "forecaster": str,
    "system": str,
    "context": int,
    "noise": float,
    **dict.fromkeys(MEASURES, float),
    "fate": str,
}


def row(forecaster: str, system: str, context: int, noise: float) -> dict[str, Any]:
    """One forecast, measured."""
    config = BenchmarkConfig(context=context, horizon=HORIZON, starts=1)
    path = benchmark.stretches(system, config)[0].astype(np.float64)
    shown, truth = path[:context], path[context : context + HORIZON]
    rng = np.random.default_rng([config.seed, *system.encode()])
    shown = shown + noise * shown.std(axis=0) * rng.standard_normal(shown.shape)
    name, given = FORECASTERS[forecaster]
    y = baseline(name, **given)(shown, HORIZON, seed=config.seed)
    found = benchmark.measure(y, truth, config=config, context=shown)
    place = {"forecaster": forecaster, "system": system, "context": context, "noise": noise}
    return {column: (place | found)[column] for column in COLUMNS}


def headline(rows: pd.DataFrame) -> dict[str, float]:
    """Medians and escapes of each forecaster over all conditions; what escaped is the worst."""
    found = {}
    for name, part in rows.groupby("forecaster", sort=False):
        escaped = part["fate"] == "escape"
        for key in MEASURES:
            found[f"{key} {name}"] = float(part[key].mask(escaped, np.inf).median())
        found[f"escaped percent {name}"] = float(100 * escaped.mean())
    return found


def main() -> None:
    """Fill the table, condition by condition."""
    parser = flags(__doc__, "results/rivals_tuning.csv")
    parser.add_argument("--forecasters", nargs="+", choices=FORECASTERS, default=[*FORECASTERS])
    options = parser.parse_args()
    config = BenchmarkConfig(horizon=HORIZON, starts=1)
    made = Experiment(
        Path(options.output),
        columns=COLUMNS,
        key=("forecaster", "system", "context", "noise"),
        settings={"benchmark": dataclasses.asdict(config), "systems": list(SYSTEMS)},
        command=["rivals.py"],
        resume=options.resume,
    )
    jobs = [
        (forecaster, system, context, noise)
        for system in SYSTEMS
        for context in CONTEXTS
        for noise in NOISE
        for forecaster in options.forecasters
    ]
    assert set(SYSTEMS) <= set(systems.split()["train"])
    for job in tqdm(made.left(jobs), desc="rivals", unit="forecast", disable=None):
        made.add([row(*job)])
    order = list(FORECASTERS)
    made.finish(lambda r: (order.index(r["forecaster"]), *made.job(r)[1:]), headline=headline)


if __name__ == "__main__":
    main()
