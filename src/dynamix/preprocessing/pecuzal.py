"""PECUZAL: delays of a non-uniform embedding, found without a parameter to set.

Sources: Kraemer, Datseris, Kurths, Kiss, Ocampo-Espindola & Marwan, New J. Phys. 23, 033017 (2021);
the continuity statistic of Pecora, Moniz, Nichols & Carroll, Chaos 17, 013110 (2007); the cost of
Uzal, Grinblat & Verdes, Phys. Rev. E 84, 016223 (2011).

An embedding grows from ``v(t) = x(t)`` a component at a time. In each cycle

1. the continuity statistic ``<eps*>(lag)`` says for which lags ``x(t + lag)`` is least a function
   of ``v(t)``; its local maxima are the candidates;
2. for each candidate the change ``Delta L`` of the cost ``L`` tells whether the component makes the
   embedding better: ``L`` is the logarithm of how much noise is amplified on the way to a
   prediction;
3. the candidate of the largest decrease is added; where none decreases ``L``, the embedding is
   done.

Lags lead into the future, as in the paper; :func:`past_delays` gives the same point set as delays
behind the newest value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import cKDTree
from scipy.stats import binom

from ..errors import InputError, whole_number

SMALLEST_NEIGHBOURHOOD = 8  # points; below, the null hypothesis of continuity is not rejectable
LARGEST_NEIGHBOURHOOD = 13
SIGNIFICANCE = 0.05
CHANCE = 0.5  # of falling into the image's neighbourhood, under the null hypothesis
COST_NEIGHBOURS = 3
MOST_CYCLES = 10
MOST_POINTS = 2000  # that the statistics are averaged over, spread evenly over longer series
_SMALLEST_SIZE = 1e-12  # of a neighbourhood, squared; quantised data has points that coincide
_BINS = 16


@dataclass(frozen=True)
class Embedding:
    """What PECUZAL found.

    ``lags`` of the components in the order in which they came, in steps, beginning with 0;
    ``decreases``: ``Delta L`` of every cycle, the last one included, which did not help;
    ``continuity (cycles, longest + 1)``: the statistic of every cycle at lags ``0 .. longest``, in
    deviations of the series; ``theiler``: the window used, in steps.

    Examples
    --------
    >>> found = pecuzal(np.sin(0.16 * np.arange(600)))  # a period of 39 steps
    >>> found.lags, np.round(found.decreases, 1)  # a quarter of it helps, no third one
    ((0, 10), array([-0.7,  0.1]))
    >>> found.continuity.shape
    (2, 51)
    """

    lags: tuple[int, ...]
    decreases: tuple[float, ...]
    continuity: Float[ndarray, "cycles lags"]
    theiler: int


def pecuzal(
    x: Float[ndarray, " T"], *, longest: int | None = None, theiler: int | None = None
) -> Embedding:
    """The embedding of one series.

    Parameters
    ----------
    x
        The series ``(T,)``, finite, in any units.
    longest
        Longest lag looked at, in steps, 2 or more; None: four Theiler windows, but at least 50 and
        at most a tenth of the series.
    theiler
        Neighbours must lie further apart in time than so many steps; None: the first minimum of the
        mutual information (:func:`information_minimum`).

    Returns
    -------
    An :class:`Embedding`, of one component where none helps.

    Raises
    ------
    InputError
        If the series is too short for that, not finite or does not vary, or a number is out of
        range.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=600)  # nothing to embed
    >>> pecuzal(noise).lags
    (0,)
    >>> pecuzal(np.ones(600))
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: a constant series has no embedding.
    """
    if not np.isfinite(x).all():
        raise InputError("the series holds NaN or infinity. Fill the gaps or cut them out first.")
    if not np.ptp(x) > 0:
        raise InputError("a constant series has no embedding.")
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
    """``count`` delays behind the newest value, ascending, from the first lags that PECUZAL picks.

    ``(x(t), x(t + l_1), ...)`` and ``(x(t), x(t - d_1), ...)`` are the same points where the delays
    are the distances to the longest lag. PECUZAL decides for itself how many components it wants:
    of more, the first ``count`` are taken, which decrease the cost most; with fewer, the delays go
    on in steps of the longest.

    Parameters
    ----------
    x
        The series ``(T,)``.
    count
        Delays wanted, 1 or more.

    Returns
    -------
    ``count`` delays in steps; empty where PECUZAL finds that no component helps, as for noise.

    Raises
    ------
    InputError
        As :func:`pecuzal`.

    Examples
    --------
    >>> x = np.sin(0.16 * np.arange(600))  # a circle: one delay, of a quarter of its 39 steps
    >>> past_delays(x, 1), past_delays(x, 3)
    ((10,), (10, 20, 30))
    >>> past_delays(np.random.default_rng(0).normal(size=600), 2)
    ()
    """
    lags = pecuzal(x).lags[: count + 1]
    if len(lags) == 1:
        return ()
    delays = sorted(max(lags) - lag for lag in lags if lag < max(lags))
    while len(delays) < count:
        delays.append(delays[-1] + max(lags))
    return tuple(delays)


def information_minimum(x: Float[ndarray, " T"]) -> int:
    """First local minimum of the mutual information of ``x(t)`` and ``x(t + lag)``, in steps.

    From a histogram of 16 bins a side that hold equally many points (Fraser & Swinney, Phys. Rev. A
    33, 1134, 1986).

    Parameters
    ----------
    x
        The series ``(T,)``, of two steps or more.

    Returns
    -------
    A lag of 1 or more; the last one looked at, a tenth of the series, where there is no minimum.

    Raises
    ------
    InputError
        If there are fewer than two steps.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=2000)
    >>> information_minimum(np.sin(0.16 * np.arange(2000)) + 0.3 * noise)  # a quarter of the period
    10
    """
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

    The k nearest neighbours of ``v(t)`` are mapped to ``x(t + lag)``. ``eps`` is the smallest
    interval about the image of ``v(t)`` that holds so many of their images, l, that chance (a coin
    for each) would hold as many in less than 5 % of cases; ``eps*`` the smallest over
    k = 8 to 13, averaged over points (Pecora et al., 2007).

    Parameters
    ----------
    x
        The series ``(T,)``.
    lags
        Of the components of ``v``, in steps.
    longest
        Longest lag of ``x`` looked at.
    theiler
        Neighbours must lie further apart in time than so many steps.

    Returns
    -------
    ``(longest + 1,)``, in units of ``x``. Large where the embedding says nothing about that lag.

    Examples
    --------
    >>> x = np.sin(0.16 * np.arange(600))  # x(t) alone says least about a quarter of a period later
    >>> int(continuity(x, lags=[0], longest=20, theiler=10).argmax())
    10
    >>> bool(continuity(x, lags=[0, 10], longest=20, theiler=10).max() < 0.05)  # with it, all
    True
    """
    points = len(x) - max(lags) - longest
    v = np.stack([x[lag : lag + points] for lag in lags], axis=1)
    t = fiducials(points)
    near = neighbours(v, t, count=LARGEST_NEIGHBOURHOOD, theiler=theiler)
    sizes = range(SMALLEST_NEIGHBOURHOOD, LARGEST_NEIGHBOURHOOD + 1)
    found = np.empty(longest + 1)
    for lag in range(longest + 1):
        distance = np.abs(x[near + lag] - x[t + lag, None])
        smallest = np.full(len(t), np.inf)
        for k in sizes:
            held = images_needed(k) - 1
            part = np.partition(distance[:, :k], held, axis=1)[:, held]
            np.minimum(smallest, part, out=smallest)
        found[lag] = smallest.mean()
    return found


