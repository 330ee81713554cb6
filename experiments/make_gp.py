"""Make dynamix-gp, the model that fits one smooth map to the context.

    python experiments/make_gp.py --output src/dynamix/data/models/dynamix-gp.safetensors

Nothing is trained by gradients. What is chosen, by free runs on the split's training systems after
short clean contexts and after long noisy ones, is how many of the likeliest kernels run freely
before one is taken; the held-out systems are not looked at. Every number is ranked by each
measure's median in each condition; the lowest sum of ranks wins. The comparison goes to
results/choice_dynamix-gp.csv. The embedding of single coordinates is the choice of
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
from dynamix.gp import GaussianProcess, GPConfig
from dynamix.settings import ForecastDefaults

DEFAULTS = ForecastDefaults(embedding="pecuzal", denoise="auto")
TRIED = (1, 3, 5)
CONDITIONS = {
    "512": BenchmarkConfig(context=512, starts=1),
    "2000_noisy": BenchmarkConfig(context=2000, starts=1, noise=0.05),
}
MEASURES = ("d_stsp", "hellinger", "d_h", "mase")


def made(tried: int) -> GaussianProcess:
    """The model that lets so many candidates run."""
    return GaussianProcess(GPConfig(tried=tried), defaults=DEFAULTS).eval()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="checkpoint to write")
    parser.add_argument(
        "--table", type=Path, default=Path("results/choice_dynamix-gp.csv"), help="comparison"
    )
    options = parser.parse_args()
    began, names, rows = time.perf_counter(), systems.split()["train"], []
    bar = tqdm(total=len(TRIED) * len(CONDITIONS), desc="choice", disable=None)
    for tried in TRIED:
        row: dict[str, float] = {"tried": tried}
        for name, config in CONDITIONS.items():
            table = benchmark.run(made(tried), config=config, names=names, workers=2)
            summary = statistics.summary(table)
            row |= {f"{key}_{name}": summary.loc[key, "median"] for key in MEASURES}
            row[f"failures_{name}"] = summary["failures"].max()
            bar.update()
        rows.append(row)
    table = pd.DataFrame(rows)
    ranks = table.drop(columns="tried").rank().sum(axis=1)
    chosen = int(table["tried"][ranks.idxmin()])
    path = made(chosen).save_pretrained(options.output)
    record = results.provenance(
        "python experiments/make_gp.py --output src/dynamix/data/models/dynamix-gp.safetensors",
        {"systems": "training", **{k: dataclasses.asdict(c) for k, c in CONDITIONS.items()}},
        seconds=time.perf_counter() - began,
    )
    record["chosen"] = {"tried": chosen}
    results.write(table.round(4), options.table, record)
    print(table.round(3).to_string(index=False))
    print(f"{path.name}: the best {chosen} candidates run")


if __name__ == "__main__":
    main()
