"""Measure models on generated flows, which belong to no catalogue, at several sampling rates.

    python experiments/benchmark_outside.py --output results/benchmark_outside.csv MODEL [MODEL ...]

Every flow of :mod:`dynamix.flows` with seeds from FIRST on is shown for CONTEXT steps
and continued for HORIZON, at each number of points per dominant period. A row is one flow, rate and model; the
rivals' names of ``dynamix benchmark`` can be given, too.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from dynamix import BenchmarkConfig, flows
from dynamix.baselines import baseline
from dynamix.evaluation import benchmark, results

COUNT, FIRST = 40, 100_000  # seeds far from those that anything was trained on
RATES = (25, 50, 100)
CONTEXT, HORIZON = 2000, 10_000


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="bundled names, files, or rivals")
    parser.add_argument("--output", type=Path, required=True, help="CSV file")
    parser.add_argument("--flows", type=int, default=COUNT, help="how many")
    options = parser.parse_args()
    config = BenchmarkConfig(context=CONTEXT, horizon=HORIZON)
    forecasters = {name: baseline(name) for name in options.models}
    began, rows = time.perf_counter(), []
    for seed in tqdm(range(FIRST, FIRST + options.flows), desc="flows", disable=None):
        for rate in RATES:
            x = flows.flow(seed, n=CONTEXT + HORIZON, points_per_period=rate)
            shown, truth = x[:CONTEXT], x[CONTEXT:]
            for name, forecaster in forecasters.items():
                y = forecaster(shown, HORIZON, seed=0)
                measured = benchmark.measure(y, truth, config=config)
                row = {"model": Path(name).stem, "flow": seed, "points_per_period": rate}
                rows.append(row | {key: measured[key] for key in ("d_stsp", "d_h", "mase")})
    table = pd.DataFrame(rows)
    record = results.provenance(
        f"python experiments/benchmark_outside.py --output {options.output.name} "
        + " ".join(Path(name).name for name in options.models),
        {"flows": options.flows, "first_seed": FIRST, "context": CONTEXT, "horizon": HORIZON},
        seconds=time.perf_counter() - began,
    )
    results.write(table.round(5), options.output, record)
    median = table.fillna(np.inf).groupby(["points_per_period", "model"])
    print(median[["d_stsp", "d_h", "mase"]].median().round(3).to_string())


if __name__ == "__main__":
    main()
