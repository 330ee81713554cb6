"""Maps with a memory, for a context of fewer channels than a state has: ``embedding="memory"``.

Delays complete the state (Takens 1981). Only the next observation is predicted; the delays of the
next state are observations that were seen, or predicted, before. So a free run cannot reach states
whose delays contradict its past, as it can where a map predicts each delay, too.

How many delays, how far apart, and which kernel: a context chooses among all combinations by their
free runs, as in :mod:`.choice`, and seen in three delays of the decorrelation time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from ..io.shapes import Float
from ..local.choice import unlikeness
from ..preprocessing.periods import decorrelation_time
from .choice import (
    LEAST,
    OF_CANDIDATE,
    Look,
    Rate,
    Runs,
    beside,
    best_rated,
    horizon_of_trials,
)
from .regression import OneStepMap, Regression, delayed
from .settings import GPConfig

OF_MAP = ("likelihood", "length", "ridge", "entries", "spacing", "held", "misses")
OF_MEMORY = (*OF_MAP, *OF_CANDIDATE[len(OF_MAP) :])
_SEEN_IN = 3  # entries in which runs are compared with the context, at least
_REACH = 4  # the last lag is no more than this part of a context


class Proposal(NamedTuple):
    """A map, and what its fit says of it: features of the judge."""

    map: OneStepMap
    fit: tuple[float, ...]


def lag_sets(z: Float[ndarray, "T n"], config: GPConfig) -> list[tuple[int, ...]]:
    """The lags that are tried, without those for which the context is too short."""
    found, time = list[tuple[int, ...]](), decorrelation_time(z)
    for entries in config.entries:
        for spacing in config.spacings:
            lags = _lags(z, entries, round(spacing * time))
            if lags not in found and lags[-1] <= len(z) // _REACH:
                found.append(lags)
    return found or [(0,)]


def proposals(x: Float[ndarray, "T_C n"], config: GPConfig) -> list[Proposal]:
    """Every candidate, fitted to a context."""
    own = dataclasses.replace(
        config,
        scales=config.memory_scales,
        ridges=config.memory_ridges,
        degrees=(1,),
        centres=config.memory_centres,
    )
    time, found = np.log(decorrelation_time(x)), []
    for lags in lag_sets(x, config):
        regression = Regression(x, own, lags=lags)
        apart = np.log(lags[-1] / max(1, len(lags) - 1) + 1e-9) - time
        maps = [regression.fit(kernel) for kernel in regression.kernels]
        for one, misses in zip(maps, regression.misses(maps), strict=True):
            likelihood, left = regression.reduced_likelihood(one, misses), misses.std()
            scale, ridge, _ = one.kernel
            kind = np.log(scale), np.log10(ridge), len(lags) * x.shape[1], apart
            found.append(Proposal(one, (likelihood, *kind, np.log(left + 1e-9))))
    return found


def chosen(
    run: Runs,
    rate: Rate | None,
    x: Float[ndarray, "T_C n"],
    before: Float[ndarray, "_ n"],
    config: GPConfig,
) -> OneStepMap:
    """The map that ``rate`` rates lowest; without it, or for short contexts, the most alike run.

    ``before`` are the observations before the free runs.
    """
    found = proposals(x, config)
    maps = [one.map for one in found]
    if len(maps) == 1:
        return maps[0]
    free = run(maps, [before] * len(maps), horizon_of_trials(len(x)))
    if rate is not None and len(x) >= LEAST:
        return best_rated(run, maps, rate(features(found, free, x, before)), before)
    seen = _seen_in(x)
    unlike = unlikeness(delayed(x, seen))
    looks = np.array([unlike(delayed(free[:, k], seen)) for k in range(len(maps))])
    held = np.array([one.held(one.scaled(free[:, k])) > 0 for k, one in enumerate(maps)])
    if not held.all():
        looks[held] = np.inf
    return maps[int(np.argmin(looks))]


def features(
    found: Sequence[Proposal],
    free: Float[ndarray, "T K n"],
    x: Float[ndarray, "T_C n"],
    before: Float[ndarray, "_ n"],
) -> Float[ndarray, "K F"]:
    """What the judge sees of each proposal after a context, with their free runs.

    The columns are those of :data:`.choice.COLUMNS`, with ``OF_MEMORY`` for a candidate's own.
    """
    seen = _seen_in(x)
    past = delayed(found[0].map.scaled(x), seen)
    mean, deviation = past.mean(axis=0), np.maximum(past.std(axis=0), 1e-9)
    look = Look((past - mean) / deviation)
    best, rows = min(one.fit[0] for one in found), []
    for k, (one, fit) in enumerate(found):
        y = one.scaled(free[:, k])
        likelihood, *others, misses = fit
        row = [min(likelihood - best, 5.0), *others, one.held(y), misses]
        both = np.concatenate([one.scaled(before), y])[-len(y) - seen[-1] :]
        rows.append([*row, *look.of_run((delayed(both, seen) - mean) / deviation)])
    increments = np.diff(past, axis=0).std(axis=0) / deviation
    return beside(np.array(rows), np.array(look.of_context(increments)))


def _seen_in(x: Float[ndarray, "T_C n"]) -> tuple[int, ...]:
    return _lags(x, _SEEN_IN, decorrelation_time(x))


def _lags(x: Float[ndarray, "T_C n"], entries: int, apart: int) -> tuple[int, ...]:
    """Lags of a state of so many entries at least, nearer together where the context is short."""
    count = -(-entries // x.shape[1])
    apart = max(1, min(apart, len(x) // (_REACH * max(1, count - 1))))
    return tuple(apart * i for i in range(count))


def history(
    x: Float[ndarray, "T_C n"], start: Float[ndarray, "1 n"] | None = None
) -> Float[ndarray, "_ n"]:
    """The observations before a free run: the context, or what led to its state near ``start``."""
    if start is None:
        return x
    reach = len(x) // _REACH
    nearest = reach + int(np.argmin(((x[reach:] - start) ** 2).sum(axis=1)))
    return np.concatenate([x[:nearest], start])


def settled(found: OneStepMap, x: Float[ndarray, "T_C n"]) -> dict[str, tuple[Any, ...]]:
    """The settings whose only lags are those of a map that was chosen for a context."""
    count, time = len(found.lags), decorrelation_time(x)
    apart = found.lags[-1] / max(1, count - 1)
    return {"entries": (count * x.shape[1],), "spacings": (max(apart / time, 1e-3),)}
