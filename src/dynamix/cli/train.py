"""``dynamix train``: train a model, or continue a training run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..settings import ModelConfig, TrainingConfig
from .flags import add_settings, command, given_settings, read_settings


def add(commands: Any) -> None:
    """Add the command."""
    parser = command(commands, "train", run, "train a model, or continue a training run")
    parser.add_argument("--output", required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in that folder")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="settings (TOML or JSON) with the sections model and training; flags override them",
    )
    add_settings(parser, ModelConfig, "model")
    add_settings(parser, TrainingConfig, "training")


def run(options: argparse.Namespace) -> None:
    """Train."""
    from ..training.forcing import train

    file = read_settings(options.config, ("model", "training"))
    train(
        options.output,
        model=given_settings(options, ModelConfig, **file["model"]),
        training=given_settings(options, TrainingConfig, **file["training"]),
        resume=options.resume,
    )
    sys.stderr.write(
        f"model, log and curves: {options.output}; measure it: "
        f"dynamix benchmark --model {Path(options.output) / 'model.safetensors'}\n"
    )
