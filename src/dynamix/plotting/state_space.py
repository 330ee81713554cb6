"""Figures of sets of states: attractors and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy import ndarray

from ..io.shapes import Float
from ..preprocessing.embedding import find_delays
from . import theme

MARGIN = 0.08  # of an attractor's range, left free around it
_MAX_DRAWN = 6000  # points of an attractor; more of them only blacken the picture
_SIDE = 3.4  # inches of a panel beside others
_BINS = 30  # per channel, as in D_stsp


@theme.style()
def attractors(
    parts: Mapping[str, Mapping[str, Any]], *, dims: Sequence[int] = (0, 1, 2), columns: int = 3
) -> Figure:
    """Draw trajectories in state space, a panel per title, ``columns`` in a row.

    ``parts`` is ``{title: {"context" | "truth" | "forecast": (T, n)}}``. The first 6000 steps are
    drawn. The axes cover context and truth, so a forecast may leave the panel. ``dims`` are two
    channels for a plane, three for a perspective, counted from 0.

    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> figure = attractors({"a square": {"truth": x, "forecast": 9 * x}}, dims=(0, 1))
    >>> round(float(figure.axes[0].get_xlim()[1]))
    1
    """
    solid = len(dims) == 3
    across = min(columns, len(parts))
    width, height = max(3.0 * across, min(8.4, 4.2 * across)), 2.9 if across > 2 else 3.6
    kind = {"projection": "3d"} if solid else {}
    figure, axes = theme.panels(len(parts), width, height, columns=across, subplot_kw=kind)
    for ax, (title, given) in zip(axes, parts.items(), strict=True):
        x = {name: theme.as_columns(values)[:, dims] for name, values in given.items()}
        draw_states(ax, x)
        framed = np.concatenate([x[k] for k in x if k != "forecast"] or [*x.values()])
        low, high = framed.min(axis=0), framed.max(axis=0)
        margin = MARGIN * (high - low)
        frame(ax, np.stack([low - margin, high + margin], axis=1), dims)
        if solid:
            ax.tick_params(labelbottom=False, labelleft=False, labelright=False)
        ax.set_title(title)
    for line in theme.legend(figure, axes, "lower", fontsize=9):
        line.set(linewidth=2, alpha=1)  # a short thin line shows no colour
    return figure


def draw_states(ax: Any, parts: Mapping[str, Any]) -> None:
    """Draw trajectories ``(T, 2)`` or ``(T, 3)`` by their roles as thin lines."""
    for name, points in parts.items():
        thin = theme.ROLES[name] | {"linewidth": 0.6, "linestyle": "-"}
        ax.plot(*points[:_MAX_DRAWN].T, label=name, alpha=0.9, **thin)


def beside(
    figure: Figure,
    context: Float[ndarray, "T n"],
    forecast: Float[ndarray, "T_f n"],
    names: Sequence[str] | None = None,
) -> Any:
    """Add a panel of context and forecast in state space at the right of a column of panels.

    Up to three channels are the axes. One channel is drawn against itself, delayed by its
    decorrelation time. None is drawn, and None returned, for a series that is too short for that.
    """
    parts = {"context": context, "forecast": forecast}
    n = context.shape[1]
    labels = [theme.channel_name(i, names) for i in range(min(n, 3))]
    if n == 1:
        (delay,) = find_delays(context, count=1, embedding="delay")
        end, whole = len(context), np.concatenate([context, forecast])
        if end <= delay + 1:
            return None
        states = np.concatenate([whole[delay:], whole[: len(whole) - delay]], axis=1)
        parts = {"context": states[: end - delay], "forecast": states[end - delay :]}
        labels = [labels[0], f"{labels[0]}, {delay} steps before"]
    dims = range(len(labels))
    column = figure.axes
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + _SIDE, max(height, _SIDE))
    grid = figure.add_gridspec(len(column), 2, width_ratios=[width, _SIDE])
    for i, ax in enumerate(column):
        ax.set_subplotspec(grid[i, 0])
    kind = {"projection": "3d"} if len(labels) == 3 else {}
    panel = figure.add_subplot(grid[:, 1], **kind)
    draw_states(panel, {name: states[:, dims] for name, states in parts.items()})
    low, high = (f(parts["context"], axis=0)[: len(labels)] for f in (np.min, np.max))
    drawn = parts["forecast"][np.isfinite(parts["forecast"]).all(axis=1)][:, dims]
    if len(drawn):  # a forecast may leave the context's range, but it must not hide the context
        reach = high - low
        low = np.maximum(np.minimum(low, drawn.min(axis=0)), low - reach)
        high = np.minimum(np.maximum(high, drawn.max(axis=0)), high + reach)
    margin = MARGIN * (high - low)
    frame(panel, np.stack([low - margin, high + margin], axis=1), dims, labels)
    panel.set_title("state space" if n <= 3 else f"state space, 3 of {n} channels")
    return panel


def frame(ax: Any, limits: Any, dims: Sequence[int], names: Sequence[str] | None = None) -> None:
    """Set limits and names of two or three axes; a perspective has no numbers on its axes."""
    solid = len(dims) == 3
    for axis, (low, high), i in zip("xyz", limits, dims, strict=False):
        getattr(ax, f"set_{axis}lim")(low, high)
        getattr(ax, f"set_{axis}label")(
            theme.channel_name(i, names), labelpad=-8 if solid else None
        )
        if solid:
            getattr(ax, f"{axis}axis").set_ticklabels([])
    if solid:
        ax.tick_params(pad=-4)


def plane(channels: int) -> tuple[int, int]:
    """Return the two channels of a flat picture: the first and the third, or the last of fewer."""
    return 0, min(2, channels - 1)


@theme.style()
def occupancy(*, forecast: Any, truth: Any) -> Figure:
    """Draw histograms of truth and forecast in state space, as in D_stsp, on channels 1 and 3.

    ``forecast`` and ``truth`` are ``(T, n)`` in the data's units. Points outside the range of the
    truth are in no bin.

    >>> x = np.random.default_rng(0).uniform(size=(1000, 2))
    >>> [ax.get_title() for ax in occupancy(forecast=x[:100], truth=x).axes[:2]]
    ['truth', 'forecast']
    """
    real, made = theme.as_columns(truth), theme.as_columns(forecast)
    dims = plane(real.shape[1])
    edges = [np.linspace(real[:, i].min(), real[:, i].max(), _BINS + 1) for i in dims]
    shares = [
        np.histogram2d(x[:, dims[0]], x[:, dims[1]], bins=edges)[0] / len(x) for x in (real, made)
    ]
    top = np.sqrt(max(share.max() for share in shares))  # the root shows rare bins, too
    figure, axes = theme.panels(2, 7.0, 3.1, sharex=True, sharey=True)
    for ax, share, title in zip(axes, shares, ("truth", "forecast"), strict=True):
        image = ax.pcolormesh(*edges, np.sqrt(share.T), cmap="cividis", vmin=0, vmax=top)
        ax.set(title=title, xlabel=theme.channel_name(dims[0]))
        ax.grid(False)
    axes[0].set_ylabel(theme.channel_name(dims[1]))
    ticks = np.linspace(0, top, 4)
    bar = figure.colorbar(image, ax=list(axes), label="share of time")
    bar.set_ticks(list(ticks), labels=[f"{tick**2:.3f}" for tick in ticks])
    return figure
