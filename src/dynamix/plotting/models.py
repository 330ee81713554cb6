"""Figures of models: gate, attention, and training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from . import theme
from .state_space import plane


@theme.style()
def gate_use(
    gates: Any, *, observation: Any = None, shown: int = 400, label: str = "weight $w_j$"
) -> Figure:
    """Draw expert weights over time as a map, with the first observed channel above it.

    ``gates`` is ``(T, J)`` from :func:`dynamix.forecast` with ``return_gates=True``,
    ``observation`` ``(T,)`` or ``(T, n)``. At most ``shown`` steps are drawn. ``label`` names the
    colour bar.

    >>> gate_use(np.full((500, 4), 0.25), shown=100).axes[0].images[0].get_array().shape
    (4, 100)
    """
    weights = np.asarray(gates, dtype=np.float64)[:shown]
    heights = [2] if observation is None else [1, 2]
    options: dict[str, Any] = {"sharex": True, "height_ratios": heights}
    figure, axes = theme.panels(len(heights), 7.0, 1.1, columns=1, base=1.1, **options)
    if observation is not None:
        axes[0].plot(theme.as_columns(observation)[:shown, 0], **theme.FORECAST)
        axes[0].set_ylabel(theme.channel_name(0))
    ax, experts = axes[-1], range(weights.shape[1])
    look = {"cmap": "cividis", "vmin": 0, "vmax": weights.max(), "interpolation": "nearest"}
    image = ax.imshow(weights.T, aspect="auto", **look)
    ax.set(xlabel="step", ylabel="expert", yticks=experts, yticklabels=[j + 1 for j in experts])
    ax.grid(False)
    figure.colorbar(image, ax=list(axes), label=label)
    return figure


@theme.style()
def attention(context: Any, weights: Any, *, state: Any = None) -> Figure:
    """Show which context steps the gate attends to: points coloured by attention, and over time.

    ``context`` is ``(T_C,)`` or ``(T_C, n)``; channels 1 and 3 are drawn. ``weights`` is ``(T_C -
    1,)``: the attention ``a_k`` on each step that has a successor. A cross marks ``state``, the
    ``(n,)`` state of the query.

    >>> figure = attention(np.random.default_rng(0).normal(size=(100, 2)), np.full(99, 1 / 99))
    >>> figure.axes[0].collections[0].get_offsets().shape
    (99, 2)
    """
    points, a = theme.as_columns(context), np.asarray(weights, dtype=np.float64)
    dims = plane(points.shape[1])
    figure, (where, when) = plt.subplots(1, 2, figsize=(7.6, 3.0))
    order = np.argsort(a)  # the largest last, on top
    look = {"cmap": "cividis_r", "linewidths": 0.3, "edgecolors": "0.5"}
    size = 6 + 50 * np.sqrt(a / a.max())[order]
    dots = where.scatter(*points[order][:, dims].T, c=a[order], s=size, **look)
    where.set(xlabel=theme.channel_name(dims[0]), ylabel=theme.channel_name(dims[1]))
    if state is not None:
        here = np.asarray(state, dtype=np.float64)[list(dims)]
        where.plot(*here, "+", color=theme.VERMILION, markersize=12, mew=1.8)
    figure.colorbar(dots, ax=where, label="attention $a_k$")
    when.plot(a, color=theme.BLUE)
    when.set(xlabel="context step $k$", ylabel="attention $a_k$")
    return figure


@theme.style()
def training_curves(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss, gradient norm and free-running validation of a training run.

    ``records`` holds a mapping per epoch, as in ``log.jsonl``: ``epoch`` and, as far as measured,
    ``loss``, ``gradient_norm``, ``validation_d_stsp``, ``validation_d_h``, ``validation_mase``.

    >>> log = [{"epoch": i, "loss": 1 / i, "validation_d_h": None} for i in (1, 2, 3)]
    >>> [len(line.get_xdata()) for ax in training_curves(log).axes for line in ax.lines]
    [3]
    """
    curves: list[tuple[int, str, dict[str, Any]]] = [
        (0, "loss", {}),
        (1, "gradient_norm", {"color": theme.GREEN}),
        (2, "validation_d_stsp", {"marker": "o", "label": r"$D_\mathrm{stsp}$"}),
        (2, "validation_d_h", {"marker": "s", "label": "$D_H$"}),
        (2, "validation_mase", {"marker": "^", "label": "MASE"}),
    ]
    figure, axes = theme.panels(3, 8.4, 2.7)
    for panel, key, look in curves:
        pairs = [(r["epoch"], r[key]) for r in records if r.get(key) is not None]
        if pairs:
            axes[panel].plot(*zip(*pairs, strict=True), markersize=3, **look)
    labels = ("teacher-forced loss", "gradient norm", "free-running, median")
    for ax, label in zip(axes, labels, strict=True):
        ax.set(xlabel="epoch", ylabel=label, yscale="log")
    if axes[2].lines:
        axes[2].legend()
    return figure
