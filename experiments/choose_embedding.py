"""Choose how a model fills the missing dimensions of a single coordinate.

    python experiments/choose_embedding.py MODEL --output results/embedding.csv --save OTHER_MODEL

Every coordinate of the split's training systems is forecast alone, at two samplings: 1,000 steps
are shown and 200 forecast. The embedding with the lowest sum of median errors (sMAPE) wins; the
held-out systems are not looked at.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import pandas as pd

from dynamix import systems
from dynamix.evaluation import results, suites
from dynamix.evaluation.suites.dysts import scored
from dynamix.forecasting.models import find_model

EMBEDDINGS = ("pos", "zero", "delay", "pecuzal")
SAMPLINGS = (100, 30)  # points a period
CONTEXT, HORIZON = 1000, 200


def tasks(points_per_period: int) -> list[suites.Task]:
    """A task per coordinate of each training system."""
    found = []
    for name in systems.split()["train"]:
        x = systems.trajectory(name, n=CONTEXT + HORIZON, points_per_period=points_per_period)
        for i in range(x.shape[1]):
            one = x[:, i : i + 1].astype(float)
            facts = {"scored": one[CONTEXT:]}
            found.append(suites.Task(name, one[:CONTEXT], one[CONTEXT:], part=i, facts=facts))
    return found


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="checkpoint")
    parser.add_argument("--output", type=Path, required=True, help="CSV file of the comparison")
    parser.add_argument("--save", type=Path, help="write the model with the chosen embedding here")
    options = parser.parse_args()
    began, rows = time.perf_counter(), []
    suite = suites.Suite(
        "training", "coordinates of the training systems", "", ("smape",), list, scored, dict
    )
    for points in SAMPLINGS:
        chosen = tasks(points)
        for embedding in EMBEDDINGS:
            settings = {"embedding": embedding}
            table = suites.run(suite, options.model, settings=settings, tasks=chosen)
            median = float(table["smape"].fillna(200.0).median())
            rows.append({"embedding": embedding, "points_per_period": points, "smape": median})
    table = pd.DataFrame(rows)
    sums = table.groupby("embedding", sort=False)["smape"].sum()
    record = results.provenance(
        f"python experiments/choose_embedding.py {options.model} --output {options.output}",
        {"model": options.model, "systems": "training", "context": CONTEXT, "horizon": HORIZON},
        seconds=time.perf_counter() - began,
    )
    record["chosen"] = str(sums.idxmin())
    results.write(table.round(2), options.output, record)
    print(table.round(2).to_string(index=False))
    print(f"chosen: {sums.idxmin()}")
    if options.save:
        model = find_model(options.model)
        model.defaults = dataclasses.replace(model.defaults, embedding=str(sums.idxmin()))
        print(model.save_pretrained(options.save).name)


if __name__ == "__main__":
    main()
