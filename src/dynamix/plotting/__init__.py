"""The figures of the book and of the command line. Nothing here computes a result."""

from ..errors import needs

with needs("plot"):
    from .comparisons import benchmark_boxes, errors_by_forecaster
    from .interactive import choose, play
    from .models import attention, gate_use, training_curves
    from .series import lines, mended, spectra, time_series
    from .state_space import attractors, occupancy
    from .theme import panels, save, style
    from .turning import turnable

__all__ = [
    "attention",
    "attractors",
    "benchmark_boxes",
    "choose",
    "errors_by_forecaster",
    "gate_use",
    "lines",
    "mended",
    "occupancy",
    "panels",
    "play",
    "save",
    "spectra",
    "style",
    "time_series",
    "training_curves",
    "turnable",
]
