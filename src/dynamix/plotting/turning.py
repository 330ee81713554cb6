"""A trajectory in three dimensions that the book's reader can turn.

In a notebook it is a picture like every other. In the book's pages the picture carries its points
along, rounded and thinned, and ``book/_assets/turn/turn.js`` offers to replace it by a drawing that
turns. Without scripts, in print and in the PDF the picture stays.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from numpy import ndarray

from ..errors import InputError
from .theme import CONTEXT, FORECAST, TRUTH, in_style, style

_MAX_POINTS = 6000  # in all; at 15 characters each a figure's data stay below 100 kB
_GRID = 5000  # steps of rounding across the frame: finer than a screen shows
_BEYOND = 3  # frames that an escaping forecast is followed for
_MARGIN = 0.08  # of the frame, as in plotting.attractors
_VIEW = {"elevation": 30, "azimuth": -60}  # degrees: matplotlib's own, so that nothing jumps

# A role's colour in the pictures, and the live demo's for it on a dark ground.
_ROLES = {
    "context": (CONTEXT["color"], "#a3abb5"),
    "truth": (TRUTH["color"], "#56b4e9"),
    "forecast": (FORECAST["color"], "#f28e3c"),
}
# Okabe & Ito again, for other labels, in the order of data/dynamix.mplstyle.
_OTHERS = (
    ("#0072B2", "#56b4e9"),
    ("#D55E00", "#f28e3c"),
    ("#009E73", "#3fc9a0"),
    ("#CC79A7", "#e3a3c6"),
    ("#E69F00", "#f2c14e"),
    ("#56B4E9", "#a5d8f3"),
)


@dataclass(frozen=True)
class Turnable:
    """What :func:`turnable` returns: a picture, and the points behind it.

    Attributes
    ----------
    figure
        The picture, for :func:`dynamix.plotting.save`.
    data
        What the page carries. A trace's coordinate is ``low[i] + step[i] * trace["xyz"[i]]``, whole
        numbers times a step, in the data's units; ``frame`` holds the axes' limits, ``view`` the
        camera's angles in degrees.
    alt
        What the figure shows, in words.

    Examples
    --------
    >>> line = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 4.0]])
    >>> shown = turnable({"truth": line}, alt="A line.")
    >>> trace, low, step = shown.data["traces"][0], shown.data["low"], shown.data["step"]
    >>> [round(low[i] + step[i] * trace["xyz"[i]][-1], 6) for i in range(3)]
    [1.0, 2.0, 4.0]
    >>> shown.html[:49]
    '<div class="dynamix-turnable"><img alt="A line." '
    """

    figure: Figure
    data: dict[str, Any]
    alt: str

    @cached_property
    def png(self) -> bytes:
        """The picture."""
        stream = io.BytesIO()
        with style():
            self.figure.savefig(stream, format="png", dpi=self.figure.dpi)
        return stream.getvalue()

    @cached_property
    def html(self) -> str:
        """The picture with its alternative text, and the points for a script to read."""
        picture = base64.b64encode(self.png).decode("ascii")
        points = json.dumps(self.data, separators=(",", ":")).replace("<", "\\u003c")
        return (
            '<div class="dynamix-turnable">'
            f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{picture}">'
            f'<script type="application/json">{points}</script></div>'
        )

    def _repr_html_(self) -> str:
        return self.html

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        parts = ", ".join(f"{t['name']} {len(t['x'])} points" for t in self.data["traces"])
        return f"<Turnable: {parts}>"


def turnable(
    trajectories: Mapping[str, Any], *, alt: str, title: str = "", lines: bool = True
) -> Turnable:
    """A figure of trajectories in three dimensions that can be turned in the book's pages.

    Parameters
    ----------
    trajectories
        ``(T, 3)`` each, in any units, by label. ``context``, ``truth`` and ``forecast`` have their
        colours of :mod:`dynamix.plotting`; other labels get the next of the palette. The frame
        covers all but the forecast, so that one that escapes is seen to leave.
    alt
        What the figure shows, for readers who cannot see it.
    title
        Drawn above.
    lines
        Whether the points of a trajectory are joined. ``False`` draws dots, for sets of states.

    Returns
    -------
    A figure that a notebook displays. Of long trajectories every k-th point is kept, with the first
    and the last; coordinates are rounded to 1/5000 of the frame, and points more than three frames
    outside are moved to that distance.

    Raises
    ------
    InputError
        If there is nothing to draw, a trajectory is not ``(T, 3)`` with at least two finite points
        (one, for dots), or the alternative text is empty.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 20, 10_000)
    >>> helix = np.stack([np.cos(t), np.sin(t), t], axis=1)
    >>> turnable({"truth": helix}, alt="A helix that winds upwards.")
    <Turnable: truth 5001 points>
    """
    if not alt.strip():
        raise InputError(
            "a figure needs an alternative text: say in alt= what it shows, in a sentence."
        )
    if not trajectories:
        raise InputError("nothing to draw: give at least one trajectory, {'truth': x}.")
    paths = {
        str(label): _checked(x, str(label), 2 if lines else 1) for label, x in trajectories.items()
    }
    frame = np.concatenate([x for k, x in paths.items() if k != "forecast"] or [*paths.values()])
    low, high = frame.min(axis=0), frame.max(axis=0)
    span = np.where(high > low, high - low, np.maximum(np.abs(low), 1.0))
    step = span / _GRID
    stride = -(-sum(map(len, paths.values())) // _MAX_POINTS)
    spare = iter(_OTHERS * (1 + len(paths) // len(_OTHERS)))
    traces = []
    for label, x in paths.items():
        light, dark = _ROLES[label] if label in _ROLES else next(spare)
        grid = _rounded(_thinned(x, stride), low, step)
        columns = dict(zip("xyz", grid.T.tolist(), strict=True))
        traces.append({"name": label, "light": _hex(light), "dark": dark, **columns})
    middle, half = (low + high) / 2, (0.5 + _MARGIN) * span
    data = {
        "low": low.tolist(),
        "step": step.tolist(),
        "frame": np.stack([middle - half, middle + half], axis=1).tolist(),
        "view": _VIEW,
        "title": title,
        "lines": lines,
        "traces": traces,
    }
    colors = [trace["light"] for trace in traces]
    return Turnable(figure=_picture(paths, colors, data), data=data, alt=alt.strip())


def _checked(x: Any, label: str, least: int) -> Float[ndarray, "T 3"]:
    """A trajectory as numbers, or why it is none."""
    try:
        points = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"trajectory {label!r} holds something that is no number: expected an array (T, 3)."
        ) from error
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < least:
        raise InputError(
            f"trajectory {label!r} has the shape {points.shape}: expected (T, 3), T at least "
            f"{least}. Of more channels choose three, x[:, [0, 1, 2]]; attractors() draws fewer."
        )
    if not np.isfinite(points).all():
        first = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise InputError(
            f"trajectory {label!r} is not finite at row {first}: expected numbers throughout. Draw "
            "the rows before it, or mend it."
        )
    return points


def _thinned(x: Float[ndarray, "T 3"], stride: int) -> Float[ndarray, "K 3"]:
    """Every ``stride``-th point, and the last."""
    kept = np.arange(0, len(x), stride)
    return x[kept if kept[-1] == len(x) - 1 else np.append(kept, len(x) - 1)]


def _rounded(
    x: Float[ndarray, "K 3"], low: Float[ndarray, " 3"], step: Float[ndarray, " 3"]
) -> Int[ndarray, "K 3"]:
    """Points in steps from the frame's corner; those far outside are brought nearer."""
    furthest = (1 + _BEYOND) * _GRID
    return np.rint(np.clip((x - low) / step, -_BEYOND * _GRID, furthest)).astype(int)


