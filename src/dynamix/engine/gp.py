"""The Gaussian-process forecaster of :mod:`dynamix.gp`, compiled.

A step is ``x' = x + B^T m(z) + sum_k alpha_k (1 + |z - c_k|^2 / 6 l^2)^-3``, then held in the box,
in deviations of the context; ``m`` are monomials, and ``z`` holds ``x`` and earlier observations.
It is in double precision: the weights of a smooth kernel are large and cancel each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy import ndarray

from ..gp.regression import OneStepMap
from ..io.shapes import Float
from .machine import available_cores
from .runtime import VERSION, call, entry, share_out


@entry
def run_gp(weights, centres, polynomial, terms, box, width, lags, found, version):  # type: ignore[no-untyped-def]
    """One free run. ``weights (N, K)`` and ``centres (d, K)`` have a channel a row.

    ``terms (2, P)`` are the parent and the variable of each monomial, ``polynomial (P, N)`` ``B``.
    ``found`` begins with the observations before the run, as many as the last lag and one.
    """
    (N, K), P, d, back = weights.shape, len(polynomial), len(centres), lags[-1]
    k, x, moved, m = np.empty(K), np.empty(d), np.empty(N), np.ones(P)
    for t in range(back, len(found) - 1):
        for i in range(len(lags)):
            for n in range(N):
                x[i * N + n] = found[t - lags[i], n]
        k[:] = 1.0
        for n in range(d):
            for i in range(K):
                e = centres[n, i] - x[n]
                k[i] += e * e * width  # 1 + |x - c|^2 / 6 l^2
        for i in range(K):
            k[i] = 1.0 / (k[i] * k[i] * k[i])
        for p in range(1, P):
            m[p] = m[terms[0, p]] * x[terms[1, p]]
        for n in range(N):
            moved[n] = x[n]
            for p in range(P):
                moved[n] += polynomial[p, n] * m[p]
            parts = np.zeros(8)  # sums side by side: one would wait for the last addition
            for i in range(0, K - K % 8, 8):
                for j in range(8):
                    parts[j] += weights[n, i + j] * k[i + j]
            for i in range(K - K % 8, K):
                parts[0] += weights[n, i] * k[i]
            moved[n] += parts.sum()
        for n in range(N):
            found[t + 1, n] = min(max(moved[n], box[0, n]), box[1, n])


def runs(
    maps: Sequence[OneStepMap],
    first: Sequence[Float[ndarray, "_ N"]],
    horizon: int,
    *,
    threads: int | None = None,
) -> Float[ndarray, "T R N"]:
    """What :func:`dynamix.gp.rollouts.runs` computes."""
    found = np.empty((len(maps), horizon, first[0].shape[1]))

    def work(begin: int, end: int) -> None:
        for r in range(begin, end):
            one, before = maps[r], maps[r].lags[-1] + 1
            seen = np.concatenate([one.scaled(first[r][-before:]), found[r]])
            call(
                run_gp,
                np.ascontiguousarray(one.weights.T),
                np.ascontiguousarray(one.centres.T),
                np.ascontiguousarray(one.polynomial),
                np.stack(one.terms),
                np.stack([one.low, one.high]),
                1.0 / (6.0 * one.kernel.scale**2),
                np.array(one.lags),
                seen,
                VERSION,
            )
            found[r] = seen[before:] * one.deviation + one.mean

    share_out(work, len(maps), available_cores() if threads is None else threads)
    return found.transpose(1, 0, 2)