@lru_cache
def images_needed(k: int) -> int:
    """Smallest l with ``P(l or more of k) <= 0.05`` for a fair coin, of ``k`` throws.

    ``k`` is at least 5: of fewer throws no number is that unlikely.

    Examples
    --------
    >>> [images_needed(k) for k in range(8, 14)]
    [7, 8, 9, 9, 10, 10]
    """
    return int(binom.isf(SIGNIFICANCE, k, CHANCE)) + 1


def local_maxima(values: Float[ndarray, " n"]) -> Int[ndarray, " k"]:
    """Indices ``(k,)`` of the strict local maxima inside ``values``; of a plateau its first.

    Neither end counts.

    Examples
    --------
    >>> local_maxima(np.array([0.0, 1.0, 0.0, 2.0, 2.0, 1.0, 3.0])).tolist()
    [1, 3]
    """
    rises = np.diff(values)
    steps = np.flatnonzero(rises)
    top = (rises[steps[:-1]] > 0) & (rises[steps[1:]] < 0)
    return steps[:-1][top] + 1


def cost_change(
    x: Float[ndarray, " T"], *, lags: list[int], lag: int, horizon: int, theiler: int
) -> float:
    """``Delta L``: the cost with one more lag less the cost without, where it falls furthest.

    Both costs are of the same points and horizons (:func:`costs`); the smallest difference over
    horizons of 2 steps and more counts (Kraemer et al., 2021).

    Parameters
    ----------
    x
        The series ``(T,)``.
    lags
        Of the components that there are, in steps.
    lag
        Of the component to be added.
    horizon
        Longest horizon of the costs, in steps, 2 or more.
    theiler
        Neighbours must lie further apart in time than so many steps.

    Returns
    -------
    Decimal logarithm of a ratio, without unit. Negative: the component helps.

    Examples
    --------
    >>> x = np.sin(0.16 * np.arange(600))  # a circle: two components will do
    >>> cost_change(x, lags=[0], lag=10, horizon=20, theiler=10) < 0
    True
    >>> cost_change(x, lags=[0, 10], lag=20, horizon=20, theiler=10) < 0
    False
    """
    points = len(x) - max(*lags, lag) - horizon
    with_it = costs(x, lags=[*lags, lag], points=points, horizon=horizon, theiler=theiler)
    without = costs(x, lags=lags, points=points, horizon=horizon, theiler=theiler)
    return float((with_it - without).min())


