"""Figures of the book and the command line.

Every function returns a ``matplotlib`` figure, drawn in the one style of ``data/dynamix.mplstyle``.
Roles keep their look throughout: context grey, truth blue and solid, forecast vermilion and dashed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..errors import InputError
from ..metrics import reconstruction as metrics
from .experts import expert_use as expert_use
from .experts import exponents as exponents
from .experts import kinship as kinship
from .experts import lyapunov_spectra as lyapunov_spectra
from .experts import similarity_map as similarity_map
from .experts import symbolic_code as symbolic_code
from .experts import transition_graphs as transition_graphs
from .forecasts import fan as fan
from .models import attention as attention
from .models import benchmark_boxes as benchmark_boxes
from .models import gate_use as gate_use
from .models import inference_times as inference_times
from .models import training_curves as training_curves
from .series import errors_by_forecaster as errors_by_forecaster
from .series import mended as mended
from .series import relative_errors as relative_errors
from .series import series_panels as series_panels
from .theme import CONTEXT, FORECAST, TRUTH, Points, style
from .theme import columns as _columns
from .theme import in_style as _figure
from .turning import turnable as turnable

_HIGHEST_FREQUENCY = 0.12  # per step: six times the dominant frequency at 50 points a period
_MAX_DRAWN = 6000  # points of an attractor drawn; more only blackens the picture


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure; the suffix chooses the format.

    Parameters
    ----------
    figure
        What a function of this module has returned, or any other of matplotlib's.
    path
        Where to; missing folders are made, and a file of that name is replaced.

    Returns
    -------
    The path.

    Raises
    ------
    InputError
        If the format is unknown.
    OSError
        If the folder cannot be made or written.

    Examples
    --------
    >>> import tempfile
    >>> figure = lines([1, 2, 3], {"loss": [4, 2, 1]}, x_label="epoch", y_label="loss")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(figure, Path(folder) / "loss.png").stat().st_size > 1000
    True
    >>> save(figure, "loss.doc")
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: cannot draw to 'loss.doc': expected a name ending in one of eps, ...
    """
    path = Path(path)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix.lstrip(".").lower() not in known:
        raise InputError(
            f"cannot draw to {str(path)!r}: expected a name ending in one of {', '.join(known)}."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with style():
        figure.savefig(path)
    return path


def _draw_attractor(
    ax: Any, x: Points, dims: Sequence[int], label: str, look: Mapping[str, Any]
) -> None:
    points = x[:_MAX_DRAWN]
    thin = dict(look) | {"linewidth": 0.6, "linestyle": "-"}
    ax.plot(*(points[:, d] for d in dims), label=label, alpha=0.9, **thin)


@_figure
def attractors(
    panels: Mapping[str, Mapping[str, Any]], *, dims: Sequence[int] = (0, 1, 2), columns: int = 3
) -> Figure:
    """A row of attractors: ``{title: {"context" | "truth" | "forecast": (T, n)}}``.

    Three ``dims`` are drawn in perspective, two as a plane. Axes of a panel cover its context and
    truth, so that a forecast that escapes is seen to leave.

    Parameters
    ----------
    panels
        By title the trajectories of a panel, ``(T, n)`` in the data's units; the first 6000 steps
        of each are drawn. Only the forecast may be infinite or NaN, where there is another.
    dims
        Channels on the axes, counted from 0; two or three.
    columns
        Most panels in a row.

    Raises
    ------
    KeyError
        If a trajectory has another name than these three.
    IndexError
        If a trajectory has fewer channels than ``dims`` name.
    ValueError
        If there is no panel, or the context or truth is not finite.

    Examples
    --------
    >>> t = np.linspace(0, 2 * np.pi, 101)
    >>> circle = np.column_stack([np.cos(t), np.sin(t)])
    >>> figure = attractors({"circle": {"truth": circle, "forecast": 9 * circle}}, dims=(0, 1))
    >>> [round(float(limit), 2) for limit in figure.axes[0].get_xlim()]
    [-1.16, 1.16]
    """
    rows = -(-len(panels) // columns)
    kind = {"projection": "3d"} if len(dims) == 3 else {}
    columns = min(columns, len(panels))
    size = (max(3.0 * columns, min(8.4, 4.2 * columns)), (2.9 if columns > 2 else 3.6) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, subplot_kw=kind)
    looks = {"context": CONTEXT, "truth": TRUTH, "forecast": FORECAST}
    for ax, (title, parts) in zip(axes.flat, panels.items(), strict=False):
        for name, values in parts.items():
            _draw_attractor(ax, _columns(values), dims, name, looks[name])
        frame = [_columns(v) for k, v in parts.items() if k != "forecast"] or [
            _columns(v) for v in parts.values()
        ]
        stacked = np.concatenate(frame)
        for axis, d in zip("xyz", dims, strict=False):
            low, high = stacked[:, d].min(), stacked[:, d].max()
            margin = 0.08 * (high - low)
            getattr(ax, f"set_{axis}lim")(low - margin, high + margin)
            getattr(ax, f"set_{axis}label")(f"$x_{d + 1}$", labelpad=-8 if len(dims) == 3 else None)
        if len(dims) == 3:
            ax.tick_params(labelbottom=False, labelleft=False, labelright=False, pad=-4)
            for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
                axis.set_ticklabels([])
        ax.set_title(title)
    for ax in list(axes.flat)[len(panels) :]:
        ax.remove()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    seen = dict(zip(labels, handles, strict=True))
    for ax in axes.flat[1 : len(panels)]:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            seen.setdefault(label, handle)
    if len(seen) > 1:
        legend = figure.legend(
            seen.values(), seen.keys(), loc="outside lower center", ncols=len(seen), fontsize=9
        )
        for line in legend.get_lines():  # a line this thin shows no colour when it is this short
            line.set(linewidth=2, alpha=1)
    return figure


@_figure
def time_series(
    *,
    context: Any,
    forecast: Any = None,
    truth: Any = None,
    names: Sequence[str] | None = None,
    shown: int | None = None,
    times: Any = None,
    time_label: str = "step",
) -> Figure:
    """Context, forecast and truth over time, a panel per channel.

    Parameters
    ----------
    context, forecast, truth
        ``(T,)`` or ``(T, n)`` each, with the same channels, in the data's units. Without a forecast
        only the series is drawn; of the truth only what lies within the forecast's steps.
    names
        Of the channels, one each; None: ``x_1``, ``x_2``, ....
    shown
        Most steps drawn on either side of the context's end; None: all.
    times
        Labels of all context and forecast steps (dates, say); None: steps counted from 0.
    time_label
        Below the last panel.

    Raises
    ------
    IndexError
        If forecast or truth has fewer channels than the context, or there are too few names.
    ValueError
        If ``times`` has fewer entries than there are steps.

    Examples
    --------
    >>> x = np.sin(np.arange(300) / 5)
    >>> figure = time_series(context=x[:200], forecast=x[200:250], truth=x[200:], names=["load"])
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['context', 'truth', 'forecast']
    >>> figure.axes[0].get_ylabel(), [len(line.get_xdata()) for line in figure.axes[0].lines[:3]]
    ('load', [200, 50, 50])
    """
    past = _columns(context)
    future = past[:0] if forecast is None else _columns(forecast)
    real = None if truth is None else _columns(truth)[: len(future)]
    t = np.arange(len(past) + len(future)) if times is None else np.asarray(times)
    before = len(past) if shown is None else min(shown, len(past))
    after = len(future) if shown is None else min(shown, len(future))
    n = past.shape[1]
    figure, axes = plt.subplots(
        n, 1, sharex=True, squeeze=False, figsize=(7.0, 1.2 + 1.25 * n), layout="constrained"
    )
    end = len(past)
    for i, ax in enumerate(axes[:, 0]):
        ax.plot(t[end - before : end], past[end - before :, i], label="context", **CONTEXT)
        if real is not None:
            drawn = real[:after, i]
            ax.plot(t[end : end + len(drawn)], drawn, label="truth", **TRUTH)
        if after:
            ax.plot(t[end : end + after], future[:after, i], label="forecast", **FORECAST)
            ax.axvline(t[end - 1], color="0.3", linewidth=0.8, linestyle=":")
        ax.set_ylabel(f"$x_{i + 1}$" if names is None else str(names[i]))
        if not (past[:, i] % 1).any():  # a code or a count has no halves
            ax.yaxis.get_major_locator().set_params(integer=True)
    axes[-1, 0].set_xlabel(time_label)
    if times is not None and np.issubdtype(t.dtype, np.datetime64):
        figure.autofmt_xdate()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


@_figure
def spectra(
    *,
    forecast: Any,
    truth: Any,
    smoothing: int = 20,
    names: Sequence[str] | None = None,
    label: str = "truth",
    highest: float = _HIGHEST_FREQUENCY,
) -> Figure:
    """Smoothed power spectra of truth and forecast, a panel per channel, with each one's D_H.

    Parameters
    ----------
    forecast, truth
        ``(T,)`` or ``(T, n)``, equally long and with the same channels. A forecast that is not
        finite has the D_H NaN and no line.
    smoothing
        Width of the Gaussian that smooths them, in frequency bins, see
        :func:`dynamix.metrics.spectral_hellinger`; a whole number.
    names
        Of the channels, one each; None: ``x_1``, ``x_2``, ....
    label
        What the forecast is held against.
    highest
        The last frequency drawn, per step; above 0, at most 0.5.

    Raises
    ------
    InputError
        If the truth is not finite, or ``smoothing`` is no whole number of at least 0.
    IndexError
        If lengths differ, the forecast has fewer channels, or there are too few names.
    ValueError
        If no frequency is drawn.

    Examples
    --------
    >>> t = np.arange(500)
    >>> slow, fast = np.sin(2 * np.pi * t / 250), np.sin(2 * np.pi * t / 10)
    >>> spectra(forecast=3 * slow + 5, truth=slow).axes[0].get_title()
    '$x_1$: $D_H$ = 0.00'
    >>> spectra(forecast=fast, truth=slow, smoothing=2).axes[0].get_title()
    '$x_1$: $D_H$ = 1.00'
    """
    real, made = _columns(truth), _columns(forecast)
    n = real.shape[1]
    figure, axes = plt.subplots(
        1, n, squeeze=False, sharey=True, figsize=(1.4 + 2.2 * n, 2.6), layout="constrained"
    )
    frequency = np.fft.rfftfreq(len(real))
    drawn = (frequency > 0) & (frequency <= highest)
    lowest = 1.0
    for i, ax in enumerate(axes[0]):
        for x, name, look in ((real, label, TRUTH), (made, "forecast", FORECAST)):
            power = metrics.power_spectrum(x[:, i], smoothing=smoothing)[:, 0]
            ax.semilogy(frequency[drawn], np.maximum(power[drawn], 1e-9), label=name, **look)
            lowest = min(lowest, max(float(power[drawn].min()), 1e-9))
        distance = metrics.spectral_hellinger(
            forecast=made[:, i], truth=real[:, i], smoothing=smoothing
        )
        ax.set_title(f"{f'$x_{i + 1}$' if names is None else names[i]}: $D_H$ = {distance:.2f}")
        ax.set_xlabel("frequency [1/step]")
        ax.set_ylim(0.5 * lowest, None)
    axes[0, 0].set_ylabel("share of power")
    axes[0, -1].legend(loc="upper right")
    return figure


@_figure
def occupancy(*, forecast: Any, truth: Any, dims: Sequence[int] = (0, 2), bins: int = 30) -> Figure:
    """Where truth and forecast spend their time: the histograms behind D_stsp, on two channels.

    Parameters
    ----------
    forecast, truth
        ``(T, n)`` each, in the data's units; lengths may differ. Points of the forecast outside the
        truth's range are in no bin.
    dims
        The two channels, counted from 0.
    bins
        Per dimension, across the truth's range.

    Raises
    ------
    IndexError
        If there are fewer channels than ``dims`` name.

    Examples
    --------
    >>> x = np.random.default_rng(0).uniform(size=(1000, 2))
    >>> figure = occupancy(forecast=x[:100], truth=x, dims=(0, 1), bins=10)
    >>> [ax.get_title() for ax in figure.axes[:2]], figure.axes[2].get_ylabel()
    (['truth', 'forecast'], 'share of time')
    >>> roots = figure.axes[0].collections[0].get_array()
    >>> roots.size, round(float((roots**2).sum()), 6)  # colours go by the root of the share
    (100, 1.0)
    """
    real, made = _columns(truth)[:, dims], _columns(forecast)[:, dims]
    edges = [np.linspace(real[:, i].min(), real[:, i].max(), bins + 1) for i in range(2)]
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.1), sharex=True, sharey=True)
    pictures = [np.histogram2d(x[:, 0], x[:, 1], bins=edges)[0] / len(x) for x in (real, made)]
    top = max(float(picture.max()) for picture in pictures)
    for ax, picture, title in zip(axes, pictures, ("truth", "forecast"), strict=True):
        image = ax.pcolormesh(*edges, np.sqrt(picture.T), cmap="cividis", vmin=0, vmax=np.sqrt(top))
        ax.set_title(title)
        ax.set_xlabel(f"$x_{dims[0] + 1}$")
        ax.grid(False)
    axes[0].set_ylabel(f"$x_{dims[1] + 1}$")
    bar = figure.colorbar(image, ax=axes, label="share of time")
    ticks = np.linspace(0, np.sqrt(top), 4)
    bar.set_ticks(list(ticks), labels=[f"{tick**2:.3f}" for tick in ticks])
    return figure


