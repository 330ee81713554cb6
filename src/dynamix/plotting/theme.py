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
    """The library's figure style, for the time of a ``with`` block.

    Examples
    --------
    >>> with style():
    ...     figure, ax = plt.subplots()
    >>> ax.spines["top"].get_visible(), figure.get_layout_engine() is not None
    (False, True)
    >>> plt.close(figure)
    """
    with plt.style.context(str(resources.files("dynamix") / "data" / "dynamix.mplstyle")):
        yield


def in_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the style, and take the figure from pyplot so that a notebook shows it once.

    A decorator: ``draw`` is a function of any arguments that makes and returns one figure; so does
    the function that takes its place. A figure that is closed can still be shown and saved.

    Examples
    --------
    >>> @in_style
    ... def parabola(top):
    ...     figure, ax = plt.subplots()
    ...     ax.plot(np.arange(top) ** 2)
    ...     return figure
    >>> figure = parabola(4)
    >>> figure.axes[0].lines[0].get_ydata().tolist(), plt.fignum_exists(figure.number)
    ([0, 1, 4, 9], False)
    """

    @wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        before = set(plt.get_fignums())
        with style():
            try:
                return draw(*args, **kwargs)
            finally:  # also what was begun when the drawing failed
                for number in set(plt.get_fignums()) - before:
                    plt.close(number)

    return styled


def columns(x: Any) -> Points:
    """A series as channels in columns: ``(T,)`` or ``(T, n)`` as ``(T, n)`` in float64.

    ``x`` is an array, a nested list, or a pandas Series or DataFrame, in any unit. NaN stays.

    Raises
    ------
    ValueError
        If it holds something that is no number.

    Examples
    --------
    >>> columns([1, 2, 3]).shape, columns(np.zeros((4, 2))).shape
    ((3, 1), (4, 2))
    """
    values = np.asarray(x, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values
