"""The local experts of :mod:`dynamix.local`, compiled: nearest context steps and affine fits."""

from __future__ import annotations

import math

import numpy as np

from .kernels_runtime import piece
from .kernels_vectors import fma, load, splat, store, within
from .local import FLOOR, TINY


@piece
def neighbours(C, c0, L, vectors, N, q, q0, count, distance, near, index):  # type: ignore[no-untyped-def]
    """The ``count`` context steps nearest to a query, nearest first.

    ``C[c0:]`` is ``(N + 1, L)``, a row per dimension and one of 0, or FAR where there is no context
    step. Writes squared distances to ``near`` and steps to ``index``; ``distance`` is room.
    """
    for v in range(vectors):
        k = c0 + 8 * v
        d = load(C, k + N * L)
        for n in range(N):
            x = load(C, k + n * L) - splat(q[q0 + n])
            d = fma(x, x, d)
        store(distance, 8 * v, d)
    found, furthest = 0, np.float32(3e38)
    for v in range(vectors):
        if not within(load(distance, 8 * v), splat(furthest)):
            continue
        for k in range(8 * v, 8 * v + 8):
            d = distance[k]
            if not d < furthest:
                continue
            i = found if found < count else count - 1
            found = min(found + 1, count)
            while i > 0 and near[i - 1] > d:
                near[i], index[i] = near[i - 1], index[i - 1]
                i -= 1
            near[i], index[i] = d, k
            if found == count:
                furthest = near[count - 1]


@piece
def local_fit(  # type: ignore[no-untyped-def]
    C, c0, L, N, x, x0, near, index, count, ridge, pull, room, slope, s0, prediction, p0, features,
    reach_at, error_at,
):  # fmt: skip
    """One affine fit to the ``count`` nearest steps, and what it makes of ``x[x0 : x0 + N]``.

    ``slope[s0:]`` gets ``a I + B^T`` (N, N), by which a gradient goes back from prediction to x;
    ``room`` holds at least ``3 N^2 + 3 N`` float64. What cannot be fitted predicts NaN.
    """
    u, v, moments, products = 0, N, 2 * N, 2 * N + N * N
    for i in range(2 * N + 2 * N * N):
        room[i] = 0.0
    reach = np.float64(near[count - 1])
    span = max(reach, TINY)
    mass = 0.0
    for i in range(count):
        w = (1.0 - near[i] / span) ** 2 + FLOOR
        k = c0 + index[i]
        mass += w
        for n in range(N):
            a = np.float64(C[k + n * L]) - x[x0 + n]
            room[u + n] += w * a
            room[v + n] += w * (np.float64(C[k + 1 + n * L]) - x[x0 + n] - pull * a)
    for i in range(2 * N):
        room[i] /= mass
    spread = 0.0  # mean square of the v
    for i in range(count):
        w = ((1.0 - near[i] / span) ** 2 + FLOOR) / mass
        k = c0 + index[i]
        for n in range(N):
            a = np.float64(C[k + n * L]) - x[x0 + n]
            b = np.float64(C[k + 1 + n * L]) - x[x0 + n] - pull * a - room[v + n]
            a -= room[u + n]
            spread += w * b * b
            for m in range(N):
                e = np.float64(C[k + m * L]) - x[x0 + m] - room[u + m]
                room[moments + m * N + n] += w * e * a
                room[products + m * N + n] += w * e * b
    # products stay as they are for the residual; the slope is solved for beside them
    B = products + N * N
    for i in range(N * N):
        room[B + i] = room[products + i]
    for n in range(N):
        room[moments + n * N + n] += ridge * reach + TINY
    for i in range(N):  # Cholesky in place, lower triangle
        for j in range(i + 1):
            e = room[moments + i * N + j]
            for k in range(j):
                e -= room[moments + i * N + k] * room[moments + j * N + k]
            if i == j:
                room[moments + i * N + i] = math.sqrt(e)
            else:
                room[moments + i * N + j] = e / room[moments + j * N + j]
    for n in range(N):  # forward, then back substitution, a column at a time
        for i in range(N):
            e = room[B + i * N + n]
            for k in range(i):
                e -= room[moments + i * N + k] * room[B + k * N + n]
            room[B + i * N + n] = e / room[moments + i * N + i]
        for i in range(N - 1, -1, -1):
            e = room[B + i * N + n]
            for k in range(i + 1, N):
                e -= room[moments + k * N + i] * room[B + k * N + n]
            room[B + i * N + n] = e / room[moments + i * N + i]
    # mean square of v - B^T u, by cov B = products - ridge B
    error = spread
    for i in range(N * N):
        b = room[B + i]
        error -= b * (room[products + i] + (ridge * reach + TINY) * b)
    for n in range(N):
        e = np.float64(x[x0 + n]) + room[v + n]
        for m in range(N):
            e -= room[u + m] * room[B + m * N + n]
            slope[s0 + n * N + m] = room[B + m * N + n] + (pull if m == n else 0.0)
        prediction[p0 + n] = e
    features[reach_at] = 0.5 * math.log(reach + TINY)
    features[error_at] = 0.5 * math.log(max(error, 0.0) + TINY)
