"""The commands ``dynamix run`` and ``dynamix sweep``: notebooks on settings of one's own."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError


def add_commands(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add both commands to the parser."""
    run = command(commands, "run", _run, "execute a notebook on parameters of your own")
    run.add_argument("notebook", help="the notebook, book/05_zero_shot.ipynb")
    run.add_argument(
        "output", nargs="?", help="where the result goes (default: NOTEBOOK-run.ipynb)"
    )
    _add_parameters(run, "VALUE", "a parameter and its value; lists separated by commas")

    sweep = command(commands, "sweep", _sweep, "execute a notebook on a grid of parameters")
    sweep.add_argument("notebook", help="the notebook, book/05_zero_shot.ipynb")
    _add_parameters(
        sweep,
        "VALUES",
        "a parameter and its values, separated by commas (for a list by semicolons)",
    )
    sweep.add_argument("--output", help="CSV file for the table (default: NOTEBOOK-sweep.csv)")
    sweep.add_argument("--workers", type=int, default=2, help="notebooks run side by side")


def _add_parameters(parser: argparse.ArgumentParser, metavar: str, help: str) -> None:
    parser.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", metavar),
        help=help,
    )


def _run(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..companion import notebooks

    path = Path(options.notebook)
    known = notebooks.parameters(path)
    values = {
        name: known[name].parse(text) if name in known else text for name, text in options.parameter
    }
    notebooks.check(path, values)
    output = Path(getattr(options, "output", None) or f"{path.stem}-run.ipynb")
    if output.resolve() == path.resolve():
        raise InputError(f"the result would replace {str(path)!r}. Name another output.")
    with tqdm(desc=path.stem, unit="cell", disable=None) as bar:

        def progress(cell: int, total: int, section: str) -> None:
            bar.total, bar.n = total, cell
            bar.set_postfix_str(section[:40])

        try:
            notebooks.run(path, output, values=values, progress=progress)
        except notebooks.NotebookError as error:
            raise InputError(str(error)) from error
    sys.stderr.write(f"{output}\n")


def _sweep(options: argparse.Namespace) -> None:
    from ..companion import sweep as sweeps

    path = Path(options.notebook)
    given = [(name, text) for name, text in options.parameter]
    output = Path(getattr(options, "output", None) or f"{path.stem}-sweep.csv")
    typed = ["dynamix", "sweep", path.name, *(w for pair in given for w in ("-p", *pair))]
    table = sweeps.sweep(
        path,
        sweeps.parse_grid(path, given),
        output=output,
        workers=options.workers,
        command=shlex.join(typed),
    )
    sys.stdout.write(f"{table.drop(columns='error').to_string(index=False)}\n")
    sys.stderr.write(f"table in {output}, the notebooks in {output.with_suffix('')}\n")
    failed = table[table["error"] != ""]
    if len(failed):
        raise InputError(
            f"{len(failed)} of {len(table)} runs failed; the first: {failed['error'].iloc[0]}"
        )