def _hex(color: Any) -> str:
    """A colour of matplotlib, such as "0.45", as a page writes it."""
    from matplotlib.colors import to_hex

    return to_hex(color)


@in_style
def _picture(
    paths: Mapping[str, Float[ndarray, "_ 3"]],
    colors: list[str],
    data: Mapping[str, Any],
) -> Figure:
    """The picture that stays where nothing can be turned, from all of the points."""
    figure = plt.figure(figsize=(5.0, 4.3))
    ax: Any = figure.add_subplot(projection="3d")  # types know of no view_init
    for (label, x), color in zip(paths.items(), colors, strict=True):
        look: dict[str, Any] = {"linewidth": 0.6} if data["lines"] else {"ls": "", "marker": "."}
        ax.plot(*x.T, label=label, color=color, alpha=0.9, markersize=3, **look)
    ax.view_init(elev=_VIEW["elevation"], azim=_VIEW["azimuth"])
    for i, name in enumerate("xyz"):
        getattr(ax, f"set_{name}lim")(*data["frame"][i])
        getattr(ax, f"set_{name}label")(f"$x_{i + 1}$", labelpad=-8)
        getattr(ax, f"{name}axis").set_ticklabels([])
    ax.tick_params(pad=-4)
    ax.set_title(data["title"])
    if len(paths) > 1:
        legend = figure.legend(
            loc="outside lower center", ncols=len(paths), fontsize=9, markerscale=3
        )
        for line in legend.get_lines():
            line.set(linewidth=2 if data["lines"] else 0, alpha=1)
    return figure
