"""Train the controlled transformer on the corpus of the bundled DynaMix, and log its compute.

    python experiments/train_transformer.py --output runs/transformer [--resume]

``--corpus`` names the record of a DynaMix run. Its systems, sampling rates, variants and rotations
are used. At the end the log and a record of the run go to results/training_transformer/, and the
weights to the package.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformer_training import TransformerConfig, save, train  # the module beside this one

from dynamix import DynaMix
from dynamix.baselines.transformer import TransformerControl
from dynamix.evaluation import results
from dynamix.io.files import copy, write_text
from dynamix.settings import TrainingConfig, from_dict
from dynamix.systems import WindowSampler
from dynamix.training import draw_batch, training_loss

RECORD = Path("results/training_transformer")
WEIGHTS = Path("src/dynamix/data/models/transformer-control")


def main() -> None:
    """Train, then put log, record and weights in their places."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="runs/transformer", help="folder of the run")
    parser.add_argument(
        "--corpus",
        default="results/training_dynamix-3d-scratch/provenance.json",
        help="record of the DynaMix run whose corpus is used",
    )
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--no-install", action="store_true", help="leave results and package alone")
    for field in dataclasses.fields(TransformerConfig):
        kind, flag = type(field.default), f"--{field.name.replace('_', '-')}"
        if kind in (int, float):
            parser.add_argument(flag, type=kind, default=field.default, help=field.metadata["help"])
        elif kind is bool:
            switch = argparse.BooleanOptionalAction
            parser.add_argument(
                flag, action=switch, default=field.default, help=field.metadata["help"]
            )
    flags = parser.parse_args()
    torch.set_num_threads(1)
    record = json.loads(Path(flags.corpus).read_text(encoding="utf-8"))
    data = from_dict(TrainingConfig, record["settings"]["training"], source=flags.corpus)
    given = {
        field.name: getattr(flags, field.name)
        for field in dataclasses.fields(TransformerConfig)
        if hasattr(flags, field.name)
    }
    config = TransformerConfig(**given)
    train(flags.output, config=config, data=data, resume=flags.resume)
    if not flags.no_install:
        install(Path(flags.output), config, data, seconds=record["seconds"])


def install(run: Path, config: TransformerConfig, data: TrainingConfig, *, seconds: float) -> None:
    """Put a finished run's log, record and weights in their places.

    ``seconds`` is how long the DynaMix run took whose corpus this is.
    """
    model = TransformerControl.from_pretrained(run / "model")
    log = run / "log.jsonl"
    last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    usual = dataclasses.asdict(TransformerConfig())
    changed = [
        f"--{'' if value or not isinstance(value, bool) else 'no-'}{name.replace('_', '-')}"
        + ("" if isinstance(value, bool) else f" {value}")
        for name, value in dataclasses.asdict(config).items()
        if value != usual[name]
    ]
    made = results.provenance(
        " ".join(["python experiments/train_transformer.py --output runs/transformer", *changed]),
        {"transformer": dataclasses.asdict(config), "corpus": dataclasses.asdict(data)},
        seconds=last["cpu_seconds"],
    )
    steps = data.epochs * data.batches_per_epoch
    made |= {
        "seconds_are": "CPU seconds of one thread, validation left out",
        "parameters": sum(p.numel() for p in model.state_dict().values()),
        "windows": last["windows"],
        "flops": last["flops"],
        "dynamix": {
            "cpu_seconds": round(seconds * data.threads, 1),
            "windows": steps * data.batch_size,
            "flops": steps * dynamix_flops(data),
        },
    }
    RECORD.mkdir(parents=True, exist_ok=True)
    copy(log, RECORD / "log.jsonl")
    made = results.sealed(made, RECORD / "log.jsonl")
    write_text(RECORD / "provenance.json", json.dumps(made, indent=2))
    save(model, WEIGHTS, config)


def dynamix_flops(config: TrainingConfig) -> float:
    """The same count for one training step of a default DynaMix in plain torch.

    The attention's distances are no matrix products: three operations a context step, dimension and
    prediction are added, thrice for forward and backward pass.
    """
    model = DynaMix(seed=0)
    N = model.config.observed_dims
    x = np.random.default_rng(0).standard_normal((config.sequence_length + 1, N)).cumsum(axis=0)
    sampler = WindowSampler([x.astype(np.float32)], length=config.sequence_length)
    batch = draw_batch(sampler, model.config, config, step=0)
    with FlopCounterMode(display=False) as counter:
        training_loss(model, batch, config).backward()
    distances = 9 * N * (config.context_length - 1) * (config.window - 1) * config.batch_size
    return float(counter.get_total_flops() + distances)


if __name__ == "__main__":
    main()
