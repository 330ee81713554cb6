"""``damping="auto"``: how much of a forecast is the model's, and how much season and level.

The plain forecast continues the seasons; what they leave decays from its last value to its recent
mean. Model and plain forecast both forecast the context's own end, from eight origins.

* *Foreseen*: a model whose first steps have less than half the plain forecast's error knows the
  dynamics. Its forecast stays as it is, because a mean of paths is no path of the system.
* *Weight*: else the weight of the model, from 0 to 1, is the one of the smallest mean absolute
  error at the origins. A larger weight must earn its place: an error counts up to a tenth more.

Each channel of each series has its own weight, and its own three best plain forecasts, of which the
mean is taken.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..io.progress import tqdm
from ..io.scale import unit
from ..io.shapes import Float
from ..preprocessing.seasons import Season
from ..settings import PATIENCE

if TYPE_CHECKING:
    from .pipeline import Pipeline

logger = logging.getLogger(__name__)

ORIGINS = 8
HELD_OUT = 0.5  # of the context, where the trials lie
LONGEST = 0.25  # of the context: a trial's length, at most
SHORTEST = 16  # steps of a context
CYCLES = (1, 3, 10)  # whose mean is the season
DECAYS = (0.0, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)  # of the distance from the recent mean, a step
BEST = 3  # plain forecasts whose mean is taken
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the model
CAUTION = 0.1  # by which an error counts more at a weight of 1
FIRST = 5  # steps by which a model is known to foresee
FORESEEN = 0.5  # of the plain forecast's error there
_SEASONS_IN_MEAN = 2
_SHARE_IN_MEAN = 0.05  # of a context without seasons

Series = Float[ndarray, "_ n"]


class Trials(NamedTuple):
    """Forecasts of a context's own end ``(K, T, S, n)``, in units of each channel's size."""

    model: ndarray
    plain: ndarray  # (V, K, T, S, n): each variant
    truth: ndarray


def plain(
    x: Series, seasons: Sequence[tuple[int, ...]], *, horizon: int
) -> Float[ndarray, "V _ n"]:
    """Season and level, continued with each of :data:`CYCLES` and each of :data:`DECAYS`."""
    t, size, found = np.arange(1, horizon + 1)[:, None], unit(x), []
    span = [
        _SEASONS_IN_MEAN * max(own) if own else max(2, round(_SHARE_IN_MEAN * len(x)))
        for own in seasons
    ]
    for cycles in CYCLES:
        season = Season.of(x, seasons, cycles=cycles)
        rest = season.apply(x)
        level = np.array([(rest[-k:, i] / size[i]).mean() for i, k in enumerate(span)]) * size
        for decay in DECAYS:
            left = level + decay**t * (rest[-1] - level)
            found.append(season.invert(left, start=len(x) + 1))
    return np.stack(found)


def origins(T_C: int, horizon: int) -> tuple[list[int], int]:
    """Numbers of steps before the trials, and the trials' length."""
    steps = max(1, min(horizon, int(LONGEST * T_C)))
    first = min(T_C - steps, round((1 - HELD_OUT) * T_C))
    places = np.linspace(first, T_C - steps, ORIGINS).round().astype(int)
    return np.unique(places).tolist(), steps


def shares(tried: Trials) -> tuple[Float[ndarray, "S n"], ndarray]:
    """The model's weight for each channel, and the numbers ``(B, S, n)`` of its plain forecasts."""
    best = _mean(np.abs(tried.plain - tried.truth)).argsort(axis=0, kind="stable")[:BEST]
    simple = np.take_along_axis(tried.plain, best[:, None, None], axis=0).mean(axis=0)
    first = [_mean(np.abs(y - tried.truth)[:, :FIRST]) for y in (tried.model, simple)]
    errors = [
        (1 + CAUTION * w) * _mean(np.abs(mixed(w, tried.model, simple) - tried.truth))
        for w in WEIGHTS
    ]
    cheapest = np.where(np.isnan(errors), np.inf, errors).argmin(axis=0)
    return np.where(first[0] < FORESEEN * first[1], 1.0, np.array(WEIGHTS)[cheapest]), best


