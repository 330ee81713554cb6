"""The local forecaster in more than three dimensions, compiled: every context step is looked at.

Boxes gain little in many dimensions. A distance is given up as soon as it exceeds the furthest
neighbour's.
"""

from __future__ import annotations

import math

import numpy as np

from .runtime import entry, piece

SLACK = 1.0001  # of a bound on squared distances, against rounding


@piece
def nearest(steps, q, count, limit, distance, step):  # type: ignore[no-untyped-def]
    """The ``count`` steps nearest to a query, nearest first, of equal ones the earlier.

    Returns how many lie within ``limit``, at most ``count``.
    """
    found = 0
    for k in range(len(steps) - 1):
        bound = distance[count - 1] if found == count else limit
        d = 0.0
        for n in range(len(q)):
            e = steps[k, n] - q[n]
            d += e * e
            if d > bound:
                break
        if d > bound or (found == count and d == bound):
            continue
        j = found if found < count else count - 1
        found = min(found + 1, count)
        while j > 0 and distance[j - 1] > d:
            distance[j], step[j] = distance[j - 1], step[j - 1]
            j -= 1
        distance[j], step[j] = d, k
    return found


@piece
def wide_step(steps, kick, count, pull, fit, x, distance, step, q, room, products):  # type: ignore[no-untyped-def]
    """The state ``x`` gets its successor ``x + v - P^T (cov(u, u) + ridge r^2 I)^-1 u``.

    ``u``, ``v``, the weights and ``P = cov(u, v)`` are those of
    :func:`dynamix.local.fits.local_fits`.
    """
    N = len(x)
    limit = 0.0
    for n in range(N):
        q[n] = x[n] + kick[n]
    for i in range(count):  # most successors of the last neighbours are neighbours again
        k, d = min(step[i] + 1, len(steps) - 2), 0.0
        for n in range(N):
            d += (steps[k, n] - q[n]) ** 2
        limit = max(limit, d)
    if nearest(steps, q, count, SLACK * limit, distance, step) < count:
        nearest(steps, q, count, np.inf, distance, step)
    moments, (u, v, a, b) = room[4:], room[:4]
    reach, mass = distance[count - 1], 0.0
    room[:], products[:] = 0.0, 0.0
    for i in range(count):
        k = step[i]
        w = 1.0 - distance[i] / max(reach, fit.tiny)
        w = w * w + fit.floor
        mass += w
        for n in range(N):
            a[n] = steps[k, n] - x[n]
            b[n] = steps[k + 1, n] - x[n] - pull * a[n]
            u[n] += w * a[n]
            v[n] += w * b[n]
        for m in range(N):
            for n in range(m + 1):
                moments[m, n] += w * a[m] * a[n]
            for n in range(N):
                products[m, n] += w * a[m] * b[n]
    for n in range(N):
        u[n], v[n] = u[n] / mass, v[n] / mass
    extra = fit.ridge * reach + fit.tiny
    for m in range(N):  # covariances, and their Cholesky factor in their place
        for n in range(N):
            products[m, n] = products[m, n] / mass - u[m] * v[n]
        for n in range(m + 1):
            value = moments[m, n] / mass - u[m] * u[n]
            if m == n:
                value += extra
            for i in range(n):
                value -= moments[m, i] * moments[n, i]
            moments[m, n] = math.sqrt(value) if m == n else value / moments[n, n]
    for m in range(N):
        a[m] = u[m]
        for i in range(m):
            a[m] -= moments[m, i] * a[i]
        a[m] /= moments[m, m]
    for m in range(N - 1, -1, -1):
        for i in range(m + 1, N):
            a[m] -= moments[i, m] * a[i]
        a[m] /= moments[m, m]
    for n in range(N):
        x[n] += v[n]
        for m in range(N):
            x[n] -= a[m] * products[m, n]


@entry
def run_wide(first, last, context, runs, fit, kicks, signals, bits, observations, version):  # type: ignore[no-untyped-def]
    """What ``run_local`` of :mod:`.local` does, in any number of dimensions."""
    (_, _, N), T, most = context.shape, len(kicks), runs.counts.max()
    room, products, q = np.zeros((N + 4, N)), np.zeros((N, N)), np.zeros(N)
    x, distance, step = np.zeros(N), np.zeros(most), np.zeros(most, np.int64)
    for r in range(first, last):
        count, pull = runs.counts[r], runs.pulls[r]
        steps = np.ascontiguousarray(context[:, runs.series[r]])
        for n in range(N):
            x[n] = runs.start[r, n]
        for i in range(most):
            step[i] = i
        for t in range(T):
            if signals[0] != 0:
                return
            signals[1 + r] = t + 1
            wide_step(steps, kicks[t], count, pull, fit, x, distance, step, q, room, products)
            observations[t, r] = x
