"""Attention over every step of a context, forward and back, eight steps at a time.

Training uses it. Rollouts use it for more dimensions than :mod:`.index` has. The published models'
three dimensions have loops of their own, which do all of them in one pass over the steps.
"""

from collections import namedtuple

import numpy as np
from numpy import ndarray

from .runtime import FAR, inlined, padded
from .vectors import (
    at,
    exponential,
    fabs,
    fma,
    load,
    lowest,
    sign,
    smaller,
    splat,
    store,
    total,
    within,
)  # fmt: skip

# Contexts as the kernels read them, (S, N + 1, row), flat: a row of steps for each dimension, and a
# row of 0, or FAR after the last step. Vectors: the number of eights that hold steps 1 .. T_C - 1
Context = namedtuple("Context", "values row vectors N")
# Room for results: the distances of all steps; exp(-(distance - least) / tau) of those vectors of
# eight steps that have weight, and their numbers
Near = namedtuple("Near", "distance weight seen")


@inlined
def near_room(vectors, attentions):  # type: ignore[no-untyped-def]
    """Room for so many attentions to contexts of so many vectors."""
    n = attentions * vectors
    return Near(
        np.zeros(8 * vectors, np.float32), np.zeros(8 * n, np.float32), np.zeros(n, np.int32)
    )


def context_rows(context: ndarray) -> tuple[ndarray, int, int, int]:
    """The fields of a ``Context``, from ``(T_C, S, N)``."""
    T_C, S, N = context.shape
    vectors = padded(T_C - 1, 8) // 8
    rows = np.zeros((S, N + 1, padded(T_C, 8) + 8), np.float32)
    rows[:, :N, :T_C] = context.transpose(1, 2, 0)
    rows[:, N, T_C - 1 :] = FAR
    return rows.ravel(), rows.shape[2], vectors, N


@inlined
def attend(context, c0, q, q0, tau, cutoff, near, n0, out, o0):  # type: ignore[no-untyped-def]
    """``sum_k a_k c_k`` and ``sum_k a_k c_{k+1}`` to ``out[o0:]``, for the query ``q[q0:]``.

    The context begins at ``values[c0:]``. Steps that are ``cutoff tau`` further away than the
    nearest are left out. The weights of the others begin at ``near.weight[8 n0]``. Returns the
    number of vectors with weight, ``1 / sum_k weight_k``, and the least distance.
    """
    C, L, vectors, N = context
    distance, weight, seen = near
    # |c_k - q|_1
    nearest = splat(np.float32(3e38))
    if N == 3:
        qx, qy, qz = splat(q[q0]), splat(q[q0 + 1]), splat(q[q0 + 2])
        for v in range(vectors):
            k = c0 + 8 * v
            d = fabs(load(C, k) - qx) + fabs(load(C, k + L) - qy)
            d = d + fabs(load(C, k + 2 * L) - qz) + load(C, k + 3 * L)
            store(distance, 8 * v, d)
            nearest = smaller(d, nearest)
    else:
        for v in range(vectors):
            k = c0 + 8 * v
            d = load(C, k + N * L)
            for n in range(N):
                d = d + fabs(load(C, k + n * L) - splat(at(q, q0 + n)))
            store(distance, 8 * v, d)
            nearest = smaller(d, nearest)
    # weight_k = exp(-(|c_k - q|_1 - least) / tau), and a_k = share weight_k
    least = lowest(nearest)
    first, limit, rate = splat(least), splat(least + cutoff * tau), splat(np.float32(1.0) / tau)
    zero = splat(np.float32(0.0))
    mass, count = zero, 0
    x0, y0, z0, x1, y1, z1 = zero, zero, zero, zero, zero, zero
    for v in range(vectors):
        d = load(distance, 8 * v)
        if within(d, limit):
            e = exponential((first - d) * rate)
            store(weight, 8 * (n0 + count), e)
            seen[n0 + count] = v
            count += 1
            mass = mass + e
            if N == 3:
                k = c0 + 8 * v
                x0, x1 = fma(e, load(C, k), x0), fma(e, load(C, k + 1), x1)
                y0, y1 = fma(e, load(C, k + L), y0), fma(e, load(C, k + L + 1), y1)
                z0, z1 = fma(e, load(C, k + 2 * L), z0), fma(e, load(C, k + 2 * L + 1), z1)
    share = np.float32(1.0) / total(mass)
    # sum_k a_k c_k, sum_k a_k c_{k+1}
    if N == 3:
        out[o0], out[o0 + 1], out[o0 + 2] = total(x0) * share, total(y0) * share, total(z0) * share
        o0 += 3
        out[o0], out[o0 + 1], out[o0 + 2] = total(x1) * share, total(y1) * share, total(z1) * share
        return count, share, least
    for n in range(N):
        here, after = zero, zero
        for i in range(n0, n0 + count):
            k = c0 + n * L + 8 * at(seen, i)
            e = load(weight, 8 * i)
            here, after = fma(e, load(C, k), here), fma(e, load(C, k + 1), after)
        out[o0 + n], out[o0 + N + n] = total(here) * share, total(after) * share
    return count, share, least


