"""Figures of measured series and of their rolling-origin errors; :mod:`dynamix.plotting` has them.

Colour says who: DynaMix vermilion and blue, the classics grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..evaluation.rolling import LABELS
from .theme import CONTEXT, in_style

_MARKERS = "osD^vPX*<>"
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "0.55")


@in_style
def mended(*, raw: pd.Series, grid: pd.Series, unit: str = "") -> Figure:
    """A resampled series over its observations; steps without any observation are marked.

    Parameters
    ----------
    raw, grid
        What went into and came out of :func:`dynamix.preprocessing.resample`: Series of one channel
        over dates, in the data's units; ``grid`` of at least two steps.
    unit
        Beside the series' name.

    Raises
    ------
    IndexError
        If ``grid`` has fewer than two steps.

    Examples
    --------
    >>> from dynamix.preprocessing import resample
    >>> times = pd.to_datetime(["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 03:00"])
    >>> raw = pd.Series([0.0, 1.0, 3.0], index=times, name="load")
    >>> grid, _ = resample(raw, most_filled=0.5)
    >>> observations, regular, interpolated = mended(raw=raw, grid=grid, unit="MW").axes[0].lines
    >>> len(regular.get_ydata()), interpolated.get_ydata().tolist()
    (4, [2.0])
    """
    figure, ax = plt.subplots(figsize=(7.6, 2.7))
    seen = raw.dropna()
    ax.plot(seen.index, seen, ".", color="0.7", markersize=2.5, label="observations")
    ax.plot(grid.index, grid, color="#0072B2", linewidth=0.9, label="regular grid")
    half = (grid.index[1] - grid.index[0]) / 2
    near = seen.index[(seen.index > grid.index[0] - half) & (seen.index < grid.index[-1] + half)]
    nearest = np.searchsorted(grid.index[:-1] + (grid.index[1:] - grid.index[:-1]) / 2, near)
    observed = np.bincount(nearest, minlength=len(grid)) > 0
    ax.plot(
        grid.index[~observed],
        grid[~observed],
        ".",
        color="#D55E00",
        markersize=4.5,
        label="interpolated steps",
    )
    ax.set_ylabel(f"{grid.name}" + (f" [{unit}]" if unit else ""))
    ax.set_ylim(top=1.15 * float(max(seen.max(), grid.max())))
    figure.autofmt_xdate()
    ax.legend(ncols=3, loc="upper left", markerscale=2)
    return figure


@in_style
def series_panels(
    panels: Mapping[str, Any], *, units: Mapping[str, str] | None = None, columns: int = 2
) -> Figure:
    """Measured series, a small panel each.

    Parameters
    ----------
    panels
        ``{title: Series}`` over dates or numbers.
    units
        ``{title: unit}`` for the vertical axes; a title without one has none.
    columns
        Panels in a row.

    Raises
    ------
    ValueError
        If there is no panel.

    Examples
    --------
    >>> load = pd.Series([1.0, 2.0], index=pd.date_range("2024-01-01", periods=2))
    >>> figure = series_panels({"load": load, "count": pd.Series([3, 4])}, units={"load": "MW"})
    >>> [(ax.get_title(loc="left"), ax.get_ylabel()) for ax in figure.axes]
    [('load', 'MW'), ('count', '')]
    """
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(8.4, 1.25 * rows + 0.4), squeeze=False)
    for ax, (title, series) in zip(axes.flat, panels.items(), strict=False):
        ax.plot(series.index, np.asarray(series), **(CONTEXT | {"linewidth": 0.6}))
        ax.set_title(title, fontsize=9, loc="left")
        ax.set_ylabel((units or {}).get(title, ""), fontsize=7)
        ax.tick_params(labelsize=7)
        ax.xaxis.set_major_locator(
            plt.MaxNLocator(4) if series.index.dtype.kind in "iuf" else _dates()
        )
    for ax in list(axes.flat)[len(panels) :]:
        ax.remove()
    return figure


def _dates() -> Any:
    from matplotlib.dates import AutoDateLocator

    return AutoDateLocator(minticks=2, maxticks=4)


@in_style
def errors_by_forecaster(
    table: pd.DataFrame,
    *,
    measures: Sequence[str] = ("mase", "d_stsp", "d_h"),
    groups: Mapping[str, str] | None = None,
) -> Figure:
    """Medians over origins with their intervals, a row per forecaster, a panel per measure.

    Parameters
    ----------
    table
        :func:`dynamix.evaluation.rolling.summary` at one context and horizon. Infinite errors are drawn a
        tenth beyond the largest finite one.
    measures
        Columns; one without any value is left out.
    groups
        The kind of each forecaster, which gives it its colour; by default all are alike.

    Raises
    ------
    KeyError
        If a measure is no column of the table.
    ValueError
        If no measure has a value.

    Examples
    --------
    >>> table = pd.DataFrame({"forecaster": ["DynaMix", "naive"], "mase": [0.5, 1.0]})
    >>> table = table.assign(mase_low=[0.4, 0.9], mase_high=[0.6, 1.1], d_h=np.nan)
    >>> figure = errors_by_forecaster(table, measures=("mase", "d_h"))
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['MASE']
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['DynaMix', 'naive']
    """
    shown = [name for name in measures if table[name].notna().any()]
    names = table["forecaster"].tolist()
    kinds = [(groups or {}).get(name, "") for name in names]
    colours = dict(zip(dict.fromkeys(kinds), _COLOURS, strict=False))
    rows = np.arange(len(names))
    figure, axes = plt.subplots(
        1, len(shown), sharey=True, squeeze=False, figsize=(8.4, 0.9 + 0.22 * len(names))
    )
    for ax, name in zip(axes[0], shown, strict=True):
        finite = table[[name, f"{name}_low", f"{name}_high"]].replace(np.inf, np.nan)
        most = float(np.nanmax(finite.to_numpy())) if finite.notna().any(axis=None) else 1.0
        middle, low, high = (table[c].clip(upper=1.1 * most).to_numpy() for c in finite)
        for kind, colour in colours.items():
            part = np.array([k == kind for k in kinds])
            ax.hlines(rows[part], low[part], high[part], color=colour, linewidth=1.6)
            ax.plot(middle[part], rows[part], "o", color=colour, markersize=4.5, label=kind)
        ax.set_xlabel(LABELS[name])
        ax.grid(axis="x", linewidth=0.4, alpha=0.5)
    axes[0, 0].set_yticks(rows, names)
    axes[0, 0].invert_yaxis()
    if len(colours) > 1:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


@in_style
def relative_errors(table: pd.DataFrame, *, label: str) -> Figure:
    """Errors relative to a reference on a log axis: a row per dataset, a mark per forecaster.

    Parameters
    ----------
    table
        Datasets as rows, forecasters as columns, ratios above 0 as values; left of 1 is better. NaN
        leaves a mark out.
    label
        Of the axis: which error, relative to whose.

    Raises
    ------
    ValueError
        If no ratio is a number.

    Examples
    --------
    >>> table = pd.DataFrame({"DynaMix": [0.5, 2.0], "mean": [1.5, 3.0]}, index=["load", "traffic"])
    >>> axis = relative_errors(table, label="MASE over the naive forecast's").axes[0]
    >>> axis.get_xscale(), [label.get_text() for label in axis.get_yticklabels()]
    ('log', ['load', 'traffic'])
    """
    rows = np.arange(len(table))
    figure, ax = plt.subplots(figsize=(7.6, 1.0 + 0.28 * len(table)))
    ax.axvline(1.0, color="0.3", linewidth=0.8, linestyle=":")
    for i, name in enumerate(table):
        ax.plot(
            table[name],
            rows,
            _MARKERS[i % len(_MARKERS)],
            color=_COLOURS[i % len(_COLOURS)],
            markersize=5.5,
            alpha=0.9,
            label=name,
        )
    ax.set_xscale("log")
    ticks = [0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    low, high = float(np.nanmin(table)), float(np.nanmax(table))
    ax.set_xlim(low / 1.1, high * 1.1)
    ax.set_yticks(rows, table.index)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(label)
    figure.legend(loc="outside upper center", ncols=4, fontsize=8)
    return figure
