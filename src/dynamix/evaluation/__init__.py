"""Benchmarks, failure rates and rolling evaluation, with their stored results.

This room asks forecasters by name and measures them. It must not know figures or reports.
"""

from .benchmark import measure, run
from .failures import examine
from .rolling import evaluate
from .settings import BenchmarkConfig, RollingConfig
from .statistics import per_system, summary, win_rates

__all__ = [
    "BenchmarkConfig",
    "RollingConfig",
    "evaluate",
    "examine",
    "measure",
    "per_system",
    "run",
    "summary",
    "win_rates",
]
