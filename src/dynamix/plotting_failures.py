"""Figures of chapter 7: continuations side by side, rates as a grid, recurrences, sensitivities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .plotting import CONTEXT, FORECAST, TRUTH, _columns, _figure

__all__ = ["continuations", "rate_grid", "recurrences", "sensitivities"]

_LONG_SCALE = 30.0  # largest over median, beyond which a scale is logarithmic


@_figure
def continuations(
    *,
    context: Any,
    truth: Any,
    forecasts: Mapping[str, Any],
    shown: int = 400,
    before: int = 200,
    channel: int = 0,
) -> Figure:
    """One channel behind the context's end, a row per model: at once, and at the horizon's end.

    Parameters
    ----------
    context, truth
        ``(T, N)``.
    forecasts
        ``{model: (T, N)}``.
    shown, before
        Steps drawn on either side of the gap, and of the context.
    channel
        Which.
    """
    c, t = _columns(context)[-before:, channel], _columns(truth)[:, channel]
    shown = min(shown, len(t) // 2)
    low, high = t.min(), t.max()
    slack = 0.12 * (high - low)
    figure, axes = plt.subplots(
        len(forecasts), 2, figsize=(8.4, 0.95 * len(forecasts) + 0.7), sharey=True, squeeze=False,
        sharex="col", gridspec_kw={"width_ratios": [before + shown, shown], "wspace": 0.04},
    )  # fmt: skip
    first, last = np.arange(shown), np.arange(len(t) - shown, len(t))
    for (near, far), (name, values) in zip(axes, forecasts.items(), strict=True):
        y = _columns(values)[:, channel]
        near.plot(np.arange(-len(c), 0), c, label="context", **CONTEXT)
        near.plot(first, t[:shown], label="truth", **TRUTH)
        near.plot(first, y[:shown], label="forecast", **FORECAST)
        far.plot(last, t[last], **TRUTH)
        far.plot(last, y[last], **FORECAST)
        near.set_ylim(low - slack, high + slack)
        near.set_ylabel(name, rotation=0, ha="right", va="center")
        near.set_yticks([])
        far.tick_params(left=False)
    axes[0, 0].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncol=3)
    axes[-1, 0].set_xlabel("step")
    axes[-1, 1].set_xlabel("step")
    return figure


@_figure
def rate_grid(rates: pd.DataFrame, *, counts: Mapping[str, int] | None = None) -> Figure:
    """Shares in [0, 1] as shaded numbers: a row per model, a column per failure.

    ``counts`` adds the number of systems behind a row to its name. NaN is drawn as a dash.
    """
    values = rates.to_numpy(dtype=np.float64)
    figure, ax = plt.subplots(figsize=(1.15 * values.shape[1] + 2.6, 0.34 * len(rates) + 0.9))
    ax.imshow(np.nan_to_num(values), cmap="Oranges", vmin=0, vmax=1.25, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value:.0%}"
        ax.text(j, i, text, ha="center", va="center", color="black")
    names = [f"{n} ({counts[n]})" if counts else str(n) for n in rates.index]
    ax.set_yticks(range(len(names)), names)
    ax.set_xticks(range(values.shape[1]), list(rates.columns))
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return figure


@_figure
def recurrences(matrices: Mapping[str, Any], *, columns: int = 3) -> Figure:
    """Recurrence matrices side by side: black where a state comes back."""
    rows = -(-len(matrices) // columns)
    columns = min(columns, len(matrices))
    figure, axes = plt.subplots(rows, columns, figsize=(2.7 * columns, 2.9 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (name, matrix) in zip(axes.flat, matrices.items(), strict=False):
        ax.set_axis_on()
        ax.imshow(np.asarray(matrix), cmap="Greys", origin="lower", interpolation="antialiased")
        ax.set_title(name)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.grid(False)
    return figure


@_figure
def sensitivities(
    table: pd.DataFrame, *, measures: Mapping[str, str], names: Sequence[str] | None = None
) -> Figure:
    """Medians over systems against what was varied: a column per condition, a row per measure.

    Parameters
    ----------
    table
        Columns ``model``, ``varied``, ``value`` and the measures, as
        :func:`dynamix.sensitivity.sensitivity` has them.
    measures
        Which, and their labels.
    names
        Models; None: all.
    """
    names = list(dict.fromkeys(table["model"])) if names is None else list(names)
    conditions = list(dict.fromkeys(table["varied"]))
    figure, axes = plt.subplots(
        len(measures), len(conditions), figsize=(8.4, 2.1 * len(measures) + 0.7), squeeze=False,
        sharex="col", sharey="row",
    )  # fmt: skip
    dashes = ["-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (6, 1))]
    failed = table.fillna(dict.fromkeys(measures, np.inf))  # as worst in the median
    for column, varied in enumerate(conditions):
        part = failed[failed["varied"] == varied]
        for row, (measure, label) in enumerate(measures.items()):
            ax = axes[row, column]
            for i, name in enumerate(names):
                middle = part[part["model"] == name].groupby("value")[measure].median()
                places = range(len(middle))
                look = {"linestyle": dashes[i % len(dashes)], "color": f"C{i}"}
                ax.plot(places, middle.to_numpy(), marker="o", markersize=3, label=name, **look)
                ax.set_xticks(places, [f"{value:g}" for value in middle.index])
            if column == 0:
                ax.set_ylabel(label)
            if row == len(measures) - 1:
                ax.set_xlabel(varied)
    for shared in axes:  # a row has one scale
        drawn = np.concatenate([line.get_ydata() for ax in shared for line in ax.get_lines()])
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn) and drawn.min() > 0 and drawn.max() > _LONG_SCALE * np.median(drawn):
            shared[0].set_yscale("log")  # one model that blows up would flatten all others
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncol=min(len(names), 4))
    return figure
