"""``dynamix benchmark``: measure a model or a rival on systems that it was not trained on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..evaluation.settings import BenchmarkConfig
from .flags import add_model, add_settings, check_outputs, command, given_settings, split


def add(commands: Any) -> None:
    """Add the command."""
    parser = command(commands, "benchmark", run, "measure a model on systems it was not trained on")
    add_model(
        parser,
        ", or a rival: ceiling, parrot, sindy, chronos-2, ... (table() of dynamix.baselines)",
    )
    parser.add_argument(
        "--systems", help="systems, separated by commas, or all (default: the held-out ones)"
    )
    parser.add_argument(
        "--dims",
        type=int,
        nargs="+",
        metavar="N",
        help="all flows of dysts with this number of dimensions, 4 to 6",
    )
    parser.add_argument(
        "--output", help="CSV file for the results, a row per system and start; grows with the run"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue the interrupted run in --output"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--dask", metavar="ADDRESS", help="Dask scheduler, tcp://host:8786")
    parser.add_argument(
        "--compare",
        nargs="+",
        metavar="FILE",
        help="run nothing: win rates of these stored results against the last one",
    )
    parser.add_argument("--plot", help="figure of the distribution over systems")
    add_settings(parser, BenchmarkConfig)


def run(options: argparse.Namespace) -> None:
    """Run the benchmark, or compare stored results."""
    from ..evaluation import benchmark, statistics

    if options.compare:
        sys.stdout.write(_compared(options.compare))
        return
    check_outputs(options.output, plot=options.plot, inputs=[options.model])
    table = benchmark.run(
        options.model,
        config=given_settings(options, BenchmarkConfig),
        names=_systems(options),
        output=options.output,
        resume=options.resume,
        workers=options.workers,
        dask=options.dask,
    )
    sys.stdout.write(f"{statistics.summary(table).round(3).to_string()}\n\nends in\n")
    sys.stdout.write(f"{statistics.shares(table).round(3).to_string()}\n")
    if options.plot:
        from .. import plotting

        plotting.save(plotting.benchmark_boxes({str(options.model): table}), options.plot)


def _systems(options: argparse.Namespace) -> list[str] | None:
    """The systems chosen by name or dimensions; None: those that the split holds out."""
    from ..systems import corpus

    named, dims = split(options.systems), options.dims or []
    if named and dims:
        raise InputError("--systems and --dims both choose the systems. Leave one of them out.")
    low, high = corpus.DIMENSION + 1, corpus.MOST_DIMS
    if any(not low <= n <= high for n in dims):
        raise InputError(
            f"--dims takes numbers from {low} to {high}, found {dims}. Choose three-dimensional "
            "systems by --systems: the split divides them into training and test systems."
        )
    if named == ["all"]:
        return corpus.everyone()
    return named or (corpus.catalogue(dims=dims) if dims else None)


def _compared(paths: Sequence[str]) -> str:
    """Win rates of stored results against the last of them, as text."""
    from ..evaluation import benchmark, statistics

    if len(paths) < 2:
        raise InputError("--compare needs at least two files, found one. Name another one.")
    names = [Path(path).stem for path in paths]
    if len(set(names)) < len(names):
        names = list(paths)
    stored = {name: benchmark.read(path) for name, path in zip(names, paths, strict=True)}
    settings = {name: record.get("settings", {}) for name, (_, record) in stored.items()}
    last = settings[names[-1]]
    for name, others in settings.items():
        shared = sorted(last.keys() & others.keys() - {"starts", "seed"})
        if changed := [k for k in shared if last[k] != others[k]]:
            told = ", ".join(f"{k} {others[k]!r} and {last[k]!r}" for k in changed)
            raise InputError(
                f"{name!r} and {names[-1]!r} were made with different settings: {told}. Repeat one "
                "run with the settings of the other."
            )
    rates = statistics.win_rates({name: table for name, (table, _) in stored.items()}, names[-1])
    return f"better than {names[-1]}\n{rates.round(3).to_string()}\n"
