"""Rival forecasters: a name becomes a function of a context, a horizon and a seed.

This room does not know how forecasts are evaluated.
"""

from .registry import Baseline, baseline, table
from .simple import mean, naive, parrot, seasonal_naive

# isort: split
# each module registers its entries, in the order of the table
from . import (  # noqa: F401
    classical,
    echo_state,
    pretrained,
    regression,
    simple,
    sindy,
    trained,
    zero_shot,
)

__all__ = ["Baseline", "baseline", "mean", "naive", "parrot", "seasonal_naive", "table"]
