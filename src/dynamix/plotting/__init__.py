"""The figures of the book and of the command line. Nothing here computes a result."""

from .comparisons import (
    benchmark_boxes,
    errors_by_forecaster,
    rate_grid,
    relative_errors,
    sensitivities,
)
from .experts import (
    expert_use,
    exponents,
    kinship,
    lyapunov_spectra,
    similarity_map,
    symbolic_code,
    transition_graphs,
)
from .models import attention, gate_use, inference_times, training_curves
from .series import continuations, lines, mended, series_panels, spectra, time_series
from .state_space import attractors, occupancy, recurrences
from .theme import save
from .turning import turnable

__all__ = [
    "attention",
    "attractors",
    "benchmark_boxes",
    "continuations",
    "errors_by_forecaster",
    "expert_use",
    "exponents",
    "gate_use",
    "inference_times",
    "kinship",
    "lines",
    "lyapunov_spectra",
    "mended",
    "occupancy",
    "rate_grid",
    "recurrences",
    "relative_errors",
    "save",
    "sensitivities",
    "series_panels",
    "similarity_map",
    "spectra",
    "symbolic_code",
    "time_series",
    "training_curves",
    "transition_graphs",
    "turnable",
]
