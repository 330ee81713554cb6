"""Contexts that are short or show one channel: models, rivals, and the judge's untrained start.

    python experiments/short_contexts.py --output results/short_contexts.csv
    python experiments/short_contexts.py --held-out --output results/short_contexts_held_out.csv

The systems are generated flows that nothing was trained or chosen on (seeds from 690,000), or every
fourth held-out one. A row is a forecast of 5,000 steps. Only the context is noisy, and then every
forecaster gets ``denoise="auto"``. Of one channel, D_stsp and H are measured in three delays at the
truth's decorrelation time. The ceiling is a later stretch of the same path.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from experiment import Experiment, flags  # the script beside this one
from numpy import ndarray
from tqdm import tqdm

from dynamix import metrics, systems
from dynamix.baselines import baseline
from dynamix.flows.generated import flow
from dynamix.preprocessing import decorrelation_time, embed

FIRST_FLOW, EVERY = 690_000, 4
HORIZON, LONGEST = 5000, 2000
CONDITIONS = ((250, 3, 0.0), (2000, 1, 0.0), (512, 1, 0.05))  # steps, channels, noise
FORECASTERS = (
    *("dynamix-gp-learned", "dynamix-gp-learned-untrained", "dynamix-gp", "dynamix-3d-plus"),
    *("dynamix-3d", "auto", "echo_state", "parrot"),
)
ERRORS = ("d_stsp", "hellinger", "d_h", "mase")
COLUMNS: dict[str, Callable[[str], Any]] = {
    "context": int,
    "channels": int,
    "noise": float,
    "system": str,
    "model": str,
    **dict.fromkeys(ERRORS, float),
    "failed": int,
    "seconds": float,
}


def measured(y: ndarray, truth: ndarray, context: ndarray) -> dict[str, Any]:
    """The errors of a forecast; one that escapes has failed and has none."""
    if metrics.fate(forecast=y, context=context) == "escape":
        return dict.fromkeys(ERRORS, float("nan")) | {"failed": 1}
    made, real = y, truth
    if truth.shape[1] == 1:
        apart = min(decorrelation_time(truth), len(truth) // 6)
        made, real = (
            embed(x, dims=3, embedding="delay", delays=(apart, 2 * apart)) for x in (y, truth)
        )
    found = {
        "d_stsp": metrics.state_space_divergence(forecast=made, truth=real),
        "hellinger": metrics.histogram_hellinger(forecast=made, truth=real),
        "d_h": metrics.spectral_hellinger(forecast=y, truth=truth),
        "mase": metrics.mase(forecast=y, truth=truth),
    }
    return {k: round(float(v), 5) for k, v in found.items()} | {"failed": 0}


def rows_of(
    name: str, path: ndarray, condition: tuple[int, int, float], seed: int
) -> Iterator[dict[str, Any]]:
    """Every forecaster in one condition on one system."""
    T_C, channels, noise = condition
    x = path[:, :channels].astype(float)
    context, truth = x[LONGEST - T_C : LONGEST], x[LONGEST : LONGEST + HORIZON]
    rng = np.random.default_rng([seed, CONDITIONS.index(condition)])
    context = context + noise * context.std(axis=0) * rng.standard_normal(context.shape)
    label = {"system": name, "context": T_C, "channels": channels, "noise": noise}
    ceiling = measured(x[-HORIZON:], truth, context)
    yield label | {"model": "ceiling"} | ceiling | {"seconds": 0.0}
    for model in FORECASTERS:
        own: dict[str, Any] = {"denoise": "auto"} if noise else {}
        if channels == 1 and model == "dynamix-3d":
            own |= {"embedding": "delay"}  # better than its own
        began = time.process_time()
        y = np.asarray(baseline(model, **own)(context, HORIZON))
        spent = {"seconds": round(time.process_time() - began, 3)}
        yield label | {"model": model} | measured(y, truth, context) | spent


def medians(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over systems, where a failed forecast is the worst, and the share that failed."""
    table = table.assign(**{e: table[e].where(table["failed"] == 0, np.inf) for e in ERRORS})
    groups = table.groupby(["context", "channels", "noise", "model"], sort=False)
    return groups[list(ERRORS)].median().join(groups["failed"].mean())


def headline(table: pd.DataFrame) -> dict[str, float]:
    """Median D_stsp of each forecaster in each condition."""
    found = medians(table)["d_stsp"]
    return {
        f"{T_C} steps, {n} channel{'s' * (n > 1)}, {noise:.0%} noise, {model}": round(float(v), 3)
        for (T_C, n, noise, model), v in found.items()
    }


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/short_contexts.csv")
    parser.add_argument("--flows", type=int, default=24, help="generated flows; default: 24")
    parser.add_argument("--held-out", action="store_true", help="every fourth held-out system")
    parser.add_argument(
        "--conditions", type=int, default=len(CONDITIONS), help="only so many, the first ones"
    )
    options = parser.parse_args()
    n = LONGEST + 2 * HORIZON
    if options.held_out:
        names = systems.split()["test"][::EVERY]
        source: dict[str, Any] = {"every": EVERY}
    else:
        names = [str(FIRST_FLOW + i) for i in range(options.flows)]
        source = {"first_flow": FIRST_FLOW, "flows": options.flows}
    words = ["--held-out"] if options.held_out else []
    if options.conditions < len(CONDITIONS):
        words += ["--conditions", str(options.conditions)]
    made = Experiment(
        options.output,
        columns=COLUMNS,
        key=("context", "channels", "noise", "system"),
        settings=source | {"horizon": HORIZON},
        command=["short_contexts.py", *words, "--output", f"results/{options.output.name}"],
        resume=options.resume,
    )
    jobs = [(*c, name) for c in CONDITIONS[: options.conditions] for name in names]
    for *condition, name in tqdm(made.left(jobs), desc="contexts", disable=None):
        path = systems.trajectory(name, n=n) if options.held_out else flow(int(name), n=n)
        made.add(list(rows_of(name, path, tuple(condition), names.index(name))))
    table = made.finish(lambda row: jobs.index(made.job(row)), headline=headline)
    print(medians(table).round(3).to_string())


if __name__ == "__main__":
    main()
