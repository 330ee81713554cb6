"""The figures of the book. Nothing here computes a result."""

from .experts import (
    expert_use,
    exponents,
    kinship,
    lyapunov_spectra,
    similarity_map,
    symbolic_code,
    transition_graphs,
)
from .failures import (
    continuations,
    rate_grid,
    recurrences,
    sensitivities,
)
from .forecasts import (
    BANDS,
    fan,
)
from .models import (
    attention,
    benchmark_boxes,
    gate_use,
    inference_times,
    training_curves,
)
from .series import (
    errors_by_forecaster,
    mended,
    relative_errors,
    series_panels,
)
from .state_space import (
    attractors,
    lines,
    occupancy,
    save,
    spectra,
    time_series,
)
from .theme import (
    CONTEXT,
    FORECAST,
    TRUTH,
    P,
    Points,
    columns,
    in_style,
    style,
)
from .turning import (
    Turnable,
    turnable,
)

__all__ = [
    "BANDS",
    "CONTEXT",
    "FORECAST",
    "TRUTH",
    "P",
    "Points",
    "Turnable",
    "attention",
    "attractors",
    "benchmark_boxes",
    "columns",
    "continuations",
    "errors_by_forecaster",
    "expert_use",
    "exponents",
    "fan",
    "gate_use",
    "in_style",
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
    "style",
    "symbolic_code",
    "time_series",
    "training_curves",
    "transition_graphs",
    "turnable",
]
