"""What carries the choice of dynamix-gp-learned: its judge without a group of its features.

    python experiments/ablations_judge.py --output results/ablations_judge.csv

The contexts are of generated flows that nothing was trained or chosen on (seeds from 650,000).
After each, the likeliest candidates run freely and are scored against the clean continuation, as
in make_judge.py. A judge without a group sees the average of the training examples in its place;
nothing is trained again. The rules beside it are the likelihood alone, the likelihood and the
likeness of free runs (dynamix-gp), the judge before its training, and the truth. ``gain`` is the
mean cost of the judge less the row's, over the same contexts, with its 95 % interval over flows:
below 0 where the judge is better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from experiment import Experiment, flags  # the scripts beside this one
from make_judge import HORIZON, MEASURES, by_rule, choices, cost, example
from numpy import ndarray
from tqdm import tqdm

from dynamix import DynaMix
from dynamix.baselines import baseline
from dynamix.evaluation import statistics
from dynamix.flows.generated import flow
from dynamix.gp.choice import COLUMNS as NAMES
from dynamix.gp.choice import OF_CONTEXT
from dynamix.gp.judge import Judge

FIRST_FLOW = 650_000
CONTEXTS = ((250, 0.0), (512, 0.0), (512, 0.05))  # steps, noise
GROUPS = {
    "the fit": ("likelihood", "length", "ridge", "degree", "misses", "surprise"),
    "regions": ("regions", "elsewhere", "missing", "cells", "held"),
    "spectrum": ("spectrum", "worst spectrum"),
    "size and rest": ("spread", "least spread", "most spread", "shift", "motion", "halves"),
    "the context": OF_CONTEXT,
}
COLUMNS: dict[str, Callable[[str], Any]] = {
    "flow": int,
    "context": int,
    "noise": float,
    "choice by": str,
    "cost": float,
    **dict.fromkeys(MEASURES, float),
}


def without(judge: Judge, seen: ndarray, names: tuple[str, ...]) -> ndarray:
    """What a judge takes that sees the training's average in place of these features."""
    hidden = [k for k, name in enumerate(NAMES) if name.partition(",")[0] in names]
    shown = seen.copy()
    shown[..., hidden] = judge.centre.numpy()[hidden]
    return choices(judge, shown)


def rows_of(i: int, judges: tuple[Judge, Judge]) -> list[dict[str, Any]]:
    """A row per context and way to choose, for one flow."""
    trained, begun = judges
    x = flow(i, n=max(T_C for T_C, _ in CONTEXTS) + HORIZON)
    rows = []
    for T_C, noise in CONTEXTS:
        seen, scored = (part[None] for part in example(x, len(x) - HORIZON, T_C, noise, i))
        costs = cost(scored)
        taken = {
            "judge": choices(trained, seen),
            **{f"without {group}": without(trained, seen, own) for group, own in GROUPS.items()},
            "judge before training": choices(begun, seen),
            "likelihood": seen[..., NAMES.index("likelihood")].argmin(axis=1),
            "likelihood and likeness": by_rule(seen),
            "the truth": costs.argmin(axis=1),
        }
        for way, (k,) in taken.items():
            row = {"flow": i, "context": T_C, "noise": noise, "choice by": way}
            row["cost"] = round(float(costs[0, k]), 4)
            found = (round(float(value), 5) for value in scored[0, k])
            rows.append(row | dict(zip(MEASURES, found, strict=True)))
    return rows


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Each way's mean cost, and the judge's less it with an interval over flows."""
    each = table.pivot_table(index="flow", columns="choice by", values="cost")
    gain = each.sub(each["judge"], axis=0).mul(-1)
    ends = {way: statistics.bootstrap(gain[way].to_numpy(), mean=True) for way in gain}
    found = pd.DataFrame(ends, index=["low", "high"]).T
    return found.assign(cost=each.mean(), gain=gain.mean())[["cost", "gain", "low", "high"]]


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/ablations_judge.csv")
    parser.add_argument("--flows", type=int, default=96, help="generated flows; default: 96")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model: Any = DynaMix.from_pretrained("dynamix-gp-learned")
    judges = model.judge, baseline("dynamix-gp-learned-untrained").model.judge
    made = Experiment(
        options.output,
        columns=COLUMNS,
        key=("flow",),
        settings={"first_flow": FIRST_FLOW, "flows": options.flows, "horizon": HORIZON},
        command=["ablations_judge.py", "--output", f"results/{options.output.name}"],
        resume=options.resume,
    )
    wanted = [(FIRST_FLOW + i,) for i in range(options.flows)]
    for (i,) in tqdm(made.left(wanted), desc="flows", disable=None):
        made.add(rows_of(i, judges))
    table = made.finish(
        lambda row: (row["flow"], CONTEXTS.index((row["context"], row["noise"]))),
        headline=lambda t: {
            f"{word}, {way}": round(float(row[word]), 3)
            for way, row in compared(t).iterrows()
            for word in ("cost", "gain")
            if (word, way) != ("gain", "judge")
        },
    )
    print(compared(table).round(3).to_string())


if __name__ == "__main__":
    main()
