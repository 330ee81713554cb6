"""The division of what the measures take into single series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError
from ..io.arrays import as_series

Points = Float[ndarray, "_ N"]
Measured = float | Float[ndarray, " S"]


def per_series(
    measure: Callable[[Points, Points], Any],
    forecast: Any,
    truth: Any,
    names: tuple[str, str] = ("forecast", "truth"),
) -> Any:
    """Apply a measure to each series; the two must have the same series and channels."""
    several = np.ndim(forecast) == 3 or np.ndim(truth) == 3
    f, t = as_series(forecast, name=names[0], finite=False), as_series(truth, name=names[1])
    if f.shape[1:] != t.shape[1:]:
        raise InputError(
            f"{names[0]} and {names[1]} must have the same series and channels, found shapes "
            f"{np.shape(forecast)} and {np.shape(truth)}."
        )
    values = [measure(f[:, s], t[:, s]) for s in range(f.shape[1])]
    return np.array(values) if several else values[0]


def check_moving(size: Float[ndarray, " N"]) -> None:
    """Raise unless the size of the motion (range, deviation, ...) is positive in every channel."""
    if not (size > 0).all():
        raise InputError(
            f"truth must vary in every channel, but channel {int(np.argmax(~(size > 0)))} is "
            "constant: an error cannot be scaled by it, and a histogram has no width."
        )
