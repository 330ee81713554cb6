"""``dynamix train``: train a model, or continue a training run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..settings import ForecastDefaults, ModelConfig, TrainingConfig
from .flags import add_settings, command, given_settings, read_settings

# sections of a file of settings, and arguments of dynamix.training.train
SECTIONS = {"model": ModelConfig, "training": TrainingConfig, "defaults": ForecastDefaults}


def add(commands: Any) -> None:
    """Add the command."""
    parser = command(commands, "train", run, "train a model, or continue a training run")
    parser.add_argument("--output", required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in that folder")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help=f"settings (TOML or JSON) in the sections {', '.join(SECTIONS)}; flags override them",
    )
    for section, kind in SECTIONS.items():
        add_settings(parser, kind, section)


def run(options: argparse.Namespace) -> None:
    """Train."""
    from ..plotting import save, training_curves
    from ..training.run_folder import read_log
    from ..training.trainer import train

    def draw(record: dict[str, Any]) -> None:
        if "validation_d_stsp" in record:
            curves = training_curves(list(read_log(options.output)))
            save(curves, Path(options.output) / "training.png")

    file = read_settings(options.config, tuple(SECTIONS))
    given = {
        section: given_settings(options, kind, **file[section])
        for section, kind in SECTIONS.items()
    }
    train(options.output, resume=options.resume, on_epoch=draw, **given)
    sys.stderr.write(
        f"model, log and curves: {options.output}; measure it: "
        f"dynamix benchmark --model {Path(options.output) / 'model.safetensors'}\n"
    )
