"""The figures of the book and of the command line. Nothing here computes a result."""

from .comparisons import (
    benchmark_boxes,
    errors_by_forecaster,
    rate_grid,
    sensitivities,
)
from .experts import (
    expert_use,
    symbolic_code,
    transition_graphs,
)
from .models import attention, gate_use, inference_times, training_curves
from .series import continuations, lines, mended, spectra, time_series
from .state_space import attractors, occupancy
from .theme import panels, save, style
from .turning import turnable

__all__ = [
    "attention",
    "attractors",
    "benchmark_boxes",
    "continuations",
    "errors_by_forecaster",
    "expert_use",
    "gate_use",
    "inference_times",
    "lines",
    "mended",
    "occupancy",
    "panels",
    "rate_grid",
    "save",
    "sensitivities",
    "spectra",
    "style",
    "symbolic_code",
    "time_series",
    "training_curves",
    "transition_graphs",
    "turnable",
]
