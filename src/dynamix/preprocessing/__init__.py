"""What happens to a series before a model sees it, and how it is undone.

This room holds transforms, embeddings, periods and resampling; it must not know a model.
"""

from .embedding import embed, find_delays
from .periods import autocorrelation, decorrelation_time, dominant_period
from .resampling import resample
from .seasons import Season, calendar_seasons, find_seasons
from .transforms import BoxCox, PowerLawTrend, Standardize, fit_transforms, invert_transforms

__all__ = [
    "BoxCox",
    "PowerLawTrend",
    "Season",
    "Standardize",
    "autocorrelation",
    "calendar_seasons",
    "decorrelation_time",
    "dominant_period",
    "embed",
    "find_delays",
    "find_seasons",
    "fit_transforms",
    "invert_transforms",
    "resample",
]