def costs(
    x: Float[ndarray, " T"], *, lags: list[int], points: int, horizon: int, theiler: int
) -> Float[ndarray, " horizons"]:
    """``L`` of an embedding for horizons ``2 .. horizon`` (Uzal et al., eqs. 13 to 21).

    ``L = log10(sigma alpha)``. With ``U`` a point and its 3 nearest neighbours, ``eps^2`` their
    mean squared distance from each other and ``E^2(T)`` their mean squared distance from their
    centre T steps later,

        ``sigma^2 = < mean_{2 <= T <= horizon} E^2(T) / eps^2 >``,  ``1 / alpha^2 = sum 1 / eps^2``.

    Parameters
    ----------
    x
        The series, of ``points + max(lags) + horizon`` steps or more.
    lags
        Of the components, in steps.
    points
        Points of the embedding that are used, from the beginning on.
    horizon
        Longest horizon in steps, 2 or more.
    theiler
        Neighbours must lie further apart in time than so many steps.

    Returns
    -------
    ``(horizon - 1,)``, decimal logarithms. Lower is better.

    Raises
    ------
    InputError
        If ``horizon`` is no integer of at least 2, or a point has too few neighbours far in time.

    Examples
    --------
    >>> x, options = np.sin(0.16 * np.arange(600)), {"points": 500, "horizon": 10, "theiler": 10}
    >>> one, two = costs(x, lags=[0], **options), costs(x, lags=[0, 10], **options)
    >>> two.shape, bool((two < one).all())
    ((9,), True)
    """
    horizon = whole_number("horizon", horizon, least=2)
    v = np.stack([x[lag : lag + points] for lag in lags], axis=1)
    t = fiducials(points)
    near = neighbours(v, t, count=COST_NEIGHBOURS, theiler=theiler)
    ball = np.concatenate([t[:, None], near], axis=1)
    # squared distances from the centre add up over components, and these are shifts of each other
    spread = np.stack([x[ball + s].var(axis=1) for s in range(horizon + max(lags) + 1)])
    at = np.asarray(lags)
    size = spread[at].sum(axis=0) * 2 * (COST_NEIGHBOURS + 1) / COST_NEIGHBOURS
    size = np.maximum(size, _SMALLEST_SIZE)
    later = np.stack([spread[at + T].sum(axis=0) for T in range(2, horizon + 1)])
    mean = later.cumsum(axis=0) / np.arange(1, len(later) + 1)[:, None]
    return 0.5 * np.log10((mean / size).mean(axis=1) / (1.0 / size).sum())


def fiducials(points: int) -> Int[ndarray, " m"]:
    """Times that a statistic is averaged over: all ``points``, or 2000 spread evenly.

    Returns
    -------
    Indices from 0 to ``points - 1``, ascending, at most :data:`MOST_POINTS` of them.

    Examples
    --------
    >>> fiducials(3).tolist(), len(fiducials(10_000))
    ([0, 1, 2], 2000)
    """
    return np.unique(np.linspace(0, points - 1, min(points, MOST_POINTS)).round().astype(np.int64))


def neighbours(
    v: Float[ndarray, "T d"], t: Int[ndarray, " m"], *, count: int, theiler: int
) -> Int[ndarray, "m count"]:
    """Times of the ``count`` points nearest to ``v(t)`` that are more than ``theiler`` steps away.

    Parameters
    ----------
    v
        Points ``(T, d)``, a row for each time.
    t
        Times ``(m,)`` whose neighbours are asked for, 0 to T - 1.
    count
        Neighbours of each; every one of these times must have so many points beyond its window.
    theiler
        The window (Theiler, Phys. Rev. A 34, 2427, 1986), in steps.

    Returns
    -------
    ``(m, count)``, ascending in Euclidean distance.

    Raises
    ------
    InputError
        If one of the times has fewer than ``count`` points beyond its window.

    Examples
    --------
    >>> line = np.arange(20.0)[:, None]
    >>> neighbours(line, np.array([0, 19]), count=2, theiler=3).tolist()
    [[4, 5], [15, 14]]
    """
    # as many as there are, less itself and those too near in time on either side
    apart_at = len(v) - 1 - np.minimum(t, theiler) - np.minimum(len(v) - 1 - t, theiler)
    if (apart_at < count).any():
        raise InputError(
            f"{count} neighbours beyond a Theiler window of {theiler} need up to "
            f"{count + 2 * theiler + 1} points, found {len(v)}."
        )
    tree = cKDTree(v)
    found = np.empty((len(t), count), dtype=np.int64)
    missing = np.arange(len(t))
    asked = min(count + 1 + theiler, len(v))
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
