"""The paper's training, repeated from random weights: seeds, the guard, the corpus.

    python experiments/reproduction.py --output results/reproduction.csv

A row is one model on the held-out systems at neutral forecast settings (sharpness 1, no quiet
steps): medians with bootstrap intervals over systems. A trained model is compared with its own
untrained start: ``*_wins`` is the share of systems on which its error is smaller. Trainings stay in
``--runs`` and can be broken off: the same command continues them. ``--only`` makes some of them;
the table holds all that are finished, there or in the table that it replaces. The published weights
and the bundled ones, scratch and longer-0, have stored benchmark tables already. The folder that
DYNAMIX_UPSTREAM names holds the authors' training steps, with which ours are compared.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm
from trained_against_start import ENDS, compared

from dynamix import BenchmarkConfig, DynaMix, TrainingConfig, training
from dynamix.evaluation import benchmark, results, statistics
from dynamix.model import Batch

RECIPE = TrainingConfig(hold_out_validation=False, validate_every=0)
NO_GUARD = {"adaptive_clip": 1e30, "skip_gradient": 1e30, "skip_loss": 1e30}
NO_GUARD |= {"rollback_after": 1_000_000}
NEUTRAL = {"attention_sharpness": 1.0, "quiet_steps": 0}
PLAIN, RICH = "our 34 systems", "our 34 systems at four rates, 544 variants, rotations"
MANY = "our 34 systems at four rates, {:,} generated flows, rotations"
ROTATED = {"points_per_period": (50, 40, 80, 130), "trajectory_length": 20_000, "rotations": True}
FLOWS, LONGER = ROTATED | {"flows": 1000}, ROTATED | {"flows": 3000, "epochs": 6000}
STEPS = {  # of the authors' code, with other forcing
    "stf": {"forcing_interval": 10},
    "gtf": {"forcing": "generalised", "forcing_strength": 0.3},
    "tau1": {"forcing_interval": 1},
}
COLUMNS = [
    *("model", "seed", "guard", "corpus"),
    *("batches", "loss", "largest_norm", "skipped", "rollbacks"),
    *(f"{error}{end}" for error in statistics.ERRORS for end in ENDS),
    "failures",
    *(f"{error}_wins{end}" for error in statistics.ERRORS for end in ENDS),
]


@dataclass(frozen=True)
class Model:
    """A row: a run with ``changes`` of the recipe, a stored table, or with neither a start."""

    seed: int | None
    corpus: str = ""
    guard: str = ""
    changes: dict[str, Any] | None = None
    table: str = ""
    log: str = ""


MODELS = {
    "published": Model(None, "the authors' 34 systems", table="benchmark_published_2000"),
    **{f"start-{seed}": Model(seed) for seed in range(3)},
    **{f"control-{seed}": Model(seed, PLAIN, "on", {}) for seed in range(3)},
    "unguarded-0": Model(0, PLAIN, "off", NO_GUARD),
    "scratch": Model(
        0,
        RICH,
        "on",
        table="benchmark_dynamix-3d-scratch-neutral_2000",
        log="training_dynamix-3d-scratch",
    ),
    **{f"flows-{s}": Model(s, MANY.format(1000), "on", FLOWS) for s in range(3)},
    "longer-0": Model(
        0,
        MANY.format(3000),
        "on",
        table="benchmark_dynamix-3d-flows-neutral_2000",
        log="training_dynamix-3d-flows",
    ),
    **{f"longer-{s}": Model(s, MANY.format(3000), "on", LONGER) for s in (1, 2)},
}


def table_of(name: str, runs: Path) -> pd.DataFrame | None:
    """The finished table of a row, if it is there."""
    path = runs / f"{name}.csv"
    if MODELS[name].table:
        path = results.folder() / f"{MODELS[name].table}.csv"
    return benchmark.read(path)[0] if path.exists() else None


def make(name: str, runs: Path, epochs: int) -> None:
    """Train and measure the model of a row; what was broken off goes on."""
    given, path = MODELS[name], runs / f"{name}.csv"
    if given.changes is None:
        model = DynaMix(seed=given.seed)
    else:
        changes = {"seed": given.seed, "epochs": epochs} | given.changes
        config = dataclasses.replace(RECIPE, **changes)
        model = training.train(runs / name, training=config, resume=True)
    benchmark.run(model, settings=NEUTRAL, output=path, resume=results.journal_of(path).exists())


def log_of(name: str, runs: Path) -> dict[str, Any]:
    """What the log of the training says, where there is one."""
    given = MODELS[name]
    folder = results.folder() / given.log if given.log else runs / name
    if not (log := list(training.read_log(folder))):
        return {}
    return {
        "batches": len(log) * RECIPE.batches_per_epoch,
        "loss": round(pd.Series([e["loss"] for e in log[-10:]], dtype=float).mean(), 5),
        "largest_norm": round(max(e["gradient_norm"] or 0.0 for e in log), 3),
        "skipped": log[-1]["skipped"],
        "rollbacks": log[-1]["rollbacks"],
    }


def measured(table: pd.DataFrame, start: pd.DataFrame | None) -> dict[str, Any]:
    """Medians with intervals and failures; win rates against the start where there is one."""
    summary, row = statistics.summary(table), {}
    pairs = {} if start is None else compared(table, start)
    for error in summary.index.intersection(statistics.ERRORS):
        columns = ("median", "interval low", "interval high")
        for end, column in zip(ENDS, columns, strict=True):
            row[error + end] = round(float(summary.loc[error, column]), 4)
            if error in pairs:
                row[f"{error}_wins{end}"] = pairs[error][f"wins{end}"]
    return row | {"failures": int(summary["failures"].max())}


def authors_steps() -> dict[str, float]:
    """Largest differences of the loss from the authors' code, for its steps and its 30 of RAdam."""
    torch.set_num_threads(1)  # of steps this small, more threads only wait for each other
    folder = Path(os.environ["DYNAMIX_UPSTREAM"])
    golden = dict(np.load(folder / "golden_training.npz"))
    model = DynaMix.from_pretrained(folder / "dynamix-3d-alrnn-v1.0.safetensors")
    context, x, y = (torch.from_numpy(golden[name]) for name in ("context", "x", "y"))
    batch = Batch(context, x, y, torch.zeros_like(x), None)
    losses = [
        training.training_loss(model, batch, TrainingConfig(**s)).item() for s in STEPS.values()
    ]
    single = [abs(a - float(golden[f"{name}/loss"])) for a, name in zip(losses, STEPS, strict=True)]
    optimizer, losses = torch.optim.RAdam(model.parameters(), lr=RECIPE.learning_rate), []
    for _ in golden["radam30/losses"]:
        optimizer.zero_grad()
        loss = training.training_loss(model, batch, RECIPE)
        loss.backward()
        losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), RECIPE.gradient_clip)
        optimizer.step()
    moved = np.abs(np.array(losses) - golden["radam30/losses"]).max()
    return {"largest difference of a loss": max(single), "of 30 steps' losses": float(moved)}


