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
from make_judge import (  # the script beside this one
    HORIZON,
    LENGTH,
    LENGTHS,
    NOISE,
    OFTEN,
    choices,
    divided,
    keep,
    path_of,
    report,
    scores,
    trained,
)
from numpy import ndarray
from tqdm import tqdm

from dynamix import DynaMix, InputError
from dynamix.engine.gp import runs
from dynamix.evaluation import parallel, results
from dynamix.gp import GaussianProcess, GPConfig, smooth
from dynamix.gp.choice import horizon_of_trials
from dynamix.gp.memory import OF_MEMORY, features, proposals
from dynamix.gp.regression import scales
from dynamix.io.threads import sums_by_one_thread
from dynamix.local.choice import SPECTRUM
from dynamix.preprocessing import decorrelation_time, embed

FIRST_FLOW = 620_000
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


def examples(folder: Path, wanted: tuple[str, int]) -> None:
    """Write the examples of one flow, or of a stretch of a training system."""
    source, i = wanted
    path, rng = folder / f"{source}{i}.safetensors", np.random.default_rng(i)
    if path.exists():
        return
    try:
        x = path_of(source, i, rng)
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
    keep(path, made)


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
    given, aside = divided(options.data)
    judge, begun = trained(given, seed=options.seed)
    model.memory_judge = judge
    model.defaults = dataclasses.replace(model.defaults, embedding="memory")
    model.save_pretrained(options.output)

    ways = {
        "likeness": by_likeness(aside["features"]),
        "judge before training": choices(begun, aside["features"]),
        "judge": choices(judge, aside["features"]),
    }
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
    contexts = [(250, 0.0), (512, 0.0), (512, 0.05), (2000, 0.0), (2000, 0.05)]
    how: Any = {"shown": contexts, "rule": "that of likeness", "record": record}
    report(options.table, ways, given, aside, **how)


if __name__ == "__main__":
    main()
