"""Figures of models: what the gate does, how training went, what it is worth and what it costs.

:mod:`dynamix.plotting` offers them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import InputError
from ..evaluation import benchmark
from .theme import FORECAST, columns, in_style

_BOX = 0.6  # height of a box in the box plots, of the distance to the next one


@in_style
def gate_use(
    gates: Any, *, observation: Any = None, shown: int = 400, label: str = "weight $w_j$"
) -> Figure:
    """Expert weights over time as a map, the observation's first channel above it.

    Parameters
    ----------
    gates
        ``(T, J)``, as :func:`dynamix.forecast` gives them with ``return_gates=True``.
    observation
        ``(T,)`` or ``(T, n)``, in the data's units; None: the map alone.
    shown
        Most steps drawn, from the beginning.
    label
        Of the colour bar.

    Raises
    ------
    TypeError, ValueError
        If ``gates`` does not have two axes.

    Examples
    --------
    >>> figure = gate_use(np.full((500, 4), 0.25), shown=100)
    >>> figure.axes[0].images[0].get_array().shape  # an expert per row
    (4, 100)
    """
    weights = np.asarray(gates, dtype=np.float64)[:shown]
    rows = 1 if observation is None else 2
    figure, axes = plt.subplots(
        rows,
        1,
        sharex=True,
        squeeze=False,
        figsize=(7.0, 2.2 + 1.1 * (rows - 1)),
        gridspec_kw={"height_ratios": [1, 2][-rows:]},
    )
    if observation is not None:
        axes[0, 0].plot(columns(observation)[:shown, 0], **FORECAST)
        axes[0, 0].set_ylabel("$x_1$")
    ax = axes[-1, 0]
    image = ax.imshow(
        weights.T,
        aspect="auto",
        cmap="cividis",
        vmin=0,
        vmax=weights.max(),
        interpolation="nearest",
    )
    ax.set_xlabel("step")
    ax.set_ylabel("expert")
    ax.set_yticks(range(weights.shape[1]), [str(j + 1) for j in range(weights.shape[1])])
    ax.grid(False)
    figure.colorbar(image, ax=axes, label=label)
    return figure


@in_style
def attention(
    context: Any, weights: Any, *, state: Any = None, dims: Sequence[int] = (0, 2)
) -> Figure:
    """Where in a context the gate looks: its points coloured by attention, and attention in time.

    Parameters
    ----------
    context
        ``(T_C,)`` or ``(T_C, n)``, in the data's units.
    weights
        ``(T_C - 1,)``: the attention ``a_k`` on every context step that has a successor; it
        sums to 1.
    state
        ``(n,)``: the observation that asks, marked by a cross; None: no mark.
    dims
        The channels on the axes, counted from 0; the last channel stands in for one that is not
        there.

    Raises
    ------
    IndexError
        If there are more weights than context steps, or ``state`` lacks a channel of ``dims``.

    Examples
    --------
    >>> t = np.arange(100) / 5
    >>> circle = np.column_stack([np.sin(t), np.cos(t)])
    >>> figure = attention(circle, np.full(99, 1 / 99), dims=(0, 1))
    >>> figure.axes[0].collections[0].get_offsets().shape
    (99, 2)
    >>> figure.axes[1].get_xlabel()
    'context step $k$'
    """
    points, a = columns(context), np.asarray(weights, dtype=np.float64)
    x, y = (points[: len(a), min(d, points.shape[1] - 1)] for d in dims)
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.0))
    order = np.argsort(a)
    share = np.sqrt(a / a.max())
    dots = axes[0].scatter(
        x[order],
        y[order],
        c=a[order],
        s=6 + 50 * share[order],
        cmap="cividis_r",
        linewidths=0.3,
        edgecolors="0.5",
    )
    axes[0].set_xlabel(f"$x_{dims[0] + 1}$")
    axes[0].set_ylabel(f"$x_{dims[1] + 1}$")
    if state is not None:
        here = np.asarray(state, dtype=np.float64)
        axes[0].plot(here[dims[0]], here[dims[1]], "+", color="#D55E00", markersize=12, mew=1.8)
    figure.colorbar(dots, ax=axes[0], label="attention $a_k$")
    axes[1].plot(np.arange(len(a)), a, color="#0072B2")
    axes[1].set_xlabel("context step $k$")
    axes[1].set_ylabel("attention $a_k$")
    return figure


@in_style
def benchmark_boxes(tables: Mapping[str, pd.DataFrame], *, floor: float = 1e-3) -> Figure:
    """Box plots of the benchmark's measures over systems, a box per model, every system a point.

    Parameters
    ----------
    tables
        Results of :func:`dynamix.evaluation.benchmark.run` by name; a system's starts are first made into
        their median. Failures are counted below their box instead of being left out.
    floor
        Smaller errors are drawn there, in the measure's unit (the axes are logarithmic).

    Raises
    ------
    InputError
        If a table is empty or lacks ``system``, ``start`` or a measure.
    ValueError
        If there is no table.

    Examples
    --------
    >>> table = pd.DataFrame({"system": ["Lorenz", "Chua"], "start": 0, "d_stsp": [0.8, np.nan]})
    >>> figure = benchmark_boxes({"mine": table.assign(d_h=0.1, mase=0.5)})
    >>> len(figure.axes), [text.get_text() for text in figure.axes[0].texts]
    (3, ['1 failed'])
    """
    import seaborn as sns

    tables = {
        name: benchmark.per_system(table).replace(np.inf, np.nan) for name, table in tables.items()
    }
    names = list(tables)
    errors = ("d_stsp", "d_h", "mase")
    figure, axes = plt.subplots(1, 3, figsize=(7.6, 0.9 + 0.55 * len(names)), sharey=True)
    palette = sns.color_palette("colorblind", len(names))
    for ax, measure in zip(axes, errors, strict=True):
        parts = [
            pd.DataFrame({"model": name, "value": np.maximum(table[measure].to_numpy(), floor)})
            for name, table in tables.items()
        ]
        data = pd.concat(parts, ignore_index=True)
        common: dict[str, Any] = {
            "data": data,
            "x": "value",
            "y": "model",
            "ax": ax,
            "order": names,
        }
        sns.boxplot(
            **common, hue="model", hue_order=names, palette=palette, showfliers=False, width=_BOX
        )
        rng = np.random.default_rng(0)  # seaborn's strips differ from call to call
        for row, part in enumerate(parts):
            heights = row + rng.uniform(-0.18, 0.18, len(part))
            ax.scatter(part["value"], heights, s=4, color="0.15", alpha=0.6, lw=0, zorder=3)
        ax.set_xscale("log")
        ax.set_xlabel(benchmark.LABELS[measure])
        ax.set_ylabel("")
        for row, name in enumerate(names):
            failed = int(tables[name][measure].isna().sum())
            if failed:
                ax.annotate(  # between this box and the next, where no point lies either
                    f"{failed} failed",
                    (1.0, row + _BOX / 2),
                    xycoords=("axes fraction", "data"),
                    xytext=(0, -1),
                    textcoords="offset points",
                    ha="right",
                    va="top",
                    fontsize=7,
                )
    return figure


@in_style
def inference_times(table: pd.DataFrame) -> Figure:
    """Seconds of a forecast against horizon, context, series and parameters, on log axes.

    In each panel one column varies and the others stand at the setting that most rows share.

    Parameters
    ----------
    table
        A row per measurement: ``model``, ``engine`` (``"compiled"`` or ``"torch"``),
        ``parameters``, ``context`` and ``horizon`` (steps), ``series``, ``seconds``. Models other
        than ``DynaMix`` are single marks in the last panel.

    Raises
    ------
    InputError
        If no row is DynaMix's.
    KeyError
        If a column is missing.

    Examples
    --------
    >>> table = pd.DataFrame({"horizon": [10, 100, 1000], "seconds": [0.1, 0.2, 1.1]})
    >>> rest = {"engine": "torch", "parameters": 10_000, "context": 512, "series": 1}
    >>> figure = inference_times(table.assign(model="DynaMix", **rest))
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['horizon', 'context', 'series', 'parameters']
    >>> len(figure.axes[0].lines[1].get_xdata())
    3
    """
    columns = ["horizon", "context", "series", "parameters"]
    own = table[table["model"] == "DynaMix"]
    if own.empty:
        raise InputError("the table has no row of model DynaMix, which the others are set against.")
    usual = {column: own[column].mode()[0] for column in columns}
    figure, axes = plt.subplots(1, 4, figsize=(9.6, 2.7), sharey=True)
    looks = {"compiled": ("o", "-", "#0072B2"), "torch": ("s", "--", "#D55E00")}
    for ax, column in zip(axes, columns, strict=True):
        rest = [name for name in columns if name != column]
        for engine, (marker, line, color) in looks.items():
            rows = own[own["engine"] == engine]
            for name in rest:
                rows = rows[rows[name] == usual[name]]
            rows = rows.sort_values(column)
            ax.loglog(
                rows[column],
                rows["seconds"],
                marker=marker,
                linestyle=line,
                color=color,
                markersize=4,
                label=f"DynaMix, {engine}",
            )
        ax.set_xlabel(column)
    others = table[table["model"] != "DynaMix"]
    for (_, row), marker in zip(others.iterrows(), "^Dv*P", strict=False):
        axes[-1].plot(
            row["parameters"],
            row["seconds"],
            marker=marker,
            color="#009E73",
            linestyle="",
            label=row["model"],
        )
    axes[0].set_ylabel("seconds")
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


@in_style
def training_curves(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Loss, gradient norm and free-running validation of a run's log.

    Parameters
    ----------
    records
        A record per epoch, as a line of ``log.jsonl`` holds it: ``epoch``, and of ``loss``,
        ``gradient_norm``, ``validation_d_stsp``, ``validation_d_h`` and ``validation_mase`` those
        that were measured; what is None or absent is not drawn.

    Raises
    ------
    KeyError
        If a record has no ``epoch``.

    Examples
    --------
    >>> log = [{"epoch": i, "loss": 1 / i, "validation_d_h": None} for i in (1, 2, 3)]
    >>> log[-1]["validation_d_h"] = 0.1
    >>> [len(line.get_xdata()) for ax in training_curves(log).axes for line in ax.lines]
    [3, 1]
    """
    figure, axes = plt.subplots(1, 3, figsize=(8.4, 2.7))

    def draw(ax: Axes, key: str, label: str, **look: Any) -> None:
        pairs = [(r["epoch"], r[key]) for r in records if r.get(key) is not None]
        if pairs:
            ax.plot(*zip(*pairs, strict=True), label=label, **look)

    draw(axes[0], "loss", "loss")
    axes[0].set_ylabel("teacher-forced loss")
    draw(axes[1], "gradient_norm", "gradient norm", color="#009E73")
    axes[1].set_ylabel("gradient norm")
    draw(axes[2], "validation_d_stsp", r"$D_\mathrm{stsp}$", marker="o", markersize=3)
    draw(axes[2], "validation_d_h", "$D_H$", marker="s", markersize=3)
    draw(axes[2], "validation_mase", "MASE", marker="^", markersize=3)
    axes[2].set_ylabel("free-running, median")
    for ax in axes:
        ax.set_xlabel("epoch")
        ax.set_yscale("log")
    if axes[2].lines:
        axes[2].legend()
    return figure
