"""The entry point: it chooses the command and turns an InputError into one line and exit code 2."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import InputError
from . import benchmark, book, forecast, notebook, train

_EPILOG = """examples:
  dynamix forecast data.csv --horizon 500 --output forecast.csv --plot forecast.png
  dynamix forecast data.csv --columns price --embedding auto --horizon 100
  cat data.csv | dynamix forecast - --horizon 100 --n-samples 50 > samples.csv
  dynamix train --output runs/mine --epochs 200
  dynamix train --output runs/mine --epochs 200 --resume
  dynamix benchmark --model dynamix-3d --context 2000 --output mine.csv --workers 2
  dynamix benchmark --compare mine.csv others.csv
  dynamix run book/03_architecture.ipynb mine.ipynb -p system Rossler
  dynamix sweep book/05_zero_shot.ipynb -p context_length 512,1000,2000

The options of a command: dynamix forecast --help"""


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        prog="dynamix",
        description="Zero-shot dynamical systems reconstruction.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"dynamix {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (forecast, train, benchmark, notebook, book):
        module.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on ``arguments``; None: on the words that were typed.

    The exit code is 0 for success, 1 for a failed check, 2 for unusable input (with one line on
    standard error) and 130 for an interruption. Unknown flags raise ``SystemExit``.

    >>> main(["benchmark", "--compare", "one.csv"])  # the message goes to standard error
    2
    """
    options = parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    try:
        return int(options.run(options) or 0)
    except InputError as error:
        sys.stderr.write(f"dynamix: {error}\n")
        return 2
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("\ndynamix: interrupted\n")
        return 130
