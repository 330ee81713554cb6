"""The dynamics of models and trajectories: exponents, invariants, Jacobians, use of experts.

It must not know a benchmark.
"""

from typing import TYPE_CHECKING

from ..lazy import on_first_use

if TYPE_CHECKING:
    from .exponents import lyapunov_spectrum as lyapunov_spectrum
    from .invariants import correlation_dimension as correlation_dimension
    from .invariants import divergence_curve as divergence_curve
    from .invariants import kaplan_yorke_dimension as kaplan_yorke_dimension
    from .invariants import largest_exponent as largest_exponent
    from .invariants import recurrence_matrix as recurrence_matrix
    from .jacobian import jacobians as jacobians
    from .kin import kinship as kinship

_NAMES = {
    "correlation_dimension": "invariants",
    "divergence_curve": "invariants",
    "jacobians": "jacobian",
    "kaplan_yorke_dimension": "invariants",
    "kinship": "kin",
    "largest_exponent": "invariants",
    "lyapunov_spectrum": "exponents",  # some of these wait for torch
    "recurrence_matrix": "invariants",
}
__all__ = [*_NAMES]
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
