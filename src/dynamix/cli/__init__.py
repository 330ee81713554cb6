"""The command line, one file per command: it turns words into calls of the library.

It knows no default of its own: flags, help and bounds come from :mod:`dynamix.settings`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["main"]

_PATIENCE = 1.0  # seconds from Ctrl-C to the end of the process
_INTERRUPTED = "\ndynamix: interrupted\n"
_said = threading.Event()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on ``arguments``; None: on the words that were typed.

    The exit code is 0 for success, 1 for a failed check, 2 for unusable input (with one line on
    standard error) and 130 for an interruption. ``--help`` and ``--version`` raise ``SystemExit``.

    >>> main(["benchmark", "--compare", "one.csv"])  # the message goes to standard error
    2
    """
    typed = arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if typed:
        signal.signal(signal.SIGINT, _leave)
    from .parser import answer  # some imports print a traceback of their own when interrupted

    try:
        if typed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            _end_on_interrupt()
        return answer(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        _said.set()
        sys.stderr.write(_INTERRUPTED)
        return 130


def _leave(*_: Any) -> None:
    """End the process at once, and say so once."""
    if not _said.is_set():
        os.write(2, _INTERRUPTED.encode())
    os._exit(130)


def _end_on_interrupt() -> None:
    """Have Ctrl-C end the process when kernels, which do not notice it, run on for a while."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)

    def watch() -> None:
        while os.read(heard, 1) != bytes([signal.SIGINT]):
            pass
        time.sleep(_PATIENCE)
        _leave()

    threading.Thread(target=watch, daemon=True).start()
