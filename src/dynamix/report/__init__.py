"""A report on a reader's own data: what was read, whether it can be forecast, and the forecast."""

from .checks import (
    CHECKS,
    SEVERITIES,
    Channel,
    Finding,
    Severity,
    check_constant,
    check_length,
    check_noise,
    check_outliers,
    check_repeats,
    check_resolution,
    check_sampling,
    check_stationarity,
    graded,
    unpredictable_share,
)
from .data import (
    Loaded,
    find_file,
    load,
    write_example,
)
from .report import (
    Report,
    backtest,
    make,
    verdict,
)

__all__ = [
    "CHECKS",
    "SEVERITIES",
    "Channel",
    "Finding",
    "Loaded",
    "Report",
    "Severity",
    "backtest",
    "check_constant",
    "check_length",
    "check_noise",
    "check_outliers",
    "check_repeats",
    "check_resolution",
    "check_sampling",
    "check_stationarity",
    "find_file",
    "graded",
    "load",
    "make",
    "unpredictable_share",
    "verdict",
    "write_example",
]
