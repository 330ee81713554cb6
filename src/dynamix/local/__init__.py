"""The local linear forecaster: affine maps fitted to the context around the present state.

It is not in the paper. It offers the same ``start`` and ``step`` as the paper's model, and knows
nothing of engines, forecasts or training.
"""

from typing import TYPE_CHECKING

from ..lazy import on_first_use

if TYPE_CHECKING:
    from .forecaster import LocalForecaster as LocalForecaster

_NAMES = {
    "LocalForecaster": "forecaster",
}
__all__ = ["LocalForecaster"]
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
