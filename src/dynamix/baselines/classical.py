"""Statistical forecasters of statsforecast, which choose their orders by information criteria.

Each channel is forecast alone. Several seasons, or a season too long for the model, are removed
first by MSTL (Bandara, Hyndman & Bergmeir 2021) and repeated; the model forecasts the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError, whole_number
from ..io.shapes import Float
from ..preprocessing.transforms import Standardize, distant_mean
from .registry import register

logger = logging.getLogger(__name__)

Series = Float[ndarray, "_ N"]

_LONGEST_SEASON = {"AutoARIMA": 12, "AutoETS": 24}  # steps; MSTL removes longer seasons
_SHORTEST = 4  # steps of a context that these models can be fitted to
_APPROXIMATE = 150  # steps beyond which ARIMA orders are compared by an approximation, as R does


def _forecast(
    kind: str, context: Series, horizon: int, *, seed: int = 0, seasons: Sequence[int] = ()
) -> Series:
    """``seasons``: periods in steps. Those that the context does not show twice are left out."""
    seasons = [whole_number("season", season) for season in seasons]
    if len(context) < _SHORTEST:
        raise InputError(
            f"{kind} needs a context of at least {_SHORTEST} steps, found {len(context)}."
        )
    shown = sorted({season for season in seasons if 1 < season <= len(context) // 2})
    return np.stack([_channel(kind, series, horizon, shown) for series in context.T], axis=1)


for _kind, _name, _what, _source in (
    ("AutoARIMA", "auto_arima", "ARIMA of the order picked by AICc", "Hyndman & Khandakar (2008)"),
    ("AutoETS", "auto_ets", "exponential smoothing picked by AICc", "Hyndman et al. (2002)"),
    ("AutoTheta", "auto_theta", "the best of four Theta models", "Fiorucci et al. (2016)"),
):
    _entry = register(_name, _what, _source, fitted=True, packages=("statsforecast",))
    _entry(partial(_forecast, _kind))


def _channel(
    kind: str, series: Float[ndarray, " T_C"], horizon: int, seasons: list[int]
) -> Float[ndarray, " horizon"]:
    model = _model(kind, seasons, len(series))
    column = series[:, None]
    # optimisers see deviations, and an offset only where it leaves them digits
    scaling = Standardize(distant_mean(column), Standardize.fit(column).scale)
    try:
        found = model.forecast(y=scaling.apply(column)[:, 0], h=horizon)["mean"]
        return scaling.invert(np.asarray(found, np.float64)[:, None])[:, 0]
    except Exception as error:  # its models raise whatever numpy, scipy or C++ raise below
        logger.debug("%s failed", kind, exc_info=True)
        raise InputError(
            f"{kind} could not be fitted to this context of {len(series)} steps: {error}"
        ) from error


def _model(kind: str, seasons: list[int], length: int) -> Any:
    """The statsforecast model for these seasons."""
    from statsforecast.models import MSTL, AutoARIMA, AutoETS, AutoTheta

    if kind == "AutoTheta":
        return AutoTheta(season_length=seasons[0] if seasons else 1)
    apart = len(seasons) > 1 or (bool(seasons) and seasons[0] > _LONGEST_SEASON[kind])
    season = 1 if apart or not seasons else seasons[0]
    if kind == "AutoARIMA":
        quick = length > _APPROXIMATE
        model: Any = AutoARIMA(season_length=season, approximation=quick)
    else:
        model = AutoETS(season_length=season, model="ZZN" if apart else "ZZZ")
    return MSTL(season_length=seasons, trend_forecaster=model) if apart else model
