"""The size of a series as a power of two, so that units change no digit of a result."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def by_channel(values: Float[ndarray, "T ..."]) -> Float[ndarray, "... T"]:
    """A copy with time last: NumPy's reductions over the first axis of few channels are slow."""
    return np.ascontiguousarray(np.moveaxis(values, 0, -1))


def unit(values: Float[ndarray, "T ..."]) -> Any:
    """The power of two below each channel's largest value: dividing by it rounds nothing.

    Squares and sums of ``values / unit(values)`` neither overflow nor vanish.
    """
    size = np.abs(by_channel(values)).max(axis=-1)
    size = np.where((size > 0) & np.isfinite(size), size, 1.0)
    return np.ldexp(1.0, np.frexp(size)[1] - 1)
