"""Zero-shot forecasts: from a context to its continuation, in the caller's own kind of array.

Each series of a batch is prepared from its own statistics; only the rollout is shared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, whole_number
from ..io.arrays import check_initial, like, unpack
from ..settings import ForecastConfig, takes
from .ensembles import stack
from .models import Model, find_model
from .pipeline import Pipeline


@takes(ForecastConfig)
def forecast(
    context: Any,
    *,
    horizon: int,
    model: Model | str | Path | None = None,
    initial_x: Any = None,
    return_gates: bool = False,
    **settings: Any,
) -> Any:
    """Continue a context for ``horizon`` steps.

    The pipeline is that of the paper (Hemmer & Durstewitz, 2025, section 3.3): transform, embed,
    roll out from the last state, drop the embedding, transform back. Nothing is trained. A series'
    forecast depends on its own context and the seed, and never on the series beside it.

    Parameters
    ----------
    context
        ``(T_C,)``, ``(T_C, n)`` or ``(T_C, S, n)``: time first, then series, then channels. A NumPy
        array, torch tensor, or pandas Series or DataFrame (rows are time). With fewer channels than
        the model's N the others are embedded; with more, each channel is forecast alone.
    horizon
        Number of steps to forecast; a step is the context's own.
    model
        A model, or a name that :meth:`dynamix.DynaMix.from_pretrained` takes; None: the bundled
        ``dynamix-3d``.
    initial_x
        ``(n,)`` or ``(S, n)``: where the forecast starts, in the data's units; None: the context's
        last step. It is not part of the forecast.
    return_gates
        Also return the expert weights, ``(horizon, S, J)``; ``S`` is omitted for a single series.
        With more channels than N, each channel has weights of its own.
    **settings

    Returns
    -------
    forecast
        Of the context's kind and dtype, in its units, ``horizon`` long, with a pandas index
        continued. It holds NaN or infinity from the step at which the model diverges. With
        ``return_gates`` a pair of it and the weights. ``n_samples`` adds a first axis to both,
        ``(n_samples, horizon, ...)``; a DataFrame gets a first column level ``sample``, and a
        Series becomes a DataFrame with a column per sample.

    Raises
    ------
    InputError
        For a context that is empty, too short for the embedding, not finite, not numeric, constant
        in a channel, of more than three axes, or without a regular index. For settings out of
        range, an unknown model, or an engine that cannot run this model here. For an ``initial_x``
        of another shape, not finite, or together with ``detrend`` or ``box_cox``.

    Examples
    --------
    Ten whole periods, continued; the eleventh is like the first:

    >>> wave = np.sin(2 * np.pi * np.arange(300) / 30)
    >>> y = forecast(wave, horizon=30)
    >>> y.shape, bool(np.abs(y - wave[:30]).max() < 0.1)
    ((30,), True)
    >>> forecast(wave, horizon=30, n_samples=3).shape
    (3, 30)
    >>> forecast(np.ones(300), horizon=30)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: context must vary, but channel 0 is constant at 1. Drop that channel.
    """
    horizon = whole_number("horizon", horizon)
    config = ForecastConfig(**settings)
    values, restore = unpack(context, check=True)
    _, S, n = values.shape
    starts: Any = None
    if initial_x is not None:
        if config.detrend or config.box_cox:
            raise InputError(
                "initial_x cannot be combined with detrend or box_cox: they continue the context's "
                "own end, and initial_x starts elsewhere. Leave one of them out."
            )
        starts = check_initial(initial_x, S=S, n=n)
    pipeline = Pipeline(find_model(model), config)
    singly = n > pipeline.model.config.observed_dims
    if singly:  # (T_C, S, n) -> (T_C, S n, 1): every channel a series of its own
        values = values.reshape(len(values), S * n, 1)
        starts = None if starts is None else starts.reshape(S * n, 1)

    samples = []
    for y, gates in pipeline.forecast(values, starts, horizon=horizon, return_gates=return_gates):
        if gates is not None:
            gates = like(context, gates[:, 0] if np.ndim(context) < 3 and not singly else gates)
        samples.append((restore(y.reshape(horizon, S, n)), gates))
    if config.n_samples is None:
        return samples[0] if return_gates else samples[0][0]
    forecasts, weights = zip(*samples, strict=True)
    return (stack(forecasts), stack(weights)) if return_gates else stack(forecasts)
