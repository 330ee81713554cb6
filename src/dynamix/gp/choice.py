"""Which kernel suits a context: a small network judges the candidates by their free runs.

Everything else in this room is fitted to one context. This network is not: it was trained on
thousands of free runs after the contexts of many systems, whose true continuations were known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy import ndarray
from scipy.special import ndtr

from ..io.shapes import Float
from ..local.choice import Appearance
from .regression import Kernel, OneStepMap, Regression

Runs = Callable[[Sequence[OneStepMap], Sequence[ndarray], int], ndarray]
Rate = Callable[[Float[ndarray, "K F"]], Float[ndarray, " K"]]

LEAST = 128  # steps of a context that can be judged
OF_CANDIDATE = (
    *("likelihood", "length", "ridge", "degree", "held", "misses", "surprise"),
    *("regions", "spectrum", "worst spectrum", "spread", "least spread", "most spread", "shift"),
    *("motion", "halves", "elsewhere", "missing", "cells"),
)
OF_CONTEXT = ("steps", "peak", "periods", "own halves", "increments")
COLUMNS = (*OF_CANDIDATE, *OF_CONTEXT, *(f"{name}, less the mean" for name in OF_CANDIDATE))
_LEAST_RUN = 2000
_LATER, _TRIED = 8000, 4  # steps after which a run may not rest, and how many maps are tried
_REST = 0.01  # of the context's deviation
_STEPS, _FEWEST = 49_152, 12  # of all free runs together, and candidates that run in any case
_BOXED = 7  # channels that have boxes, at most


class Look:
    """A context ``(T_C, N)``, in its deviations, as free runs are compared with it."""

    def __init__(self, z: Float[ndarray, "T_C N"]) -> None:
        self.z, self.T = z, len(z)
        self._look = Appearance(z, boxed=_BOXED)
        self.shares, self.power = self.regions(z), self.spectrum(z)
        self.deviation = np.maximum(z.std(axis=0), 1e-6)  # a channel may be still

    def regions(self, y: Float[ndarray, "T N"]) -> Float[ndarray, " B"]:
        """Shares of a run in the boxes; less than 1 in all for a run that leaves them."""
        boxes = self._look.side**self._look.boxed
        return np.bincount(self._look.boxes(y), minlength=boxes) / len(y)

    def spectrum(self, y: Float[ndarray, "T N"]) -> Float[ndarray, "f N"]:
        """Smoothed power with sum 1; zeros for a channel at rest."""
        power = self._look.spectrum(y)
        whole = power.sum(axis=0)
        return power / np.where(whole > 0, whole, 1.0)

    def of_run(self, y: Float[ndarray, "T N"]) -> list[float]:
        """How a run differs from the context: the features from ``regions`` to ``cells``."""
        shares, half, quarter = self.regions(y), len(y) // 2, len(y) // 4
        apart = np.sqrt(np.maximum(0.0, 1.0 - np.sqrt(self.power * self.spectrum(y)).sum(axis=0)))
        spread = np.log((y.std(axis=0) + 1e-6) / self.deviation)
        end = y[-quarter:]
        motion = np.abs(end - end.mean(axis=0)).mean(axis=0)
        first = (self.regions(y[: self.T]) > 0).sum() + 1
        return [
            _hellinger(self.shares, shares),
            *(apart.mean(), apart.max()),
            *(np.abs(spread).mean(), spread.min(), spread.max()),
            np.abs(y.mean(axis=0) - self.z.mean(axis=0)).max(),
            np.log((motion + 1e-6) / self.deviation).min(),
            _hellinger(self.regions(y[:half]), self.regions(y[half:])),
            1.0 - shares[self.shares > 0].sum(),
            self.shares[shares == 0].sum(),
            np.log(first / ((self.shares > 0).sum() + 1)),
        ]

    def of_context(self, increments: Float[ndarray, " N"]) -> list[float]:
        """The features that all candidates share; ``increments`` are their deviations."""
        peak, half = int(np.argmax(self.power.mean(axis=1)[1:])) + 1, self.T // 2
        own = _hellinger(self.regions(self.z[:half]), self.regions(self.z[half:]))
        ends = [np.log(self.T), np.log(peak), np.log(self.T / peak)]
        return [*ends, own, float(np.log(increments.mean()))]


def _hellinger(a: ndarray, b: ndarray) -> float:
    return float(np.sqrt(max(0.0, 1.0 - np.sqrt(a * b).sum())))


def horizon_of_trials(T_C: int) -> int:
    """Steps of the free runs that are judged: those of the context, and at least 2,000."""
    return max(T_C, _LEAST_RUN)


def shown(regression: Regression, T_C: int) -> list[Kernel]:
    """The likeliest candidates, of which a judge takes one: fewer where a trial takes longer."""
    count = max(_FEWEST, min(regression.config.judged, _STEPS // horizon_of_trials(T_C)))
    return regression.ranked()[:count]


def features(
    run: Runs,
    regression: Regression,
    maps: Sequence[OneStepMap],
    x: Float[ndarray, "T_C N"],
    start: Float[ndarray, "1 N"],
) -> Float[ndarray, "K F"]:
    """What the judge sees of each candidate after a context ``x``.

    The columns are ``COLUMNS``: of a candidate, of the context, and of a candidate compared with
    all. A candidate runs freely from ``start``, for
    :func:`horizon_of_trials`. ``run`` makes free runs of maps; ``maps`` are fits
    of the regression's candidates.
    """
    look, evidence = Look(maps[0].scaled(x)), regression.evidence
    free = run(maps, [start] * len(maps), horizon_of_trials(len(x)))
    best, found, misses = evidence.likelihood.min(), [], regression.misses(maps)
    for k, one in enumerate(maps):
        (scale, ridge, degree), place = one.kernel, regression.kernels.index(one.kernel)
        y = one.scaled(free[:, k])
        row = [min(evidence.likelihood[place] - best, 5.0), np.log(scale), np.log10(ridge), degree]
        row += [one.held(y), np.log(misses[k].std() + 1e-9)]
        row += [np.log(np.sqrt((evidence.surprise[place] ** 2).mean()) + 1e-9)]
        found.append([*row, *look.of_run(y)])
    return beside(np.array(found), np.array(look.of_context(regression.size)))


def beside(own: Float[ndarray, "K f"], shared: Float[ndarray, " c"]) -> Float[ndarray, "K F"]:
    """The features of candidates, those ``shared`` by all, and the first ones less their mean."""
    own, shared = (np.nan_to_num(x, posinf=0.0, neginf=0.0) for x in (own, shared))
    return np.hstack([own, np.tile(shared, (len(own), 1)), own - own.mean(axis=0)])


def ratings(judge: Mapping[str, ndarray], found: Float[ndarray, "K F"]) -> Float[ndarray, " K"]:
    """What :class:`dynamix.gp.judge.Judge` computes, from its layers and without torch."""
    x = np.clip((found - judge["centre"]) / judge["width"], -5.0, 5.0)
    for first in ("layers.0", "layers.3"):
        x = x @ judge[f"{first}.weight"].T + judge[f"{first}.bias"]
        x = x * ndtr(x)  # GELU
    return (x @ judge["layers.5.weight"].T + judge["layers.5.bias"])[:, 0]


def judged(
    run: Runs,
    rate: Rate,
    regression: Regression,
    x: Float[ndarray, "T_C N"],
    start: Float[ndarray, "1 N"],
) -> OneStepMap:
    """The map of the candidate that :func:`best_rated` takes by its :func:`features`."""
    maps = [regression.fit(kernel) for kernel in shown(regression, len(x))]
    seen = features(run, regression, maps, x, start)
    return best_rated(run, maps, rate(seen), start)


def best_rated(
    run: Runs,
    maps: Sequence[OneStepMap],
    rating: Float[ndarray, " K"],
    before: Float[ndarray, "_ N"],
) -> OneStepMap:
    """The map with the lowest rating whose free run does not come to rest later on.

    Trials are too short to show that. If the best four all do, the best of them is taken.
    """
    order = np.argsort(rating, kind="stable")
    for k in order[:_TRIED]:
        end = run([maps[k]], [before], _LATER)[-_LATER // 4 :, 0]
        if (end.std(axis=0) > _REST * maps[k].deviation).any():
            return maps[k]
    return maps[order[0]]