@inlined
def attend_back(context, c0, q, q0, g, near, n0, found, out):  # type: ignore[no-untyped-def]
    """Back through :func:`attend`, which returned ``found``.

    ``g (2 N)`` is the gradient of its output, ``g_k`` the sum of ``g`` times ``[c_k, c_{k+1}]``,
    and ``b_k = a_k (g_k - sum_l a_l g_l)``. Writes ``sum_k b_k sign(c_k - q)`` to ``out`` and
    returns ``sum_k b_k (|c_k - q|_1 - least)``. The ``b_k`` sum to 0, so ``least`` changes nothing
    but the rounding error, which it reduces. The room for distances is overwritten.
    """
    C, L, _, N = context
    slope, weight, seen = near
    count, share, least = found
    zero, a, first = splat(np.float32(0.0)), splat(share), splat(least)
    # g_k, to slope, and sum_k a_k g_k
    mean, moved = zero, zero
    for i in range(count):
        k, s = c0 + 8 * at(seen, n0 + i), zero
        if N == 3:
            s = fma(g[0], load(C, k), fma(g[3], load(C, k + 1), s))
            s = fma(g[1], load(C, k + L), fma(g[4], load(C, k + L + 1), s))
            s = fma(g[2], load(C, k + 2 * L), fma(g[5], load(C, k + 2 * L + 1), s))
        else:
            for n in range(N):
                s = fma(g[n], load(C, k + n * L), fma(g[N + n], load(C, k + n * L + 1), s))
        store(slope, 8 * i, s)
        mean = fma(load(weight, 8 * (n0 + i)), s, mean)
    # b_k, and the two sums over it
    centre = splat(total(mean) * share)
    if N == 3:
        qx, qy, qz = splat(q[q0]), splat(q[q0 + 1]), splat(q[q0 + 2])
        ox, oy, oz = zero, zero, zero
        for i in range(count):
            k = c0 + 8 * at(seen, n0 + i)
            b = (load(slope, 8 * i) - centre) * a * load(weight, 8 * (n0 + i))
            x, y, z = load(C, k) - qx, load(C, k + L) - qy, load(C, k + 2 * L) - qz
            moved = fma(b, fabs(x) + fabs(y) + fabs(z) - first, moved)
            ox, oy, oz = fma(b, sign(x), ox), fma(b, sign(y), oy), fma(b, sign(z), oz)
        out[0], out[1], out[2] = total(ox), total(oy), total(oz)
        return total(moved)
    for i in range(count):
        k, d = c0 + 8 * at(seen, n0 + i), zero
        b = (load(slope, 8 * i) - centre) * a * load(weight, 8 * (n0 + i))
        store(slope, 8 * i, b)
        for n in range(N):
            d = d + fabs(load(C, k + n * L) - splat(at(q, q0 + n)))
        moved = fma(b, d - first, moved)
    for n in range(N):
        x, o = splat(at(q, q0 + n)), zero
        for i in range(count):
            d = load(C, c0 + n * L + 8 * at(seen, n0 + i)) - x
            o = fma(load(slope, 8 * i), sign(d), o)
        out[n] = total(o)
    return total(moved)
