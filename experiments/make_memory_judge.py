"""Train the second judge of dynamix-gp-learned: which map with a memory suits a context.

    python experiments/make_memory_judge.py --data runs/memory --workers 2 --model CHECKPOINT \
        --output src/dynamix/data/models/dynamix-gp-learned.safetensors

The second of two commands: make_judge.py makes a checkpoint, and this one adds the judge for
contexts of one and two channels, or trains it again for the bundled model. First the examples,
resumable and half an hour of two cores: all candidates run freely after contexts of 250 to 2,000
steps, with and without noise, and are scored against the clean continuation, in three delays as in
short_contexts.py. They are of generated flows (seeds from 620,000) and of the 34 training systems.
Then the network, as in make_judge.py. A quarter of the flows is kept aside for the table
results/memory_judge.csv; the held-out systems are not looked at.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from make_gp import MEASURES  # the scripts beside this one
from make_judge import KEPT_ASIDE, LENGTHS, NOISE, OFTEN, choices, cost, read, trained
from numpy import ndarray
from safetensors.numpy import save as packed
from tqdm import tqdm

from dynamix import DynaMix, InputError, metrics, systems
from dynamix.engine.gp import runs
from dynamix.evaluation import parallel, results
from dynamix.flows.generated import flow
from dynamix.gp import GaussianProcess, GPConfig, smooth
from dynamix.gp.choice import horizon_of_trials
from dynamix.gp.memory import OF_MEMORY, features, proposals
from dynamix.gp.regression import scales
from dynamix.io.files import write_bytes
from dynamix.io.threads import sums_by_one_thread
from dynamix.local.choice import SPECTRUM
from dynamix.preprocessing import decorrelation_time, embed

FIRST_FLOW, LENGTH, HORIZON = 620_000, 8000, 4000
EXAMPLES = 3  # contexts of a flow or a stretch
TWO_CHANNELS = 0.2  # of the contexts
CONFIG = GPConfig()
COUNT = (
    len(CONFIG.entries)
    * len(CONFIG.spacings)
    * len(CONFIG.memory_scales)
    * len(CONFIG.memory_ridges)
)


def example(context: ndarray, truth: ndarray) -> tuple[ndarray, ndarray]:
    """Features of the candidates after a context, and their scores.

    A short context has fewer candidates: they are repeated.
    """
    mean, deviation = scales(smoothed := smooth(context).values)
    z = (smoothed - mean) / deviation
    found = proposals(z, CONFIG)
    free = runs([one.map for one in found], [z] * len(found), HORIZON)
    seen = features(found, free[: horizon_of_trials(len(z))], z, z)
    apart = min(decorrelation_time(truth), len(truth) // 6)
    view = partial(embed, dims=3, embedding="delay", delays=(apart, 2 * apart)[: 3 - z.shape[1]])
    made = [scores(free[:, k] * deviation + mean, truth, view) for k in range(len(found))]
    repeated = np.arange(COUNT) % len(found)
    return seen[repeated], np.array(made)[repeated]


def scores(y: ndarray, truth: ndarray, view: Any) -> list[float]:
    """The measures of a free run, the geometry in a ``view`` of three dimensions."""
    seen = {"forecast": view(y), "truth": view(truth)}
    found = [
        metrics.state_space_divergence(**seen),
        metrics.histogram_hellinger(**seen),
        metrics.spectral_hellinger(forecast=y, truth=truth),
        metrics.mase(forecast=y, truth=truth),
    ]
    return [15.0 if np.isnan(found[0]) else found[0], *found[1:]]


def examples(folder: Path, wanted: tuple[str, int]) -> None:
    """Write the examples of one flow, or of a stretch of a training system."""
    source, i = wanted
    path, rng = folder / f"{source}{i}.safetensors", np.random.default_rng(i)
    if path.exists():
        return
    try:
        if source == "g":
            x = flow(i, n=LENGTH, points_per_period=int(rng.choice([50, 50, 50, 25, 100])))
        else:
            names = systems.split()["train"]
            whole = systems.trajectory(names[i % len(names)], n=20_000, points_per_period=50)
            x = whole[int(rng.integers(0, 12_000)) :][:LENGTH]
        made = []
        for q in range(EXAMPLES):
            T_C, noise = int(rng.choice(LENGTHS, p=OFTEN)), float(rng.choice(NOISE))
            end = int(rng.integers(max(LENGTHS), LENGTH - HORIZON))
            order = rng.permutation(x.shape[1])[: 2 if rng.random() < TWO_CHANNELS else 1]
            seen = x[:, order].astype(float)
            context, truth = seen[end - T_C : end], seen[end : end + HORIZON]
            own = np.random.default_rng(10 * i + q).standard_normal(context.shape)
            context = context + noise * context.std(axis=0) * own
            with sums_by_one_thread():
                made.append((*example(context, truth), (T_C, noise)))
    except InputError:  # a flow that leaves all bounds
        return
    seen, scored, how = zip(*made, strict=True)
    kept = {"features": np.array(seen), "scores": np.array(scored), "context": np.array(how)}
    write_bytes(path, packed(kept))


def by_likeness(seen: ndarray) -> ndarray:
    """What is taken without a judge, as far as the features show it."""
    place = {name: i for i, name in enumerate(OF_MEMORY)}
    held, regions, spectrum = (seen[:, :, place[name]] for name in ("held", "regions", "spectrum"))
    return np.argmin(regions**2 + SPECTRUM * spectrum + 10.0 * (held > 0), axis=1)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the examples")
    parser.add_argument("--model", default="dynamix-gp-learned", help="what gets the judge")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint to write")
    parser.add_argument(
        "--table", type=Path, default=Path("results/memory_judge.csv"), help="comparison"
    )
    parser.add_argument("--flows", type=int, default=400, help="generated flows")
    parser.add_argument("--stretches", type=int, default=170, help="of training systems")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    model = DynaMix.from_pretrained(options.model)
    assert isinstance(model, GaussianProcess)
    options.data.mkdir(parents=True, exist_ok=True)
    wanted = [("g", FIRST_FLOW + i) for i in range(options.flows)]
    wanted += [("t", i) for i in range(options.stretches)]
    make = parallel.spread(partial(examples, options.data), wanted, workers=options.workers)
    for _ in tqdm(make, total=len(wanted), desc="examples", disable=None):
        pass
    flows = sorted(options.data.glob("g*.safetensors"))
    kept = round((1 - KEPT_ASIDE) * len(flows))
    given = read(flows[:kept] + sorted(options.data.glob("t*.safetensors")))
    aside = read(flows[kept:])
    judge, begun = trained(given, seed=options.seed)
    model.memory_judge = judge
    model.defaults = dataclasses.replace(model.defaults, embedding="memory")
    path = model.save_pretrained(options.output)

    costs = cost(aside["scores"])
    taken = {
        "likeness": by_likeness(aside["features"]),
        "judge before training": choices(begun, aside["features"]),
        "judge": choices(judge, aside["features"]),
        "the truth": costs.argmin(axis=1),
    }
    paid = {name: costs[np.arange(len(costs)), k] for name, k in taken.items()}
    rows: list[dict[str, Any]] = []
    for T_C, noise in [(0, 0.0), (250, 0.0), (512, 0.0), (512, 0.05), (2000, 0.0), (2000, 0.05)]:
        here = (aside["context"] == (T_C, noise)).all(axis=1) if T_C else np.full(len(costs), True)
        for name, k in taken.items():
            found = aside["scores"][here, k[here]]
            row = {"context": T_C or "all", "noise": noise if T_C else "all", "choice by": name}
            row |= {"contexts": int(here.sum()), "cost": paid[name][here].mean()}
            rows.append(row | dict(zip(MEASURES, np.median(found, axis=0), strict=True)))
    better = paid["judge"] - paid["likeness"]
    record = results.provenance(
        "python experiments/make_memory_judge.py --data runs/memory "
        "--output runs/dynamix-gp-memory.safetensors",
        {
            "first_flow": FIRST_FLOW,
            "flows": options.flows,
            "stretches": options.stretches,
            "seed": options.seed,
        },
        seconds=time.perf_counter() - began,
    )
    record["headline"] = {
        "examples": len(given["features"]),
        "examples kept aside": len(costs),
        "cost of the judge less that of likeness": round(float(better.mean()), 3),
        "share of contexts that gain": round(float((better < 0).mean()), 3),
        "share of contexts that lose": round(float((better > 0).mean()), 3),
    }
    table = pd.DataFrame(rows)
    results.write(table.round(4), options.table, record)
    print(table.round(3).to_string(index=False))
    print(record["headline"], path.name)


if __name__ == "__main__":
    main()
