"""A limit to the time that each cell of a running notebook may take.

The kernel imports this module, so it imports nothing that takes long.
"""

from __future__ import annotations

from typing import Any


class TooLong(BaseException):
    """A cell took longer than it may; no ``except Exception`` of an answer catches it."""


def watch(limit: float) -> None:
    """From the next cell on, stop any cell of this kernel after ``limit`` seconds.

    Where the system has no such clock, cells may take as long as they like.
    """
    import signal

    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    if shell is None or not hasattr(signal, "setitimer"):
        return

    def stop(*_: Any) -> None:
        raise TooLong(f"it was stopped after {limit:g} s")

    def start(*_: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, limit)

    def end(*_: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    signal.signal(signal.SIGALRM, stop)
    shell.events.register("pre_run_cell", start)
    shell.events.register("post_run_cell", end)
