"""Measure models on generated flows, which belong to no catalogue, at several sampling rates.

    python experiments/benchmark_outside.py --output results/benchmark_outside.csv MODEL [MODEL ...]

A row is one flow, rate and model. Rivals' names of ``dynamix benchmark`` are models, too.
"""

import argparse
import dataclasses
import time
from pathlib import Path

import pandas as pd

from dynamix import BenchmarkConfig
from dynamix.evaluation import benchmark, results

RATES = (25, 50, 100)
ERRORS = ["d_stsp", "hellinger", "d_h", "mase"]

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("models", nargs="+", help="bundled names, files, or rivals")
parser.add_argument("--output", type=Path, required=True, help="CSV file")
parser.add_argument("--flows", type=int, default=BenchmarkConfig.flows, help="how many")


def main() -> None:
    """Entry point."""
    options, began, tables = parser.parse_args(), time.perf_counter(), []
    given = {"source": "generated", "flows": options.flows, "starts": 1}
    protocol = BenchmarkConfig(**given)
    for model in options.models:
        for rate in RATES:
            config = dataclasses.replace(protocol, points_per_period=rate)
            table = benchmark.run(model, config=config).rename(columns={"system": "flow"})
            table = table.assign(model=Path(model).stem, points_per_period=rate)
            tables.append(table[["model", "flow", "points_per_period", *ERRORS]])
    table = pd.concat(tables).sort_values(["flow", "points_per_period"], kind="stable").round(5)
    names = " ".join(Path(model).name for model in options.models)
    output = f"results/{options.output.name}"
    command = f"python experiments/benchmark_outside.py --output {output} {names}"
    settings = dataclasses.asdict(protocol) | {"points_per_period": RATES}
    record = results.provenance(command, settings, seconds=time.perf_counter() - began)
    results.write(table, options.output, record)


if __name__ == "__main__":
    main()
