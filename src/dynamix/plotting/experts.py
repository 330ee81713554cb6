"""Figures of expert use; :mod:`dynamix.plotting` offers them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from numpy import ndarray

from ..errors import InputError
from .theme import FORECAST, TRUTH, columns, in_style

_MARKERS = "osD^vP*X<>hd"
_FAINT = 0.02  # probability of a transition below which no arrow is drawn


@in_style
def expert_use(
    uses: Mapping[str, Float[ndarray, "S J"]], *, names: Sequence[str], mark: Sequence[int] = ()
) -> Figure:
    """Mean expert weights by system, less their mean over systems, a panel per model.

    Parameters
    ----------
    uses
        By model's name ``(S, J)``: the mean weight of each expert on each system, a share of 1.
    names
        Of the S systems.
    mark
        Rows that a line is drawn above, between families, say.

    Raises
    ------
    InputError
        If there is no model, or not a row for each name.

    Examples
    --------
    >>> use = np.array([[0.7, 0.3], [0.3, 0.7]])
    >>> figure = expert_use({"dynamix-3d": use}, names=["Lorenz", "Chua"])
    >>> figure.axes[0].images[0].get_array().round(1).tolist()
    [[0.2, -0.2], [-0.2, 0.2]]
    """
    if not uses or any(len(use) != len(names) for use in uses.values()):
        raise InputError(
            f"expected a use with a row for each of {len(names)} names, found rows "
            f"{[len(use) for use in uses.values()]}."
        )
    figure, axes = plt.subplots(
        1,
        len(uses),
        sharey=True,
        squeeze=False,
        figsize=(1.6 + 2.6 * len(uses), 0.9 + 0.155 * len(names)),
        layout="constrained",
    )
    away = {label: use - use.mean(axis=0) for label, use in uses.items()}
    top = max(float(np.abs(values).max()) for values in away.values())
    for ax, (label, values) in zip(axes[0], away.items(), strict=True):
        image = ax.imshow(values, aspect="auto", cmap="PuOr_r", vmin=-top, vmax=top)
        ax.set_title(label)
        ax.set_xlabel("expert")
        ax.set_xticks(range(values.shape[1]), [str(j + 1) for j in range(values.shape[1])])
        ax.grid(False)
        for row in mark:
            ax.axhline(row - 0.5, color="0.3", linewidth=0.6)
    axes[0, 0].set_yticks(range(len(names)), list(names), fontsize=7)
    figure.colorbar(image, ax=axes, label="mean weight, less the mean over systems", shrink=0.6)
    return figure


@in_style
def similarity_map(
    maps: Mapping[str, Float[ndarray, "S 2"]], *, names: Sequence[str], families: Sequence[str]
) -> Figure:
    """Systems as points, a panel per map; kin share colour and marker, and lines join them.

    Parameters
    ----------
    maps
        By title ``(S, 2)``: a place for each system, such as :func:`dynamix.dynamics.kin.flat_map`
        finds; only distances mean something.
    names, families
        Of the S systems; a family is empty for none. Those of one member are drawn as without kin.
        The names are not written into the picture.

    Raises
    ------
    InputError
        If a map has not a point for each name and family.
    ValueError
        If there is no map.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0], [0.1, 0.0], [3.0, 1.0]])
    >>> names, families = ["Lorenz", "LorenzBounded", "Chua"], ["Lorenz", "Lorenz", ""]
    >>> figure = similarity_map({"attractors": points}, names=names, families=families)
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['no kin here', 'Lorenz (2)']
    """
    for title, points in maps.items():
        if not len(points) == len(names) == len(families):
            raise InputError(
                f"a map has a point per name and family: {title!r} has {len(points)} points, found "
                f"{len(names)} names and {len(families)} families."
            )
    kin = [f for f in dict.fromkeys(families) if f and list(families).count(f) > 1]
    figure, axes = plt.subplots(
        1, len(maps), squeeze=False, figsize=(4.4 * len(maps), 4.6), layout="constrained"
    )
    palette = plt.get_cmap("tab20").colors  # type: ignore[attr-defined]
    for ax, (title, points) in zip(axes[0], maps.items(), strict=True):
        ax.plot(*points.T, ".", color="0.75", markersize=4, label="no kin here")
        for f, family in enumerate(kin):
            who = np.flatnonzero(np.array(families) == family)
            color = palette[2 * f % 20]
            middle = points[who].mean(axis=0)
            for i in who:
                ax.plot(*zip(middle, points[i], strict=True), color=color, linewidth=0.7)
            ax.plot(
                *points[who].T,
                _MARKERS[f % len(_MARKERS)],
                color=color,
                markersize=5,
                label=f"{family} ({len(who)})",
            )
        ax.set_title(title)
        ax.set_xticklabels([])
        ax.set_yticklabels([])
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@in_style
def kinship(results: Mapping[str, Any]) -> Figure:
    """Nearness of kin against what permuted labels give, a row per result.

    ``results`` holds results of :func:`dynamix.dynamics.kin.kinship` by name. Nearness is the share of
    pairs of systems that are further apart than kin: 1/2 where labels mean nothing. Grey covers
    95 % of the permuted labels' nearness.

    Examples
    --------
    >>> from dynamix.dynamics.kin import kinship as test
    >>> places = np.array([0.0, 0.1, 5.0, 5.1, 9.0])
    >>> apart = np.abs(places[:, None] - places)
    >>> found = test(apart, ["a", "a", "b", "b", ""], permutations=99, seed=0)
    >>> axis = kinship({"expert use": found}).axes[0]
    >>> round(found.nearness, 2), [label.get_text() for label in axis.get_yticklabels()]
    (0.9, ['expert use'])
    """
    figure, ax = plt.subplots(figsize=(6.2, 0.9 + 0.5 * len(results)))
    for row, found in enumerate(results.values()):
        low, middle, high = np.quantile(found.null, [0.025, 0.5, 0.975])
        ax.plot([low, high], [row, row], color="0.7", linewidth=6, solid_capstyle="butt")
        ax.plot(middle, row, "|", color="0.3", markersize=10)
        ax.plot(found.nearness, row, "o", color=FORECAST["color"])
        right = max(found.nearness, high)  # beside the bar, not on it
        ax.annotate(f"  p = {found.p_value:.2g}", (right, row), va="center", fontsize=9)
    ax.set_yticks(range(len(results)), list(results))
    ax.invert_yaxis()
    ax.margins(x=0.15, y=0.2)
    ax.set_xlabel("share of pairs further apart than kin; grey: 95 % of permuted labels")
    return figure


@in_style
def symbolic_code(*, observation: Any, codes: Mapping[str, Any], shown: int) -> Figure:
    """A channel over time, and strips of the codes below it.

    Parameters
    ----------
    observation
        ``(T,)`` or ``(T, n)``, in the data's units; the first channel is drawn.
    codes
        By label ``(T,)``: an integer per step, such as :func:`dynamix.dynamics.expert_use.regions` gives.
        Each integer that occurs has its colour; there are twenty.
    shown
        Most steps drawn, from the beginning.

    Raises
    ------
    InputError
        If there is no code.

    Examples
    --------
    >>> x = np.sin(np.arange(500) / 5)
    >>> figure = symbolic_code(observation=x, codes={"sign": (x > 0).astype(int)}, shown=200)
    >>> len(figure.axes), figure.axes[1].images[0].get_array().shape
    (2, (1, 200))
    """
    if not codes:
        raise InputError("no codes to draw: give at least one, {'region': code}.")
    figure, axes = plt.subplots(
        1 + len(codes),
        1,
        sharex=True,
        figsize=(7.0, 1.4 + 0.55 * len(codes)),
        gridspec_kw={"height_ratios": [2] + [0.6] * len(codes)},
        layout="constrained",
    )
    axes[0].plot(columns(observation)[:shown, 0], **FORECAST)
    axes[0].set_ylabel("$x_1$")
    for ax, (label, code) in zip(axes[1:], codes.items(), strict=True):
        _, index = np.unique(np.asarray(code), return_inverse=True)
        ax.imshow(
            index[None, :shown], aspect="auto", cmap="tab20", vmin=0, vmax=19, interpolation="none"
        )
        ax.set_yticks([])
        ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        ax.grid(False)
    axes[-1].set_xlabel("step")
    return figure


@in_style
def transition_graphs(graphs: Mapping[str, tuple[Sequence[str], Any, Any]]) -> Figure:
    """Graphs of symbols and the transitions between them, a panel each.

    A node's area is its share of time, an arrow's width its probability among the steps that leave
    the node; what stays put is left out, and so is what is rarer than 2 %.

    Parameters
    ----------
    graphs
        ``{title: (labels, shares, probabilities)}`` for A symbols: a name for each, ``(A,)`` shares
        of time, and ``(A, A)`` the probability of each (column) after each (row), as
        :func:`dynamix.dynamics.expert_use.transitions` gives it.

    Raises
    ------
    ValueError
        If there is no graph, or the sizes of one do not fit.

    Examples
    --------
    >>> probabilities = [[0.9, 0.1], [0.0, 1.0]]
    >>> figure = transition_graphs({"falls and stays": (["up", "down"], [0.3, 0.7], probabilities)})
    >>> len(figure.axes[0].patches)  # one arrow: from up to down
    1
    """
    figure, axes = plt.subplots(
        1, len(graphs), squeeze=False, figsize=(3.5 * len(graphs), 3.7), layout="constrained"
    )
    for ax, (title, (labels, shares, probabilities)) in zip(axes[0], graphs.items(), strict=True):
        angle = np.pi / 2 - 2 * np.pi * np.arange(len(labels)) / len(labels)
        places = np.column_stack([np.cos(angle), np.sin(angle)])
        leaving = np.array(probabilities, dtype=np.float64)
        np.fill_diagonal(leaving, 0.0)
        leaving /= np.maximum(leaving.sum(axis=1, keepdims=True), 1e-12)
        for i, j in np.argwhere(leaving > _FAINT):
            arrow = FancyArrowPatch(
                places[i],
                places[j],
                connectionstyle="arc3,rad=0.15",
                arrowstyle="-|>",
                mutation_scale=9,
                shrinkA=9,
                shrinkB=9,
                linewidth=0.3 + 2.0 * leaving[i, j],
                color=TRUTH["color"],
                alpha=0.25 + 0.7 * leaving[i, j],
            )
            ax.add_patch(arrow)
        sizes = 40 + 900 * np.asarray(shares)
        ax.scatter(*places.T, s=sizes, color=FORECAST["color"], alpha=0.85, zorder=3)
        for label, place in zip(labels, places, strict=True):
            ax.annotate(label, 1.24 * place, ha="center", va="center", fontsize=8)
        ax.set_xlim(-1.5, 1.5)
        ax.set_ylim(-1.5, 1.5)
        ax.set_aspect("equal")
        ax.set_axis_off()
        ax.set_title(title)
    return figure


@in_style
def lyapunov_spectra(spectra: Mapping[str, Mapping[str, Any]], *, linear: float = 0.5) -> Figure:
    """Lyapunov spectra of systems and models, a panel per system.

    Parameters
    ----------
    spectra
        ``{system: {who: exponents}}``, up to four to a panel, each ``(n,)`` in falling order and
        per unit of the system's time.
    linear
        Above 0: the axis is linear within ``+-linear`` and logarithmic beyond.

    Raises
    ------
    InputError
        If there is no system, or one has no spectrum or more than four.
    ValueError
        If ``linear`` is not above 0.

    Examples
    --------
    >>> spectra = {"Lorenz": {"system": [0.9, 0.0, -14.6], "model": [0.8, 0.0, -9.0]}}
    >>> figure = lyapunov_spectra(spectra)
    >>> figure.axes[0].get_title(), [text.get_text() for text in figure.legends[0].get_texts()]
    ('Lorenz', ['system', 'model'])
    """
    figure, axes = plt.subplots(
        1,
        len(spectra),
        sharey=True,
        squeeze=False,
        figsize=(1.4 + 2.1 * len(spectra), 3.2),
        layout="constrained",
    )
    looks = [("o", TRUTH["color"]), ("s", FORECAST["color"]), ("^", "#009E73"), ("D", "0.3")]
    if not spectra or any(not 1 <= len(parts) <= len(looks) for parts in spectra.values()):
        raise InputError(
            f"expected one to {len(looks)} spectra for each system, found "
            f"{[len(parts) for parts in spectra.values()]}."
        )
    for ax, (system, parts) in zip(axes[0], spectra.items(), strict=True):
        for k, ((who, values), (marker, color)) in enumerate(
            zip(parts.items(), looks, strict=False)
        ):
            at = np.arange(1, len(values) + 1) + 0.15 * (k - (len(parts) - 1) / 2)
            ax.plot(at, values, marker, color=color, markersize=5, label=who)
        ax.axhline(0.0, color="0.3", linewidth=0.8, linestyle=":")
        ax.set_yscale("symlog", linthresh=linear)
        ax.set_title(system)
        ax.set_xlabel("exponent")
        ax.set_xticks(range(1, 1 + max(len(values) for values in parts.values())))
    axes[0, 0].set_ylabel("per unit of time")
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(handles[0]))
    return figure


@in_style
def exponents(*, truth: Any, found: Mapping[str, Any]) -> Figure:
    """Largest exponents of models behind contexts against the systems' own, a panel per model.

    Parameters
    ----------
    truth
        ``(S,)``: the largest Lyapunov exponent of each system, per dominant period. Points on the
        line have the same.
    found
        By model's name ``(S,)``: the model's largest exponent behind each system's context, per
        period too. NaN is not drawn.

    Raises
    ------
    ValueError
        If there is no model, or one has not as many exponents as the systems.

    Examples
    --------
    >>> figure = exponents(truth=[0.4, 1.0], found={"dynamix-3d": [0.3, 1.1]})
    >>> figure.axes[0].lines[0].get_xydata().tolist()
    [[0.4, 0.3], [1.0, 1.1]]
    """
    real = np.asarray(truth, dtype=np.float64)
    figure, axes = plt.subplots(
        1, len(found), sharey=True, squeeze=False, figsize=(3.4 * len(found), 3.3)
    )
    for ax, (label, values) in zip(axes[0], found.items(), strict=True):
        ax.plot(real, np.asarray(values), "o", color=FORECAST["color"], markersize=3.5, alpha=0.7)
        top = float(real.max())
        ax.plot([0, top], [0, top], color=TRUTH["color"], linewidth=1.0)
        ax.axhline(0.0, color="0.3", linewidth=0.8, linestyle=":")
        ax.set_title(label)
        ax.set_xlabel("system's own, per period")
    axes[0, 0].set_ylabel("model's, per period")
    return figure
