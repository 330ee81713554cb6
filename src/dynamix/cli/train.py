"""``dynamix train``: train a model, or continue a training run."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..settings import ForecastDefaults, ModelConfig, TrainingConfig
from .flags import Parser, add_settings, add_settings_file, command, given_settings

logger = logging.getLogger(__name__)

# arguments of dynamix.training.train, and sections that a file of settings may have
SECTIONS: dict[str, Any] = {
    "model": ModelConfig,
    "training": TrainingConfig,
    "defaults": ForecastDefaults,
}


def add(commands: Any) -> None:
    """Add the command."""
    command(commands, "train", run, "train a model, or continue a training run", fill=_fill)


def _fill(parser: Parser) -> None:
    parser.add_argument("-o", "--output", required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in that folder")
    # the recorded commands of stored results say --config
    add_settings_file(parser, "--config", sections=tuple(SECTIONS))
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

    given = {section: given_settings(options, kind) for section, kind in SECTIONS.items()}
    train(options.output, resume=options.resume, on_epoch=on_epoch, **given)
    logger.info(
        "model and log: %s; measure it: dynamix benchmark --model %s",
        options.output,
        Path(options.output) / "model.safetensors",
    )
