"""Attention over every step of a context, forward and back, eight steps at a time.

Training uses it, as do rollouts in more dimensions than :mod:`.index` has.
"""

from collections import namedtuple
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from .runtime import FAR, inlined, padded
from .vectors import (
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


class Context(NamedTuple):
    """Contexts as the kernels read them, one after the other, ``(S, N + 1, row)`` but flat."""

    values: ndarray  # a row for each dimension, and one of 0, or FAR after the last step
    row: int  # length of a row
    vectors: int  # vectors of eight that hold the steps 1 .. T_C - 1
    N: int


# Room for an attention's result: distances of all steps; of the vectors of eight steps that have
# weight, exp(-(distance - least) / tau) and which they are
Near = namedtuple("Near", "distance weight seen")


def context_rows(context: ndarray) -> tuple[ndarray, int, int, int]:
    """The fields of a :class:`Context`, from ``(T_C, S, N)``."""
    T_C, S, N = context.shape
    vectors = padded(T_C - 1, 8) // 8
    rows = np.zeros((S, N + 1, padded(T_C, 8) + 8), np.float32)
    rows[:, :N, :T_C] = context.transpose(1, 2, 0)
    rows[:, N, T_C - 1 :] = FAR
    return rows.ravel(), rows.shape[2], vectors, N


@inlined
def attend(context, c0, q, q0, tau, cutoff, near, n0, out, o0):  # type: ignore[no-untyped-def]
    """``sum_k a_k c_k`` and ``sum_k a_k c_{k+1}`` to ``out[o0:]``, for the query ``q[q0:]``.

    The context begins at ``values[c0:]``. Steps further than ``cutoff tau`` from the nearest are
    left out; the others' weights begin at ``near.weight[8 n0]``. Returns how many vectors have
    weight, ``1 / sum_k weight_k``, and the least distance.
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
                d = d + fabs(load(C, k + n * L) - splat(q[q0 + n]))
            store(distance, 8 * v, d)
            nearest = smaller(d, nearest)
    # weight_k = exp(-(|c_k - q|_1 - least) / tau), and a_k = share weight_k
    least = lowest(nearest)
    first, limit, rate = splat(least), splat(least + cutoff * tau), splat(np.float32(1.0) / tau)
    zero = splat(np.float32(0.0))
    mass, count = zero, 0
    for v in range(vectors):
        d = load(distance, 8 * v)
        if within(d, limit):
            e = exponential((first - d) * rate)
            store(weight, 8 * (n0 + count), e)
            seen[n0 + count] = v
            count += 1
            mass = mass + e
    share = np.float32(1.0) / total(mass)
    # sum_k a_k c_k, sum_k a_k c_{k+1}
    if N == 3:
        ax, ay, az, bx, by, bz = zero, zero, zero, zero, zero, zero
        for i in range(n0, n0 + count):
            k = c0 + 8 * seen[i]
            e = load(weight, 8 * i)
            ax, bx = fma(e, load(C, k), ax), fma(e, load(C, k + 1), bx)
            ay, by = fma(e, load(C, k + L), ay), fma(e, load(C, k + L + 1), by)
            az, bz = fma(e, load(C, k + 2 * L), az), fma(e, load(C, k + 2 * L + 1), bz)
        out[o0], out[o0 + 1], out[o0 + 2] = total(ax) * share, total(ay) * share, total(az) * share
        out[o0 + 3], out[o0 + 4] = total(bx) * share, total(by) * share
        out[o0 + 5] = total(bz) * share
    else:
        for n in range(N):
            here, after = zero, zero
            for i in range(n0, n0 + count):
                k = c0 + n * L + 8 * seen[i]
                e = load(weight, 8 * i)
                here, after = fma(e, load(C, k), here), fma(e, load(C, k + 1), after)
            out[o0 + n], out[o0 + N + n] = total(here) * share, total(after) * share
    return count, share, least


@inlined
def attend_back(context, c0, q, q0, g, near, n0, found, out):  # type: ignore[no-untyped-def]
    """Back through :func:`attend`, which returned ``found``.

    ``g (2 N)`` is the gradient of what it wrote, ``g_k`` the sum of ``g`` times ``[c_k, c_{k+1}]``,
    and ``b_k = a_k (g_k - sum_l a_l g_l)``. Writes ``sum_k b_k sign(c_k - q)`` to ``out`` and
    returns ``sum_k b_k (|c_k - q|_1 - least)``. The ``b_k`` add up to 0, so ``least`` only takes
    away most of the rounding error. The room for distances is written over.
    """
    C, L, _, N = context
    slope, weight, seen = near
    count, share, least = found
    zero, a, first = splat(np.float32(0.0)), splat(share), splat(least)
    mean, moved = zero, zero
    # g_k, to slope, and sum_k a_k g_k
    if N == 3:
        gx, gy, gz = splat(g[0]), splat(g[1]), splat(g[2])
        hx, hy, hz = splat(g[3]), splat(g[4]), splat(g[5])
        for i in range(count):
            k = c0 + 8 * seen[n0 + i]
            s = fma(gx, load(C, k), hx * load(C, k + 1))
            s = fma(gy, load(C, k + L), fma(hy, load(C, k + L + 1), s))
            s = fma(gz, load(C, k + 2 * L), fma(hz, load(C, k + 2 * L + 1), s))
            store(slope, 8 * i, s)
            mean = fma(load(weight, 8 * (n0 + i)), s, mean)
    else:
        for i in range(count):
            k = c0 + 8 * seen[n0 + i]
            s = zero
            for n in range(N):
                s = fma(splat(g[n]), load(C, k + n * L), s)
                s = fma(splat(g[N + n]), load(C, k + n * L + 1), s)
            store(slope, 8 * i, s)
            mean = fma(load(weight, 8 * (n0 + i)), s, mean)
    centre = splat(total(mean) * share)
    # b_k, and the two sums over it
    if N == 3:
        qx, qy, qz = splat(q[q0]), splat(q[q0 + 1]), splat(q[q0 + 2])
        ox, oy, oz = zero, zero, zero
        for i in range(count):
            k = c0 + 8 * seen[n0 + i]
            b = (load(slope, 8 * i) - centre) * a * load(weight, 8 * (n0 + i))
            x, y, z = load(C, k) - qx, load(C, k + L) - qy, load(C, k + 2 * L) - qz
            ox, oy, oz = fma(b, sign(x), ox), fma(b, sign(y), oy), fma(b, sign(z), oz)
            moved = fma(b, fabs(x) + fabs(y) + fabs(z) - first, moved)
        out[0], out[1], out[2] = total(ox), total(oy), total(oz)
        return total(moved)
    for i in range(count):
        b = (load(slope, 8 * i) - centre) * a * load(weight, 8 * (n0 + i))
        store(slope, 8 * i, b)
        moved = moved - b * first
    for n in range(N):
        x, o = splat(q[q0 + n]), zero
        for i in range(count):
            d = load(C, c0 + n * L + 8 * seen[n0 + i]) - x
            b = load(slope, 8 * i)
            o, moved = fma(b, sign(d), o), fma(b, fabs(d), moved)
        out[n] = total(o)
    return total(moved)
