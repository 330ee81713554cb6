"""Choose how sharp a model's attention is in forecasts, and how many steps it begins quietly.

    python experiments/choose_sharpness.py MODEL --output results/sharpness.csv --save OTHER_MODEL

Free runs on the split's validation systems decide, several starts each; the held-out systems are
not looked at. Every combination is ranked by each measure's median; the lowest sum of ranks wins.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import time
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from dynamix import BenchmarkConfig, DynaMix, systems
from dynamix.evaluation import benchmark, results, statistics

SHARPNESS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
QUIET = (0, 20)
STARTS = 3


def configured(model: DynaMix, sharpness: float, quiet: int) -> DynaMix:
    """The same weights with other settings for forecasts."""
    other = copy.copy(model)
    other.defaults = dataclasses.replace(
        model.defaults, attention_sharpness=sharpness, quiet_steps=quiet
    )
    return other


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="checkpoint")
    parser.add_argument("--output", type=Path, required=True, help="CSV file of the comparison")
    parser.add_argument("--save", type=Path, help="write the chosen model here")
    options = parser.parse_args()
    began = time.perf_counter()
    model = DynaMix.from_pretrained(options.model)
    config = BenchmarkConfig(starts=STARTS)
    names = systems.split()["validation"]
    rows = []
    for sharpness in tqdm(SHARPNESS, desc="sharpness", disable=None):
        for quiet in QUIET:
            table = benchmark.run(configured(model, sharpness, quiet), config=config, names=names)
            medians = statistics.summary(table)["median"]
            rows.append(
                {
                    "attention_sharpness": sharpness,
                    "quiet_steps": quiet,
                    **{key: medians[key] for key in ("d_stsp", "hellinger", "d_h", "mase")},
                }
            )
    table = pd.DataFrame(rows)
    table["rank_sum"] = table[["d_stsp", "hellinger", "d_h", "mase"]].rank().sum(axis=1)
    best = table.loc[table["rank_sum"].idxmin()]
    record = results.provenance(
        f"python experiments/choose_sharpness.py {options.model} "
        f"--output results/{options.output.name}",
        {"systems": names, "starts": STARTS},
        seconds=time.perf_counter() - began,
    )
    results.write(table.round(4), options.output, record)
    print(table.round(3).to_string(index=False))
    print(f"chosen: sharpness {best.attention_sharpness:g}, {best.quiet_steps:g} quiet steps")
    if options.save:
        chosen = configured(model, float(best.attention_sharpness), int(best.quiet_steps))
        print(chosen.save_pretrained(options.save).name)


if __name__ == "__main__":
    main()
