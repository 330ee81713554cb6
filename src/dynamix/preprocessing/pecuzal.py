"""PECUZAL: delays of a non-uniform embedding, found without a parameter to set.

An embedding ``v(t)`` starts as ``x(t)`` (Kraemer et al., New J. Phys. 23, 033017, 2021). Each cycle
finds the lags at which ``x(t + lag)`` is least a function of ``v(t)`` (:func:`continuity`). It adds
the lag that decreases the cost ``L`` most (:func:`cost_change`), and stops if none does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.signal import find_peaks
from scipy.spatial import cKDTree
from scipy.stats import binom

from ..errors import InputError, whole_number
from ..io.arrays import check_values
from ..io.scale import unit

SMALLEST_NEIGHBOURHOOD = 8  # points; below, the null hypothesis of continuity is not rejectable
LARGEST_NEIGHBOURHOOD = 13
SIGNIFICANCE = 0.05
CHANCE = 0.5  # of falling into the image's neighbourhood, under the null hypothesis
COST_NEIGHBOURS = 3
MOST_CYCLES = 10
MOST_POINTS = 2000  # that the statistics are averaged over, spread evenly over longer series
_SMALLEST_SIZE = 1e-12  # of a neighbourhood, squared; quantised data has points that coincide
_BINS = 16
_SIZES = range(SMALLEST_NEIGHBOURHOOD, LARGEST_NEIGHBOURHOOD + 1)


@dataclass(frozen=True)
class Embedding:
    """The result of :func:`pecuzal`; lags and ``theiler`` in steps."""

    lags: tuple[int, ...]  # into the future, in the order in which they were added, 0 first
    decreases: tuple[float, ...]  # Delta L of every cycle; that of the last did not help
    continuity: Float[ndarray, "cycles lags"]  # at lags 0 .. longest, in deviations of the series
    theiler: int


def pecuzal(
    x: Float[ndarray, " T"], *, longest: int | None = None, theiler: int | None = None
) -> Embedding:
    """The embedding of one series; neighbours are more than ``theiler`` steps apart in time."""
    check_values(x[:, None, None], name="a series to embed")
    x = x / unit(x)
    y = (x - x.mean()) / x.std()
    w = information_minimum(y) if theiler is None else whole_number("theiler", theiler, least=0)
    if longest is None:
        longest = max(min(max(50, 4 * w), len(y) // 10), 2)
    longest = whole_number("longest", longest, least=2)
    least = 4 * longest + 2 * w + LARGEST_NEIGHBOURHOOD + 1
    if len(y) < least:
        raise InputError(
            f"PECUZAL with lags up to {longest} and a Theiler window of {w} needs a series of at "
            f"least {least} steps, found {len(y)}. Give a longer one or take another embedding."
        )
    lags, decreases, statistics = [0], list[float](), list[ndarray]()
    for _ in range(MOST_CYCLES):
        if len(y) < least + max(lags):
            break
        statistic = continuity(y, lags=lags, longest=longest, theiler=w)
        statistics.append(statistic)
        peaks = local_maxima(statistic)
        changes = [
            cost_change(y, lags=lags, lag=int(lag), horizon=longest, theiler=w) for lag in peaks
        ]
        decreases.append(min(changes, default=0.0))
        if decreases[-1] >= 0.0:
            break
        lags.append(int(peaks[int(np.argmin(changes))]))
    return Embedding(tuple(lags), tuple(decreases), np.stack(statistics), w)


def past_delays(x: Float[ndarray, " T"], count: int) -> tuple[int, ...]:
    """``count`` delays into the past, ascending, from the first lags that PECUZAL picks.

    The delays are distances to the longest lag: so the embedded points stay the same. Missing
    delays continue in steps of the longest lag. The result is empty if no lag helps.
    """
    lags = pecuzal(x).lags[: count + 1]
    if len(lags) == 1:
        return ()
    delays = sorted(max(lags) - lag for lag in lags if lag < max(lags))
    while len(delays) < count:
        delays.append(delays[-1] + max(lags))
    return tuple(delays)


def information_minimum(x: Float[ndarray, " T"]) -> int:
    """First lag of least mutual information (Fraser & Swinney, Phys. Rev. A 33, 1134, 1986)."""
    if len(x) < 2:
        raise InputError(f"mutual information needs at least 2 steps, found {len(x)}.")
    last = max(len(x) // 10, 1)
    ranks = np.argsort(np.argsort(x, kind="stable"), kind="stable")
    cell = ranks * _BINS // len(x)
    before = np.inf
    for lag in range(1, last + 1):
        joint = np.bincount(cell[:-lag] * _BINS + cell[lag:], minlength=_BINS**2) / (len(x) - lag)
        joint = joint.reshape(_BINS, _BINS)
        independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
        filled = joint > 0
        information = np.sum(joint[filled] * np.log(joint[filled] / independent[filled]))
        if information > before:
            return lag - 1
        before = information
    return last


def continuity(
    x: Float[ndarray, " T"], *, lags: list[int], longest: int, theiler: int
) -> Float[ndarray, " lags"]:
    """``<eps*>`` at lags ``0 .. longest``: how far ``x(t + lag)`` is from a function of ``v(t)``.

    ``eps`` is the smallest interval around ``x(t + lag)`` with more images of the k nearest
    neighbours of ``v(t)`` than chance puts there in 5 % of cases. ``<eps*>`` averages the smallest
    over k = 8 to 13, in units of ``x`` (Pecora et al., Chaos 17, 013110, 2007).
    """
    points = len(x) - max(lags) - longest
    v = np.stack([x[lag : lag + points] for lag in lags], axis=1)
    t = fiducials(points)
    near = neighbours(v, t, count=LARGEST_NEIGHBOURHOOD, theiler=theiler).T
    depth = max(k - images_needed(k) for k in _SIZES) + 1
    found = np.empty(longest + 1)
    for lag in range(longest + 1):
        largest, smallest = list[ndarray](), np.inf  # the largest distances so far, descending
        for k, distance in enumerate(np.abs(x[near + lag] - x[t + lag]), start=1):
            for i, other in enumerate(largest):
                largest[i], distance = np.maximum(other, distance), np.minimum(other, distance)
            largest = [*largest, distance][:depth]
            if k in _SIZES:
                smallest = np.minimum(smallest, largest[k - images_needed(k)])
        found[lag] = smallest.mean()
    return found


@lru_cache
def images_needed(k: int) -> int:
    """Smallest l with ``P(l or more of k) <= 0.05`` for ``k`` throws of a fair coin."""
    return int(binom.isf(SIGNIFICANCE, k, CHANCE)) + 1


def local_maxima(values: Float[ndarray, " n"]) -> Int[ndarray, " k"]:
    """Indices of the strict local maxima inside ``values``; of a plateau its first."""
    return find_peaks(values, plateau_size=1)[1]["left_edges"]


def cost_change(
    x: Float[ndarray, " T"], *, lags: list[int], lag: int, horizon: int, theiler: int
) -> float:
    """``Delta L``: the change of the cost by one more lag of the same points; negative is good."""
    points = len(x) - max(*lags, lag) - horizon
    with_it = costs(x, lags=[*lags, lag], points=points, horizon=horizon, theiler=theiler)
    without = costs(x, lags=lags, points=points, horizon=horizon, theiler=theiler)
    return float((with_it - without).min())


def costs(
    x: Float[ndarray, " T"], *, lags: list[int], points: int, horizon: int, theiler: int
) -> Float[ndarray, " horizons"]:
    """``L = log10(sigma alpha)`` for horizons ``2 .. horizon``; lower is better.

    A point and its 3 nearest neighbours have a mean squared distance ``eps^2`` from each other, and
    ``E^2(T)`` from their centre T steps later (Uzal et al., Phys. Rev. E 84, 016223, 2011):
    ``sigma^2 = < mean_{2 <= T <= horizon} E^2(T) / eps^2 >``,  ``1 / alpha^2 = sum 1 / eps^2``.
    """
    horizon = whole_number("horizon", horizon, least=2)
    v = np.stack([x[lag : lag + points] for lag in lags], axis=1)
    t = fiducials(points)
    near = neighbours(v, t, count=COST_NEIGHBOURS, theiler=theiler)
    ball = np.concatenate([t[None], near.T])
    # squared distances from the centre add up over components, and these are shifts of each other
    spread = np.empty((horizon + max(lags) + 1, len(t)))
    for s in range(len(spread)):
        y = x[ball + s]
        y -= _sum(y) / len(y)
        spread[s] = _sum(y * y) / len(y)
    at = np.asarray(lags)
    size = spread[at].sum(axis=0) * 2 * (COST_NEIGHBOURS + 1) / COST_NEIGHBOURS
    size = np.maximum(size, _SMALLEST_SIZE)
    later = np.stack([spread[at + T].sum(axis=0) for T in range(2, horizon + 1)])
    mean = later.cumsum(axis=0) / np.arange(1, len(later) + 1)[:, None]
    return 0.5 * np.log10((mean / size).mean(axis=1) / (1.0 / size).sum())


def _sum(y: Float[ndarray, "4 m"]) -> Float[ndarray, " m"]:
    """In the order in which NumPy sums up four values."""
    return y[0] + ((y[1] + y[2]) + y[3])


def fiducials(points: int) -> Int[ndarray, " m"]:
    """Times to average a statistic over: all ``points``, or 2000 spread evenly."""
    return np.unique(np.linspace(0, points - 1, min(points, MOST_POINTS)).round().astype(np.int64))


def neighbours(
    v: Float[ndarray, "T d"], t: Int[ndarray, " m"], *, count: int, theiler: int
) -> Int[ndarray, "m count"]:
    """Times ``(m, count)`` of the points nearest to ``v(t)`` and over ``theiler`` steps away."""
    # as many as there are, less itself and those too near in time on either side
    apart_at = len(v) - 1 - np.minimum(t, theiler) - np.minimum(len(v) - 1 - t, theiler)
    if (apart_at < count).any():
        raise InputError(
            f"{count} neighbours beyond a Theiler window of {theiler} need up to "
            f"{count + 2 * theiler + 1} points, found {len(v)}."
        )
    tree, found = cKDTree(v), np.empty((len(t), count), dtype=np.int64)
    missing, asked = np.arange(len(t)), min(count + 1 + theiler, len(v))
    while len(missing):
        times = t[missing]
        _, near = tree.query(v[times], k=asked)
        apart = np.abs(near - times[:, None]) > theiler
        enough = apart.sum(axis=1) >= count
        # the first `count` that are apart, in the order of distance
        order = np.argsort(~apart[enough], axis=1, kind="stable")[:, :count]
        found[missing[enough]] = np.take_along_axis(near[enough], order, axis=1)
        missing = missing[~enough]
        asked = min(2 * asked, len(v))
    return found
