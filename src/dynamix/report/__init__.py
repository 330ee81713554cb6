"""A report on a reader's own data: what was read, the forecast, and what speaks against it.

This room must not draw: plotting takes what it returns.
"""

from .checks import CHECKS, Finding
from .data import Loaded, load, write_example
from .report import Report, backtest, make, verdict

__all__ = [
    "CHECKS",
    "Finding",
    "Loaded",
    "Report",
    "backtest",
    "load",
    "make",
    "verdict",
    "write_example",
]