def _mean(errors: Float[ndarray, "*V K T S n"]) -> Float[ndarray, "*V S n"]:
    """Over trials and steps, of each channel by itself in memory: sums then round alike."""
    *V, K, T, S, n = errors.shape
    apart = np.moveaxis(errors, (-4, -3), (-2, -1)).reshape(*V, S, n, K * T)
    return np.ascontiguousarray(apart).mean(axis=-1)


def damped(
    pipeline: Pipeline,
    values: Float[ndarray, "T S n"],
    starts: ndarray | None,
    *,
    horizon: int,
    return_gates: bool,
    options: Sequence[dict[str, Any]],
) -> list[tuple[ndarray, ndarray | None]]:
    """The samples of :meth:`Pipeline.forecast`, each drawn towards the plain forecast."""
    T_C = len(values)
    if T_C < SHORTEST:
        raise InputError(
            f"damping needs a context of at least {SHORTEST} steps, found {T_C}. Give a longer "
            "one, or damping='off'."
        )
    own = dataclasses.replace(pipeline.settings, damping="off")
    free = dataclasses.replace(pipeline, settings=own)
    trial = dataclasses.replace(pipeline, settings=dataclasses.replace(own, n_samples=None))
    size = unit(values)

    def simple(T: int, steps: int) -> Float[ndarray, "V _ S n"]:
        series = map(np.ascontiguousarray, values[:T].transpose(1, 0, 2))
        seasons = [own for x in series for own in _seasons(pipeline, x)]
        found = plain(values[:T].reshape(T, -1), seasons, horizon=steps)
        return found.reshape(*found.shape[:2], *values.shape[1:])

    places, steps = origins(T_C, horizon)
    made, others, truth = list[ndarray](), list[ndarray](), list[ndarray]()
    for T in tqdm(places, desc="damping", disable=None, delay=PATIENCE, leave=False):
        try:
            ((y, _),) = trial.forecast(values[:T], None, horizon=steps, options=options)
        except InputError as error:
            if values.shape[1] > 1:  # one series fails; that must not change the others
                more: Any = {"horizon": horizon, "return_gates": return_gates}
                return _one_by_one(pipeline, values, starts, options=options, **more)
            if places[-1] == T and not made:
                raise
            logger.debug("no trial after %d steps: %s", T, error)
            continue
        made.append(y / size)
        others.append(simple(T, steps) / size)
        truth.append(values[T : T + steps] / size)
    weight, best = shares(Trials(np.stack(made), np.stack(others, axis=1), np.stack(truth)))
    logger.debug("weights of the model: %s", weight.tolist())
    how: Any = {"horizon": horizon, "return_gates": return_gates, "options": options}
    found = free.forecast(values, starts, **how)
    if (weight == 1).all():
        return found
    drawn_to = np.take_along_axis(simple(T_C, horizon) / size, best[:, None], axis=0).mean(axis=0)
    return [(mixed(weight, y, drawn_to * size), gates) for y, gates in found]


def _one_by_one(
    pipeline: Pipeline,
    values: Float[ndarray, "T S n"],
    starts: ndarray | None,
    *,
    options: Sequence[dict[str, Any]],
    **how: Any,
) -> list[tuple[ndarray, ndarray | None]]:
    parts = []
    for i in range(values.shape[1]):
        start = None if starts is None else starts[i : i + 1]
        parts.append(damped(pipeline, values[:, i : i + 1], start, options=options[i:][:1], **how))
    found = []
    for samples in zip(*parts, strict=True):
        made, gates = zip(*samples, strict=True)
        weights = None if gates[0] is None else np.concatenate(gates, axis=1)
        found.append((np.concatenate(made, axis=1), weights))
    return found


def _seasons(pipeline: Pipeline, x: Series) -> Sequence[tuple[int, ...]]:
    off = pipeline.settings.season == "off"
    return [()] * x.shape[1] if off else pipeline.seasons(x, smooth=True)


def mixed(weight: ndarray | float, model: ndarray, plain: ndarray) -> ndarray:
    """A share of the model; with a weight of 0 it may diverge, with 1 no digit of it changes."""
    between = weight * model + (1 - weight) * plain
    return np.where(weight == 0, plain, np.where(weight == 1, model, between))
