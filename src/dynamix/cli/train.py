"""``dynamix train``: train a model, or several with other seeds, or continue a training run."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..settings import ForecastDefaults, ModelConfig, TrainingConfig
from .flags import (
    OUTPUT,
    Parser,
    add_settings,
    add_settings_file,
    add_workers,
    command,
    given_settings,
    split,
)

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
    parser.add_argument("-o", "--output", type=OUTPUT, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in that folder")
    parser.add_argument(
        "--seeds",
        metavar="SEEDS",
        help="a run for each seed, separated by commas, in folders seed-0, seed-1, ... of --output",
    )
    add_workers(parser, "runs at a time")
    # the recorded commands of stored results say --config
    add_settings_file(parser, "--config", sections=tuple(SECTIONS))
    for section, kind in SECTIONS.items():
        add_settings(parser, kind, section)


def run(options: argparse.Namespace) -> None:
    """Train."""
    given = {section: given_settings(options, kind) for section, kind in SECTIONS.items()}
    runs = _runs(options, given)
    if runs is None:
        from ..training.trainer import train

        folder, draw = Path(options.output), _drawing()

        def on_epoch(record: dict[str, Any]) -> None:
            if draw is not None and "validation_d_stsp" in record:
                draw(folder)

        train(options.output, resume=options.resume, on_epoch=on_epoch, **given)
        _say(folder)
        return
    from ..interfaces.training_runs import train_each

    draw = _drawing()
    workers = 1 if options.workers is None else options.workers
    folders = train_each(
        options.output, runs, workers=workers, dask=options.dask, resume=options.resume, done=draw
    )
    for folder in folders.values():
        _say(folder)


def _runs(options: argparse.Namespace, given: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    """The runs by the names of their folders; None for one run in this process."""
    if options.seeds is None:
        if options.workers is not None:
            raise InputError("--workers would have no effect without --seeds. Give both, or none.")
        return {"": given} if options.dask else None
    if "TrainingConfig.seed" in vars(options):
        raise InputError("--seed and --seeds both name seeds. Leave one of them out.")
    try:
        seeds = [int(word) for word in split(options.seeds)]
    except ValueError:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(
            f"--seeds takes different whole numbers, such as 0,1,2; found {options.seeds!r}."
        )
    training: TrainingConfig = given["training"]
    return {
        f"seed-{seed}": {**given, "training": dataclasses.replace(training, seed=seed)}
        for seed in seeds
    }


def _drawing() -> Callable[[Path], None] | None:
    """What draws the curves of the run in a folder; None without the packages."""
    from ..training.run_folder import read_log

    try:
        from ..plotting import save, training_curves
    except InputError as error:  # a model can be trained without its figure
        logger.warning("no curves will be drawn: %s", error)
        return None

    def draw(folder: Path) -> None:
        if any("validation_d_stsp" in record for record in read_log(folder)):
            save(training_curves(list(read_log(folder))), folder / "training.png")

    return draw


def _say(folder: Path) -> None:
    logger.info(
        "model and log: %s; measure it: dynamix benchmark --model %s",
        folder,
        folder / "model.safetensors",
    )
