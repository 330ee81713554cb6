"""PECUZAL: delays of a non-uniform embedding, found without a parameter to set.

An embedding ``v(t)`` starts as ``x(t)`` (Kraemer et al., New J. Phys. 23, 033017, 2021). Each cycle
finds the lags at which ``x(t + lag)`` is least a function of ``v(t)`` (:func:`continuity`). It adds
the lag that decreases the cost ``L`` most (:func:`cost_change`), and stops if none does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import find_peaks
from scipy.spatial import cKDTree
from scipy.stats import binom

from ..errors import InputError, whole_number
from ..io.arrays import check_values
from ..io.progress import tqdm
from ..io.scale import unit
from ..io.shapes import Float, Int
from ..settings import PATIENCE

SMALLEST_NEIGHBOURHOOD = 8  # points; below, the null hypothesis of continuity is not rejectable
LARGEST_NEIGHBOURHOOD = 13
SIGNIFICANCE = 0.05
CHANCE = 0.5  # of falling into the image's neighbourhood, under the null hypothesis
COST_NEIGHBOURS = 3
MOST_CYCLES = 10
MOST_POINTS = 2000  # that the statistics are averaged over, spread evenly over longer series
_SMALLEST_SIZE = 1e-12  # of a neighbourhood, squared; quantised data has points that coincide
_BINS = 16
_TOGETHER = 2**16  # numbers in a block, so that it stays in the processor's cache
_SIZES = range(SMALLEST_NEIGHBOURHOOD, LARGEST_NEIGHBOURHOOD + 1)


@dataclass(frozen=True)
class Embedding:
    """The result of :func:`pecuzal`; lags and ``theiler`` in steps."""

    lags: tuple[int, ...]  # into the future, in the order in which they were added, 0 first
    decreases: tuple[float, ...]  # Delta L of every cycle; that of the last did not help
    continuity: Float[ndarray, "cycles lags"]  # at lags 0 .. longest, in deviations of the series
    theiler: int


def pecuzal(
    x: Float[ndarray, " T"],
    *,
    longest: int | None = None,
    theiler: int | None = None,
    cycles: int = MOST_CYCLES,
) -> Embedding:
    """The embedding of one series; neighbours are more than ``theiler`` steps apart in time.

    At most ``cycles`` lags are added to the first.
    """
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
    distinct = _distinct(y)
    lags, decreases, statistics = [0], list[float](), list[ndarray]()
    for _ in tqdm(range(cycles), "PECUZAL", disable=None, delay=PATIENCE, leave=False):
        points = len(y) - max(lags) - longest
        if points < least - longest:
            break
        cost = partial(costs, y, horizon=longest, theiler=w)
        near = nearest(y, lags, points, count=LARGEST_NEIGHBOURHOOD, theiler=w)
        statistics.append(continuity(y, lags=lags, longest=longest, theiler=w, near=near))
        peaks, changes = local_maxima(statistics[-1]).tolist(), list[float]()
        without: dict[int, ndarray] = {}  # costs, by the number of points
        for lag in peaks:
            held = points - max(0, lag - max(lags))
            if held not in without:
                known = _among(near, held, points) if distinct else None
                without[held] = cost(lags=lags, points=held, near=known)
            with_it = cost(lags=[*lags, lag], points=held)
            changes.append(float((with_it - without[held]).min()))
        decreases.append(min(changes, default=0.0))
        if decreases[-1] >= 0.0:
            break
        lags.append(peaks[int(np.argmin(changes))])
    return Embedding(tuple(lags), tuple(decreases), np.stack(statistics), w)


def past_delays(x: Float[ndarray, " T"], count: int) -> tuple[int, ...]:
    """``count`` delays into the past, ascending, from the first lags that PECUZAL picks.

    The delays are distances to the longest lag: so the embedded points stay the same. Missing
    delays continue in steps of the longest lag. The result is empty if no lag helps.
    """
    lags = pecuzal(x, cycles=count).lags
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
    x: Float[ndarray, " T"],
    *,
    lags: list[int],
    longest: int,
    theiler: int,
    near: Int[ndarray, "m k"] | None = None,
) -> Float[ndarray, " lags"]:
    """``<eps*>`` at lags ``0 .. longest``: how far ``x(t + lag)`` is from a function of ``v(t)``.

    ``eps`` is the smallest interval around ``x(t + lag)`` with more images of the k nearest
    neighbours of ``v(t)`` than chance puts there in 5 % of cases. ``<eps*>`` averages the smallest
    over k = 8 to 13, in units of ``x`` (Pecora et al., Chaos 17, 013110, 2007).
    """
    points = len(x) - max(lags) - longest
    t = fiducials(points)
    if near is None:
        near = nearest(x, lags, points, count=LARGEST_NEIGHBOURHOOD, theiler=theiler)
    depth = rank(_SIZES[-1]) + 1
    found = np.empty((longest + 1, len(t)))
    for rows, y in _followed(x, np.concatenate([t[None], near.T]), longest + 1):
        largest, smallest = list[ndarray](), np.full(y.shape[1:], np.inf)
        distances = np.subtract(y[1:], y[0], out=y[1:])
        for k, distance in enumerate(np.abs(distances, out=distances), start=1):
            for i, other in enumerate(largest):  # the largest so far, descending
                largest[i], distance = np.maximum(other, distance), np.minimum(other, distance)
            largest = [*largest, distance][:depth]
            # the second largest of more distances is no smaller: only a k of a new rank decides
            if k in _SIZES and (k == _SIZES[0] or rank(k) > rank(k - 1)):
                np.minimum(smallest, largest[rank(k)], out=smallest)
        found[:, rows] = smallest.T
    return found.mean(axis=1)


def _followed(
    x: Float[ndarray, " T"], starts: Int[ndarray, "k m"], steps: int
) -> Iterator[tuple[slice, Float[ndarray, "k _ steps"]]]:
    """The ``steps`` values of ``x`` from each start on, some of the m columns at a time."""
    windows = sliding_window_view(x, steps)
    size = max(1, _TOGETHER // (len(starts) * steps))
    for first in range(0, starts.shape[1], size):
        rows = slice(first, first + size)
        yield rows, windows[starts[:, rows]]


def rank(k: int) -> int:
    """How many of ``k`` distances may be larger than the interval."""
    return k - images_needed(k)


@lru_cache
def images_needed(k: int) -> int:
    """Smallest l with ``P(l or more of k) <= 0.05`` for ``k`` throws of a fair coin."""
    return int(binom.isf(SIGNIFICANCE, k, CHANCE)) + 1


def local_maxima(values: Float[ndarray, " n"]) -> Int[ndarray, " k"]:
    """Indices of the strict local maxima inside ``values``; of a plateau its first."""
    return find_peaks(values, plateau_size=1)[1]["left_edges"]


def costs(
    x: Float[ndarray, " T"],
    *,
    lags: list[int],
    points: int,
    horizon: int,
    theiler: int,
    near: Int[ndarray, "m k"] | None = None,
) -> Float[ndarray, " horizons"]:
    """``L = log10(sigma alpha)`` for horizons ``2 .. horizon``; lower is better.

    A point and its 3 nearest neighbours have a mean squared distance ``eps^2`` from each other, and
    ``E^2(T)`` from their centre T steps later (Uzal et al., Phys. Rev. E 84, 016223, 2011):
    ``sigma^2 = < mean_{2 <= T <= horizon} E^2(T) / eps^2 >``,  ``1 / alpha^2 = sum 1 / eps^2``.
    """
    horizon = whole_number("horizon", horizon, least=2)
    t, at = fiducials(points), np.asarray(lags)
    if near is None:
        near = nearest(x, lags, points, count=COST_NEIGHBOURS, theiler=theiler)
    # squared distances from the centre add up over components, and these are shifts of each other
    rate, shares = 0.0, np.zeros(horizon + max(lags) + 1)
    for _, y in _followed(x, np.concatenate([t[None], near.T]), len(shares)):
        y -= _sum(y) / len(y)
        spread = _sum(np.square(y, out=y))
        spread /= len(y)
        size = spread[:, at].sum(axis=1) * 2 * (COST_NEIGHBOURS + 1) / COST_NEIGHBOURS
        inverse = 1.0 / np.maximum(size, _SMALLEST_SIZE)
        rate += inverse.sum()
        shares += np.einsum("t,ts", inverse, spread)
    later = shares[at[:, None] + np.arange(2, horizon + 1)].sum(axis=0)
    mean = later.cumsum() / (np.arange(1, len(later) + 1) * len(t))
    return 0.5 * np.log10(mean / rate)


def _sum(y: Float[ndarray, "4 m s"]) -> Float[ndarray, "m s"]:
    """In the order in which NumPy sums up four values."""
    total = y[1] + y[2]
    total += y[3]
    total += y[0]
    return total


@lru_cache
def fiducials(points: int) -> Int[ndarray, " m"]:
    """Times to average a statistic over: all ``points``, or 2000 spread evenly."""
    return np.unique(np.linspace(0, points - 1, min(points, MOST_POINTS)).round().astype(np.int64))


def nearest(
    x: Float[ndarray, " T"], lags: list[int], points: int, *, count: int, theiler: int
) -> Int[ndarray, "m count"]:
    """The :func:`neighbours` of the fiducials in an embedding."""
    v = np.stack([x[lag : lag + points] for lag in lags], axis=1)
    return neighbours(v, fiducials(points), count=count, theiler=theiler)


def _among(near: Int[ndarray, "m k"], held: int, points: int) -> Int[ndarray, "_ 3"] | None:
    """The neighbours for :func:`costs` among the first ``held`` of ``points``, if all are known."""
    if points > MOST_POINTS and held < points:  # other fiducials
        return None
    near = near[:held]
    inside = near < held
    rank = inside.cumsum(axis=1)
    if rank[:, -1].min() < COST_NEIGHBOURS:
        return None
    return near[inside & (rank <= COST_NEIGHBOURS)].reshape(-1, COST_NEIGHBOURS)


def _distinct(x: Float[ndarray, " T"]) -> bool:
    return len(np.unique(x)) == len(x)


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
    # which of equally near points the tree finds depends on how many it is asked for
    asked = count + 2 + count // 4 if _distinct(v[:, 0]) else count + 1 + theiler
    missing, asked = np.arange(len(t)), min(asked, len(v))
    while len(missing):
        times = t[missing]
        _, near = tree.query(v[times], k=asked)
        apart = np.abs(near - times[:, None]) > theiler
        rank = apart.cumsum(axis=1)
        enough = rank[:, -1] >= count
        first = (apart & (rank <= count))[enough]  # the first `count` that are apart
        found[missing[enough]] = near[enough][first].reshape(-1, count)
        missing = missing[~enough]
        asked = min(2 * asked, len(v))
    return found
