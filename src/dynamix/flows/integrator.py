"""Paths of generated flows: an adaptive Dormand-Prince integrator, compiled by numba.

All compiled code and its constants are in this file, the only one that numba's cache watches.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from ..engine.runtime import entry, piece
from ..io.shapes import Float, Int, UInt8

UNITS = ("tanh", "sin", "softabs")
TOLERANCE = 1e-10  # of paths that are given out: local error, in deviations of each variable

_FAR = 100.0  # variables beyond it count as unbounded
_SOFT = 0.01  # softabs(u) = sqrt(u² + _SOFT): a kink would spoil the integrator's order

# Dormand and Prince's fifth-order method and its error (J. Comput. Appl. Math. 6, 19, 1980); the
# last stage is the step itself
_STAGES = np.zeros((7, 6))
_STAGES[1, :1] = 1 / 5
_STAGES[2, :2] = 3 / 40, 9 / 40
_STAGES[3, :3] = 44 / 45, -56 / 15, 32 / 9
_STAGES[4, :4] = 19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729
_STAGES[5, :5] = 9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656
_STAGES[6] = 35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84
_ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


class Tables(NamedTuple):
    """The right-hand side of a flow of ``n`` variables: products of variables, and units.

    ``x_i' = sum_t coefficient_t x_j x_k x_l + sum_u out_ui g_u(into_u . x + bias_u)``, with the
    terms ``t`` from ``ends_{i-1}`` to ``ends_i`` and ``(j, k, l) = factors_t``; index ``n`` stands
    for the number 1. A row of ``units`` is ``into_u, bias_u, out_u``.
    """

    ends: Int[ndarray, " n"]
    factors: UInt8[ndarray, "terms 3"]  # unsigned: an index that may be negative takes longer
    coefficient: Float[ndarray, " terms"]
    kinds: Int[ndarray, " units"]  # into UNITS
    units: Float[ndarray, "units 2*n+1"]


@piece
def _slope(x, k, s, a, ends, factors, coefficient, kinds, units):  # type: ignore[no-untyped-def]
    """``k[s, a] = x[a]'``; ``x[a]`` ends in a 1."""
    n = x.shape[1] - 1
    t = 0
    for i in range(n):
        total = 0.0
        while t < ends[i]:
            product = x[a, factors[t, 0]] * x[a, factors[t, 1]] * x[a, factors[t, 2]]
            total += coefficient[t] * product
            t += 1
        k[s, a, i] = total
    k[s, a, n] = 0.0
    for u in range(kinds.size):
        v = units[u, n]
        for j in range(n):
            v += units[u, j] * x[a, j]
        if kinds[u] == 0:
            g = np.tanh(v)
        else:
            g = np.sin(v) if kinds[u] == 1 else math.sqrt(v * v + _SOFT)
        for i in range(n):
            k[s, a, i] += units[u, n + 1 + i] * g


@piece
def _advance(x, tables, dt, h, error, budget, k, trial):  # type: ignore[no-untyped-def]
    """Move one or two states ``x (c, n+1)`` by ``dt``; the first controls the steps.

    Returns the next step and the rest of the ``budget`` of steps, negative after a failure.
    """
    # passed one by one: counting references to a tuple's arrays costs more than the sums
    ends, factors, coefficient, kinds, units = tables
    c, m = x.shape
    t = 0.0
    for a in range(c):
        _slope(x, k, 0, a, ends, factors, coefficient, kinds, units)
    while t < dt:
        last = t + 1.01 * h >= dt
        step = dt - t if last else h
        for s in range(1, 7):
            for a in range(c):
                for i in range(m):
                    total = 0.0
                    for r in range(s):
                        total += _STAGES[s, r] * k[r, a, i]
                    trial[a, i] = x[a, i] + step * total
                _slope(trial, k, s, a, ends, factors, coefficient, kinds, units)
        ratio = farthest = 0.0
        for i in range(m - 1):
            total = 0.0
            for r in range(7):
                total += _ERROR[r] * k[r, 0, i]
            ratio = max(ratio, abs(step * total) / error[i])
            farthest = max(farthest, abs(trial[0, i]))
        budget -= 1
        if not ratio < np.inf or farthest > _FAR or budget < 0:
            return h, -1
        proposed = step * min(4.0, max(0.2, 0.9 * (ratio + 1e-12) ** -0.2))
        if ratio <= 1.0:
            t = dt if last else t + step
            x[:] = trial
            k[0] = k[6]
            h = max(h, proposed) if last else proposed
        else:
            h = proposed
    return h, budget


@entry
def _run(x, tables, dt, error, budget, samples, speed, growth):  # type: ignore[no-untyped-def]
    """Fill ``samples (T, n)`` from ``x (n+1,)`` on, ``dt`` apart, and move ``x`` to the end.

    ``speed (n,)`` gets the mean square of ``x'``. ``growth (T,)``, unless empty, gets the log of
    the growth of a small distance in each ``dt`` (Benettin et al., Meccanica 15, 9, 1980). Returns
    False if the path is unbounded or takes more than ``budget`` steps.
    """
    m, c = x.size, 2 if growth.size else 1
    k, trial, state = np.empty((7, c, m)), np.empty((c, m)), np.empty((c, m))
    state[:] = x
    near = 1e-7 * error / error[0]  # the distance, in each variable's measure
    state[c - 1, : m - 1] += (c - 1) * near
    h = 0.1 * dt
    for t in range(len(samples)):
        samples[t] = state[0, : m - 1]
        h, budget = _advance(state, tables, dt, h, error, budget, k, trial)
        if budget < 0:
            return False
        speed += k[0, 0, : m - 1] ** 2 / len(samples)
        if c == 2:
            factor = math.sqrt((((state[1] - state[0])[: m - 1] / near) ** 2).mean())
            if not 0.0 < factor < np.inf:
                return False
            growth[t] = math.log(factor)
            state[1] = state[0] + (state[1] - state[0]) / factor
    x[:] = state[0]
    return True


class Unfit(Exception):  # noqa: N818
    """Why a flow is rejected."""


class Walk:
    """A state of a flow, which moves along with every path."""

    def __init__(self, tables: Tables, x: ndarray) -> None:
        self.tables, self.x, self.scale = tables, x.copy(), np.ones(x.size - 1)

    def path(
        self, dt: float, samples: int, *, tolerance: float, pair: bool = False, steps: int = 20
    ) -> tuple[Float[ndarray, "samples n"], Float[ndarray, " n"], Float[ndarray, " _"]]:
        """Path, mean square slope and, for a ``pair``, growth, as of :func:`_run`.

        ``steps`` is the largest average number of integrator steps per sample.
        """
        n = self.scale.size
        path, speed, growth = np.empty((samples, n)), np.zeros(n), np.empty(samples * pair)
        error = self.scale * tolerance
        if not _run(self.x, tuple(self.tables), dt, error, steps * samples, path, speed, growth):
            raise Unfit("unbounded, or stiff")
        return path, speed, growth
