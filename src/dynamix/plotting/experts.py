"""Figures of experts: their use, and the symbols that they code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy import ndarray

from ..errors import InputError
from . import theme

_RARE = 0.02  # probability of a transition below which no arrow is drawn


@theme.style()
def expert_use(
    uses: Mapping[str, Float[ndarray, "S J"]], *, names: Sequence[str], mark: Sequence[int] = ()
) -> Figure:
    """Draw mean expert weights by system, minus their mean over systems, a panel per model.

    ``uses`` holds ``(S, J)`` by model, for the S systems in ``names``. A line is drawn above each
    row in ``mark``, such as between families.

    Raises
    ------
    InputError
        If a model has another number of rows than there are names.

    >>> use = {"dynamix-3d": np.array([[0.7, 0.3], [0.3, 0.7]])}
    >>> expert_use(use, names=["Lorenz", "Chua"]).axes[0].images[0].get_array().round(1).tolist()
    [[0.2, -0.2], [-0.2, 0.2]]
    """
    for label, use in uses.items():
        if len(use) != len(names):
            raise InputError(
                f"{label!r} needs a row per system: {len(names)} names, {len(use)} rows."
            )
    n = len(uses)
    figure, axes = theme.panels(n, 1.6 + 2.6 * n, 0.9 + 0.155 * len(names), sharey=True)
    away = {label: use - use.mean(axis=0) for label, use in uses.items()}
    top = max(float(np.abs(values).max()) for values in away.values())
    for ax, (label, values) in zip(axes, away.items(), strict=True):
        image = ax.imshow(values, aspect="auto", cmap="PuOr_r", vmin=-top, vmax=top)
        experts = range(values.shape[1])
        ax.set(title=label, xlabel="expert", xticks=experts, xticklabels=[j + 1 for j in experts])
        ax.grid(False)
        for row in mark:
            ax.axhline(row - 0.5, color="0.3", linewidth=0.6)
    axes[0].set_yticks(range(len(names)), list(names), fontsize=7)
    figure.colorbar(image, ax=list(axes), label="mean weight - mean over systems", shrink=0.6)
    return figure


@theme.style()
def symbolic_code(*, observation: Any, codes: Mapping[str, Any], shown: int) -> Figure:
    """Draw the first channel over time, and strips of symbols below it.

    ``observation`` is ``(T,)`` or ``(T, n)``. ``codes`` holds ``(T,)`` integers by label, as
    :func:`dynamix.dynamics.expert_use.regions` returns. At most ``shown`` steps are drawn.

    >>> x = np.sin(np.arange(500) / 5)
    >>> figure = symbolic_code(observation=x, codes={"sign": x > 0}, shown=200)
    >>> figure.axes[1].images[0].get_array().shape
    (1, 200)
    """
    options = {"sharex": True, "height_ratios": [2] + [0.6] * len(codes)}
    figure, axes = theme.panels(1 + len(codes), 7.0, 0.55, columns=1, base=0.85, **options)
    axes[0].plot(theme.as_columns(observation)[:shown, 0], **theme.FORECAST)
    axes[0].set_ylabel(theme.channel_name(0))
    for ax, (label, code) in zip(axes[1:], codes.items(), strict=True):
        _, index = np.unique(np.asarray(code), return_inverse=True)
        look = {"cmap": "tab20", "vmin": 0, "vmax": 19, "interpolation": "none"}
        ax.imshow(index[None, :shown], aspect="auto", **look)
        ax.set_yticks([])
        ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        ax.grid(False)
    axes[-1].set_xlabel("step")
    return figure


@theme.style()
def transition_graphs(graphs: Mapping[str, tuple[Sequence[str], Any, Any]]) -> Figure:
    """Draw symbols and the transitions between them, a graph per panel.

    ``graphs`` holds ``(labels, shares, probabilities)`` of A symbols by title: names, ``(A,)``
    shares of time, and ``(A, A)`` probabilities from row to column. A node's area is its share of
    time, an arrow's width its probability among the steps that leave; none is drawn below 2 %.

    >>> graph = (["up", "down"], [0.3, 0.7], [[0.9, 0.1], [0.0, 1.0]])
    >>> len(transition_graphs({"falls and stays": graph}).axes[0].patches)  # from up to down
    1
    """
    figure, axes = theme.panels(len(graphs), 3.5 * len(graphs), 3.7)
    for ax, (title, (labels, shares, probabilities)) in zip(axes, graphs.items(), strict=True):
        angle = np.pi / 2 - 2 * np.pi * np.arange(len(labels)) / len(labels)
        places = np.column_stack([np.cos(angle), np.sin(angle)])
        leaving = np.array(probabilities, dtype=np.float64)
        np.fill_diagonal(leaving, 0.0)
        leaving /= np.maximum(leaving.sum(axis=1, keepdims=True), 1e-12)
        for i, j in np.argwhere(leaving > _RARE):
            share = leaving[i, j]
            arrow = FancyArrowPatch(
                places[i], places[j], linewidth=0.3 + 2.0 * share, alpha=0.25 + 0.7 * share,
                connectionstyle="arc3,rad=0.15", arrowstyle="-|>", mutation_scale=9, shrinkA=9,
                shrinkB=9, color=theme.BLUE,
            )  # fmt: skip
            ax.add_patch(arrow)
        ax.scatter(
            *places.T, s=40 + 900 * np.asarray(shares), color=theme.VERMILION, alpha=0.85, zorder=3
        )
        for label, place in zip(labels, places, strict=True):
            ax.annotate(label, 1.24 * place, ha="center", va="center", fontsize=8)
        ax.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal", title=title)
        ax.set_axis_off()
    return figure
