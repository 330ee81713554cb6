"""Benchmarks, failure rates, sensitivity and rolling evaluation, with their stored results.

This room asks forecasters by name and measures them. It must not know figures or reports.
"""

from .benchmark import COLUMNS, measure, read, run, stretches
from .failures import MODES, FailureConfig, examine
from .perturbations import sensitivity
from .results import Journal, provenance, write
from .rolling import evaluate, phase_lags
from .statistics import MEASURES, per_system, shares, summary, win_rates

__all__ = [
    "COLUMNS",
    "MEASURES",
    "MODES",
    "FailureConfig",
    "Journal",
    "evaluate",
    "examine",
    "measure",
    "per_system",
    "phase_lags",
    "provenance",
    "read",
    "run",
    "sensitivity",
    "shares",
    "stretches",
    "summary",
    "win_rates",
    "write",
]
