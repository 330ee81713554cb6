"""Measures of a forecast against the truth: geometry, spectrum, error, fate and calibration.

This room takes arrays and returns numbers. It must not know any model.
"""

from .fates import FATES, fate
from .probabilistic import coverage, crps
from .reconstruction import (
    histogram_hellinger,
    mase,
    power_spectrum,
    spectral_hellinger,
    state_space_divergence,
    valid_prediction_time,
)

__all__ = [
    "FATES",
    "coverage",
    "crps",
    "fate",
    "histogram_hellinger",
    "mase",
    "power_spectrum",
    "spectral_hellinger",
    "state_space_divergence",
    "valid_prediction_time",
]
