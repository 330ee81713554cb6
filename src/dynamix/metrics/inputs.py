"""Checks of forecast and truth, and their division into single series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..io.arrays import as_series, still
from ..io.scale import unit
from ..io.shapes import Float

Points = Float[ndarray, "_ N"]
Measured = float | Float[ndarray, " S"]


def per_series(
    measure: Callable[[Points, Points], Any],
    forecast: Any,
    truth: Any,
    names: tuple[str, str] = ("forecast", "truth"),
    finite: bool = False,
) -> Any:
    """Apply a measure to each series, in the truth's units; with ``finite``, others give NaN."""
    several = np.ndim(forecast) == 3 or np.ndim(truth) == 3
    f, t = as_series(forecast, name=names[0], finite=False), as_series(truth, name=names[1])
    if f.shape[1:] != t.shape[1:]:
        raise InputError(
            f"{names[0]} and {names[1]} must have the same series and channels, found shapes "
            f"{np.shape(forecast)} and {np.shape(truth)}."
        )
    f, t = in_units_of(t, f), in_units_of(t, t)
    good = np.isfinite(f).all(axis=(0, 2)) | (not finite)
    values = [measure(f[:, s], t[:, s]) if good[s] else np.nan for s in range(f.shape[1])]
    return np.array(values) if several else values[0]


def in_units_of(truth: Float[ndarray, "T S N"], x: Float[ndarray, "*K T2 S N"]) -> ndarray:
    """``x`` over the size of the truth's channels, so that no square overflows or vanishes."""
    with np.errstate(over="ignore"):  # a forecast that far away has diverged
        return x / unit(truth)


def check_moving(truth: Points) -> None:
    """Raise unless every channel varies."""
    if (constant := still(truth)).any():
        channel = int(np.argmax(constant))
        raise InputError(f"truth must vary, but channel {channel} is constant. Drop it.")
