"""``dynamix benchmark``: measure a model or a rival on systems that it was not trained on.

With ``--suite`` the systems, the protocol and the rows beside are those of a publication.
"""

from __future__ import annotations

import argparse
import json
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
        "--suite", metavar="NAME", help="a published benchmark: dysts-2023, dysts-2021, ..."
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="settings of the model, such as embedding=delay or match_length=30",
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
        help="run nothing: win rates of these stored results against the last one; with --suite, "
        "these results among the published ones",
    )
    parser.add_argument("--plot", help="figure of the distribution over systems")
    add_settings(parser, BenchmarkConfig)


def run(options: argparse.Namespace) -> None:
    """Run the benchmark, or compare stored results."""
    from ..evaluation import benchmark, statistics

    if options.suite:
        sys.stdout.write(_suite(options))
        return
    if options.compare:
        sys.stdout.write(_compared(options.compare))
        return
    check_outputs(options.output, plot=options.plot, inputs=[options.model])
    table = benchmark.run(
        options.model,
        config=given_settings(options, BenchmarkConfig),
        names=_systems(options),
        settings=dict(map(_setting, options.set)),
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


def _suite(options: argparse.Namespace) -> str:
    """A forecaster, or stored results, among the rows of a publication."""
    from ..evaluation import suites

    suite, seed = suites.suite(options.suite), vars(options).get("BenchmarkConfig.seed", 0)
    given = [key for key in vars(options) if key.startswith("BenchmarkConfig.")]
    given = [f"--{key.split('.')[1].replace('_', '-')}" for key in given if "seed" not in key]
    given += [f"--{key}" for key in ("systems", "dims", "dask", "plot") if getattr(options, key)]
    if given:
        raise InputError(
            f"--suite has the protocol of its publication, so {', '.join(given)} cannot be "
            "combined with it. Leave one of them out."
        )
    if options.compare:
        return suites.report(suite, _stored(options.compare))
    check_outputs(options.output, inputs=[options.model])
    table = suites.run(
        suite,
        options.model,
        settings=dict(map(_setting, options.set)),
        seed=seed,
        output=options.output,
        resume=options.resume,
        workers=options.workers,
    )
    return suites.report(suite, {" ".join([Path(options.model).name, *options.set]): table})


def _setting(text: str) -> tuple[str, Any]:
    """``"match_length=30"`` as name and value; what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set takes NAME=VALUE, such as embedding=delay; found {text!r}.")
    try:
        return name.replace("-", "_"), json.loads(value)
    except ValueError:
        return name.replace("-", "_"), value


def _stored(paths: Sequence[str]) -> dict[str, Any]:
    """Stored tables by the names of their files."""
    from ..evaluation import results

    found = {}
    for path in paths:
        try:
            found[Path(path).stem], _ = results.stored(path)
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path!r} is not a stored result: {error}.") from error
    return found


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
