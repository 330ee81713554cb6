"""Generated flows, which are not in the paper: random differential equations, fixed by a seed.

This room knows no catalogue, no model and no forecast.
"""

from .generated import flow

__all__ = ["flow"]
