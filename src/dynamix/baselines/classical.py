"""The classics of forecasting, through statsforecast, behind the signature of the baselines.

Each is ``f(context, horizon, *, seed) -> forecast`` once its ``seasons`` are fixed, with arrays
``(T, N)``; every channel is forecast alone. They are fitted to the context and nothing else, and
choose their own orders by information criteria, which is what "Auto" stands for.

Long seasons need care. ETS stops at 24 steps in this implementation, and the search for a seasonal
ARIMA takes long beyond a dozen, minutes beyond a hundred. So where there are several seasons, or
one beyond these limits, they are taken out first by MSTL (Bandara, Hyndman & Bergmeir 2021),
repeated, and the model forecasts what remains: the usual advice (Hyndman & Athanasopoulos 2021,
12.1). A season that the context does not show twice is left out, since it cannot be told from a
trend.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError, one_of, whole_number

logger = logging.getLogger(__name__)

# steps of a season that the models themselves take; longer ones are taken out by MSTL
LONGEST_SEASON = {"AutoARIMA": 12, "AutoETS": 24}
_SHORTEST = 4  # steps of a context that these models can be fitted to
_APPROXIMATE = 150  # steps beyond which ARIMA orders are compared by an approximation, as R does


def auto_arima(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0, seasons: Sequence[int] = ()
) -> Float[ndarray, "horizon N"]:
    """ARIMA with orders by the corrected Akaike criterion (Hyndman & Khandakar 2008).

    Parameters
    ----------
    context
        ``(T_C, N)``, of at least 4 steps, in any units.
    horizon
        Steps to forecast.
    seed
        Taken for the sake of the signature; nothing is drawn.
    seasons
        Periods in steps; those that the context does not show twice are left out. Several, or one
        beyond :data:`LONGEST_SEASON`, are taken out by MSTL first.

    Returns
    -------
    ``(horizon, N)``, in the units and dtype of the context: the mean of the fitted model.

    Raises
    ------
    InputError
        If the horizon is not a whole number of at least 1, the context is too short or cannot be
        fitted (the message quotes the package's), or statsforecast is not installed.

    Examples
    --------
    >>> auto_arima(np.arange(30.0)[:, None], 3).ravel().round(3)
    array([30., 31., 32.])
    >>> auto_arima(np.arange(3.0)[:, None], 3)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: AutoARIMA needs a context of at least 4 steps, found 3.
    """
    return _each_channel("AutoARIMA", context, horizon, seasons)


def auto_ets(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0, seasons: Sequence[int] = ()
) -> Float[ndarray, "horizon N"]:
    """Exponential smoothing, its components chosen by the same criterion (Hyndman et al. 2002).

    ``context``, ``horizon``, ``seed``, ``seasons``, the forecast and the errors are as for
    :func:`auto_arima`; it takes some 7 steps to be fitted.

    Examples
    --------
    >>> wave = np.tile([10.0, 20.0, 30.0, 40.0], 10)[:, None]
    >>> auto_ets(wave, 5, seasons=(4,)).ravel().round()
    array([10., 20., 30., 40., 10.])
    """
    return _each_channel("AutoETS", context, horizon, seasons)


def auto_theta(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0, seasons: Sequence[int] = ()
) -> Float[ndarray, "horizon N"]:
    """The best of the Theta family (Fiorucci et al. 2016), for the shortest season shown twice.

    ``context``, ``horizon``, ``seed``, ``seasons``, the forecast and the errors are as for
    :func:`auto_arima`, but that no MSTL is used: seasons other than
    the shortest play no part.

    Examples
    --------
    >>> wave = np.tile([10.0, 20.0, 30.0, 40.0], 10)[:, None]
    >>> auto_theta(wave, 5, seasons=(4, 8)).ravel().round()
    array([10., 20., 30., 40., 10.])
    """
    return _each_channel("AutoTheta", context, horizon, seasons)


def seasonal_naive(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0, season: int = 1
) -> Float[ndarray, "horizon N"]:
    """The last season, over and over; all of the context where that is shorter than a season.

    Parameters
    ----------
    context
        ``(T_C, N)``, in any units.
    horizon
        Steps to forecast.
    seed
        Taken for the sake of the signature; nothing is drawn.
    season
        Period in steps; 1 repeats the last state.

    Returns
    -------
    ``(horizon, N)``, in the units and dtype of the context.

    Raises
    ------
    InputError
        If the season is not a whole number of at least 1.

    Examples
    --------
    >>> seasonal_naive(np.array([[9.0], [1.0], [2.0]]), 3, season=2).ravel()
    array([1., 2., 1.])
    """
    season = whole_number("season", season)
    return np.resize(context[-season:], (horizon, context.shape[1])).astype(context.dtype)


CLASSICS: dict[str, Callable[..., Float[ndarray, "horizon N"]]] = {
    "AutoARIMA": auto_arima,
    "AutoETS": auto_ets,
    "AutoTheta": auto_theta,
}


def classic(name: str, *, seasons: Sequence[int] = ()) -> Callable[..., Float[ndarray, "h N"]]:
    """The forecaster of that name with its seasons fixed, as ``f(context, horizon, *, seed)``.

    Parameters
    ----------
    name
        ``"AutoARIMA"``, ``"AutoETS"`` or ``"AutoTheta"``.
    seasons
        Periods in steps; see :func:`auto_arima`.

    Raises
    ------
    InputError
        If there is none of that name, where the message lists them, or a season is not a whole
        number of at least 1.

    Examples
    --------
    >>> wave = np.tile([10.0, 20.0, 30.0, 40.0], 10)[:, None]
    >>> forecaster = classic("AutoETS", seasons=(4,))
    >>> forecaster(wave, 5).ravel().round()
    array([10., 20., 30., 40., 10.])
    >>> classic("ETS")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown classic 'ETS'. Known: ... Did you mean 'AutoETS'?
    """
    one_of("classic", name, CLASSICS)
    seasons = tuple(whole_number("season", season) for season in seasons)
    return partial(CLASSICS[name], seasons=seasons)


def shown_twice(seasons: Sequence[int], length: int) -> list[int]:
    """Those seasons that a context of this length shows at least twice, shortest first.

    ``seasons`` and ``length`` are in steps. A season of 1 is none and is left out too.

    Examples
    --------
    >>> shown_twice([336, 48, 1], 500)
    [48]
    """
    return sorted({season for season in seasons if 1 < season <= length // 2})


def _each_channel(
    name: str, context: Float[ndarray, "T_C N"], horizon: int, seasons: Sequence[int]
) -> Float[ndarray, "horizon N"]:
    horizon = whole_number("horizon", horizon)
    if len(context) < _SHORTEST:
        raise InputError(
            f"{name} needs a context of at least {_SHORTEST} steps, found {len(context)}."
        )
    columns = [
        _forecast(name, np.asarray(column, dtype=np.float64), horizon, seasons)
        for column in context.T
    ]
    return np.stack(columns, axis=1).astype(context.dtype)


def _forecast(
    name: str, series: Float[ndarray, " T_C"], horizon: int, seasons: Sequence[int]
) -> Float[ndarray, " horizon"]:
    with warnings.catch_warnings():
        # of optimisers that stopped early while orders were compared; the best one is kept anyway
        warnings.simplefilter("ignore")
        model = _model(name, shown_twice(seasons, len(series)), len(series))
        try:
            return np.asarray(model.forecast(y=series, h=horizon)["mean"], dtype=np.float64)
        except Exception as error:  # its models raise whatever numpy, scipy or C++ raise below
            logger.debug("%s failed", name, exc_info=True)
            raise InputError(
                f"{name} could not be fitted to this context of {len(series)} steps: {error}"
            ) from error


def _model(name: str, seasons: list[int], length: int) -> Any:
    """The statsforecast model for these seasons."""
    try:
        from statsforecast.models import MSTL, AutoARIMA, AutoETS, AutoTheta
    except ImportError as error:
        raise InputError(
            f"{name} comes with statsforecast, which is not installed here. Install it with: "
            "pip install 'dynamix-companion[realworld]'"
        ) from error
    if name == "AutoTheta":
        return AutoTheta(season_length=seasons[0] if seasons else 1)
    apart = len(seasons) > 1 or (bool(seasons) and seasons[0] > LONGEST_SEASON[name])
    season = 1 if apart or not seasons else seasons[0]
    if name == "AutoARIMA":
        quick = length > _APPROXIMATE
        model: Any = AutoARIMA(season_length=season, approximation=quick)
    else:
        model = AutoETS(season_length=season, model="ZZN" if apart else "ZZZ")
    return MSTL(season_length=seasons, trend_forecaster=model) if apart else model
