"""Figures of experts: their use, the symbols they code, and Lyapunov exponents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy import ndarray

from . import theme

_RARE = 0.02  # probability of a transition below which no arrow is drawn


@theme.in_style
def expert_use(
    uses: Mapping[str, Float[ndarray, "S J"]], *, names: Sequence[str], mark: Sequence[int] = ()
) -> Figure:
    """Draw mean expert weights by system, minus their mean over systems, a panel per model.

    ``uses`` holds ``(S, J)`` by model, for the S systems in ``names``. A line is drawn above each
    row in ``mark``, such as between families.

    >>> use = {"dynamix-3d": np.array([[0.7, 0.3], [0.3, 0.7]])}
    >>> expert_use(use, names=["Lorenz", "Chua"]).axes[0].images[0].get_array().round(1).tolist()
    [[0.2, -0.2], [-0.2, 0.2]]
    """
    for use in uses.values():
        theme.check_equal(names=len(names), rows=len(use))
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


@theme.in_style
def similarity_map(
    maps: Mapping[str, Float[ndarray, "S 2"]], *, names: Sequence[str], families: Sequence[str]
) -> Figure:
    """Draw systems as points, a panel per map; lines join the members of a family.

    ``maps`` holds ``(S, 2)`` by title, as :func:`dynamix.dynamics.kin.flat_map` returns; only
    distances have a meaning. ``names`` and ``families`` (empty: none) are those of the S systems.

    >>> names, families = ["Lorenz", "LorenzBounded", "Chua"], ["Lorenz", "Lorenz", ""]
    >>> figure = similarity_map({"use": np.eye(3)[:, :2]}, names=names, families=families)
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['no kin here', 'Lorenz (2)']
    """
    for points in maps.values():
        theme.check_equal(points=len(points), names=len(names), families=len(families))
    members = {f: np.flatnonzero(np.array(families) == f) for f in dict.fromkeys(families) if f}
    kin = {f: rows for f, rows in members.items() if len(rows) > 1}
    figure, axes = theme.panels(len(maps), 4.4 * len(maps), 4.6)
    palette = plt.get_cmap("tab20")
    for ax, (title, points) in zip(axes, maps.items(), strict=True):
        ax.plot(*points.T, ".", color="0.75", markersize=4, label="no kin here")
        for f, (family, rows) in enumerate(kin.items()):
            color, middle = palette(2 * f % 20), points[rows].mean(axis=0)
            for point in points[rows]:
                ax.plot(*zip(middle, point, strict=True), color=color, linewidth=0.7)
            marker, label = theme.MARKERS[f % len(theme.MARKERS)], f"{family} ({len(rows)})"
            ax.plot(*points[rows].T, marker, color=color, markersize=5, label=label)
        ax.set(title=title, xticklabels=[], yticklabels=[])
    theme.legend(figure, axes[:1], "lower", ncols=4)
    return figure


@theme.in_style
def kinship(results: Mapping[str, Any]) -> Figure:
    """Draw the nearness of kin against permuted labels, a row per result.

    ``results`` holds results of :func:`dynamix.dynamics.kin.kinship` by name. Nearness is the share
    of pairs of systems that are further apart than kin; chance gives 1/2.

    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(nearness=0.7, p_value=0.01, null=np.linspace(0.4, 0.6))
    >>> [label.get_text() for label in kinship({"use": found}).axes[0].get_yticklabels()]
    ['use']
    """
    figure, ax = plt.subplots(figsize=(6.2, 0.9 + 0.5 * len(results)))
    for row, found in enumerate(results.values()):
        low, middle, high = np.quantile(found.null, [0.025, 0.5, 0.975])
        ax.plot([low, high], [row, row], color="0.7", linewidth=6, solid_capstyle="butt")
        ax.plot(middle, row, "|", color="0.3", markersize=10)
        ax.plot(found.nearness, row, "o", color=theme.VERMILION)
        right = max(found.nearness, high)  # beside the bar, not on it
        ax.annotate(f"  p = {found.p_value:.2g}", (right, row), va="center", fontsize=9)
    ax.set_yticks(range(len(results)), list(results))
    ax.invert_yaxis()
    ax.margins(x=0.15, y=0.2)
    ax.set_xlabel("share of pairs further apart than kin; grey: 95 % of permuted labels")
    return figure


@theme.in_style
def symbolic_code(*, observation: Any, codes: Mapping[str, Any], shown: int) -> Figure:
    """Draw the first channel over time, and strips of symbols below it.

    ``observation`` is ``(T,)`` or ``(T, n)``. ``codes`` holds ``(T,)`` integers by label, as
    :func:`dynamix.dynamics.expert_use.regions` returns. At most ``shown`` steps are drawn.

    >>> x = np.sin(np.arange(500) / 5)
    >>> figure = symbolic_code(observation=x, codes={"sign": x > 0}, shown=200)
    >>> figure.axes[1].images[0].get_array().shape
    (1, 200)
    """
    options = {"sharex": True, "gridspec_kw": {"height_ratios": [2] + [0.6] * len(codes)}}
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


@theme.in_style
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
            ends, share = (places[i], places[j]), leaving[i, j]
            look: dict[str, Any] = {"linewidth": 0.3 + 2.0 * share, "alpha": 0.25 + 0.7 * share}
            look |= {"connectionstyle": "arc3,rad=0.15", "arrowstyle": "-|>", "mutation_scale": 9}
            arrow = FancyArrowPatch(*ends, shrinkA=9, shrinkB=9, color=theme.BLUE, **look)
            ax.add_patch(arrow)
        sizes = 40 + 900 * np.asarray(shares)
        ax.scatter(*places.T, s=sizes, color=theme.VERMILION, alpha=0.85, zorder=3)
        for label, place in zip(labels, places, strict=True):
            ax.annotate(label, 1.24 * place, ha="center", va="center", fontsize=8)
        ax.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal", title=title)
        ax.set_axis_off()
    return figure


@theme.in_style
def lyapunov_spectra(spectra: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw Lyapunov spectra of systems and models, a panel per system.

    ``spectra`` is ``{system: {name: exponents}}``, the exponents in falling order and per unit of
    time. The axis is linear up to 0.5, logarithmic beyond.

    >>> spectra = {"Lorenz": {"system": [0.9, 0.0, -14.6], "model": [0.8, 0.0, -9.0]}}
    >>> [text.get_text() for text in lyapunov_spectra(spectra).legends[0].get_texts()]
    ['system', 'model']
    """
    figure, axes = theme.panels(len(spectra), 1.4 + 2.1 * len(spectra), 3.2, sharey=True)
    for ax, (system, parts) in zip(axes, spectra.items(), strict=True):
        for k, (name, values) in enumerate(parts.items()):
            at = np.arange(1, len(values) + 1) + 0.15 * (k - (len(parts) - 1) / 2)
            marker = theme.MARKERS[k % len(theme.MARKERS)]
            ax.plot(at, values, marker, color=f"C{k}", markersize=5, label=name)
        ax.axhline(0.0, **theme.REFERENCE)
        ax.set_yscale("symlog", linthresh=0.5)
        most = max(len(values) for values in parts.values())
        ax.set(title=system, xlabel="exponent", xticks=range(1, 1 + most))
    axes[0].set_ylabel("per unit of time")
    theme.legend(figure, axes[:1], "lower")
    return figure


@theme.in_style
def exponents(*, truth: Any, found: Mapping[str, Any]) -> Figure:
    """Draw largest exponents of models against those of the systems, a panel per model.

    ``truth`` holds the largest Lyapunov exponent of each system per dominant period, ``found``
    those of the models, ``(S,)`` by name; NaN is not drawn. On the line both are equal.

    >>> ax = exponents(truth=[0.4, 1.0], found={"dynamix-3d": [0.3, 1.1]}).axes[0]
    >>> ax.lines[0].get_xydata().tolist()
    [[0.4, 0.3], [1.0, 1.1]]
    """
    real = np.asarray(truth, dtype=np.float64)
    top = float(real.max())
    figure, axes = theme.panels(len(found), 3.4 * len(found), 3.3, sharey=True)
    for ax, (label, values) in zip(axes, found.items(), strict=True):
        ax.plot(real, np.asarray(values), "o", color=theme.VERMILION, markersize=3.5, alpha=0.7)
        ax.plot([0, top], [0, top], color=theme.BLUE, linewidth=1.0)
        ax.axhline(0.0, **theme.REFERENCE)
        ax.set(title=label, xlabel="system's own, per period")
    axes[0].set_ylabel("model's, per period")
    return figure
