"""The size of a series as a power of two, so that units change no digit of a result."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from .shapes import Float


def unit(values: Float[ndarray, "T ..."]) -> Any:
    """The power of two below each channel's largest value: dividing by it rounds nothing.

    Squares and sums of ``values / unit(values)`` neither overflow nor vanish.
    """
    # time last: NumPy's reductions over the first axis of a few channels are ten times slower
    size = np.abs(np.ascontiguousarray(np.moveaxis(values, 0, -1))).max(axis=-1)
    size = np.where((size > 0) & np.isfinite(size), size, 1.0)
    return np.ldexp(1.0, np.frexp(size)[1] - 1)
