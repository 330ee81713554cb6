"""The local linear forecaster: affine maps fitted to the context around the present state.

It is not in the paper. It offers the same ``start`` and ``step`` as the paper's model, and knows
nothing of engines, forecasts or training.
"""

from .forecaster import LocalForecaster

__all__ = ["LocalForecaster"]
