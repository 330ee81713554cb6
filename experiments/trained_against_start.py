"""What training adds: each bundled model against its own untrained start, on generated flows.

    python experiments/trained_against_start.py --output results/trained_against_start.csv

The flows belong to no catalogue and no training corpus. A row is one model, context and error.
``ratio`` is the median over flows of the trained model's error over its start's: below 1 where
training helps. ``wins`` is the share of flows on which the trained model's error is smaller.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from experiment import Experiment, flags
from tqdm import tqdm

from dynamix import BenchmarkConfig
from dynamix.evaluation import benchmark, statistics

MODELS = ("dynamix-3d", "dynamix-3d-scratch", "dynamix-3d-flows", "dynamix-6d")
CONTEXTS = (2000, 512)
PROTOCOL = BenchmarkConfig(source="generated", starts=1)
ENDS = ("", "_low", "_high")
COLUMNS: dict[str, Callable[[str], Any]] = {
    "model": str,
    "context": int,
    "error": str,
    **dict.fromkeys(("trained", "start"), float),
    **{f"{name}{end}": float for name in ("ratio", "wins") for end in ENDS},
    **dict.fromkeys(("ties", "failures", "start_failures"), int),
}


def compared(trained: pd.DataFrame, start: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per error: medians, paired ratio and win rate with their 95 % intervals, failures."""
    rates = statistics.win_rates({"trained": trained, "start": start}, "start").loc["trained"]
    both = {"trained": trained, "start": start}
    medians = {name: statistics.summary(table) for name, table in both.items()}
    values = {name: statistics.per_system(table) for name, table in both.items()}
    rows = {}
    for error in rates.index.intersection(statistics.ERRORS, sort=False):
        a, b = (values[name][error].to_numpy() for name in both)
        with np.errstate(invalid="ignore"):
            ratios = np.where(a == b, 1.0, a / b)  # also where both failed
        ratio = (float(statistics.quantiles(ratios, 0.5)), *statistics.bootstrap(ratios))
        wins = rates.loc[error, ["share", "interval low", "interval high"]]
        found = {name: medians[name].loc[error, "median"] for name in both}
        found |= {f"ratio{end}": x for end, x in zip(ENDS, ratio, strict=True)}
        found |= {f"wins{end}": x for end, x in zip(ENDS, wins, strict=True)}
        rows[error] = {key: round(float(value), 4) for key, value in found.items()} | {
            "ties": int(rates.loc[error, "ties"]),
            "failures": int(medians["trained"].loc[error, "failures"]),
            "start_failures": int(medians["start"].loc[error, "failures"]),
        }
    return rows


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/trained_against_start.csv")
    parser.add_argument("--flows", type=int, default=PROTOCOL.flows, help="how many")
    options = parser.parse_args()
    protocol = dataclasses.replace(PROTOCOL, flows=options.flows)
    words = ["trained_against_start.py", "--output", f"results/{options.output.name}"]
    experiment = Experiment(
        options.output,
        columns=COLUMNS,
        key=("model", "context"),
        settings=dataclasses.asdict(protocol) | {"context": list(CONTEXTS)},
        command=[*words, "--flows", str(options.flows)],
        resume=options.resume,
    )
    jobs = experiment.left((model, context) for context in CONTEXTS for model in MODELS)
    for model, context in tqdm(jobs, desc="models", disable=None):
        config = dataclasses.replace(protocol, context=context)
        tables = (benchmark.run(name, config=config) for name in (model, f"{model}-untrained"))
        label = {"model": model, "context": context}
        experiment.add([label | {"error": e} | row for e, row in compared(*tables).items()])
    table = experiment.finish(
        lambda row: (CONTEXTS.index(row["context"]), MODELS.index(row["model"]))
    )
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
