"""Quantiles of every series of a benchmark, also of those that the library refuses.

A benchmark has series with missing values, and constant ones, and wants a forecast of each.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..errors import InputError, whole_number
from ..forecasting.batches import Context, LeftOut, side_by_side
from ..io.arrays import check_values
from ..preprocessing.seasons import calendar_seasons
from ..settings import ForecastConfig, from_dict

logger = logging.getLogger(__name__)

CHUNK = 1000  # series that are in memory at a time


def known_settings(settings: Any) -> dict[str, Any]:
    """Further settings of a forecast by their names; an unknown or unfit one is refused here."""
    if not isinstance(settings, Mapping | None):
        raise InputError(f"settings must be a dictionary of names and values, found {settings!r}.")
    found = dict(settings or {})
    from_dict(ForecastConfig, found, source="the settings of the forecast")
    return found


def quantiles_of_all(
    series: Iterable[tuple[ndarray, Any]],
    levels: Sequence[float],
    *,
    horizon: int,
    context_length: int | None = None,
    model: Any = None,
    **settings: Any,
) -> Iterator[ndarray]:
    """Calibrated quantiles ``(K, horizon)`` of each series, in their order.

    ``series`` are pairs of values ``(T,)``, of any type of numbers, and index.
    ``model`` and ``settings`` are what :func:`dynamix.predict_df` takes, and the numbers are those
    of that function. It gets the last ``context_length`` steps. Missing values are filled
    (:func:`filled`). Where a series cannot be forecast, all quantiles are its last value, and the
    log says why. If no series can be forecast, the last step raises InputError.
    """
    cut = 0 if context_length is None else whole_number("context_length", context_length)
    # here, since a wrong setting would otherwise be an error of every series
    config = from_dict(ForecastConfig, settings, source="the settings of the forecast")
    how = {**dataclasses.asdict(config), "horizon": horizon, "model": model}
    given, left_out = iter(series), LeftOut("skip")
    count = 0
    while chunk := dict(enumerate(itertools.islice(given, CHUNK), start=count)):
        count += len(chunk)
        yield from _of_chunk(chunk, left_out, cut=cut, quantile_levels=levels, **how)
    if left_out.why:
        told = f"{len(left_out.why)} of {count} series"
        if len(left_out.why) == count:
            why = next(iter(left_out.why.values()))
            raise InputError(f"{told} cannot be forecast; the first one: {why}")
        logger.warning("%s keep their last value", told)


def _of_chunk(
    chunk: dict[int, tuple[ndarray, Any]], left_out: LeftOut, *, cut: int, **how: Any
) -> Iterator[ndarray]:
    contexts: dict[int, Context] = {}
    last: dict[int, float] = {}
    for number, (given, times) in chunk.items():
        values = filled(np.asarray(given, dtype=np.float64)[-cut:])
        last[number] = values[-1] if len(values) else 0.0
        with left_out.naming(number):
            check_values(values[:, None, None], name="target", dtype=np.asarray(given).dtype)
            contexts[number] = Context(values[:, None], _with_seasons(times, len(values)))
    found = side_by_side(contexts, left_out, **how)
    shape = len(how["quantile_levels"]), how["horizon"]
    for number, value in last.items():
        yield found[number].values[..., 0] if number in found else np.full(shape, value)


def filled(x: ndarray) -> ndarray:
    """The series from its first number on: holes are interpolated, the last number is kept.

    >>> filled(np.array([np.nan, 1.0, np.nan, 3.0, np.nan])).tolist()
    [1.0, 2.0, 3.0, 3.0]
    """
    known = np.flatnonzero(np.isfinite(x))
    if not len(known):
        return x[:0]
    return np.interp(np.arange(known[0], len(x)), known, x[known])


def _with_seasons(times: Any, steps: int) -> pd.Index | None:
    """The last labels, from which seasons are found; None if they are no dates of this calendar."""
    try:
        index = pd.Index(times)[-steps:]
        calendar_seasons(index)
    except (InputError, ValueError, OverflowError):  # the year 2300 of a long daily series
        return None
    return index
