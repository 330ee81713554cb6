"""The ablation table: the reference and single changes of it, all trained with one small budget.

    python experiments/ablations.py --output results/ablations.csv

Each variant is trained on the split's training systems without the validation systems, and free
runs on those six decide; the held-out systems are not looked at. A row is a variant under one
sharpness of the attention in forecasts. Intervals are bootstrapped over systems and, within them,
starts; that a training could have gone otherwise shows in the reference's three seeds only. The
models stay in ``--runs``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from choose_sharpness import configured  # the script beside this one
from experiment import Experiment, flags
from tqdm import tqdm

from dynamix import BenchmarkConfig, DynaMix, ModelConfig, TrainingConfig, systems, training
from dynamix.evaluation import benchmark, statistics
from dynamix.io.files import write_text

REFERENCE = TrainingConfig(
    epochs=200,
    rotations=True,
    points_per_period=(50, 40, 80, 130),
    trajectory_length=20_000,
    hold_out_validation=True,
    validate_every=0,
)
PROTOCOL = BenchmarkConfig(starts=5)
FORECASTS = ((1.0, 0), (8.0, 20))  # sharpness of the attention, quiet steps
MEASURES = ("d_stsp", "hellinger", "d_h", "mase")
LAST = 10  # epochs whose losses are averaged
DRAWS = 2000
COLUMNS: dict[str, Callable[[str], Any]] = {
    "variant": str,
    "change": str,
    "sharpness": float,
    "parameters": int,
    **{f"{m}{end}": float for m in MEASURES for end in ("", "_low", "_high")},
    "failures": int,
    "loss": float,
    "skipped": int,
    "seconds": float,
}


@dataclass(frozen=True)
class Variant:
    """One change of the reference; ``prepare`` sets first values of weights, which are frozen."""

    change: str
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[DynaMix], None] | None = None
    systems: int | None = None
    slow: bool = False


def no_noise(model: DynaMix) -> None:
    """The gate's noise has no width."""
    model.gate.sigma.zero_()


def no_convolution(model: DynaMix) -> None:
    """An encoding is the attended point itself."""
    assert model.gate.conv.bias is not None
    model.gate.conv.weight.zero_()
    model.gate.conv.weight[:, :, 0] = torch.eye(model.config.observed_dims)
    model.gate.conv.bias.zero_()


ATTENTION = ("gate.tau_att", "gate.D", "gate.sigma")
VARIANTS = {
    "reference": Variant("none"),
    "seed 1": Variant("another seed", training={"seed": 1}),
    "seed 2": Variant("another seed", training={"seed": 2}),
    "1 expert": Variant("J = 1 instead of 10", model={"experts": 1}),
    "5 experts": Variant("J = 5 instead of 10", model={"experts": 5}),
    "no attention": Variant(
        "attention uniform over the context",
        training={"attention_temperature": 1e6, "frozen": ATTENTION},
    ),
    "no gate noise": Variant(
        "sigma = 0, and no penalty on it",
        training={"frozen": ("gate.sigma",), "gate_noise_penalty": 0.0},
        prepare=no_noise,
    ),
    "no convolution": Variant(
        "encodings are the context's points",
        training={"frozen": ("gate.conv.weight", "gate.conv.bias")},
        prepare=no_convolution,
    ),
    "hard attention": Variant(
        "tau_att = 0.01; it, D, sigma not trained",
        training={"attention_temperature": 0.01, "frozen": ATTENTION},
    ),
    "linear experts": Variant("P = 0 instead of 2", model={"relu_units": 0}),
    "10 ReLUs": Variant("P = 10 instead of 2", model={"relu_units": 10}),
    "M = 10": Variant("M = 10 instead of 30", model={"latent_dims": 10}),
    "forcing always": Variant("tau = 1 instead of 10", training={"forcing_interval": 1}),
    "forcing every 5": Variant("tau = 5 instead of 10", training={"forcing_interval": 5}),
    "forcing every 20": Variant("tau = 20 instead of 10", training={"forcing_interval": 20}),
    "generalised forcing": Variant(
        "alpha = 0.1 instead of sparse",
        training={"forcing": "generalised", "forcing_strength": 0.1},
    ),
    "10 systems": Variant("trained on 10 of 28 systems", systems=10),
    "20 systems": Variant("trained on 20 of 28 systems", systems=20),
    "no rotations": Variant("no rotated sequences", training={"rotations": False}),
    "warp": Variant("warp 0.6 instead of 0", training={"warp": 0.6}),
    "20 experts": Variant("J = 20 instead of 10", model={"experts": 20}),
    "M = 50": Variant("M = 50 instead of 30", model={"latent_dims": 50}),
    "clipped shallow PLRNN": Variant(
        "the other kind of expert", model={"expert_kind": "clipped_shallow_plrnn"}, slow=True
    ),
}


