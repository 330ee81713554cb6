"""Zero-shot forecasts: from a context to its continuation, in the caller's own kind of array.

Each series of a batch is prepared from its own statistics; only the rollout is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError, check_levels, whole_number
from ..io.arrays import check_initial, like, to_pandas, unpack, usable
from ..preprocessing.seasons import calendar_seasons
from ..settings import AUTO, BUNDLED_MODEL, ForecastConfig, takes
from .automatic import ForecastReport, alike, choose_models, given_settings
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
    return_report: bool = False,
    quantile_levels: Sequence[float] | None = None,
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
        A model, or a name that :meth:`dynamix.DynaMix.from_pretrained` takes. None or ``"auto"``:
        the model and settings that suit the context's own end
        (:mod:`dynamix.forecasting.automatic`). Settings that differ from their defaults outrank
        the choice. With ``return_gates`` or ``engine="torch"``, which show the paper's equations at
        work, None is the bundled ``dynamix-3d``.
    initial_x
        ``(n,)`` or ``(S, n)``: where the forecast starts, in the data's units; None: the context's
        last step. It is not part of the forecast.
    return_gates
        Also return the expert weights, ``(horizon, S, J)``; ``S`` is omitted for a single series.
        With more channels than N, each channel has weights of its own.
    return_report
        Also return what was taken, a :class:`~dynamix.forecasting.automatic.ForecastReport`; for
        a context of three axes, a list with one for each series.
    quantile_levels
        Levels between 0 and 1: return these quantiles of each step in place of the forecast.
    **settings

    Returns
    -------
    forecast
        Of the context's kind and dtype, in its units, ``horizon`` long, with a pandas index
        continued. It holds NaN or infinity from the step at which the model diverges. With
        ``return_gates`` a pair of it and the weights. ``n_samples`` adds a first axis to both,
        ``(n_samples, horizon, ...)``; a DataFrame gets a first column level ``sample``, and a
        Series becomes a DataFrame with a column per sample. ``quantile_levels`` do the same, with
        the levels for samples. With ``return_report`` the report comes last.

    Raises
    ------
    InputError
        If the context is empty, too short for the embedding, not finite, not numeric, constant in a
        channel, of more than three axes, or without a regular index; the series is named. With
        ``errors="skip"`` it is NaN in a batch, None in a list, and named in the log; if nothing is
        left, that is an error. If settings, the model or the engine cannot be used, or
        ``initial_x`` does not fit the context.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * np.arange(300) / 30)
    >>> y = forecast(wave, horizon=30)
    >>> y.shape, bool(np.abs(y - wave[:30]).max() < 0.1)
    ((30,), True)
    >>> forecast(wave, horizon=30, n_samples=3).shape
    (3, 30)
    >>> print(forecast(wave, horizon=1, return_report=True)[1])
    dynamix-3d (season=auto, damping=auto); seasons of 30 steps
    """
    horizon = whole_number("horizon", horizon)
    config = ForecastConfig(**settings)
    levels = [] if quantile_levels is None else check_levels(quantile_levels)
    more = {"return_gates": return_gates, "return_report": return_report}
    if isinstance(context, list | tuple) and context and all(map(_is_series, context)):
        how = {"horizon": horizon, "model": model, "quantile_levels": quantile_levels, **more}
        return _each(context, initial_x, how | settings)
    values, restore = unpack(context, check=config.errors == "raise", steps=horizon)
    _, S, n = values.shape
    if config.errors == "skip" and return_gates:
        raise InputError("return_gates cannot be combined with errors='skip'. Leave one out.")
    if model is None and not return_gates and config.engine != "torch":
        model = AUTO
    chooses, calendar = isinstance(model, str) and model == AUTO, None
    if (chooses or config.season == "auto") and not isinstance(context, np.ndarray):
        calendar = calendar_seasons(getattr(to_pandas(context), "index", None))
    if chooses:
        if return_gates:
            raise InputError(
                "return_gates cannot be combined with model='auto', which may choose a model "
                "without experts. Name a model, such as model='dynamix-3d'."
            )
        reports = choose_models(values, settings, calendar)
        choices = alike(reports)
    else:
        model = BUNDLED_MODEL if model is None else model
        named = str(model) if isinstance(model, str | Path) else type(model).__name__
        choices = [(ForecastReport(named, {}), list(range(S)))]
        reports = [choices[0][0]] * S

    starts = None if initial_x is None else check_initial(initial_x, S=S, n=n)
    several = bool(levels) or config.n_samples is not None
    made: list[ndarray] = []
    weights: list[Any] = []
    for chosen, members in choices:
        own = config
        if chosen.settings:
            own = ForecastConfig(**chosen.kept(free=starts is None) | given_settings(settings))
        if starts is not None and (own.detrend or own.box_cox or own.season != "off"):
            raise InputError(
                "initial_x cannot be combined with detrend, box_cox or season, which continue the "
                "context itself. Leave one of them out."
            )
        found = find_model(chosen.model if chooses else model, n, engine=config.engine)
        part = values[:, members]
        kept = usable(part) if own.errors == "skip" else np.ones(len(members), dtype=bool)
        members = np.array(members)[kept]
        part, some = part[:, kept], None if starts is None else starts[members]
        singly = n > found.config.observed_dims
        if singly:  # (T_C, S, n) -> (T_C, S n, 1): every channel a series of its own
            part = part.reshape(len(part), -1, 1)
            some = None if some is None else some.reshape(-1, 1)
        asked: Any = {"horizon": horizon, "return_gates": return_gates, "levels": levels}
        for k, (y, gates) in enumerate(
            Pipeline(found, own, calendar).forecast(part, some, **asked)
        ):
            if k == len(made):
                made.append(np.full((horizon, S, n), np.nan))
            made[k][:, members] = y.reshape(horizon, -1, n)
            if gates is not None:
                alone = np.ndim(context) < 3 and not singly
                weights.append(like(context, gates[:, 0] if alone else gates))
    forecasts = list(map(restore, made))
    answer = [stack(forecasts, levels) if several else forecasts[0]]
    if return_gates:
        answer.append(stack(weights) if several else weights[0])
    if return_report:
        answer.append(reports if np.ndim(context) == 3 else reports[0])
    return tuple(answer) if len(answer) > 1 else answer[0]


def _is_series(x: Any) -> bool:
    """Whether an entry of a list is a series of its own and no number."""
    return hasattr(x, "shape") and len(x.shape) > 0


def _each(contexts: Sequence[Any], initial_x: Any, how: dict[str, Any]) -> list[Any]:
    """Forecasts of series of any lengths; None for one that is skipped."""
    from .batches import LeftOut, forecast_each

    starts = [None] * len(contexts) if initial_x is None else initial_x
    if len(starts) != len(contexts):
        counts = f"{len(starts)} for {len(contexts)}"
        raise InputError(f"initial_x must hold one entry per series, found {counts}.")
    left_out = LeftOut(how.get("errors", "raise"))
    named = dict(enumerate(contexts))
    found = forecast_each(named, left_out, starts=dict(enumerate(starts)), **how)
    if not found:
        raise InputError(f"no series can be forecast; the first: {left_out.why[0]}")
    return [found.get(i) for i in named]
