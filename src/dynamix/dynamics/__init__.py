"""The dynamics that a model has learned: exponents, invariants, Jacobians, use of its experts."""

from .expert_use import (
    Watched,
    block_entropies,
    effective_number,
    explained,
    regions,
    reliance,
    standout,
    transitions,
    watch,
)
from .exponents import (
    largest_lyapunov_exponent,
    lyapunov_spectrum,
)
from .invariants import (
    Points,
    correlation_dimension,
    correlation_sum,
    delay_embedding,
    determinism,
    divergence_curve,
    kaplan_yorke_dimension,
    largest_exponent,
    mean_period,
    recurrence_matrix,
)
from .jacobian import (
    jacobians,
    spectrum,
)
from .kin import (
    Kinship,
    energy_distances,
    flat_map,
    kinship,
    recognition,
    use_distances,
)

__all__ = [
    "Kinship",
    "Points",
    "Watched",
    "block_entropies",
    "correlation_dimension",
    "correlation_sum",
    "delay_embedding",
    "determinism",
    "divergence_curve",
    "effective_number",
    "energy_distances",
    "explained",
    "flat_map",
    "jacobians",
    "kaplan_yorke_dimension",
    "kinship",
    "largest_exponent",
    "largest_lyapunov_exponent",
    "lyapunov_spectrum",
    "mean_period",
    "recognition",
    "recurrence_matrix",
    "regions",
    "reliance",
    "spectrum",
    "standout",
    "transitions",
    "use_distances",
    "watch",
]
