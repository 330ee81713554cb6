"""Free runs of the Gaussian-process forecaster, and the choice of its map."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..io.shapes import Float
from ..io.threads import sums_by_one_thread
from ..local.choice import trial_length, unlikeness
from ..model.runs import Rollout, Saved, check_series
from . import memory
from .choice import LEAST, judged, ratings
from .regression import OneStepMap, Regression, candidates, scales
from .settings import JUDGE, MEMORY_JUDGE, layers_of

_MOST_TRIALS = 12  # candidates that are run before one that leaves the box is taken
# added to a state in deviations, and taken away again, it leaves 30 binary digits after the point
_ROUNDING = 1.5 * 2.0**22


def runs(
    maps: Sequence[OneStepMap], first: Sequence[Float[np.ndarray, "_ N"]], horizon: int
) -> Float[np.ndarray, "T R N"]:
    """Free runs, each of a map of its own.

    ``first`` are the observations before each run, the last ones last: one for every map without
    a memory, else as many as its lags reach back, and one.
    """
    found = []
    for one, before in zip(maps, first, strict=True):
        seen = np.concatenate([before, np.empty((horizon, before.shape[1]))])
        for t in range(len(before), len(seen)):
            seen[t] = one.step(np.concatenate([seen[t - 1 - lag] for lag in one.lags])[None])[0]
        found.append(seen[len(before) :])
    return np.stack(found, axis=1)


def chosen_rollout(
    run: Callable[..., np.ndarray],
    model: Saved,
    context: Float[np.ndarray, "T_C S N"],
    *,
    horizon: int,
    initial_x: Float[np.ndarray, "S N"] | None = None,
    return_gates: bool = False,
    **ignored: Any,
) -> Rollout:
    """Free runs of the candidate that each series' context chooses.

    The best-ranked candidates run freely for twice the length of the context, by ``run``, which is
    :func:`runs` or an engine with its parameters. The one whose run is most like the context wins,
    as for the local forecaster. A run that reaches the box is as unlike as can be; then the next
    ones are tried, up to twelve.

    A model with a judge runs the likeliest candidates, and takes the one that it rates best
    (:func:`dynamix.gp.choice.judged`), if the context has at least 128 steps. A model of a single
    kernel takes that. A context of fewer than N channels gets a map with a memory
    (:mod:`dynamix.gp.memory`).

    All runs are of states in the context's deviations, rounded to about 1e-9: free runs of
    thousands of steps enlarge the last digit, in which data in other units differ.
    """
    check_series(context, min(context.shape[-1], model.config.observed_dims))
    starts = [None] * context.shape[1] if initial_x is None else initial_x
    series = [_Own.of(context[:, s], start) for s, start in enumerate(starts)]
    with sums_by_one_thread():
        maps = [_choose(run, one, model) for one in series]
    found = run(maps, [one.before for one in series], horizon)
    for s, one in enumerate(series):
        found[:, s] = found[:, s] * one.deviation + one.mean
    dtype = model.values["sigma"].dtype
    gates = np.ones((horizon, len(maps), 1), dtype) if return_gates else None
    return Rollout(found.astype(dtype), gates)


class _Own(NamedTuple):
    """A context ``x`` in deviations from its mean, rounded, and what is ``before`` a free run."""

    x: Float[np.ndarray, "T_C n"]
    before: Float[np.ndarray, "_ n"]
    mean: Float[np.ndarray, " n"]
    deviation: Float[np.ndarray, " n"]

    @classmethod
    def of(cls, x: Float[np.ndarray, "T_C n"], start: Float[np.ndarray, " n"] | None) -> _Own:
        mean, deviation = scales(x := np.ascontiguousarray(x, dtype=np.float64))

        def rounded(y: np.ndarray) -> np.ndarray:
            return (y.astype(np.float64) - mean) / deviation + _ROUNDING - _ROUNDING

        z, first = rounded(x), None if start is None else rounded(start[None])
        return cls(z, memory.history(z, first), mean, deviation)

    @property
    def start(self) -> Float[np.ndarray, "1 n"]:
        """The first state of a map without a memory."""
        return self.before[-1:]


def settled(
    run: Callable[..., np.ndarray],
    model: Saved,
    context: Float[np.ndarray, "T_C 1 N"],
    initial_x: Float[np.ndarray, "1 N"] | None = None,
) -> Saved:
    """The model with no other kernel than the one that :func:`chosen_rollout` takes there."""
    one = _Own.of(context[:, 0], None if initial_x is None else initial_x[0])
    with sums_by_one_thread():
        found = _choose(run, one, model)
    scale, ridge, degree = found.kernel
    own: dict[str, Any] = {"scales": (scale,), "ridges": (ridge,), "degrees": (degree,)}
    if context.shape[-1] < model.config.observed_dims:
        own |= {"memory_scales": (scale,), "memory_ridges": (ridge,)}
        own |= memory.settled(found, one.x)
    only = dataclasses.replace(model.config, **own)
    return Saved(only, model.defaults, {"sigma": model.values["sigma"]})


def _choose(run: Callable[..., np.ndarray], own: _Own, model: Saved) -> OneStepMap:
    """The map that suits a context, by the judge or by likeness."""
    x, config = own.x, model.config
    if x.shape[1] < config.observed_dims:
        judge = layers_of(model.values, MEMORY_JUDGE)
        rate = partial(ratings, judge) if judge else None
        return memory.chosen(run, rate, x, own.before, config)
    layers = layers_of(model.values, JUDGE)
    if layers and len(x) < LEAST:  # only a judge makes use of several degrees
        layers, config = {}, dataclasses.replace(config, degrees=(min(config.degrees),))
    regression = Regression(x, config)
    if len(kernels := candidates(config)) == 1:
        return regression.fit(kernels[0])
    if layers:
        return judged(run, partial(ratings, layers), regression, x, own.start)
    unlike, trial = unlikeness(x), trial_length(len(x))
    best: tuple[float, OneStepMap] | None = None
    for tried, kernel in enumerate(regression.ranked()[:_MOST_TRIALS]):
        if best is not None and tried >= config.tried and np.isfinite(best[0]):
            break
        found = regression.fit(kernel)
        path = run([found], [own.start], trial)[:, 0]
        z = found.scaled(path)
        held = ((z <= found.low) | (z >= found.high)).any()
        score = np.inf if held else unlike(path)
        if best is None or score < best[0]:
            best = score, found
    assert best is not None  # there is a candidate
    return best[1]
