"""Figures over time: forecasts, measured series, spectra, and curves in general."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy import ndarray

from ..errors import InputError
from ..io.arrays import samples_array
from ..io.shapes import Float
from ..metrics.reconstruction import power_spectrum, spectral_hellinger
from . import theme
from .state_space import beside

_HIGHEST_FREQUENCY = 0.12  # per step: six times the dominant frequency at 50 points a period
_BANDS = {0.9: 0.18, 0.5: 0.38}  # share of the samples in a band: its opacity


@theme.style()
def lines(
    x: Any,
    curves: Mapping[str, Any],
    *,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
) -> Figure:
    """Draw named curves over one axis, each with its own colour and line style.

    ``x`` holds T numbers or dates, ``curves`` T numbers by name; NaN leaves a gap. ``x_label`` and
    ``y_label`` name the axes with their units; ``log_x`` and ``log_y`` make them logarithmic.

    >>> figure = lines([1, 2], {"a": [5, 4], "b": [4, 2]}, x_label="step", y_label="error")
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['a', 'b']
    """
    across = max(1, min(len(curves), 85 // (6 + max(map(len, curves), default=0))))
    figure, ax = plt.subplots(figsize=(6.2, 2.7 + 0.2 * -(-len(curves) // across)))
    for i, (name, y) in enumerate(curves.items()):
        ax.plot(x, y, label=name, linestyle=theme.DASHES[i % len(theme.DASHES)])
    ax.set(xlabel=x_label, ylabel=y_label)
    if log_x:
        ax.set_xscale("log")
    if log_y:
        ax.set_yscale("log")
    theme.slant_dates(figure, x)
    theme.legend(figure, [ax], ncols=across)
    return figure


@theme.style()
def time_series(
    *,
    context: Any,
    forecast: Any = None,
    samples: Any = None,
    truth: Any = None,
    names: Sequence[str] | None = None,
    shown: int | None = None,
    times: Any = None,
    time_label: str = "step",
    states: bool = False,
) -> Figure:
    """Draw a context and its continuation over time, a panel per channel.

    ``context``, ``forecast`` and ``truth`` are ``(T,)`` or ``(T, n)``. ``samples``, ``(K,
    horizon)`` or ``(K, horizon, n)``, take the place of a forecast: drawn are their median and
    bands with 50 % and 90 % of the finite samples at each step. ``names`` are those of the
    channels, ``shown`` the most steps drawn on either side of the context's end. ``times`` labels
    all context and forecast steps, such as with dates; ``time_label`` names them. ``states`` adds
    a panel in state space: the first three channels, or a single one against its past; of samples
    it shows the first.

    Raises
    ------
    InputError
        If ``samples`` hold no sample, or other channels than the context.

    >>> x = np.sin(np.arange(300) / 5)
    >>> figure = time_series(context=x[:200], forecast=x[200:250], truth=x[200:], names=["load"])
    >>> figure.axes[0].get_ylabel(), [len(line.get_xdata()) for line in figure.axes[0].lines[:3]]
    ('load', [200, 50, 50])
    """
    past = theme.as_columns(context)
    end, n = past.shape
    bands: dict[float, Any] = {}
    if samples is not None:
        drawn = _ensemble(samples, n)
        bands = {b: [_quantile(drawn, (1 + sign * b) / 2) for sign in (-1, 1)] for b in _BANDS}
        forecast = _quantile(drawn, 0.5)
    ahead = past[:0] if forecast is None else theme.as_columns(forecast)
    t = np.arange(end + len(ahead)) if times is None else np.asarray(times)
    before, after = (len(x) if shown is None else min(shown, len(x)) for x in (past, ahead))
    t, now = t[end - before : end + after], t[end - 1]
    height = 1.45 if bands else 1.25
    figure, axes = theme.panels(n, 7.0, height, columns=1, base=height - 0.05, sharex=True)
    for i, ax in enumerate(axes):
        ax.plot(t[:before], past[end - before :, i], label="context", **theme.CONTEXT)
        for band, edges in bands.items():
            label = f"{100 * band:.0f} % of {len(drawn)} samples"
            look = {"color": theme.VERMILION, "alpha": _BANDS[band], "linewidth": 0}
            ax.fill_between(t[before:], *(edge[:after, i] for edge in edges), label=label, **look)
        if truth is not None:
            real = theme.as_columns(truth)[:after, i]
            ax.plot(t[before : before + len(real)], real, label="truth", **theme.TRUTH)
        if after:
            label = "median" if bands else "forecast"
            ax.plot(t[before:], ahead[:after, i], label=label, **theme.FORECAST)
            ax.axvline(now, **theme.REFERENCE)
        ax.set_ylabel(theme.channel_name(i, names))
        if not (past[:, i] % 1).any():  # a code or a count has no halves
            ax.yaxis.get_major_locator().set_params(integer=True)
    axes[-1].set_xlabel(time_label)
    theme.slant_dates(figure, t)
    if states and len(ahead):
        panel = beside(figure, past, drawn[0] if bands else ahead, names)
        if bands and panel is not None:
            panel.set_title(f"{panel.get_title()}, first sample")
    theme.legend(figure, axes[:1])
    return figure


def _ensemble(samples: Any, n: int) -> Float[ndarray, "K T n"]:
    """Return samples as an array, NaN where they are not finite."""
    if not len(samples) or np.ndim(samples) == 1:
        raise InputError(
            "a figure needs samples, (samples, horizon) or (samples, horizon, N), found the shape "
            f"{np.shape(samples)}. forecast(..., n_samples=20) draws them."
        )
    drawn = np.stack([theme.as_columns(sample) for sample in samples_array(samples)])
    if drawn.shape[2] != n:
        raise InputError(
            f"samples must have shape (samples, horizon, {n}) after a context of {n} channels, "
            f"found {drawn.shape}."
        )
    return np.where(np.isfinite(drawn), drawn, np.nan)


def _quantile(samples: Float[ndarray, "K T n"], q: float) -> Float[ndarray, "T n"]:
    """Quantile over the samples that are finite; NaN where none is."""
    empty = np.isnan(samples).all(axis=0)
    return np.where(empty, np.nan, np.nanquantile(np.where(empty, 0.0, samples), q, axis=0))


@theme.style()
def spectra(
    *,
    forecast: Any,
    truth: Any,
    smoothing: int = 20,
    names: Sequence[str] | None = None,
    label: str = "truth",
    highest: float = _HIGHEST_FREQUENCY,
) -> Figure:
    """Draw smoothed power spectra of truth and forecast, a panel per channel, with their D_H.

    ``forecast`` and ``truth`` are ``(T,)`` or ``(T, n)``, of one length. ``smoothing`` is as in
    :func:`dynamix.metrics.spectral_hellinger`, ``highest`` the last frequency drawn, per step.
    ``names`` are those of the channels, ``label`` that of the truth.

    >>> slow = np.sin(2 * np.pi * np.arange(500) / 250)
    >>> spectra(forecast=3 * slow + 5, truth=slow).axes[0].get_title()
    '$x_1$: $D_H$ = 0.00'
    """
    real, made = theme.as_columns(truth), theme.as_columns(forecast)
    n = real.shape[1]
    figure, axes = theme.panels(n, 1.4 + 2.2 * n, 2.6, sharey=True)
    frequency = np.fft.rfftfreq(len(real))
    drawn = (frequency > 0) & (frequency <= highest)
    lowest = 1.0
    for i, ax in enumerate(axes):
        for x, name, look in ((real, label, theme.TRUTH), (made, "forecast", theme.FORECAST)):
            power = power_spectrum(x[:, i], smoothing=smoothing)[drawn, 0]
            ax.semilogy(frequency[drawn], np.maximum(power, 1e-9), label=name, **look)
            lowest = min(lowest, max(float(power.min()), 1e-9))
        distance = spectral_hellinger(forecast=made[:, i], truth=real[:, i], smoothing=smoothing)
        title = f"{theme.channel_name(i, names)}: $D_H$ = {distance:.2f}"
        ax.set(title=title, xlabel="frequency [1/step]", ylim=(0.5 * lowest, None))
    axes[0].set_ylabel("share of power")
    axes[-1].legend(loc="upper right")
    return figure


@theme.style()
def mended(*, raw: pd.Series, grid: pd.Series, unit: str = "") -> Figure:
    """Draw a resampled series over its observations; steps without an observation are marked.

    ``raw`` and ``grid`` are what :func:`dynamix.preprocessing.resample` takes and returns: one
    channel over dates. ``unit`` is written after the series' name.

    >>> grid = pd.Series([0.0, 1, 2, 3], index=pd.date_range("2024-01-01", periods=4), name="load")
    >>> mended(raw=grid.drop(grid.index[2]), grid=grid).axes[0].lines[2].get_ydata().tolist()
    [2.0]
    """
    seen, at = raw.dropna(), grid.index
    nearest = at.get_indexer(seen.index, method="nearest", tolerance=(at[1] - at[0]) / 2)
    filled = grid.drop(at[nearest[nearest >= 0]])
    figure, ax = plt.subplots(figsize=(7.6, 2.7))
    ax.plot(seen.index, seen, ".", color="0.7", markersize=2.5, label="observations")
    ax.plot(at, grid, color=theme.BLUE, linewidth=0.9, label="regular grid")
    ax.plot(filled, ".", color=theme.VERMILION, markersize=4.5, label="interpolated steps")
    ax.set_ylabel(f"{grid.name}" + (f" [{unit}]" if unit else ""))
    ax.set_ylim(top=1.15 * float(max(seen.max(), grid.max())))
    theme.slant_dates(figure, at)
    ax.legend(ncols=3, loc="upper left", markerscale=2)
    return figure
