"""Invariants estimated from a trajectory alone: largest exponent, dimensions and recurrences.

The estimates are rough: compare them with the truth's, from the same number of points. Series are
``(T,)`` or ``(T, N)``, finite, with at least 4 steps; channels are standardised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from ..errors import InputError, whole_number
from ..io.arrays import as_series
from ..io.scale import unit
from ..io.shapes import Bool, Float
from ..metrics.inputs import Points
from ..settings import checked

_NOTHING = 1e-9  # of the deviation: distances below are repetitions or rounding
_NEIGHBOURS = 16  # looked at first; fourfold where all of them are too near in time
_RADII = 800  # of the correlation sum
_LOW, _HIGH = 3e-4, 3e-2  # share of pairs within reach, between which the dimension is read


def mean_oscillation(x: Points) -> int:
    """Steps of a mean oscillation: 1 over the mean frequency of the spectrum, from 1 to T / 10.

    Neighbours within this window are neighbours in time only (Rosenstein et al. 1993). It is no
    dominant period: for noise, which has no period, the mean oscillation is short.
    """
    y = x / unit(x)
    y = y - y.mean(axis=0)
    power = (np.abs(np.fft.rfft(y, axis=0)) ** 2 / np.maximum((y**2).sum(axis=0), 1e-300)).sum(
        axis=1
    )
    if not power.sum() > 0:
        return 1
    frequency = float((power * np.fft.rfftfreq(len(x))).sum() / power.sum())
    return int(np.clip(round(1.0 / max(frequency, 1e-9)), 1, max(len(x) // 10, 1)))


@checked
def divergence_curve(
    x: Any, *, steps: int, window: int | None = None, references: int = 2000
) -> Float[ndarray, " steps"]:
    """Mean logarithm of the distance between neighbours, 0, 1, ... steps later, in nats.

    ``x`` is a trajectory ``(T,)`` or ``(T, N)``. The nearest neighbour more than ``window`` steps
    away in time (None: :func:`mean_oscillation`) is followed, for ``references`` states.
    The slope of the straight part is the largest exponent per step (Rosenstein et al. 1993). The
    result is NaN if no state has a neighbour.

    Examples
    --------
    The logistic map doubles small distances on average, by ``ln 2 = 0.7`` nats a step:

    >>> x = np.full(5000, 0.3)
    >>> for t in range(4999):
    ...     x[t + 1] = 4 * x[t] * (1 - x[t])
    >>> np.diff(divergence_curve(x, steps=5)).round(1).tolist()
    [0.7, 0.7, 0.7, 0.7]
    """
    y = _standardised(x)
    steps = whole_number("steps", steps, least=2)
    references = whole_number("references", references)
    window = mean_oscillation(y) if window is None else whole_number("window", window, least=0)
    last = len(y) - steps  # both of a pair must be followed that far
    if last < 2 * window + 2 or not y.any():
        return np.full(steps, np.nan)
    chosen = np.unique(np.linspace(0, last - 1, min(references, last)).astype(int))
    tree = cKDTree(y[:last])
    partner = np.full(len(chosen), -1)
    open_, k = np.arange(len(chosen)), min(_NEIGHBOURS, last)
    while len(open_):
        _, index = tree.query(y[chosen[open_]], k=k)
        usable = np.abs(index - chosen[open_][:, None]) > window
        found = usable.any(axis=1)
        partner[open_[found]] = index[found, usable[found].argmax(axis=1)]
        open_ = open_[~found]
        if k == last:
            break
        k = min(4 * k, last)
    pairs = np.stack([chosen, partner])[:, partner >= 0]
    if pairs.shape[1] == 0:
        return np.full(steps, np.nan)
    curve = np.empty(steps)
    for k in range(steps):
        apart = np.linalg.norm(y[pairs[0] + k] - y[pairs[1] + k], axis=1)
        curve[k] = np.log(np.maximum(apart, _NOTHING)).mean()
    return curve


@checked
def largest_exponent(
    x: Any,
    *,
    steps: int | None = None,
    window: int | None = None,
    references: int = 2000,
) -> float:
    """Largest Lyapunov exponent of a trajectory, in nats per step: about 0 for a cycle.

    The slope of :func:`divergence_curve`, from the end of its first jump to half-way to its
    saturation, the mean logarithmic distance of unrelated points. ``x``, ``window`` and
    ``references`` are those of :func:`divergence_curve`. ``steps`` is at most a third of
    the series; None: six mean oscillations, at least 12. NaN if there are no neighbours.

    Raises
    ------
    InputError
        If the series has fewer than 6 steps.

    Examples
    --------
    >>> rotation = np.exp(1j * np.arange(1000))  # a quasiperiodic motion
    >>> bool(abs(largest_exponent(rotation.real)) < 0.01)
    True
    """
    y = _standardised(x)
    if len(y) < 6:
        raise InputError(f"an exponent needs at least 6 steps, found {len(y)}.")
    window = mean_oscillation(y) if window is None else window
    steps = max(6 * window, 12) if steps is None else steps
    curve = divergence_curve(y, steps=min(steps, len(y) // 3), window=window, references=references)
    if not np.isfinite(curve).all():
        return float("nan")
    far = np.random.default_rng(0).integers(len(y), size=(2, 2000))
    apart = np.linalg.norm(y[far[0]] - y[far[1]], axis=1)
    saturation = float(np.log(np.maximum(apart, _NOTHING)).mean())
    # within a period the distance oscillates with the orbit: a flow's slope is read over more
    settled = min(window if window > 1 else 0, len(curve) // 4)
    half_way = (curve[settled] + saturation) / 2
    above = np.flatnonzero(curve[settled:] > half_way)
    end = settled + (above[0] if len(above) else len(curve) - settled)
    end = min(max(end, settled + max(window, 4)), len(curve))
    return float(np.polyfit(np.arange(settled, end), curve[settled:end], 1)[0])


@checked
def correlation_sum(
    x: Any, *, window: int | None = None, references: int = 500, seed: int = 0
) -> tuple[Float[ndarray, " r"], Float[ndarray, " r"]]:
    """Radii, and the share of pairs of points that are nearer than each of them, up to 1.

    Pairs within ``window`` steps in time do not count (Theiler 1986), nor do exact repetitions.
    """
    y = _standardised(x)
    n = len(y)
    references = whole_number("references", references)
    window = mean_oscillation(y) if window is None else whole_number("window", window, least=0)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(n)[: min(references, n)]
    edges = np.geomspace(_NOTHING, 100.0, _RADII + 1)
    step = np.log(edges[1] / edges[0])
    counts = np.zeros(_RADII, dtype=np.int64)
    for part in np.array_split(chosen, max(len(chosen) // 100, 1)):
        distance = cdist(y[part], y)
        distance[np.abs(part[:, None] - np.arange(n)[None]) <= window] = 0.0
        counted = distance[distance > _NOTHING]
        place = (np.log(counted / edges[0]) / step).astype(np.int64)
        counts += np.bincount(np.minimum(place, _RADII - 1), minlength=_RADII)
    total = counts.sum()
    share = np.cumsum(counts) / total if total else np.full(_RADII, np.nan)
    return edges[1:], share


@checked
def correlation_dimension(
    x: Any, *, window: int | None = None, references: int = 500, seed: int = 0
) -> float:
    """Correlation dimension ``D_2``: slope of log C(r) over log r (Grassberger & Procaccia 1983).

    Fitted where 0.03 % to 3 % of the pairs are within reach. 5,000 points on an attractor of
    dimension 2 give an error of about 0.1. ``references`` points drawn with ``seed`` are compared
    with all others, but for ``window`` steps in time (None: :func:`mean_oscillation`).
    ``x`` is a trajectory ``(T,)`` or ``(T, N)``. 0 for a point; NaN if too few pairs are left.

    Examples
    --------
    >>> phase = np.random.default_rng(0).uniform(0, 2 * np.pi, size=3000)
    >>> circle = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    >>> round(correlation_dimension(circle), 1)
    1.0
    """
    if not _standardised(x).any():
        return 0.0
    radius, share = correlation_sum(x, window=window, references=references, seed=seed)
    inside = (share >= _LOW) & (share <= _HIGH)
    if inside.sum() < 3:
        return float("nan")
    return float(np.polyfit(np.log(radius[inside]), np.log(share[inside]), 1)[0])


def kaplan_yorke_dimension(exponents: Sequence[float] | Float[ndarray, " k"]) -> float:
    """Dimension of an attractor from its Lyapunov spectrum (Kaplan & Yorke 1979).

    ``j + sum_{i<=j} lambda_i / |lambda_{j+1}|`` with the largest ``j`` whose sum is not negative. 0
    if all ``exponents`` are negative; their number if no sum is negative.

    Raises
    ------
    InputError
        If they are not a row of finite numbers.

    Examples
    --------
    >>> round(kaplan_yorke_dimension([0.906, 0.0, -14.572]), 3)  # Lorenz
    2.062
    """
    ordered = np.sort(np.asarray(exponents, dtype=np.float64))[::-1]
    if ordered.ndim != 1 or not len(ordered) or not np.isfinite(ordered).all():
        raise InputError(f"exponents must be a row of finite numbers, found {exponents!r}.")
    sums = np.cumsum(ordered)
    kept = np.flatnonzero(sums >= 0)
    if not len(kept):
        return 0.0
    j = int(kept[-1]) + 1
    return float(j) if j == len(ordered) else float(j + sums[j - 1] / abs(ordered[j]))


@checked
def recurrence_matrix(x: Any, *, rate: float = 0.05, longest: int = 1000) -> Bool[ndarray, "T T"]:
    """Which pairs of times find the system in nearly the same state (Eckmann et al. 1987).

    ``x`` is ``(T,)`` or ``(T, N)``. The share ``rate`` of all pairs counts as near. A series above
    ``longest`` states is thinned
    evenly. Unbroken diagonals are repetitions: long for a cycle, short for chaos.

    Raises
    ------
    InputError
        If ``rate`` is not between 0 and 1.

    Examples
    --------
    A wave of 20 steps is in the same state a period later, and not after half a period:

    >>> near = recurrence_matrix(np.sin(2 * np.pi * np.arange(100) / 20), rate=0.2)
    >>> near.shape, near[5, [5, 15, 25]].tolist()
    ((100, 100), [True, False, True])
    """
    if not 0 < rate < 1:
        raise InputError(f"rate must lie between 0 and 1, found {rate!r}.")
    y = _standardised(x)
    y = y[:: -(-len(y) // whole_number("longest", longest, least=2))]
    distance = cdist(y, y)
    return distance <= np.quantile(distance, rate)


def _standardised(x: Any) -> Points:
    """``(T, N)``, each channel of deviation 1, or 0 where it is constant up to rounding."""
    series = as_series(x, name="the series", least=4)
    if series.shape[1] != 1:
        raise InputError(f"expected one series, (T,) or (T, N), found {series.shape[1]} of them.")
    y = series[:, 0] / unit(series[:, 0])
    size = np.abs(y).max(axis=0)
    y = y - y.mean(axis=0)
    deviation = y.std(axis=0)
    moves = deviation > _NOTHING * size
    return np.where(moves, y / np.where(moves, deviation, 1.0), 0.0)
