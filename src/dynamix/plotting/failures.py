"""Figures of chapter 7: continuations side by side, rates as a grid, recurrences, sensitivities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..errors import InputError, one_of
from .state_space import CONTEXT, FORECAST, TRUTH, _columns, _figure

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

    The vertical axis covers the truth, so that a forecast that escapes leaves the picture.

    Parameters
    ----------
    context, truth
        ``(T_C, N)`` and ``(T, N)``, or of one axis, in the data's units.
    forecasts
        ``{model: (T, N)}``, at least as long as the truth.
    shown
        Most steps drawn of each end of the horizon, at most half of it.
    before
        Most steps drawn of the context.
    channel
        Which, counted from 0.

    Raises
    ------
    IndexError
        If a forecast is shorter than the truth, or there is no such channel.
    ValueError
        If there is no forecast, or the truth is not finite.

    Examples
    --------
    >>> x = np.sin(np.arange(600) / 5)
    >>> forecasts = {"copy": x[100:], "flat": np.zeros(500)}
    >>> figure = continuations(context=x[:100], truth=x[100:], forecasts=forecasts, shown=50)
    >>> [ax.get_ylabel() for ax in figure.axes[::2]]
    ['copy', 'flat']
    >>> figure.axes[1].lines[0].get_xdata()[[0, -1]].tolist()
    [450, 499]
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

    Parameters
    ----------
    rates
        Models as rows, failures as columns. NaN is drawn as a dash.
    counts
        The number of systems behind each row, added to its name; None: none is.

    Raises
    ------
    KeyError
        If a row has no count.

    Examples
    --------
    >>> rates = pd.DataFrame({"escapes": [0.0, 0.25], "freezes": [np.nan, 1.0]}, index=["A", "B"])
    >>> axis = rate_grid(rates, counts={"A": 4, "B": 4}).axes[0]
    >>> [text.get_text() for text in axis.texts]
    ['0%', '–', '25%', '100%']
    >>> axis.get_yticklabels()[0].get_text()
    'A (4)'
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
    """Recurrence matrices side by side: black where a state comes back.

    Parameters
    ----------
    matrices
        By title ``(T, T)``, as :func:`dynamix.dynamics.invariants.recurrence_matrix` gives them.
    columns
        Most panels in a row.

    Raises
    ------
    ValueError
        If there is no matrix.

    Examples
    --------
    >>> from dynamix.dynamics.invariants import recurrence_matrix
    >>> near = recurrence_matrix(np.sin(2 * np.pi * np.arange(200) / 40))
    >>> figure = recurrences({"cycle": near, "never": np.eye(200)})
    >>> [ax.get_title() for ax in figure.axes]
    ['cycle', 'never']
    """
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

    A failure (NaN) counts as an infinite error in the median, and an infinite median is not drawn.

    Parameters
    ----------
    table
        Columns ``varied``, ``value`` and the measures, as
        :func:`dynamix.evaluation.perturbations.sensitivity` has them, and ``model``.
    measures
        Which, and their labels.
    names
        Models; None: all.

    Raises
    ------
    InputError
        If the table is empty or has no column ``model``, or a name is no model of it.
    KeyError
        If a measure is no column of the table.

    Examples
    --------
    >>> table = pd.DataFrame({"varied": "noise", "value": [0.0, 0.1], "mase": [0.3, 0.9]})
    >>> figure = sensitivities(table.assign(model="parrot"), measures={"mase": "MASE"})
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('noise', 'MASE')
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [0.3, 0.9]
    """
    if table.empty or "model" not in table:
        raise InputError(
            "expected a table with a column 'model': join those of sensitivity.sensitivity, each "
            "with .assign(model=name)."
        )
    known = list(dict.fromkeys(table["model"]))
    names = known if names is None else list(names)
    for name in names:
        one_of("model", name, known)
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
