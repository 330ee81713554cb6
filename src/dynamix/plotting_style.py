"""The figures' one style: looks of the roles, fonts and sizes, and how a figure is handed out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import resources
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

Points = Float[ndarray, "_ n"]
P = ParamSpec("P")

CONTEXT = {"color": "0.45", "linewidth": 0.9, "linestyle": "-"}
TRUTH = {"color": "#0072B2", "linewidth": 1.0, "linestyle": "-"}
FORECAST = {"color": "#D55E00", "linewidth": 1.0, "linestyle": (0, (5, 1.2))}


@contextmanager
def style() -> Iterator[None]:
    """The library's figure style, for the time of a ``with`` block."""
    with plt.style.context(str(resources.files("dynamix") / "data" / "dynamix.mplstyle")):
        yield


def in_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the style, and take the figure from pyplot so that a notebook shows it once."""

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style():
            figure = draw(*args, **kwargs)
            plt.close(figure)
            return figure

    return styled


def columns(x: Any) -> Points:
    """Anything like ``(T,)`` or ``(T, n)`` as ``(T, n)`` in float64."""
    values = np.asarray(x, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values
