"""Noise: how much of it a context has, and the context without it.

First a singular-spectrum smoother (Broomhead & King 1986) with the optimal threshold of Gavish &
Donoho (2014). Then, where the states' own one-step map is smooth enough to tell noise from motion,
states and map are fitted to each other by turns (weak-constraint variational assimilation).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy import linalg

from ..io.arrays import still
from ..io.progress import tqdm
from ..io.shapes import Float
from ..io.threads import sums_by_one_thread
from ..preprocessing.embedding import decorrelation_time
from ..settings import PATIENCE
from .regression import OneStepMap, Regression, delayed, scales
from .settings import GPConfig

Series = Float[ndarray, "T_C n"]

WINDOW = 24  # steps of the singular spectrum
LEAST_NOISE = 2e-3  # deviations; below it a context counts as clean
TURNS = 2  # of fitting the map to the states, and the states to the map
_NEWTON = 2  # Gauss-Newton steps in a turn
_FURTHEST = 3.0  # noise deviations that such a step may move a state
_SHORTEST = 3 * WINDOW  # steps of a context that is smoothed
_TOGETHER = 20_000  # delay vectors that are in memory at a time
_STATE = 3  # entries that a state has at least; delays fill what channels lack


class Smoothed(NamedTuple):
    """A context without its noise, and the noise's deviation, in deviations of each channel."""

    values: Series
    noise: float


def smooth(x: Series, config: GPConfig | None = None) -> Smoothed:
    """Estimate the noise of a context and remove it, where there is any.

    Two estimates must agree that there is noise, and the smaller one counts: what singular-spectrum
    smoothing removes, and what the other transitions do not predict of a transition. A clean series
    passes unchanged, also one whose spectrum is broad or whose state is not fully observed. So does
    one of fewer than 72 steps. Delays complete the state of one or two channels. ``x`` is the
    context, ``(T_C, n)``, finite and in any units; ``config`` has the kernels of the map.

    Examples
    --------
    >>> circle = np.exp(0.1j * np.arange(400))[:, None].view(float)
    >>> bool((smooth(circle).values == circle).all())
    True
    >>> noisy = circle + 0.05 * np.random.default_rng(0).normal(size=circle.shape)
    >>> found = smooth(noisy)
    >>> round(found.noise, 2), bool(np.abs(found.values - circle).std() < 0.015)
    (0.06, True)
    """
    config, (mean, deviation) = config or GPConfig(), scales(x)
    if len(x) < _SHORTEST or still(x).any():
        return Smoothed(x, 0.0)
    with sums_by_one_thread():
        states, noise = _smoothed((x - mean) / deviation, config)
    return Smoothed(x if states is None else states * deviation + mean, noise)


def _smoothed(z: Series, config: GPConfig) -> tuple[Series | None, float]:
    """States in deviations, or None for a clean context; and the noise."""
    first = singular_spectrum(z)
    removed = float((z - first).std())
    if removed < LEAST_NOISE:
        return None, removed
    lags = _lags(first)
    raw = Regression(delayed(z, lags), config)
    likeliest = int(np.argmin(raw.evidence.likelihood))
    unforeseen = (raw.evidence.surprise[likeliest] * raw.size)[: z.shape[1]] / np.sqrt(2.0)
    noise = min(removed, float(unforeseen.mean()))
    if noise < LEAST_NOISE:
        return None, noise
    states = first
    for _ in tqdm(range(TURNS), desc="smoothing", disable=None, delay=PATIENCE):
        seen = delayed(states, lags)
        found = Regression(seen, config).likeliest()
        misses = float((seen[1:] - found.step(seen[:-1], held=False))[:, : z.shape[1]].std())
        misses = max(misses, 1e-3 * noise)
        states = assimilated(z, states, found, lags=lags, noise=noise, misses=misses)
    return states, noise


def singular_spectrum(z: Series, window: int = WINDOW) -> Series:
    """The series of the delay vectors' leading components, averaged over the vectors of each step.

    All channels' ``window`` delays make one vector. The threshold is that of Gavish & Donoho for
    noise of unknown strength.
    """
    T, n = z.shape
    views = np.lib.stride_tricks.sliding_window_view(z, window, axis=0)
    first = range(0, len(views), _TOGETHER)  # a long series' vectors would not fit into memory
    squares = sum(v.T @ v for v in (_flat(views, i) for i in first))
    squares, axes = linalg.eigh(squares, check_finite=False)
    sizes = np.sqrt(np.maximum(squares, 0.0))
    ratio = min(len(views), n * window) / max(len(views), n * window)
    threshold = 0.56 * ratio**3 - 0.95 * ratio**2 + 1.82 * ratio + 1.43
    kept = axes[:, sizes > threshold * np.median(sizes)]
    total, count = np.zeros((T, n)), np.zeros((T, 1))
    for i in tqdm(first, desc="spectrum", disable=None, delay=PATIENCE, leave=False):
        parts = (_flat(views, i) @ kept @ kept.T).reshape(-1, n, window)
        for j in range(window):
            total[i + j : i + j + len(parts)] += parts[:, :, j]
            count[i + j : i + j + len(parts)] += 1.0
    return total / count


def _flat(views: ndarray, i: int) -> Float[ndarray, "V w"]:
    """A stretch of delay vectors, all channels' delays in one."""
    return views[i : i + _TOGETHER].reshape(-1, views.shape[1] * views.shape[2])


def _lags(z: Series) -> tuple[int, ...]:
    """Delays, 0 first, that make a state of at least three entries: fewer are no state."""
    count = -(-_STATE // z.shape[1])
    apart = max(1, decorrelation_time(z) // _STATE)
    return tuple(apart * j for j in range(count))


def assimilated(
    observed: Series,
    states: Series,
    found: OneStepMap,
    *,
    lags: tuple[int, ...] = (0,),
    noise: float,
    misses: float,
) -> Series:
    """The states that fit the observations and the map best, near the given ones.

    They minimise ``sum |o_t - y_t|^2 / noise^2 + sum |y_{t+1} - f(y_t, y_{t-lag}, ...)|^2 /
    misses^2`` by Gauss-Newton steps. The normal equations are banded: a state meets those of its
    lags only.
    """
    T, n = states.shape
    here, ahead, back = noise**-2, misses**-2, lags[-1]
    at = (1, *(-lag for lag in lags))  # the steps, from t, that the residual of t contains
    for _ in range(_NEWTON):
        seen = delayed(states, lags)
        J = found.jacobians(seen[:-1])[:, :n]
        off = (seen[1:] - found.step(seen[:-1], held=False))[:, :n]
        parts = [np.broadcast_to(np.eye(n), (len(off), n, n))]
        parts += [-J[:, :, j * n : (j + 1) * n] for j in range(len(lags))]
        pull = here * (observed - states)
        band = np.zeros(((back + 2) * n, T * n))  # lower diagonals
        band[0] = here
        for a, A in zip(at, parts, strict=True):
            rows = slice(back + a, back + a + len(off))
            pull[rows] -= ahead * np.einsum("tip,ti->tp", A, off)
            for b, B in zip(at, parts, strict=True):
                if b < a:
                    continue
                both = ahead * np.einsum("tip,tiq->tpq", A, B)
                for p in range(n):
                    for q in range(p if a == b else 0, n):
                        first = (back + a) * n + p
                        band[(b - a) * n + q - p, first : first + len(off) * n : n] += both[:, p, q]
        moved = linalg.solveh_banded(band, pull.ravel(), lower=True, check_finite=False)
        states = states + np.clip(moved.reshape(T, n), -_FURTHEST * noise, _FURTHEST * noise)
    return states
