"""Train the judge of dynamix-gp-learned: which kernel suits a context, learned across systems.

    python experiments/make_judge.py --data runs/judge \
        --output src/dynamix/data/models/dynamix-gp-learned.safetensors

First the examples, resumable and about an hour: the likeliest candidates run freely after contexts
of 250 to 2,000 steps, with and without noise, of all channels or of one with its delays. They are
of generated flows (seeds from 600,000) and of the 34 training systems, and are scored against the
clean continuation. Then the network, in a minute: it lowers the expected cost of its choice. A
quarter of the flows is kept aside for the table results/judge.csv; the held-out systems are not
looked at.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from make_gp import DEFAULTS, MEASURES  # the script beside this one
from numpy import ndarray
from safetensors.numpy import load_file
from safetensors.numpy import save as packed
from torch import Tensor, nn
from tqdm import tqdm

from dynamix import InputError, metrics, systems
from dynamix.engine.gp import runs
from dynamix.evaluation import results
from dynamix.flows.generated import flow
from dynamix.gp import GaussianProcess, GPConfig, smooth
from dynamix.gp.choice import OF_CANDIDATE, features, shown
from dynamix.gp.judge import Judge
from dynamix.gp.regression import Regression, delayed
from dynamix.io.files import write_bytes
from dynamix.local.choice import SPECTRUM
from dynamix.preprocessing.embedding import find_delays

FIRST_FLOW, LENGTH, HORIZON = 600_000, 8000, 4000
KEPT_ASIDE = 0.25  # of the flows
EPOCHS, RATE, DECAY, DROPOUT = 60, 3e-3, 0.03, 0.3
EXAMPLES = 4  # contexts of a flow or a stretch
LENGTHS, OFTEN = (250, 350, 512, 1000, 2000), (0.3, 0.1, 0.3, 0.1, 0.2)
NOISE = (0.0, 0.0, 0.02, 0.05, 0.1)
ONE_CHANNEL = 0.25  # of the contexts: a channel and its delays
CONFIG = GPConfig(degrees=(1, 2, 3))


def example(
    x: ndarray, end: int, T_C: int, noise: float, seed: int, *, channel: int | None = None
) -> tuple[ndarray, ...]:
    """Features of the candidates after a context, and their scores.

    The context ends at ``end``. A ``channel`` is seen alone, with its delays beside it.
    """
    of = slice(None) if channel is None else [channel]
    context, truth = x[end - T_C : end, of], x[end : end + HORIZON, of]
    if noise:
        rng = np.random.default_rng(seed)
        context = context + noise * context.std(axis=0) * rng.standard_normal(context.shape)
    context = smooth(context).values
    if channel is not None:
        lags = (0, *find_delays(context, count=2, embedding="delay"))
        both = delayed(np.concatenate([context, truth]), lags)
        context, truth = both[:-HORIZON], both[-HORIZON:]
    regression = Regression(context, CONFIG)
    maps = [regression.fit(kernel) for kernel in shown(regression, len(context))]
    start = context[-1:].copy()
    seen = features(runs, regression, maps, context, start)
    made = runs(maps, [start] * len(maps), HORIZON)
    return seen, np.array([scores(made[:, k], truth) for k in range(len(maps))])


def scores(
    y: ndarray, truth: ndarray, view: Callable[[ndarray], ndarray] = np.asarray
) -> list[float]:
    """The measures of a free run, the geometry in a ``view`` of its states."""
    seen = {"forecast": view(y), "truth": view(truth)}
    found = [
        metrics.state_space_divergence(**seen),
        metrics.histogram_hellinger(**seen),
        metrics.spectral_hellinger(forecast=y, truth=truth),
        metrics.mase(forecast=y, truth=truth),
    ]
    return [15.0 if np.isnan(found[0]) else found[0], *found[1:]]


def path_of(source: str, i: int, rng: np.random.Generator) -> ndarray:
    """A generated flow at a random rate, or a stretch of a training system."""
    if source == "g":
        rate = int(rng.choice([50, 50, 50, 25, 100]))
        return flow(i, n=LENGTH, points_per_period=rate)
    names = systems.split()["train"]
    whole = systems.trajectory(names[i % len(names)], n=20_000, points_per_period=50)
    return whole[int(rng.integers(0, 12_000)) :][:LENGTH]


def examples(source: str, i: int, path: Path) -> None:
    """Write the examples of one flow, or of a stretch of a training system."""
    rng = np.random.default_rng(i)
    x = path_of(source, i, rng)
    made = []
    for q in range(EXAMPLES):
        T_C, noise = int(rng.choice(LENGTHS, p=OFTEN)), float(rng.choice(NOISE))
        end, alone = int(rng.integers(max(LENGTHS), LENGTH - HORIZON)), rng.random() < ONE_CHANNEL
        channel = int(rng.integers(x.shape[1])) if alone else None
        found = example(x.astype(float), end, T_C, noise, 10 * i + q, channel=channel)
        made.append((*found, (T_C, noise)))
    keep(path, made)


def keep(path: Path, made: list[tuple[Any, ...]]) -> None:
    """Write examples: features, scores, and steps and noise of their contexts."""
    seen, scored, how = zip(*made, strict=True)
    kept = {"features": np.array(seen), "scores": np.array(scored), "context": np.array(how)}
    write_bytes(path, packed(kept))


def read(paths: list[Path]) -> dict[str, ndarray]:
    """Examples of several files."""
    parts = [load_file(path) for path in paths]
    return {
        k: np.concatenate([part[k] for part in parts]) for k in ("features", "scores", "context")
    }


def cost(scored: ndarray) -> ndarray:
    """What the judge should lower: all four measures, none of them decisive alone."""
    d_stsp, hellinger, d_h, mase = np.moveaxis(scored, -1, 0)
    geometry = np.log(np.minimum(d_stsp, 15.0) + 0.3) + 2.5 * hellinger
    return geometry + 4.0 * d_h + 0.25 * np.log(np.minimum(mase, 5.0) + 0.01)


def trained(given: dict[str, ndarray], *, seed: int) -> tuple[Judge, Judge]:
    """A judge after training, and as it began."""
    torch.manual_seed(seed)
    seen = torch.from_numpy(given["features"]).float()
    costs = torch.from_numpy(cost(given["scores"])).float()
    regret = (costs - costs.min(dim=1, keepdim=True).values).clamp(max=4.0)
    judge = Judge(dropout=DROPOUT)
    judge.centre.copy_(seen.flatten(0, 1).mean(dim=0))
    judge.width.copy_(seen.flatten(0, 1).std(dim=0) + 1e-6)
    begun = copy.deepcopy(judge).eval()
    optimiser = torch.optim.AdamW(judge.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in tqdm(range(EPOCHS), desc="training", disable=None):
        for batch in torch.randperm(len(seen)).split(64):
            ratings: Tensor = judge(seen[batch])
            expected = (torch.softmax(-ratings, dim=1) * regret[batch]).sum(dim=1).mean()
            loss = expected + 0.05 * nn.functional.smooth_l1_loss(ratings, regret[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    return judge.eval(), begun


def choices(judge: Judge, seen: ndarray) -> ndarray:
    """The candidates that a judge takes."""
    with torch.no_grad():
        return judge(torch.from_numpy(seen).float()).argmin(dim=1).numpy()


def by_rule(seen: ndarray) -> ndarray:
    """What the rule of dynamix-gp takes, as far as the features show it."""
    taken, place = [], {name: i for i, name in enumerate(OF_CANDIDATE)}
    for one in seen:
        likelihood, held, regions, spectrum = (
            one[:, place[name]] for name in ("likelihood", "held", "regions", "spectrum")
        )
        unlike = regions**2 + SPECTRUM * spectrum
        likely = np.argsort(likelihood, kind="stable")[:12]
        inside = [k for k in likely if held[k] == 0]
        tried = [k for k in likely[:3] if held[k] == 0] or inside[:1] or [likely[0]]
        taken.append(min(tried, key=lambda k: unlike[k]))
    return np.array(taken)


def divided(folder: Path) -> tuple[dict[str, ndarray], dict[str, ndarray]]:
    """The examples to train on, and those of the last flows, which are kept aside."""
    flows = sorted(folder.glob("g*.safetensors"))
    kept = round((1 - KEPT_ASIDE) * len(flows))
    return read(flows[:kept] + sorted(folder.glob("t*.safetensors"))), read(flows[kept:])


def report(
    output: Path,
    ways: dict[str, ndarray],
    given: dict[str, ndarray],
    aside: dict[str, ndarray],
    *,
    shown: Sequence[tuple[int, float]],
    rule: str,
    record: dict[str, Any],
) -> None:
    """Write the table of the choices made by ``ways`` on the examples that were kept aside.

    ``shown`` are the contexts that have rows of their own, ``rule`` says what the judge replaces.
    """
    costs = cost(aside["scores"])
    taken = ways | {"the truth": costs.argmin(axis=1)}
    paid = {name: costs[np.arange(len(costs)), k] for name, k in taken.items()}
    rows: list[dict[str, Any]] = []
    for T_C, noise in [(0, 0.0), *shown]:
        here = (aside["context"] == (T_C, noise)).all(axis=1) if T_C else np.full(len(costs), True)
        for name, k in taken.items():
            found = aside["scores"][here, k[here]]
            row = {"context": T_C or "all", "noise": noise if T_C else "all", "choice by": name}
            row |= {"contexts": int(here.sum()), "cost": paid[name][here].mean()}
            rows.append(row | dict(zip(MEASURES, np.median(found, axis=0), strict=True)))
    first = next(iter(ways))
    better = paid["judge"] - paid[first]
    record["headline"] = {
        "examples": len(given["features"]),
        "examples kept aside": len(costs),
        f"cost of the judge less {rule}": round(float(better.mean()), 3),
        "share of contexts that gain": round(float((better < 0).mean()), 3),
        "share of contexts that lose": round(float((better > 0).mean()), 3),
    }
    table = pd.DataFrame(rows)
    results.write(table.round(4), output, record)
    print(table.round(3).to_string(index=False))
    print(record["headline"])


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the examples")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--table", type=Path, default=Path("results/judge.csv"), help="comparison")
    parser.add_argument("--flows", type=int, default=500, help="generated flows")
    parser.add_argument("--stretches", type=int, default=250, help="of training systems")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.perf_counter()
    options.data.mkdir(parents=True, exist_ok=True)
    wanted = [("g", FIRST_FLOW + i) for i in range(options.flows)]
    wanted += [("t", i) for i in range(options.stretches)]
    for source, i in tqdm(wanted, desc="examples", disable=None):
        path = options.data / f"{source}{i}.safetensors"
        if not path.exists():
            try:
                examples(source, i, path)
            except InputError:  # a flow that leaves all bounds
                continue
    given, aside = divided(options.data)
    judge, begun = trained(given, seed=options.seed)
    model = GaussianProcess(CONFIG, defaults=DEFAULTS, judge=judge).eval()
    model.save_pretrained(options.output)

    ways = {
        "likelihood and likeness": by_rule(aside["features"]),
        "judge before training": choices(begun, aside["features"]),
        "judge": choices(judge, aside["features"]),
    }
    record = results.provenance(
        "python experiments/make_judge.py --data runs/judge "
        "--output src/dynamix/data/models/dynamix-gp-learned.safetensors",
        {"first_flow": FIRST_FLOW, "flows": options.flows, "stretches": options.stretches}
        | {
            "seed": options.seed,
            "epochs": EPOCHS,
            "learning_rate": RATE,
            "weight_decay": DECAY,
            "dropout": DROPOUT,
        },
        seconds=time.perf_counter() - began,
    )
    contexts = [(250, 0.0), (512, 0.0), (512, 0.05), (2000, 0.05)]
    how: Any = {"shown": contexts, "rule": "the rule's", "record": record}
    report(options.table, ways, given, aside, **how)


if __name__ == "__main__":
    main()
