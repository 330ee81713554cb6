"""The style of every figure, and what several figures share: panels, legends, names of channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from ..errors import InputError
from ..io.files import make_folder, write_whole
from ..io.shapes import Float

# Okabe & Ito, as in data/dynamix.mplstyle
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
PALETTE = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9")
CONTEXT = {"color": "0.45", "linewidth": 0.9, "linestyle": "-"}
TRUTH = {"color": BLUE, "linewidth": 1.0, "linestyle": "-"}
FORECAST = {"color": VERMILION, "linewidth": 1.0, "linestyle": (0, (5, 1.2))}
ROLES: dict[str, dict[str, Any]] = {"context": CONTEXT, "truth": TRUTH, "forecast": FORECAST}
# zero, one, the context's end
REFERENCE: dict[str, Any] = {"color": "0.3", "linewidth": 0.8, "linestyle": ":"}
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (6, 1)))


@contextmanager
def style() -> Iterator[None]:
    """Draw in the library's style, in a ``with`` block or as a decorator.

    New figures are closed for pyplot, also those whose drawing failed half-way: a notebook shows a
    figure once, where it is returned.

    >>> with style():
    ...     figure, axes = panels(2, 7.0, 2.5)
    >>> figure.number in plt.get_fignums()
    False
    """
    before = set(plt.get_fignums())
    with plt.style.context(str(resources.files("dynamix") / "data" / "dynamix.mplstyle")):
        try:
            yield
        finally:
            for number in set(plt.get_fignums()) - before:
                plt.close(number)


def save(figure: Figure, path: str | Path) -> Path:
    """Write ``figure`` to ``path``, whose suffix chooses the format; missing folders are made.

    Raises
    ------
    InputError
        If the format is unknown.

    >>> save(Figure(), "loss.doc")
    Traceback (most recent call last):
    dynamix.errors.InputError: cannot draw to 'loss.doc': expected a name ending in one of eps, ...
    """
    path = Path(path)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in known:
        raise InputError(
            f"cannot draw to {str(path)!r}: expected a name ending in one of {', '.join(known)}."
        )
    make_folder(path.parent)
    with style(), write_whole(path) as temporary:
        figure.savefig(temporary)
    return path


def as_columns(x: Any) -> Float[ndarray, "_ n"]:
    """Return ``(T,)`` or ``(T, n)`` as ``(T, n)`` in float64; NaN stays."""
    values = np.asarray(x, dtype=np.float64)
    return values[:, None] if values.ndim == 1 else values


def channel_name(i: int, names: Sequence[str] | None = None) -> str:
    """Return the i-th of ``names``, or ``x_1``, ``x_2``, ... without names."""
    return f"$x_{i + 1}$" if names is None else str(names[i])


def panels(
    count: int, width: float, height: float, *, columns: int = 0, base: float = 0.0, **options: Any
) -> tuple[Figure, Any]:
    """Make ``count`` axes in rows of ``columns`` (0: one row), for drawing within :func:`style`.

    ``width`` is the figure's, ``height`` that of a row, ``base`` is added to all rows, in inches.
    ``options`` are those of :func:`matplotlib.pyplot.subplots`.

    Raises
    ------
    InputError
        If ``count`` is 0.

    >>> with style():
    ...     figure, axes = panels(5, 8.4, 1.3, columns=2, base=0.4)
    >>> len(axes), figure.get_size_inches().round(1).tolist()
    (5, [8.4, 4.3])
    """
    if not count:
        raise InputError("nothing to draw: expected at least one panel, found none.")
    columns = columns or count
    rows = -(-count // columns)
    size = (width, base + height * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    for ax in axes.flat[count:]:
        ax.remove()
    return figure, axes.flat[:count]


def legend(figure: Figure, axes: Any, where: str = "upper", **options: Any) -> list[Any]:
    """Write names outside of the axes, each once, unless there is only one; return the lines."""
    pairs = [pair for ax in axes for pair in zip(*ax.get_legend_handles_labels(), strict=True)]
    named = {label: handle for handle, label in reversed(pairs)}  # the first handle of a label
    labels = list(dict.fromkeys(label for _, label in pairs))
    if len(labels) < 2:
        return []
    look: dict[str, Any] = {"loc": f"outside {where} center", "ncols": len(labels)} | options
    return list(figure.legend([named[label] for label in labels], labels, **look).get_lines())


def slant_dates(figure: Figure, x: Any) -> None:
    """Slant the labels of a time axis if ``x`` holds dates."""
    if np.issubdtype(np.asarray(x).dtype, np.datetime64):
        figure.autofmt_xdate()
