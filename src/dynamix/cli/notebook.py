"""``dynamix run`` and ``dynamix sweep``: notebooks with parameters of your own."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError
from .flags import OUTPUT, add_workers, check_outputs, command


def add(commands: Any) -> None:
    """Add both commands."""
    one = command(commands, "run", run, "run a notebook with parameters of your own")
    one.add_argument("notebook", help="the notebook: a file, or a chapter's number such as 05")
    one.add_argument(
        "output", nargs="?", type=OUTPUT, help="the result (default: NOTEBOOK-run.ipynb)"
    )
    _add_parameters(one, "VALUE", "a parameter and its value; lists are separated by commas")
    many = command(commands, "sweep", sweep, "run a notebook on a grid of parameters")
    many.add_argument("notebook", help="the notebook: a file, or a chapter's number such as 05")
    _add_parameters(
        many,
        "VALUES",
        "a parameter and its values, separated by commas (lists by semicolons)",
    )
    many.add_argument(
        "-o",
        "--output",
        type=OUTPUT,
        metavar="FILE",
        help="CSV file for the table (default: NOTEBOOK-sweep.csv)",
    )
    many.add_argument("--resume", action="store_true", help="continue an interrupted sweep")
    add_workers(many, "notebooks at a time", default=2)


def _add_parameters(parser: argparse.ArgumentParser, metavar: str, help: str) -> None:
    more: dict[str, Any] = {"nargs": 2, "action": "append", "default": []}
    parser.add_argument("-p", "--parameter", metavar=("NAME", metavar), help=help, **more)


def run(options: argparse.Namespace) -> None:
    """Run one notebook."""
    from ..companion import notebooks, sweep
    from ..companion.run import find

    path = find(options.notebook)
    known = notebooks.parameters(path)
    values = {
        name: known[name].parse(text) if name in known else text for name, text in options.parameter
    }
    output = Path(f"{path.stem}-run.ipynb" if options.output is None else options.output)
    check_outputs(output, inputs=[path])
    (outcome,) = sweep.run_all([sweep.Job(path, output, values, sweep.place(path))], workers=1)
    if outcome.error is not None:
        raise InputError(outcome.error)
    sys.stderr.write(f"{output}\n")


def sweep(options: argparse.Namespace) -> None:
    """Run a notebook on a grid."""
    from ..companion import sweep
    from ..companion.run import find

    path = find(options.notebook)
    output = Path(f"{path.stem}-sweep.csv" if options.output is None else options.output)
    check_outputs(output, inputs=[path])
    folder = output.with_suffix("")
    if folder == output or (folder.exists() and not folder.is_dir()):
        raise InputError(
            f"a folder {folder.name!r} beside the table is to hold the notebooks, but it is "
            f"{'the table itself' if folder == output else 'a file'}. Name another output."
        )
    typed = ["dynamix", "sweep", path.name]
    typed += [word for pair in options.parameter for word in ("-p", *pair)]
    table = sweep.sweep(
        path,
        sweep.parse_grid(path, options.parameter),
        output=output,
        workers=options.workers,
        dask=options.dask,
        resume=options.resume,
        command=shlex.join(typed),
    )
    sys.stdout.write(f"{table.drop(columns='error').to_string(index=False)}\n")
    sys.stderr.write(f"table: {output}, notebooks: {folder}\n")
    failed = table[table["error"] != ""]
    if len(failed):
        raise InputError(
            f"{len(failed)} of {len(table)} runs failed; the first: {failed['error'].iloc[0]}"
        )
