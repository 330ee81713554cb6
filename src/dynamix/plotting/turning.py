"""A trajectory in three dimensions that readers of the book can turn.

The picture carries its points, rounded and thinned; ``book/_assets/turn/turn.js`` replaces it by a
drawing that turns.
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
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy import ndarray

from ..errors import InputError
from ..io.arrays import to_numpy
from ..io.shapes import Float
from . import theme
from .state_space import MARGIN, frame

_MAX_POINTS = 6000  # in all; at 15 characters each a figure's data stay below 100 kB
_GRID = 5000  # steps of rounding across the frame: finer than a screen shows
_BEYOND = 3  # frames outside, where an escaping forecast ends
VIEW = {"elevation": 30, "azimuth": -60}  # degrees: matplotlib's own, so that nothing jumps

# The live demo's colours on a dark ground.
_DARK = ("#56b4e9", "#f28e3c", "#3fc9a0", "#e3a3c6", "#f2c14e", "#a5d8f3")
DARKER = dict(zip(theme.PALETTE, _DARK, strict=True)) | {theme.CONTEXT["color"]: "#a3abb5"}


@dataclass(frozen=True)
class Turnable:
    """What :func:`turnable` returns: a picture, and the points that a page gets.

    A coordinate in ``data`` is ``low[i] + step[i] * trace["xyz"[i]]``, in the data's units.
    """

    figure: Figure
    data: dict[str, Any]
    alt: str

    @cached_property
    def png(self) -> bytes:
        """The picture."""
        stream = io.BytesIO()
        with theme.style():
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
    """Draw trajectories in three dimensions; the figure can be turned in the book's pages.

    ``trajectories`` holds ``(T, 3)`` by label. ``context``, ``truth`` and ``forecast`` have their
    usual colours. The frame covers all but the forecast. Points are thinned evenly to 6000 and
    rounded to 1/5000 of the frame; points more than three frames outside are moved to that
    distance. ``alt`` says what the figure shows, for readers who cannot see it; ``title`` stands
    above it. Without ``lines`` dots are drawn, for sets of states.

    Raises
    ------
    InputError
        If there is nothing to draw, a trajectory is not ``(T, 3)`` with at least two finite points
        (one, for dots), or the alternative text is empty.

    >>> t = np.linspace(0, 20, 10_000)
    >>> turnable({"truth": np.stack([np.cos(t), np.sin(t), t], axis=1)}, alt="A rising helix.")
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
    framed = np.concatenate([x for k, x in paths.items() if k != "forecast"] or [*paths.values()])
    low, high = framed.min(axis=0), framed.max(axis=0)
    span = np.where(high > low, high - low, np.maximum(np.abs(low), 1.0))
    step = span / _GRID
    stride = -(-sum(map(len, paths.values())) // _MAX_POINTS)
    spare = iter(theme.PALETTE * len(paths))
    traces = []
    for label, x in paths.items():
        color = theme.ROLES[label]["color"] if label in theme.ROLES else next(spare)
        kept = x[np.union1d(np.arange(0, len(x), stride), len(x) - 1)]
        nearer = np.clip((kept - low) / step, -_BEYOND * _GRID, (1 + _BEYOND) * _GRID)
        grid = dict(zip("xyz", np.rint(nearer).astype(int).T.tolist(), strict=True))
        traces.append({"name": label, "light": to_hex(color), "dark": DARKER[color], **grid})
    middle, half = (low + high) / 2, (0.5 + MARGIN) * span
    data = {
        "low": low.tolist(),
        "step": step.tolist(),
        "frame": np.stack([middle - half, middle + half], axis=1).tolist(),
        "view": VIEW,
        "title": title,
        "lines": lines,
        "traces": traces,
    }
    return Turnable(figure=_picture(paths, data), data=data, alt=alt.strip())


def _checked(x: Any, label: str, least: int) -> Float[ndarray, "T 3"]:
    """A trajectory as numbers."""
    points = to_numpy(x, f"trajectory {label!r}").astype(np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < least:
        raise InputError(
            f"trajectory {label!r} has the shape {points.shape}: expected (T, 3), T at least "
            f"{least}. Of more channels choose three, x[:, [0, 1, 2]]; attractors() draws fewer."
        )
    finite = np.isfinite(points).all(axis=1)
    if not finite.all():
        raise InputError(
            f"trajectory {label!r} is not finite at row {np.argmin(finite)}: expected numbers "
            "throughout. Draw the rows before it, or fill the gaps."
        )
    return points


@theme.style()
def _picture(paths: Mapping[str, Float[ndarray, "_ 3"]], data: Mapping[str, Any]) -> Figure:
    """Draw the picture that stays where nothing can be turned, from all of the points."""
    figure = plt.figure(figsize=(5.0, 4.3))
    ax: Any = figure.add_subplot(projection="3d")  # the stubs lack view_init
    for (label, x), trace in zip(paths.items(), data["traces"], strict=True):
        look: dict[str, Any] = {"linewidth": 0.6} if data["lines"] else {"ls": "", "marker": "."}
        ax.plot(*x.T, label=label, color=trace["light"], alpha=0.9, markersize=3, **look)
    ax.view_init(elev=VIEW["elevation"], azim=VIEW["azimuth"])
    frame(ax, data["frame"], (0, 1, 2))
    ax.set_title(data["title"])
    for line in theme.legend(figure, [ax], "lower", fontsize=9, markerscale=3):
        line.set(linewidth=2 if data["lines"] else 0, alpha=1)
    return figure
