"""The entry point: it chooses the command; errors of input and disk become one line and code 2."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from .. import __version__
from ..errors import InputError
from . import benchmark, book, forecast, notebook, train

_PATIENCE = 1.5  # seconds from Ctrl-C to the end of the process
_EPILOG = """examples:
  dynamix forecast data.csv --horizon 500 --output forecast.csv --plot forecast.png
  dynamix forecast data.csv --columns price --embedding auto --horizon 100
  cat data.csv | dynamix forecast - --horizon 100 --n-samples 50 > samples.csv
  dynamix train --output runs/mine --epochs 200
  dynamix train --output runs/mine --epochs 200 --resume
  dynamix benchmark --model dynamix-3d --context 2000 --output mine.csv --workers 2
  dynamix benchmark --compare mine.csv others.csv
  dynamix benchmark --suite dysts-2023 --model dynamix-3d-plus --output mine.csv
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
    if arguments is None:
        _end_on_interrupt()
    try:
        code = int(options.run(options) or 0)
        sys.stdout.flush()
        return code
    except InputError as error:
        why = str(error)
    except BrokenPipeError:
        why = "the program that reads the output has ended (broken pipe)."
    except OSError as error:  # a full disk, an unreadable file
        where = "" if error.filename is None else f": {error.filename}"
        why = f"{error.strerror or error}{where}."
    except MemoryError:
        why = "there is not enough memory. Use fewer steps, series or samples."
    except KeyboardInterrupt:
        sys.stderr.write("\ndynamix: interrupted\n")
        return 130
    sys.stderr.write(f"dynamix: {why}\n")
    try:
        sys.stdout.flush()
    except OSError:  # Python would try again at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 2


def _end_on_interrupt() -> None:
    """Have Ctrl-C end the process when kernels, which do not notice it, run on for a while."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(heard, 1) != bytes([signal.SIGINT]):
            pass
        time.sleep(_PATIENCE)
        os._exit(130)

    threading.Thread(target=watch, daemon=True).start()
