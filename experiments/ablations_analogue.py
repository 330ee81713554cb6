"""What matters in the recipe of dynamix-3d: single changes of it, one small budget for all.

    python experiments/ablations_analogue.py --output results/ablations_analogue.csv

The counterpart of ablations.py, which changes the paper's recipe. Each variant is trained on the
split's training systems without the validation systems; free runs on those six, five starts each,
measure it at two context lengths. The held-out systems are not looked at. The models stay
in --runs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ablations import MEASURES, measured, part_of, whole_corpus  # the script beside this one
from experiment import Experiment, flags
from tqdm import tqdm

from dynamix import BenchmarkConfig, DynaMix, ModelConfig, TrainingConfig, systems, training
from dynamix.evaluation import benchmark
from dynamix.settings import ForecastDefaults
from dynamix.training import start_as_analogue

MODEL = ModelConfig()
DEFAULTS = ForecastDefaults(quiet_steps=20, reference_spacing=0.07)
REFERENCE = TrainingConfig(
    epochs=100,
    first_weights="analogue",
    attention_temperature=0.01,
    frozen=("gate.tau_att", "gate.sigma"),
    loss="logarithmic",
    overlap=1,
    input_noise=0.02,
    longer_contexts=(1000,),
    rotations=True,
    points_per_period=(50, 40, 80, 130),
    trajectory_length=20_000,
    averaging=0.998,
    validate_every=0,
)
CONTEXTS = (2000, 512)
COLUMNS: dict[str, Callable[[str], Any]] = {
    "variant": str,
    "change": str,
    "context": int,
    "parameters": int,
    **{f"{m}{end}": float for m in MEASURES for end in ("", "_low", "_high")},
    "failures": int,
    "seconds": float,
}


@dataclass(frozen=True)
class Variant:
    """One change of the reference."""

    change: str
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    systems: int | None = None
    trained: bool = True


VARIANTS = {
    "reference": Variant("none"),
    "seed 1": Variant("another seed", training={"seed": 1}),
    "seed 2": Variant("another seed", training={"seed": 2}),
    "not trained": Variant("the analogue start as it is", trained=False),
    "squared loss": Variant("mean squared error over all sequences", training={"loss": "squared"}),
    "random start": Variant(
        "the paper's random weights, all of them trained, logarithmic loss",
        training={"first_weights": "random", "attention_temperature": 0.1, "frozen": ()},
    ),
    "random start, squared loss": Variant(
        "the paper's weights and loss, the rest as in the reference",
        training={
            "first_weights": "random",
            "attention_temperature": 0.1,
            "frozen": (),
            "loss": "squared",
        },
    ),
    "fixed widths": Variant(
        "widths do not follow the spacing", defaults={"reference_spacing": 0.0}
    ),
    "noise from the first step": Variant("no quiet steps", defaults={"quiet_steps": 0}),
    "widths trained": Variant("tau_att and sigma trained, too", training={"frozen": ()}),
    "soft attention": Variant(
        "tau_att = 0.05 instead of 0.01", training={"attention_temperature": 0.05}
    ),
    "next to no noise": Variant(
        "sigma = 0.001 instead of 0.05", training={"analogue_noise": 0.001, "gate_noise_penalty": 0}
    ),
    "more noise": Variant("sigma = 0.1 instead of 0.05", training={"analogue_noise": 0.1}),
    "no pull": Variant("pull 0 instead of 0.05", training={"analogue_pull": 0.0}),
    "more pull": Variant("pull 0.2 instead of 0.05", training={"analogue_pull": 0.2}),
    "window in the context": Variant(
        "half of the training window lies in the context, as in the paper", training={"overlap": 51}
    ),
    "forcing every 20": Variant("tau = 20 instead of 10", training={"forcing_interval": 20}),
    "forcing always": Variant("tau = 1 instead of 10", training={"forcing_interval": 1}),
    "6 experts": Variant("J = 6 instead of 10", model={"experts": 6}),
    "20 experts": Variant("J = 20 instead of 10", model={"experts": 20}),
    "M = 10": Variant("M = 10 instead of 30", model={"latent_dims": 10}),
    "10 systems": Variant("trained on 10 of 28 systems", systems=10),
    "no rotations": Variant("no rotated sequences", training={"rotations": False}),
}


def trained(
    variant: Variant, config: TrainingConfig, corpus: dict[str, list[np.ndarray]], folder: Path
) -> DynaMix:
    """The variant's model; an interrupted training continues."""
    sizes = dataclasses.replace(MODEL, **variant.model)
    defaults = dataclasses.replace(DEFAULTS, **variant.defaults)
    config = dataclasses.replace(config, **variant.training)
    if not variant.trained:
        model = DynaMix(sizes, seed=config.seed, defaults=defaults)
        start_as_analogue(
            model,
            pull=config.analogue_pull,
            temperature=config.attention_temperature,
            noise=config.analogue_noise,
        )
        return model
    return training.train(
        folder,
        model=sizes,
        training=config,
        defaults=defaults,
        trajectories=part_of(corpus, variant.systems),
        resume=True,
    )


def row_of(model: DynaMix, context: int) -> dict[str, Any]:
    """How the model forecasts from contexts of that length."""
    protocol = BenchmarkConfig(context=context)
    table = benchmark.run(model, config=protocol, names=systems.split()["validation"])
    parameters = sum(p.numel() for p in model.parameters())
    return {"context": context, **measured(table), "parameters": parameters}


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/ablations_analogue.csv")
    parser.add_argument("--runs", type=Path, default=Path("runs/ablations_analogue"))
    parser.add_argument("--epochs", type=int, default=REFERENCE.epochs, help="50 steps each")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, metavar="NAME", default=[])
    parser.add_argument("--threads", type=int, default=1, help="of training")
    options = parser.parse_args()
    config = dataclasses.replace(REFERENCE, epochs=options.epochs)
    words = ["ablations_analogue.py", "--output", f"results/{options.output.name}"]
    made = Experiment(
        options.output,
        columns=COLUMNS,
        key=("variant",),
        settings={
            "model": dataclasses.asdict(MODEL) | dataclasses.asdict(DEFAULTS),
            "training": dataclasses.asdict(config),
            "starts": BenchmarkConfig.starts,
            "systems": systems.split()["validation"],
        },
        command=[*words, "--epochs", str(config.epochs)],
        resume=options.resume,
    )
    made.drop(lambda row: row["variant"] not in VARIANTS)
    left = made.left((name,) for name in options.only or VARIANTS)
    corpus = whole_corpus(config) if left else {}
    config = dataclasses.replace(config, threads=options.threads)
    for (name,) in tqdm(left, desc="variants", disable=None):
        start = time.perf_counter()
        model = trained(VARIANTS[name], config, corpus, options.runs / name.replace(" ", "_"))
        label = {"variant": name, "change": VARIANTS[name].change}
        seconds = {"seconds": round(time.perf_counter() - start, 1)}
        made.add([label | row_of(model, context) | seconds for context in CONTEXTS])
    order, there = list(VARIANTS), {row["variant"] for row in made.rows}
    table = made.finish(
        lambda row: (order.index(row["variant"]), -row["context"]),
        **{"not run": [name for name in VARIANTS if name not in there]},
    )
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
