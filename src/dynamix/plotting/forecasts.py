"""Figures of ensembles of forecasts; :mod:`dynamix.plotting` offers them too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy import ndarray

from ..errors import InputError
from ..io.arrays import samples_array
from .theme import CONTEXT, FORECAST, TRUTH, columns, in_style

BANDS = (0.9, 0.5)  # shares of the samples that the bands hold, the wider one first
_SHADES = {0.9: 0.18, 0.5: 0.38}


@in_style
def fan(
    *,
    context: Any,
    samples: Any,
    truth: Any = None,
    names: Sequence[str] | None = None,
    shown: int | None = None,
    times: Any = None,
    time_label: str = "step",
) -> Figure:
    """An ensemble behind its context: median, and the bands that hold 50 % and 90 % of samples.

    Bands are between quantiles at every step by itself, so no single sample need stay inside.

    Parameters
    ----------
    context, truth
        ``(T,)`` or ``(T, n)``, in the data's units.
    samples
        ``(K, horizon)`` or ``(K, horizon, n)``, as :func:`dynamix.forecast` gives them with
        ``n_samples=K``. Samples that are not finite are left out at the steps where they are not.
    names, shown, times, time_label
        As of :func:`dynamix.plotting.time_series`.

    Raises
    ------
    InputError
        If there is no sample, or samples and context do not have the same channels.
    IndexError
        If the truth has fewer channels than the context, or there are too few names.
    ValueError
        If ``times`` has fewer entries than there are steps.

    Examples
    --------
    >>> samples = np.random.default_rng(0).normal(size=(200, 50))
    >>> figure = fan(context=np.zeros(100), samples=samples)
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['context', '90 % of 200 samples', '50 % of 200 samples', 'median']
    >>> fan(context=np.zeros((100, 3)), samples=samples)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: samples must have shape (samples, horizon, 3) behind a context of ...
    """
    past = columns(context)
    if not len(samples) or np.ndim(samples) == 1:
        raise InputError(
            "a fan needs samples, (samples, horizon) or (samples, horizon, N), found the shape "
            f"{np.shape(samples)}. forecast(..., n_samples=20) draws them."
        )
    drawn = np.stack([columns(sample) for sample in samples_array(samples)])
    if drawn.shape[2] != past.shape[1]:
        raise InputError(
            f"samples must have shape (samples, horizon, {past.shape[1]}) behind a context of "
            f"{past.shape[1]} channels, found {drawn.shape}."
        )
    real = None if truth is None else columns(truth)
    end, horizon, n = len(past), drawn.shape[1], drawn.shape[2]
    t = np.arange(end + horizon) if times is None else np.asarray(times)
    before = end if shown is None else min(shown, end)
    after = horizon if shown is None else min(shown, horizon)
    ahead = t[end : end + after]
    drawn = np.where(np.isfinite(drawn[:, :after]), drawn[:, :after], np.nan)
    low, middle, high = (
        np.stack([_quantile(drawn, q) for q in levels])
        for levels in (
            [(1 - band) / 2 for band in BANDS],
            [0.5],
            [(1 + band) / 2 for band in BANDS],
        )
    )
    figure, axes = plt.subplots(
        n, 1, sharex=True, squeeze=False, figsize=(7.0, 1.4 + 1.45 * n), layout="constrained"
    )
    for i, ax in enumerate(axes[:, 0]):
        ax.plot(t[end - before : end], past[end - before :, i], label="context", **CONTEXT)
        for b, band in enumerate(BANDS):
            ax.fill_between(
                ahead,
                low[b, :, i],
                high[b, :, i],
                color=FORECAST["color"],
                alpha=_SHADES[band],
                linewidth=0,
                label=f"{100 * band:.0f} % of {len(drawn)} samples",
            )
        if real is not None:
            part = real[:after, i]
            ax.plot(ahead[: len(part)], part, label="truth", **TRUTH)
        ax.plot(ahead, middle[0, :, i], label="median", **FORECAST)
        ax.axvline(t[end - 1], color="0.3", linewidth=0.8, linestyle=":")
        ax.set_ylabel(f"$x_{i + 1}$" if names is None else str(names[i]))
    axes[-1, 0].set_xlabel(time_label)
    if times is not None and np.issubdtype(t.dtype, np.datetime64):
        figure.autofmt_xdate()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _quantile(samples: Float[ndarray, "K T n"], q: float) -> Float[ndarray, "T n"]:
    """Quantile over the samples that are finite; NaN where none is."""
    empty = np.isnan(samples).all(axis=0)
    return np.where(empty, np.nan, np.nanquantile(np.where(empty, 0.0, samples), q, axis=0))
