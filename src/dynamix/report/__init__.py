"""A report on a reader's own data: what was read, the forecast, and reasons not to trust it.

This room must not draw: plotting takes what it returns.
"""

from .checks import CHECKS
from .data import load, write_example
from .report import Report, backtest, make

__all__ = ["CHECKS", "Report", "backtest", "load", "make", "write_example"]
