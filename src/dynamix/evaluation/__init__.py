"""Benchmarks, failure rates, sensitivity, rolling evaluation, and their stored results."""

from .benchmark import (
    COLUMNS,
    command,
    identity,
    measure,
    read,
    run,
    stretches,
)
from .failure_settings import (
    FailureConfig,
)
from .failures import (
    MODES,
    Decay,
    Points,
    copy_distance,
    cycle_period,
    decay,
    examine,
    outside_share,
    parroting_index,
    spectral_failure,
)
from .perturbations import (
    sensitivity,
    together,
)
from .results import (
    Journal,
    folder,
    provenance,
    write,
)
from .rolling import (
    delayed,
    delays_of,
    evaluate,
    origins,
    phase_lags,
)
from .statistics import (
    DRAWS,
    ERRORS,
    LABELS,
    LEVEL,
    MEASURES,
    bootstrap,
    per_system,
    shares,
    summary,
    win_rates,
)

__all__ = [
    "COLUMNS",
    "DRAWS",
    "ERRORS",
    "LABELS",
    "LEVEL",
    "MEASURES",
    "MODES",
    "Decay",
    "FailureConfig",
    "Journal",
    "Points",
    "bootstrap",
    "command",
    "copy_distance",
    "cycle_period",
    "decay",
    "delayed",
    "delays_of",
    "evaluate",
    "examine",
    "folder",
    "identity",
    "measure",
    "origins",
    "outside_share",
    "parroting_index",
    "per_system",
    "phase_lags",
    "provenance",
    "read",
    "run",
    "sensitivity",
    "shares",
    "spectral_failure",
    "stretches",
    "summary",
    "together",
    "win_rates",
    "write",
]
