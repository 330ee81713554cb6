"""Measures of a forecast against the truth: geometry, spectrum, error, fate, calibration.

Nothing here knows a model.
"""

from .fates import (
    FATES,
    closest_return,
    fate,
    returns,
)
from .inputs import (
    as_series,
    per_series,
)
from .probabilistic import (
    Measured,
    Points,
    Samples,
    coverage,
    crps,
)
from .reconstruction import (
    mase,
    mixture_divergence,
    power_spectrum,
    spectral_hellinger,
    state_space_divergence,
    valid_prediction_time,
)

__all__ = [
    "FATES",
    "Measured",
    "Points",
    "Samples",
    "as_series",
    "closest_return",
    "coverage",
    "crps",
    "fate",
    "mase",
    "mixture_divergence",
    "per_series",
    "power_spectrum",
    "returns",
    "spectral_hellinger",
    "state_space_divergence",
    "valid_prediction_time",
]
