"""``dynamix train``: train a model, or continue a training run."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..settings import ForecastDefaults, ModelConfig, TrainingConfig
from .flags import add_settings, command, given_settings, read_settings

logger = logging.getLogger(__name__)

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
    from ..training.run_folder import read_log
    from ..training.trainer import train

    def draw(record: dict[str, Any]) -> None:
        if "validation_d_stsp" in record:
            curves = training_curves(list(read_log(options.output)))
            save(curves, Path(options.output) / "training.png")

    try:
        from ..plotting import save, training_curves
    except InputError as error:  # a model can be trained without its figure
        logger.warning("no curves will be drawn: %s", error)
        on_epoch = None
    else:
        on_epoch = draw

    file = read_settings(options.config, tuple(SECTIONS))
    given = {
        section: given_settings(options, kind, **file[section])
        for section, kind in SECTIONS.items()
    }
    train(options.output, resume=options.resume, on_epoch=on_epoch, **given)
    sys.stderr.write(
        f"model and log: {options.output}; measure it: "
        f"dynamix benchmark --model {Path(options.output) / 'model.safetensors'}\n"
    )
