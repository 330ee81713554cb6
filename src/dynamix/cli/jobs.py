"""``dynamix forecast FOLDER --id COLUMN``: data sets of very many series, in chunks."""

from __future__ import annotations

import argparse
import dataclasses
import logging
from typing import Any

from ..errors import InputError
from .flags import Parser, Typed, add_workers, show_json, split

logger = logging.getLogger(__name__)

_OTHERS = ("plot", "no_time", "fill", "context", "set")  # flags of one table
_OWN = ("chunk", "workers", "dask", "resume")


def add_flags(parser: Parser) -> None:
    """The flags of a data set."""
    group = parser.add_argument_group(
        "very many series",
        "With --id, DATA is a Parquet file, a folder of Parquet files or a Zarr group, and "
        "--output is a folder of parts. A series that cannot be forecast is left out.",
    )
    group.add_argument("--id", metavar="COLUMN", help="column of the series' names")
    group.add_argument("--chunk", type=Typed(int), help="series of a chunk (default: 1000)")
    add_workers(group)
    group.add_argument(
        "--resume",
        action="store_true",
        default=None,
        help="continue an interrupted job in the same folder",
    )


def check(options: argparse.Namespace) -> None:
    """Raise where a flag of data sets has no effect."""
    if options.id is None and (idle := [name for name in _OWN if getattr(options, name)]):
        flags = ", ".join(f"--{name}" for name in idle)
        raise InputError(f"{flags} would have no effect without --id COLUMN. Give both, or none.")


def run(options: argparse.Namespace, config: Any, levels: list[float] | None) -> None:
    """Forecast a data set."""
    if idle := [name for name in _OTHERS if getattr(options, name)]:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in idle)
        raise InputError(f"{flags} cannot be combined with --id. Leave it out.")
    if options.time is None or options.output in (None, "-"):
        raise InputError(
            "a data set needs --id COLUMN, --time COLUMN and --output FOLDER. Name them."
        )
    if config.n_samples is not None:
        raise InputError("--n-samples cannot be combined with --id. Use --quantiles 0.1,0.5,0.9.")
    from ..interfaces.jobs import forecast_dataset

    settings = dataclasses.asdict(config)
    del settings["n_samples"], settings["errors"]
    given = {name: value for name in _OWN if (value := getattr(options, name)) is not None}
    if options.columns:
        given["columns"] = split(options.columns)
    done = forecast_dataset(
        options.data,
        options.output,
        horizon=options.horizon,
        id_column=options.id,
        timestamp_column=options.time,
        quantile_levels=levels,
        model=options.model,
        **given,
        **settings,
    )
    if options.json:
        show_json({"output": str(done.output), "series": done.series, "left_out": done.left_out})
    logger.info("%d series, %d left out: %s", done.series, len(done.left_out), done.output)
