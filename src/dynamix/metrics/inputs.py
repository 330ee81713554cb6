"""Checks of what the measures take, and their division into single series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError

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
    f, t = as_series(forecast, names[0]), as_series(truth, names[1])
    if f.shape[1:] != t.shape[1:]:
        raise InputError(
            f"{names[0]} and {names[1]} must have the same series and channels, found shapes "
            f"{np.shape(forecast)} and {np.shape(truth)}."
        )
    check_finite(t, names[1])
    values = [measure(f[:, s], t[:, s]) for s in range(f.shape[1])]
    return np.array(values) if several else values[0]


def check_finite(x: ndarray, what: str) -> None:
    """Raise at the first NaN or infinity; time is the first axis."""
    if not np.isfinite(x).all():
        where = np.argwhere(~np.isfinite(x))[0]
        raise InputError(
            f"{what} must be finite, found {x[tuple(where)]} at step {int(where[0])}. "
            "Fill or cut the gaps first."
        )


def check_moving(size: Float[ndarray, " N"]) -> None:
    """Raise unless the size of the motion (range, deviation, ...) is positive in every channel."""
    if not (size > 0).all():
        raise InputError(
            f"truth must vary in every channel, but channel {int(np.argmax(~(size > 0)))} is "
            "constant: an error cannot be scaled by it, and a histogram has no width."
        )


def as_series(x: Any, what: str) -> Float[ndarray, "T S N"]:
    """Any array, frame or tensor as ``(T, S, N)`` in float64."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be an array of numbers: {error}.") from error
    if array.ndim not in (1, 2, 3) or array.size == 0:
        raise InputError(
            f"{what} must have shape (T,), (T, N) or (T, S, N) and not be empty, found "
            f"{array.shape}."
        )
    return array.reshape({1: (-1, 1, 1), 2: (len(array), 1, -1), 3: array.shape}[array.ndim])
