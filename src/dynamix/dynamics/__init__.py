"""The dynamics of models and trajectories: exponents, invariants, Jacobians, use of experts.

It must not know a benchmark.
"""

from .exponents import lyapunov_spectrum
from .invariants import (
    correlation_dimension,
    divergence_curve,
    kaplan_yorke_dimension,
    largest_exponent,
    recurrence_matrix,
)
from .jacobian import jacobians
from .kin import kinship

__all__ = [
    "correlation_dimension",
    "divergence_curve",
    "jacobians",
    "kaplan_yorke_dimension",
    "kinship",
    "largest_exponent",
    "lyapunov_spectrum",
    "recurrence_matrix",
]
