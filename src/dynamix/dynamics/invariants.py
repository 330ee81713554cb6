"""Dynamical invariants read off a trajectory alone: exponent, dimensions, recurrences.

What no choice of coordinates changes, and what a continuation of chaos has to keep, whichever model
made it. A model's own exponents come from its Jacobians (:mod:`dynamix.engine.tangent`,
:func:`dynamix.dynamics.lyapunov_spectrum`); here is what can be measured on a parrot, a transformer
or a data set, too. All of it is estimated and rough: read it against the truth's, from the same
function and the same number of points.

Sources: Rosenstein et al. (1993) for the exponent; Grassberger & Procaccia (1983) with the window
of Theiler (1986) for the correlation dimension; Kaplan & Yorke (1979); Eckmann et al. (1987) for
recurrence plots. The neighbour searches are SciPy's: ``nolds``, the package for these measures,
takes one-dimensional series only, compares all pairs in Python loops, and its last release does not
import under every Python 3.11.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from ..errors import InputError, whole_number

Points = Float[ndarray, "_ N"]

_NOTHING = 1e-9  # of the deviation: distances below are repetitions or rounding
_NEIGHBOURS = 16  # looked at first; fourfold where all of them are too near in time
_RADII = 800  # of the correlation sum
_LOW, _HIGH = 3e-4, 3e-2  # share of pairs within reach, between which the dimension is read


def delay_embedding(
    x: Float[ndarray, " T"], *, dimension: int, delay: int
) -> Float[ndarray, "T_e dimension"]:
    """``(x_t, x_{t+delay}, ...)``, ``T - (dimension - 1) delay`` rows.

    Parameters
    ----------
    x
        ``(T,)``.
    dimension
        Columns, at least 1.
    delay
        Steps between two columns, at least 1.

    Returns
    -------
    (T_e, dimension)
        In the data's units; row t begins with ``x_t``.

    Raises
    ------
    InputError
        If ``dimension`` or ``delay`` is no integer of at least 1, or the series is too short for a
        single row.

    Examples
    --------
    >>> delay_embedding(np.arange(5.0), dimension=2, delay=2).tolist()
    [[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]
    """
    dimension, delay = whole_number("dimension", dimension), whole_number("delay", delay)
    rows = len(x) - (dimension - 1) * delay
    if rows < 1:
        raise InputError(
            f"{dimension} dimensions at delay {delay} need more than {(dimension - 1) * delay} "
            f"steps, found {len(x)}."
        )
    return np.stack([x[i * delay : i * delay + rows] for i in range(dimension)], axis=1)


def mean_period(x: Points) -> int:
    """Steps of a mean oscillation: the reciprocal of the mean frequency of the power spectrum.

    The usual window within which neighbours in space are only neighbours in time (Rosenstein et
    al. 1993). 1 for noise and maps, at most a tenth of the length; ``x`` is ``(T, N)``, finite, and
    every channel counts alike.

    Examples
    --------
    >>> mean_period(np.sin(2 * np.pi * np.arange(1000)[:, None] / 50))
    50
    """
    y = x - x.mean(axis=0)
    power = (np.abs(np.fft.rfft(y, axis=0)) ** 2 / np.maximum((y**2).sum(axis=0), 1e-300)).sum(
        axis=1
    )
    if not power.sum() > 0:
        return 1
    frequency = float((power * np.fft.rfftfreq(len(x))).sum() / power.sum())
    return int(np.clip(round(1.0 / max(frequency, 1e-9)), 1, max(len(x) // 10, 1)))


def divergence_curve(
    x: Any, *, steps: int, window: int | None = None, references: int = 2000
) -> Float[ndarray, " steps"]:
    """Mean logarithm of the distance of neighbours, 0, 1, ... steps after they were neighbours.

    Every reference's nearest neighbour at least ``window`` steps away in time is followed.
    Distances are Euclidean, channels standardised. The slope of the curve's straight part is the
    largest Lyapunov exponent per step (Rosenstein et al. 1993).

    Parameters
    ----------
    x
        ``(T,)`` or ``(T, N)``: states, or a delay embedding.
    steps
        Length of the curve, at least 2.
    window
        In steps, at least 0. None: :func:`mean_period`.
    references
        Neighbours followed, evenly spaced over the series; at most that many.

    Returns
    -------
    (steps,)
        In nats: the logarithm of deviations. NaN throughout where no step has a neighbour: a
        series that stands still, or a window too wide for it. A state that returns exactly
        counts as a neighbour, so a cycle's curve is flat.

    Raises
    ------
    InputError
        If the series has another shape, fewer than 4 steps or is not finite, or if ``steps``,
        ``window`` or ``references`` is no integer or too small.

    Examples
    --------
    The logistic map doubles small distances on average, by ``ln 2 = 0.7`` nats a step:

    >>> x = np.full(5000, 0.3)
    >>> for t in range(4999):
    ...     x[t + 1] = 4 * x[t] * (1 - x[t])
    >>> np.diff(divergence_curve(x, steps=5)).round(1).tolist()
    [0.7, 0.7, 0.7, 0.7]
    """
    y, n = _standardised(x), len(np.asarray(x))
    steps = whole_number("steps", steps, least=2)
    references = whole_number("references", references)
    window = mean_period(y) if window is None else whole_number("window", window, least=0)
    last = n - steps  # both of a pair must be followed that far
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


def largest_exponent(
    x: Any,
    *,
    steps: int | None = None,
    window: int | None = None,
    references: int = 2000,
) -> float:
    """Largest Lyapunov exponent per step, from a trajectory: about 0 for a cycle.

    The slope of :func:`divergence_curve` by least squares, from where it has left its first jump to
    where it is half-way to its saturation, the mean logarithmic distance of unrelated points.

    Parameters
    ----------
    x, window, references
        As of :func:`divergence_curve`.
    steps
        How far neighbours are followed, at most a third of the series; None: six mean periods, or
        12 where that is more.

    Returns
    -------
    float
        Nats per step; multiply by the samples of a time unit for the exponent per time unit.
        NaN where there are no neighbours, as in a series that stands still.

    Raises
    ------
    InputError
        If the series has another shape, fewer than 6 steps or is not finite, or if ``steps`` or
        ``window`` is no integer or too small.

    Examples
    --------
    >>> x = np.empty(2000)
    >>> x[0] = 0.3
    >>> for t in range(1999):
    ...     x[t + 1] = 4 * x[t] * (1 - x[t])  # the logistic map: ln 2
    >>> bool(abs(largest_exponent(x) - np.log(2)) < 0.05)
    True
    """
    y = _standardised(x)
    if len(y) < 6:
        raise InputError(f"an exponent needs at least 6 steps, found {len(y)}.")
    window = mean_period(y) if window is None else window
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


def correlation_sum(
    x: Any, *, window: int | None = None, references: int = 500, seed: int = 0
) -> tuple[Float[ndarray, " r"], Float[ndarray, " r"]]:
    """Radii and the share of pairs of points that are nearer than each.

    The correlation integral ``C(r)`` of Grassberger & Procaccia (1983). Pairs closer than
    ``window`` in time are left out (Theiler 1986), and so are exact repetitions: a parrot's copies
    are no new points of its set.

    Parameters
    ----------
    x
        ``(T,)`` or ``(T, N)``: states, or a delay embedding.
    window
        In steps, at least 0. None: :func:`mean_period`.
    references
        Points whose distances to all others are measured, drawn at random; at most that many.
    seed
        Of that draw.

    Returns
    -------
    (800,) and (800,)
        Radii in units of the channels' deviation, evenly spaced in their logarithm, and shares
        from 0 to 1. The shares are NaN where no pair is left.

    Raises
    ------
    InputError
        If the series has another shape, fewer than 4 steps or is not finite, if ``window`` is no
        integer of at least 0, or ``references`` none of at least 1.

    Examples
    --------
    On a line twice the radius reaches twice the pairs, so its dimension is 1:

    >>> radius, share = correlation_sum(np.random.default_rng(0).uniform(size=3000), window=0)
    >>> near, far = np.interp([0.05, 0.1], radius, share)
    >>> round(float(far / near)), float(share[-1])
    (2, 1.0)
    """
    y, n = _standardised(x), len(np.asarray(x))
    references = whole_number("references", references)
    window = mean_period(y) if window is None else whole_number("window", window, least=0)
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


def correlation_dimension(
    x: Any, *, window: int | None = None, references: int = 500, seed: int = 0
) -> float:
    """Correlation dimension ``D_2``: the slope of log C(r) over log r, by least squares.

    Read where between 0.03 % and 3 % of the pairs are within reach: below, too few are left, above,
    the set's edges are felt. Some 5,000 points on a strange attractor of dimension 2 suffice for an
    error of about 0.1; noise that fills ``N`` dimensions comes out a little under ``N``. After
    Grassberger & Procaccia (1983).

    Parameters
    ----------
    x, window, references, seed
        As of :func:`correlation_sum`.

    Returns
    -------
    float
        0 for a point; NaN where the pairs do not suffice.

    Raises
    ------
    InputError
        As :func:`correlation_sum`.

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
    """Dimension of the attractor from its Lyapunov spectrum (Kaplan & Yorke 1979).

    ``j + sum_{i<=j} lambda_i / |lambda_{j+1}|`` with the largest ``j`` whose sum is not negative; 0
    where all ``exponents`` are negative, and their number where no sum is. Their order and their
    unit of time do not matter.

    Raises
    ------
    InputError
        If ``exponents`` is empty, not one row, or not finite.

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


def recurrence_matrix(x: Any, *, rate: float = 0.05, longest: int = 1000) -> Bool[ndarray, "T T"]:
    """Which pairs of times find the system in the same place (Eckmann et al. 1987).

    Parameters
    ----------
    x
        ``(T,)`` or ``(T, N)``; channels are standardised, distances Euclidean.
    rate
        Share of pairs that count as near, between 0 and 1, which fixes the radius: plots of
        different series then have equally much ink.
    longest
        States at most, at least 2; a longer series is thinned evenly.

    Returns
    -------
    (T, T)
        With the main diagonal set. Unbroken diagonals are repetitions: a cycle has nothing
        else, chaos has short ones, noise none.

    Raises
    ------
    InputError
        If ``rate`` does not lie between 0 and 1, if ``longest`` is no integer of at least 2, or if
        the series has another shape, fewer than 4 steps or is not finite.

    Examples
    --------
    A wave of 20 steps is in the same place a period later, and not after half of one:

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


def determinism(recurrences: Bool[ndarray, "T T"], *, shortest: int = 5) -> float:
    """Share of recurrences on diagonals of at least ``shortest`` steps: 1 for a cycle, 0 for noise.

    The main diagonal, on which every state is near itself, is left out.

    Parameters
    ----------
    recurrences
        ``(T, T)``, symmetric, as of :func:`recurrence_matrix`; its upper half is read.
    shortest
        In steps of the matrix, at least 1.

    Returns
    -------
    float
        From 0 to 1; NaN where nothing recurs.

    Raises
    ------
    InputError
        If ``shortest`` is no integer of at least 1.

    Examples
    --------
    A cycle of two states, ten steps of it: the diagonals are 8, 6, 4 and 2 long.

    >>> even = np.arange(10) % 2 == 0
    >>> determinism(even[:, None] == even, shortest=5)  # 14 of 20
    0.7
    """
    shortest = whole_number("shortest", shortest)
    on_lines = total = 0
    for k in range(1, len(recurrences)):
        line = np.concatenate([[0], np.diagonal(recurrences, k).astype(np.int8), [0]])
        lengths = np.flatnonzero(np.diff(line) < 0) - np.flatnonzero(np.diff(line) > 0)
        total += int(lengths.sum())
        on_lines += int(lengths[lengths >= shortest].sum())
    return on_lines / total if total else float("nan")


def _standardised(x: Any) -> Points:
    """``(T, N)``, finite, each channel of deviation 1; 0 where it stands still but for rounding."""
    y = np.asarray(x, dtype=np.float64)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or len(y) < 4:
        raise InputError(f"expected at least 4 steps of shape (T,) or (T, N), found {y.shape}.")
    if not np.isfinite(y).all():
        raise InputError("the series holds NaN or infinity; it has no invariants.")
    size = np.abs(y).max(axis=0)
    y = y - y.mean(axis=0)
    deviation = y.std(axis=0)
    moves = deviation > _NOTHING * size
    return np.where(moves, y / np.where(moves, deviation, 1.0), 0.0)