@_figure
def lines(
    x: Any,
    curves: Mapping[str, Any],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
) -> Figure:
    """Named curves over one axis, each with its own colour and line style.

    Parameters
    ----------
    x
        ``(T,)``: numbers or dates.
    curves
        ``(T,)`` each, by name; NaN leaves a gap.
    x_label, y_label
        Of the axes, with their units.
    log_x, log_y
        Whether an axis is logarithmic.

    Raises
    ------
    ValueError
        If a curve and ``x`` are not equally long.

    Examples
    --------
    >>> curves = {"parroting": [5, 4, 3], "DynaMix": [4, 2, 1]}
    >>> figure = lines([100, 500, 2000], curves, x_label="context", y_label="error", log_x=True)
    >>> figure.axes[0].get_xscale(), [text.get_text() for text in figure.legends[0].get_texts()]
    ('log', ['parroting', 'DynaMix'])
    """
    across = max(1, min(len(curves), 85 // (6 + max(map(len, curves), default=0))))
    rows = -(-len(curves) // across)
    figure, ax = plt.subplots(figsize=(6.2, 2.7 + 0.2 * rows))
    dashes = ["-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1))]
    for i, (name, y) in enumerate(curves.items()):
        ax.plot(x, y, label=name, linestyle=dashes[i % len(dashes)])
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if log_x:
        ax.set_xscale("log")
    if log_y:
        ax.set_yscale("log")
    if np.issubdtype(np.asarray(x).dtype, np.datetime64):
        figure.autofmt_xdate()
    if len(curves) > 1:  # above the curves, which may leave no room for names among them
        figure.legend(loc="outside upper center", ncols=across)
    return figure