def rows(runs: Path, before: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows whose tables are there, or that were there ``before``."""
    found = []
    for name, given in MODELS.items():
        if (table := table_of(name, runs)) is None:
            found += before[before["model"] == name].to_dict("records")
            continue
        start = table_of(f"start-{given.seed}", runs) if given.guard else None
        row = {"model": name, "seed": given.seed, "guard": given.guard, "corpus": given.corpus}
        found.append(row | log_of(name, runs) | measured(table, start))
    return found


def main() -> None:
    """Entry point."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("results/reproduction.csv"))
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduction"), help="trainings")
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs, help="50 steps each")
    parser.add_argument(
        "--only", nargs="*", choices=MODELS, metavar="NAME", default=list(MODELS), help="make these"
    )
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    for name in tqdm(options.only, disable=None):
        if not MODELS[name].table and table_of(name, options.runs) is None:
            make(name, options.runs, options.epochs)
    before = pd.read_csv(options.output) if options.output.exists() else pd.DataFrame({"model": []})
    table = pd.DataFrame(rows(options.runs, before), columns=COLUMNS)
    counts = dict.fromkeys(("seed", "batches", "skipped", "rollbacks"), "Int64")
    table = table.astype(counts)  # which may be missing
    settings = {
        "training": dataclasses.asdict(RECIPE) | {"epochs": options.epochs},
        "without guard": NO_GUARD,
        "benchmark": dataclasses.asdict(BenchmarkConfig()),
        "forecast": NEUTRAL,
    }
    command = f"python experiments/reproduction.py --output results/{options.output.name}"
    record = results.provenance(command, settings, seconds=time.perf_counter() - began)
    medians = table.set_index("model")["d_stsp"]
    record["headline"] = authors_steps() | {f"d_stsp {k}": v for k, v in medians.items()}
    record["not run"] = [name for name in MODELS if name not in set(table["model"])]
    results.write(table, options.output, record)
    print(table.round(3).T.to_string())


if __name__ == "__main__":
    main()
