"""The dynamics of models and trajectories: exponents, invariants, Jacobians, use of experts.

It must not know a benchmark.
"""

from .expert_use import Watched, watch
from .exponents import lyapunov_spectrum
from .invariants import (
    correlation_dimension,
    divergence_curve,
    kaplan_yorke_dimension,
    largest_exponent,
    recurrence_matrix,
)
from .jacobian import jacobians
from .kin import kinship, use_distances

__all__ = [
    "Watched",
    "correlation_dimension",
    "divergence_curve",
    "jacobians",
    "kaplan_yorke_dimension",
    "kinship",
    "largest_exponent",
    "lyapunov_spectrum",
    "recurrence_matrix",
    "use_distances",
    "watch",
]
