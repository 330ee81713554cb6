"""Zero-shot forecasts: from a context to its continuation, in the caller's own kind of array.

Each series of a batch is prepared from its own statistics; only the rollout is shared.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..errors import InputError, whole_number
from ..io.arrays import check_initial, like, to_pandas, unpack, usable
from ..preprocessing.seasons import calendar_seasons
from ..settings import PATIENCE, Errors, ForecastConfig, takes
from .ensembles import stack
from .models import Model, find_model
from .pipeline import Pipeline

logger = logging.getLogger(__name__)


@takes(ForecastConfig)
def forecast(
    context: Any,
    *,
    horizon: int,
    model: Model | str | Path | None = None,
    initial_x: Any = None,
    return_gates: bool = False,
    return_report: bool = False,
    **settings: Any,
) -> Any:
    """Continue a context for ``horizon`` steps.

    The pipeline is that of the paper (Hemmer & Durstewitz, 2025, section 3.3): transform, embed,
    roll out from the last state, drop the embedding, transform back. A series' forecast depends on
    its own context and the seed, and never on the series beside it.

    Parameters
    ----------
    context
        ``(T_C,)``, ``(T_C, n)`` or ``(T_C, S, n)``: time first, then series, then channels. A NumPy
        array, torch tensor, or pandas Series or DataFrame (rows are time). With fewer channels than
        the model's N the others are embedded; with more, each channel is forecast alone, but a
        local forecaster (``dynamix-3d-plus``) takes all together. A list of such objects, of any
        lengths, gives a list of forecasts.
    horizon
        Number of steps to forecast.
    model
        A model, or a name that :meth:`dynamix.DynaMix.from_pretrained` takes; None: the bundled
        ``dynamix-3d``. ``"auto"`` chooses model, embedding, denoising, season and damping by the
        context's own end; settings that differ from their defaults are kept.
    initial_x
        ``(n,)`` or ``(S, n)``: where the forecast starts, in the data's units; None: the context's
        last step. It is not part of the forecast.
    return_gates
        Also return the expert weights, ``(horizon, S, J)``; ``S`` is omitted for a single series.
        With more channels than N, each channel has weights of its own.
    return_report
        Also return what was taken, a :class:`~dynamix.forecasting.automatic.ForecastReport`; for
        a context of three axes, a list with one for each series. It needs ``model="auto"``.
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
        If the context is empty, too short for the embedding, not finite, not numeric, constant in a
        channel, of more than three axes, or without a regular index; the series is named. With
        ``errors="skip"`` it is NaN in a batch, None in a list, and named in the log. If settings,
        the model or the engine cannot be used, or ``initial_x`` does not fit the context.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * np.arange(300) / 30)
    >>> y = forecast(wave, horizon=30)
    >>> y.shape, bool(np.abs(y - wave[:30]).max() < 0.1)
    ((30,), True)
    >>> forecast(wave, horizon=30, n_samples=3).shape
    (3, 30)
    """
    horizon = whole_number("horizon", horizon)
    config = ForecastConfig(**settings)
    if return_report and not (isinstance(model, str) and model == "auto"):
        raise InputError("return_report needs model='auto': nothing else is chosen.")
    if isinstance(context, list | tuple) and context and all(map(_is_series, context)):
        how = {"horizon": horizon, "model": model, "return_gates": return_gates, **settings}
        if return_report:
            how["return_report"] = True
        return _each(context, initial_x, how)
    values, restore = unpack(context, check=config.errors == "raise", steps=horizon)
    _, S, n = values.shape
    chooses, calendar = isinstance(model, str) and model == "auto", None
    if (chooses or config.season == "auto") and not isinstance(context, np.ndarray):
        calendar = calendar_seasons(getattr(to_pandas(context), "index", None))
    if chooses:
        from .automatic import automatic

        made, reports = automatic(
            context,
            values,
            horizon=horizon,
            calendar=calendar,
            settings=settings,
            initial_x=initial_x,
            return_gates=return_gates,
        )
        report = reports if np.ndim(context) == 3 else reports[0]
        return (made, report) if return_report else made
    kept: Any = slice(None)
    if config.errors == "skip":
        kept = usable(values)
        if return_gates:
            raise InputError("return_gates cannot be combined with errors='skip'. Leave one out.")
    starts: Any = None
    if initial_x is not None:
        if config.detrend or config.box_cox or config.season != "off":
            raise InputError(
                "initial_x cannot be combined with detrend, box_cox or season, which continue the "
                "context itself. Leave one of them out."
            )
        starts = check_initial(initial_x, S=S, n=n)[kept]
    pipeline = Pipeline(find_model(model, n), config, calendar)
    values = values[:, kept]
    singly = n > pipeline.model.config.observed_dims
    if singly:  # (T_C, S, n) -> (T_C, S n, 1): every channel a series of its own
        values = values.reshape(len(values), -1, 1)
        starts = None if starts is None else starts.reshape(-1, 1)

    samples = []
    for y, gates in pipeline.forecast(values, starts, horizon=horizon, return_gates=return_gates):
        if gates is not None:
            gates = like(context, gates[:, 0] if np.ndim(context) < 3 and not singly else gates)
        every = np.full((horizon, S, n), np.nan)
        every[:, kept] = y.reshape(horizon, -1, n)
        samples.append((restore(every), gates))
    if config.n_samples is None:
        return samples[0] if return_gates else samples[0][0]
    forecasts, weights = zip(*samples, strict=True)
    return (stack(forecasts), stack(weights)) if return_gates else stack(forecasts)


def _is_series(x: Any) -> bool:
    """Whether an entry of a list is a series of its own and no number."""
    return hasattr(x, "shape") and len(x.shape) > 0


def _each(contexts: Sequence[Any], initial_x: Any, how: dict[str, Any]) -> list[Any]:
    """Forecasts of series of any lengths; None for one that is skipped."""
    starts = [None] * len(contexts) if initial_x is None else initial_x
    if len(starts) != len(contexts):
        counts = f"{len(starts)} for {len(contexts)}"
        raise InputError(f"initial_x must hold one entry per series, found {counts}.")
    if not (isinstance(how["model"], str) and how["model"] == "auto"):
        how["model"] = find_model(how["model"])
    pairs = enumerate(zip(contexts, starts, strict=True))
    found = each_series(
        pairs,
        lambda pair: forecast(pair[0], initial_x=pair[1], **how),
        total=len(contexts),
        errors=how.get("errors", "raise"),
    )
    return [found.get(i) for i in range(len(contexts))]


def each_series(
    series: Iterable[tuple[Any, Any]], one: Callable[[Any], Any], *, total: int, errors: Errors
) -> dict[Any, Any]:
    """What ``one`` makes of each named series; an InputError names its series, or the log does."""
    found: dict[Any, Any] = {}
    for name, item in tqdm(series, total=total, desc="series", disable=None, delay=PATIENCE):
        try:
            found[name] = one(item)
        except InputError as error:
            if errors != "skip":
                raise InputError(f"series {name!r}: {error}") from error
            logger.warning("series %r was left out: %s", name, error)
    return found