def trained(
    variant: Variant, config: TrainingConfig, corpus: dict[str, list[np.ndarray]], folder: Path
) -> DynaMix:
    """The variant's model, in ``folder``; an interrupted training continues."""
    model = ModelConfig(**variant.model)
    config = dataclasses.replace(config, **variant.training)
    if variant.prepare is not None:
        first = DynaMix(model, seed=config.seed)
        with torch.no_grad():
            variant.prepare(first)
        path = first.save_pretrained(folder / "first.safetensors")
        config = dataclasses.replace(config, start_from=str(path))
    return training.train(
        folder,
        model=model,
        training=config,
        trajectories=part_of(corpus, variant.systems),
        resume=True,
    )


def whole_corpus(config: TrainingConfig) -> dict[str, list[np.ndarray]]:
    """Each training system's trajectories, one at each sampling rate."""
    return {
        name: [
            systems.trajectory(name, n=config.trajectory_length, points_per_period=rate)
            for rate in config.points_per_period
        ]
        for name in training.training_systems(config)
    }


def part_of(corpus: dict[str, list[np.ndarray]], count: int | None) -> list[np.ndarray]:
    """The trajectories of ``count`` systems, always the same ones; None: of all."""
    order = np.random.default_rng(0).permutation(sorted(corpus))
    return [values for name in order[:count] for values in corpus[name]]


def measured(table: pd.DataFrame) -> dict[str, Any]:
    """Medians with their intervals, and failures, of a benchmark table."""
    medians, failed = statistics.summary(table)["median"], statistics.failures(table)
    table = table.assign(**table[list(MEASURES)].mask(failed, np.inf))
    row: dict[str, Any] = {}
    for measure in MEASURES:
        found = (medians[measure], *interval(table, measure))
        for end, value in zip(("", "_low", "_high"), found, strict=True):
            row[measure + end] = round(float(value), 4)
    return row | {"failures": int(failed.any(axis=1).sum())}


def interval(table: pd.DataFrame, measure: str) -> tuple[float, float]:
    """95 % interval of the median over systems; systems are redrawn, and starts within each."""
    errors = table.pivot(index="system", columns="start", values=measure).to_numpy()
    rng, (n, m) = np.random.default_rng(0), errors.shape
    drawn = errors[rng.integers(n, size=(DRAWS, n, 1)), rng.integers(m, size=(DRAWS, n, m))]
    for _ in range(2):  # over starts, then systems; never an average, as in benchmark.summary
        drawn = np.quantile(drawn, 0.5, axis=-1, method="nearest")
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return float(low), float(high)


def row_of(model: DynaMix, folder: Path, sharpness: float, quiet: int) -> dict[str, Any]:
    """How the model forecasts, and how its training went."""
    table = benchmark.run(
        configured(model, sharpness, quiet), config=PROTOCOL, names=systems.split()["validation"]
    )
    write_text(folder / f"benchmark_{sharpness:g}.csv", table.to_csv(index=False))
    log = list(training.read_log(folder))
    return {
        "sharpness": sharpness,
        **measured(table),
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "loss": round(pd.Series([e["loss"] for e in log[-LAST:]], dtype=float).mean(), 5),
        "skipped": log[-1]["skipped"],
        "seconds": round(log[-1]["seconds"], 1),
    }


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/ablations.csv")
    parser.add_argument(
        "--runs", type=Path, help="trained models (default: runs/NAME of the table)"
    )
    parser.add_argument("--epochs", type=int, default=REFERENCE.epochs, help="50 steps each")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, metavar="NAME", default=[])
    parser.add_argument("--threads", type=int, default=1, help="of training")
    parser.add_argument("--all", action="store_true", help="also what only torch trains, 17 x slow")
    options = parser.parse_args()
    config = dataclasses.replace(REFERENCE, epochs=options.epochs)
    words = ["ablations.py", "--output", f"results/{options.output.name}"]
    words += ["--only", *options.only] if options.only else []
    words += ["--all"] if options.all else []
    made = Experiment(
        options.output,
        columns=COLUMNS,
        key=("variant", "change"),
        settings={
            "training": dataclasses.asdict(config),
            "benchmark": dataclasses.asdict(PROTOCOL),
            "systems": systems.split()["validation"],
            "sharpness and quiet steps": FORECASTS,
        },
        command=[*words, "--epochs", str(config.epochs)],
        resume=options.resume,
    )
    made.drop(lambda row: row["variant"] not in VARIANTS)
    chosen = options.only or [n for n, v in VARIANTS.items() if options.all or not v.slow]
    left = made.left((name, VARIANTS[name].change) for name in chosen)
    corpus = whole_corpus(config) if left else {}
    config = dataclasses.replace(config, threads=options.threads)
    runs = options.runs or Path("runs") / options.output.stem  # two tables may run side by side
    for name, change in tqdm(left, desc="variants", disable=None):
        folder = runs / name.replace(" ", "_")
        model = trained(VARIANTS[name], config, corpus, folder)
        label = {"variant": name, "change": change}
        made.add([label | row_of(model, folder, *forecasts) for forecasts in FORECASTS])
    order, there = list(VARIANTS), {row["variant"] for row in made.rows}
    table = made.finish(
        lambda row: (order.index(row["variant"]), row["sharpness"]),
        **{"not run": [name for name in VARIANTS if name not in there]},
    )
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
