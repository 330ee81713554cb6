"""Make dynamix-3d-plus, the model whose experts are all read out of the context.

    python experiments/make_plus.py --output src/dynamix/data/models/dynamix-3d-plus.safetensors

Nothing is trained by gradients. What is chosen, by free runs on the split's training systems, is
the width of the gate's noise and the ridge of the fits; the held-out systems are not looked at.
Every combination is ranked by the median of D_stsp, D_H and MASE at each context length; the lowest
sum of ranks wins. The Hellinger distance stands beside them. The comparison goes to
results/choice_dynamix-3d-plus.csv. The embedding of single coordinates is the choice of
experiments/choose_embedding.py, also on the training systems.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from dynamix import BenchmarkConfig, systems
from dynamix.evaluation import benchmark, results, statistics
from dynamix.local import LocalForecaster
from dynamix.local.settings import LocalConfig
from dynamix.settings import ForecastDefaults

CONFIG = LocalConfig(neighbours=(8, 8, 12, 12, 20, 20, 32, 32), pulls=(1.0, 0.95) * 4)
DEFAULTS = ForecastDefaults(embedding="pecuzal", quiet_steps=20)
WIDTHS = (0.02, 0.05, 0.1)
RIDGES = (3e-4, 1e-3, 3e-3)
CONTEXTS = (512, 2000)
RANKED = ("d_stsp", "d_h", "mase")  # what chose the bundled model
STARTS = 2


def made(width: float, ridge: float) -> LocalForecaster:
    """The model with that noise and ridge."""
    config = dataclasses.replace(CONFIG, ridge=ridge)
    return LocalForecaster(config, sigma=width, defaults=DEFAULTS).eval()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="checkpoint to write")
    parser.add_argument(
        "--table", type=Path, default=Path("results/choice_dynamix-3d-plus.csv"), help="comparison"
    )
    options = parser.parse_args()
    began, names, rows = time.perf_counter(), systems.split()["train"], []
    bar = tqdm(total=len(WIDTHS) * len(RIDGES) * len(CONTEXTS), desc="choice", disable=None)
    for width in WIDTHS:
        for ridge in RIDGES:
            row = {"gate_noise": width, "local_ridge": ridge}
            for context in CONTEXTS:
                config = BenchmarkConfig(context=context, starts=STARTS)
                table = benchmark.run(made(width, ridge), config=config, names=names)
                medians = statistics.summary(table)["median"]
                row |= {f"{key}_{context}": medians[key] for key in (*RANKED, "hellinger")}
                bar.update()
            rows.append(row)
    bar.close()
    table = pd.DataFrame(rows)
    ranked = [f"{key}_{context}" for context in CONTEXTS for key in RANKED]
    table["rank_sum"] = table[ranked].rank().sum(axis=1)
    best = table.loc[table["rank_sum"].idxmin()]
    record = results.provenance(
        f"python experiments/make_plus.py --output {options.output.name}",
        {"model": dataclasses.asdict(CONFIG), "systems": "training", "starts": STARTS},
        seconds=time.perf_counter() - began,
    )
    results.write(table.round(4), options.table, record)
    print(table.round(3).to_string(index=False))
    path = made(float(best.gate_noise), float(best.local_ridge)).save_pretrained(options.output)
    print(f"chosen: gate noise {best.gate_noise:g}, ridge {best.local_ridge:g}; wrote {path.name}")


if __name__ == "__main__":
    main()
