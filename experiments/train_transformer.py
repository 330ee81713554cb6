"""Train the controlled transformer on the corpus of the bundled DynaMix, log every step's compute.

    python experiments/train_transformer.py --output runs/transformer [--resume]

``--corpus`` names a DynaMix run's record, whose systems, sampling rates, variants and rotations are
taken over. At the end the log and a record of how it was made go to results/training_transformer/,
the weights to the package.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
from pathlib import Path

import torch

from dynamix.baselines.settings import TransformerConfig
from dynamix.baselines.transformer import TransformerControl
from dynamix.baselines.transformer_training import dynamix_flops, train
from dynamix.evaluation import results
from dynamix.model.checkpoints import write_text
from dynamix.settings import TrainingConfig, from_dict

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
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
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
        "parameters": model.parameters,
        "windows": last["windows"],
        "flops": last["flops"],
        "dynamix": {
            "cpu_seconds": round(seconds * data.threads, 1),
            "windows": steps * data.batch_size,
            "flops": steps * dynamix_flops(data),
        },
    }
    RECORD.mkdir(parents=True, exist_ok=True)
    shutil.copy(log, RECORD / "log.jsonl")
    write_text(RECORD / "provenance.json", json.dumps(made, indent=2))
    model.save(WEIGHTS)


if __name__ == "__main__":
    main()
