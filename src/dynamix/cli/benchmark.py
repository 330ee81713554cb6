"""``dynamix benchmark``: measure a model or a rival on systems that it was not trained on.

With ``--suite`` the systems, the protocol and the rows to compare with are those of a publication.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from .flags import (
    OUTPUT,
    Parser,
    Typed,
    add_json,
    add_model,
    add_set,
    add_settings,
    add_settings_file,
    add_workers,
    check_outputs,
    chosen,
    command,
    given_settings,
    show_json,
    split,
)

logger = logging.getLogger(__name__)


def add(commands: Any) -> None:
    """Add the command."""
    help = "measure a model or a rival on systems it was not trained on"
    command(commands, "benchmark", run, help, fill=_fill)


def _fill(parser: Parser) -> None:
    from ..evaluation import suites
    from ..evaluation.settings import BenchmarkConfig

    add_model(parser)
    parser.add_argument(
        "--suite", metavar="NAME", help=f"a published benchmark: {', '.join(suites.SUITES)}"
    )
    add_set(parser, "settings of the model, such as embedding=delay or match_length=30")
    parser.add_argument(
        "--systems", help="systems, separated by commas, or all (default: the held-out ones)"
    )
    parser.add_argument(
        "--dims",
        type=Typed(int),
        nargs="+",
        metavar="N",
        help="all flows of dysts with this number of dimensions, 4 to 6",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=OUTPUT,
        metavar="FILE",
        help="CSV file for the results, a row per system and start; grows with the run",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue the interrupted run in --output"
    )
    add_workers(parser, default=1)
    parser.add_argument(
        "--compare",
        nargs="+",
        metavar="FILE",
        help="run nothing: win rates of these stored results against the last one; with --suite, "
        "these results among the published ones",
    )
    parser.add_argument("--plot", metavar="FILE", help="figure of the distribution over systems")
    add_json(parser, "the table of results and its summary")
    add_settings_file(parser)
    add_settings(parser, BenchmarkConfig)


def run(options: argparse.Namespace) -> None:
    """Run the benchmark, or compare stored results."""
    from ..evaluation import benchmark, statistics
    from ..evaluation.settings import BenchmarkConfig

    if options.suite:
        _suite(options)
        return
    if options.compare:
        _compare(options)
        return
    check_outputs(options.output, plot=options.plot, inputs=[options.model])
    model, settings = chosen(options)
    table = benchmark.run(
        model,
        config=given_settings(options, BenchmarkConfig),
        names=_systems(options),
        settings=settings,
        output=options.output,
        resume=options.resume,
        workers=options.workers,
        dask=options.dask,
    )
    summary, shares = statistics.summary(table), statistics.shares(table)
    if options.json:
        found = {"model": model, "summary": summary, "ends in": shares, "rows": table}
        show_json(found)
    else:
        sys.stdout.write(f"{summary.round(3).to_string()}\n\nends in\n")
        sys.stdout.write(f"{shares.round(3).to_string()}\n")
    _plot({str(options.model): table}, options.plot)


def _suite(options: argparse.Namespace) -> None:
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
        tables = _stored(options.compare)
    else:
        check_outputs(options.output, inputs=[options.model])
        model, settings = chosen(options)
        table = suites.run(
            suite,
            model,
            settings=settings,
            seed=seed,
            output=options.output,
            resume=options.resume,
            workers=options.workers,
        )
        tables = {" ".join([Path(options.model).name, *(options.set or ())]): table}
    if options.json:
        among = {measure: suites.compare(suite, tables, measure) for measure in suite.measures}
        show_json({"suite": suite.name, "tables": among, "rows": tables})
    else:
        sys.stdout.write(suites.report(suite, tables))


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


def _compare(options: argparse.Namespace) -> None:
    """Win rates of stored results against the last of them."""
    from ..evaluation import benchmark, statistics

    paths: Sequence[str] = options.compare
    if len(paths) < 2:
        raise InputError("--compare needs at least two files, found one. Name another one.")
    check_outputs(plot=options.plot, inputs=paths)
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
    tables = {name: table for name, (table, _) in stored.items()}
    rates = statistics.win_rates(tables, names[-1])
    if options.json:
        show_json({"better than": names[-1], "rates": rates})
    else:
        sys.stdout.write(f"better than {names[-1]}\n{rates.round(3).to_string()}\n")
    _plot(tables, options.plot)


def _plot(tables: dict[str, Any], path: str | None) -> None:
    """The figure of ``--plot``."""
    if path:
        from .. import plotting

        plotting.save(plotting.benchmark_boxes(tables), path)
