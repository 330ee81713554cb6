"""Published benchmarks: their series and tables, their protocols, and our rows among theirs.

This part of the evaluation asks forecasters by name. Nothing is committed of the published data:
files come from pinned addresses, or from the folder that ``DYNAMIX_DATA`` names.
"""

from __future__ import annotations

from ...errors import one_of
from . import dysts, long_term, parroting, real
from .framework import Suite, Task, compare, report, run, wins

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (*dysts.SUITES, *long_term.SUITES, *parroting.SUITES, *real.SUITES)
}


def suite(name: str) -> Suite:
    """The suite of that name.

    >>> suite("dysts-2023").measures
    ('smape',)
    """
    one_of("suite", name, SUITES)
    return SUITES[name]


__all__ = ["SUITES", "Suite", "Task", "compare", "report", "run", "suite", "wins"]
