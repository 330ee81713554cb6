"""Which settings suit a context: those whose free runs continue the context's own first part best.

Errors of one step do not show this: a map can be accurate for one step and escape after a hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from ..io.shapes import Float, Int
from ..metrics import histogram_hellinger

KNOWN = 0.7  # share of the context that the candidates are fitted to
ORIGINS = 8  # places in the rest where short runs begin
SHORT = 0.05  # length of these runs, in contexts
SHORT_WEIGHT = 2.0  # of their error, with that of the long run 1
CELLS = 216  # of the histograms, 6 a side in three dimensions
BOX = 3.0  # a run outside this many times the context's range has escaped
SHORTEST = 20  # steps of a context that is divided

# f(candidates, known, origins, steps): free runs after x[:origin], candidates fitted to x[:known]
FreeRuns = Callable[
    [Int[ndarray, " C"], int, Int[ndarray, " K"], int], Float[ndarray, "steps K C N"]
]


def places(T: int) -> tuple[int, Int[ndarray, " K"]]:
    """Where the first part of ``T`` steps ends, and the origins of short runs after it."""
    known = int(KNOWN * T)
    return known, np.linspace(known, max(T - _steps(T), known), ORIGINS).astype(int)


def choose(x: Float[ndarray, "T N"], count: int, free_runs: FreeRuns) -> int:
    """Index of the one of ``count`` candidates that continues ``x`` best.

    Candidates are fitted to the first part of ``x`` and run freely from its end for the length of
    ``x``. The geometric error is the Hellinger distance of the histograms of this run and of ``x``.
    The short-term error is the mean distance from ``x`` after several origins in the rest of it, in
    deviations, where more than 1 counts as 1. The smallest sum of geometric and twice the
    short-term error wins.

    A candidate is refused if this run escapes, or if the run after ``x`` of the candidate fitted to
    all of ``x`` does. If all are refused, the one that stays longest in the first is chosen, and of
    equals the last one. The last one is also chosen for a context too short to be divided.

    >>> x = np.sin(np.arange(200.0) / 5)[:, None]
    >>> def runs(candidates, known, origins, steps):
    ...     time = origins[:, None] + np.arange(steps)[:, None, None]  # (steps, K, 1)
    ...     return np.sin(time / np.array([6.0, 5.0])[candidates])[..., None]
    >>> choose(x, 2, runs)
    1
    """
    T = len(x)
    moving = np.ptp(x, axis=0) > 0
    if count == 1 or T < SHORTEST or not moving.any():
        return count - 1
    known, origins = places(T)
    everyone, steps = np.arange(count), _steps(T)
    x = x[:, moving]

    def runs(*asked: Any) -> ndarray:
        return free_runs(*asked)[..., moving]

    long = runs(everyone, known, np.array([known]), T)[:, 0]
    stays = _staying(long, x)
    bins = max(2, round(CELLS ** (1.0 / x.shape[1])))
    truth = np.stack([x[origin : origin + steps] for origin in origins], axis=1)  # (steps, K, N)
    off = runs(everyone, known, origins, steps) - truth[:, :, None]
    short = np.sqrt((off**2).mean(axis=3) / x.var(axis=0).mean())
    score = SHORT_WEIGHT * np.where(short < 1.0, short, 1.0).mean(axis=(0, 1))  # NaN counts as 1
    score[stays < T] = np.inf
    for c in np.flatnonzero(stays == T):
        score[c] += histogram_hellinger(forecast=long[:, c], truth=x, bins=bins)
    for c in np.argsort(score, kind="stable")[: np.isfinite(score).sum()]:
        if _staying(runs(np.array([c]), T, np.array([T]), T)[:, 0], x)[0] == T:
            return int(c)
    return int(np.flatnonzero(stays == stays.max())[-1])


def _steps(T: int) -> int:
    return max(int(SHORT * T), 2)


def _staying(runs: Float[ndarray, "steps C N"], x: Float[ndarray, "T N"]) -> Int[ndarray, " C"]:
    """Steps until each run leaves a box of 3 times the range of ``x``, or is not finite."""
    low, high = x.min(axis=0), x.max(axis=0)
    inside = (np.abs(runs - (low + high) / 2) <= BOX * (high - low) / 2).all(axis=2)
    return np.logical_and.accumulate(inside).sum(axis=0)
