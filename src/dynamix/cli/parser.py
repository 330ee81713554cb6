"""The entry point: it chooses the command; errors of input and disk become one line and code 2."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from ..errors import InputError
from . import benchmark, book, completion, forecast, models, notebook, train
from .flags import Parser, add_common
from .words import prepared

logger = logging.getLogger(__name__)

_LEVELS = {"quiet": logging.WARNING, "verbose": logging.DEBUG}
_EPILOG = """examples:
  dynamix forecast data.csv --horizon 500 --output forecast.csv --plot forecast.png
  dynamix forecast data.csv --columns price --embedding auto --horizon 100
  dynamix forecast data.csv --horizon 100 --model parrot --json
  cat data.csv | dynamix forecast - --horizon 100 --n-samples 50 > samples.csv
  dynamix forecast folder/ --id shop --time day --columns sales -n 100 -o parts/ --workers 2
  dynamix models
  dynamix train --output runs/mine --epochs 200
  dynamix train --output runs/mine --epochs 200 --resume
  dynamix benchmark --model dynamix-3d --context 2000 --output mine.csv --workers 2
  dynamix benchmark --compare mine.csv others.csv
  dynamix benchmark --suite dysts-2023 --model dynamix-3d-plus --output mine.csv
  dynamix run book/03_architecture.ipynb mine.ipynb -p system Rossler
  dynamix sweep book/05_zero_shot.ipynb -p context_length 512,1000,2000

exit codes: 0 success; 1 a failed check of the book; 2 unusable input or a disk error; 130 Ctrl-C

The options of a command: dynamix forecast --help"""


def parser() -> Parser:
    """The parser of all commands."""
    top = Parser(
        prog="dynamix",
        description="Zero-shot dynamical systems reconstruction.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_common(top)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (forecast, models, train, benchmark, notebook, book, completion):
        module.add(commands)
    return top


def answer(arguments: Sequence[str]) -> int:
    """Run the command that the words name, and return the exit code; see ``cli.main``."""
    try:
        top = parser()
        options = top.parse_args(prepared(top, arguments))
        with _voice(getattr(options, "voice", "")):
            code = int(options.run(options) or 0)
        sys.stdout.flush()
        return code
    except InputError as error:
        why = str(error)
    except BrokenPipeError:  # as of "dynamix models | head": the reader has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, an unreadable file
        where = "" if error.filename is None else f": {error.filename}"
        why = f"{error.strerror or error}{where}."
    except MemoryError:
        why = "there is not enough memory. Use fewer steps, series or samples."
    sys.stderr.write(f"dynamix: {why}\n")
    try:
        sys.stdout.flush()
    except OSError:  # Python would try again at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 2


@contextmanager
def _voice(voice: str) -> Iterator[None]:
    """Send the library's messages to standard error while a command runs; quiet: fewer, no bars."""
    own, handler = logging.getLogger("dynamix"), logging.StreamHandler(sys.stderr)
    form = (
        "%(relativeCreated)6.0f ms  %(name)s: %(message)s" if voice == "verbose" else "%(message)s"
    )
    handler.setFormatter(logging.Formatter(form))
    level = own.level
    own.setLevel(_LEVELS.get(voice, logging.INFO))
    own.addHandler(handler)
    try:
        with _no_bars() if voice == "quiet" else nullcontext():
            yield
    except InputError:
        logger.debug("where it was raised:", exc_info=True)
        raise
    finally:
        own.removeHandler(handler)
        own.setLevel(level)


@contextmanager
def _no_bars() -> Iterator[None]:
    """Switch all progress bars off; tqdm has no switch for a whole process."""
    from tqdm import tqdm

    init: Any = tqdm.__init__

    def disabled(self: Any, *args: Any, **given: Any) -> None:
        init(self, *args, **{**given, "disable": True})

    tqdm.__init__ = disabled
    try:
        yield
    finally:
        tqdm.__init__ = init
