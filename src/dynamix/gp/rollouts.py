"""Free runs of the Gaussian-process forecaster, and the choice of its map."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from ..io.shapes import Float
from ..local.choice import trial_length, unlikeness
from ..model.runs import Rollout, Saved, check_series
from .choice import LEAST, judged, ratings
from .regression import OneStepMap, Regression, candidates, scales
from .settings import JUDGE

_MOST_TRIALS = 12  # candidates that are run before one that leaves the box is taken
# added to a state in deviations, and taken away again, it leaves 30 binary digits after the point
_ROUNDING = 1.5 * 2.0**22


def runs(
    maps: Sequence[OneStepMap], first: Float[np.ndarray, "R N"], horizon: int
) -> Float[np.ndarray, "T R N"]:
    """Free runs, each of a map of its own from its own first state."""
    found = np.empty((horizon, *first.shape))
    for r, one in enumerate(maps):
        x = first[r : r + 1]
        for t in range(horizon):
            x = one.step(x)
            found[t, r] = x[0]
    return found


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
    kernel takes that.

    All runs are of states in the context's deviations, rounded to about 1e-9: free runs of
    thousands of steps enlarge the last digit, in which data in other units differ.
    """
    check_series(context, model.config.observed_dims)
    start = context[-1] if initial_x is None else initial_x
    series = [_Own.of(context[:, s], start[s]) for s in range(len(start))]
    with threadpool_limits(1):  # more threads take longer for such matrices, and wait for others
        maps = [_choose(run, one, model) for one in series]
    found = run(maps, np.concatenate([one.start for one in series]), horizon)
    for s, one in enumerate(series):
        found[:, s] = found[:, s] * one.deviation + one.mean
    dtype = model.values["sigma"].dtype
    gates = np.ones((horizon, len(maps), 1), dtype) if return_gates else None
    return Rollout(found.astype(dtype), gates)


class _Own(NamedTuple):
    """A context ``x`` and its first state in deviations from its mean, rounded."""

    x: Float[np.ndarray, "T_C N"]
    start: Float[np.ndarray, "1 N"]
    mean: Float[np.ndarray, " N"]
    deviation: Float[np.ndarray, " N"]

    @classmethod
    def of(cls, x: Float[np.ndarray, "T_C N"], start: Float[np.ndarray, " N"]) -> _Own:
        mean, deviation = scales(x := np.ascontiguousarray(x, dtype=np.float64))
        x, start = (
            (y.astype(np.float64) - mean) / deviation + _ROUNDING - _ROUNDING for y in (x, start)
        )
        return cls(x, start[None], mean, deviation)


def settled(
    run: Callable[..., np.ndarray],
    model: Saved,
    context: Float[np.ndarray, "T_C 1 N"],
    initial_x: Float[np.ndarray, "1 N"] | None = None,
) -> Saved:
    """The model with no other kernel than the one that :func:`chosen_rollout` takes there."""
    one = _Own.of(context[:, 0], context[-1, 0] if initial_x is None else initial_x[0])
    with threadpool_limits(1):
        kernel = _choose(run, one, model).kernel
    only = dataclasses.replace(
        model.config,
        scales=(kernel.scale,),
        ridges=(kernel.ridge,),
        degrees=(kernel.degree,),
    )
    return Saved(only, model.defaults, {"sigma": model.values["sigma"]})


def _choose(run: Callable[..., np.ndarray], own: _Own, model: Saved) -> OneStepMap:
    """The map that suits a context, by the judge or by likeness."""
    x, start = own.x, own.start
    config = model.config
    layers = {k.removeprefix(JUDGE): v for k, v in model.values.items() if k.startswith(JUDGE)}
    if layers and len(x) < LEAST:  # only a judge makes use of several degrees
        layers, config = {}, dataclasses.replace(config, degrees=(min(config.degrees),))
    regression = Regression(x, config)
    if len(kernels := candidates(config)) == 1:
        return regression.fit(kernels[0])
    if layers:
        return judged(run, partial(ratings, layers), regression, x, start)
    unlike, trial = unlikeness(x), trial_length(len(x))
    best: tuple[float, OneStepMap] | None = None
    for tried, kernel in enumerate(regression.ranked()[:_MOST_TRIALS]):
        if best is not None and tried >= config.tried and np.isfinite(best[0]):
            break
        found = regression.fit(kernel)
        path = run([found], start, trial)[:, 0]
        z = found.scaled(path)
        held = ((z <= found.low) | (z >= found.high)).any()
        score = np.inf if held else unlike(path)
        if best is None or score < best[0]:
            best = score, found
    assert best is not None  # there is a candidate
    return best[1]
