"""The local forecaster of :mod:`dynamix.local`, compiled: nearest context steps and affine fits.

The numbers are those of :class:`dynamix.local.LocalForecaster`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ..local.choice import choose
from ..local.fits import FLOOR, TINY
from ..local.forecaster import LocalForecaster
from ..model.dynamix import check_series
from ..model.rollouts import Rollout, gate_noise_stream
from .runtime import FAR, VERSION, as_array, available_cores, call, entry, piece, share_out
from .vectors import fma, load, splat, store, within

APART = 1e-7  # distance at which a neighbouring state follows, per deviation of the context


@piece
def neighbours(C, c0, L, vectors, N, q, q0, count, limit, distance, near, index):  # type: ignore[no-untyped-def]
    """The ``count`` context steps nearest to a query, nearest first.

    ``C[c0:]`` is ``(N + 1, L)``, a row per dimension and one of 0, or FAR where there is no context
    step. Writes squared distances to ``near`` and steps to ``index``; ``distance`` is room. Looks
    only at squared distances below ``limit``; returns how many it found, at most ``count``.
    """
    for v in range(vectors):
        k = c0 + 8 * v
        d = load(C, k + N * L)
        for n in range(N):
            x = load(C, k + n * L) - splat(q[q0 + n])
            d = fma(x, x, d)
        store(distance, 8 * v, d)
    found, furthest = 0, limit
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
    return found


@piece
def local_fit(  # type: ignore[no-untyped-def]
    C, c0, L, N, x, x0, near, index, count, ridge, pull, room, slope, s0, prediction, p0, features,
    reach_at, error_at,
):  # fmt: skip
    """One affine fit to the ``count`` nearest steps, and what it makes of ``x[x0 : x0 + N]``.

    ``slope[s0:]`` gets ``a I + B^T`` (N, N), by which a gradient goes back from prediction to x;
    ``room`` holds at least ``3 N^2 + 2 N`` float64. What cannot be fitted predicts NaN.
    """
    u, v, moments, products = 0, N, 2 * N, 2 * N + N * N
    reach = np.float64(near[count - 1])
    span = 1.0 / max(reach, TINY)
    mass, spread = 0.0, 0.0  # sum of the weights, mean square of the v
    if N == 3:  # the same as below, unrolled
        x1, x2, x3 = np.float64(x[x0]), np.float64(x[x0 + 1]), np.float64(x[x0 + 2])
        u1 = u2 = u3 = v1 = v2 = v3 = 0.0
        m11 = m12 = m13 = m22 = m23 = m33 = 0.0
        p11 = p12 = p13 = p21 = p22 = p23 = p31 = p32 = p33 = 0.0
        for i in range(count):
            w = 1.0 - near[i] * span
            w = w * w + FLOOR
            k = c0 + index[i]
            a1, a2, a3 = C[k] - x1, C[k + L] - x2, C[k + 2 * L] - x3
            b1 = C[k + 1] - x1 - pull * a1
            b2 = C[k + L + 1] - x2 - pull * a2
            b3 = C[k + 2 * L + 1] - x3 - pull * a3
            mass += w
            spread += w * (b1 * b1 + b2 * b2 + b3 * b3)
            w1, w2, w3 = w * a1, w * a2, w * a3
            u1, u2, u3 = u1 + w1, u2 + w2, u3 + w3
            v1, v2, v3 = v1 + w * b1, v2 + w * b2, v3 + w * b3
            m11, m12, m13 = m11 + w1 * a1, m12 + w1 * a2, m13 + w1 * a3
            m22, m23, m33 = m22 + w2 * a2, m23 + w2 * a3, m33 + w3 * a3
            p11, p12, p13 = p11 + w1 * b1, p12 + w1 * b2, p13 + w1 * b3
            p21, p22, p23 = p21 + w2 * b1, p22 + w2 * b2, p23 + w2 * b3
            p31, p32, p33 = p31 + w3 * b1, p32 + w3 * b2, p33 + w3 * b3
        room[0], room[1], room[2], room[3], room[4], room[5] = u1, u2, u3, v1, v2, v3
        room[6], room[9], room[10] = m11, m12, m22  # the lower triangle is enough
        room[12], room[13], room[14] = m13, m23, m33
        room[15], room[16], room[17], room[18], room[19] = p11, p12, p13, p21, p22
        room[20], room[21], room[22], room[23] = p23, p31, p32, p33
    else:
        for i in range(2 * N + 2 * N * N):
            room[i] = 0.0
        for i in range(count):
            w = 1.0 - near[i] * span
            w = w * w + FLOOR
            k = c0 + index[i]
            mass += w
            for n in range(N):
                a = C[k + n * L] - np.float64(x[x0 + n])
                b = C[k + 1 + n * L] - np.float64(x[x0 + n]) - pull * a
                spread += w * b * b
                room[u + n] += w * a
                room[v + n] += w * b
                for m in range(N):
                    e = w * (C[k + m * L] - np.float64(x[x0 + m]))
                    room[products + m * N + n] += e * b
                    if m >= n:
                        room[moments + m * N + n] += e * a
    spread /= mass
    for i in range(2 * N + 2 * N * N):
        room[i] /= mass
    for n in range(N):  # from means of products to covariances; in float64 little is lost
        spread -= room[v + n] * room[v + n]
        for m in range(N):
            room[products + m * N + n] -= room[u + m] * room[v + n]
            if m >= n:
                room[moments + m * N + n] -= room[u + m] * room[u + n]
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


@piece
def local_step(  # type: ignore[no-untyped-def]
    rows, L, K, N, counts, pulls, ridge, D, kick, x, query, exact, before, distance, rough, near,
    index, room, slope, prediction, features,
):  # fmt: skip
    """``x`` gets its successor: the mean of what the local experts predict.

    ``before`` holds the last query and ``near`` the squared distances of its neighbours, or FAR.
    """
    E, most, vectors = len(counts), len(near), (K + 7) // 8
    moved = 0.0
    for n in range(N):
        exact[n] = kick[n]
        for m in range(N):
            exact[n] += D[n, m] * x[m]
        query[n] = exact[n]
        moved += (exact[n] - before[n]) ** 2
        before[n] = exact[n]
    # since the last step, the furthest neighbour went no further than the query did
    limit = np.float32(1.001 * (math.sqrt(near[most - 1]) + math.sqrt(moved)) ** 2)
    found = neighbours(rows, 0, L, vectors, N, query, 0, most, limit, distance, rough, index)
    if found < most:
        neighbours(rows, 0, L, vectors, N, query, 0, most, FAR, distance, rough, index)
    for i in range(most):  # eight at a time the distances are rough, these are not
        near[i] = 0.0
        for n in range(N):
            near[i] += (np.float64(rows[n * L + index[i]]) - exact[n]) ** 2
    for e in range(E):
        local_fit(
            rows, 0, L, N, x, 0, near, index, counts[e], ridge, pulls[e], room, slope, 0,
            prediction, e * N, features, e, E + e,
        )  # fmt: skip
    for n in range(N):
        x[n] = 0.0
        for e in range(E):
            x[n] += prediction[e * N + n] / E


@entry
def run_local(  # type: ignore[no-untyped-def]
    first, last, counts, pulls, ridge, D, kicks, context, start, observations, growth, version
):  # fmt: skip
    """Roll out the series ``first .. last - 1`` of a model of equally weighed local experts.

    Where ``growth (T, S)`` is not empty, it gets the logarithm of the factor by which a state close
    by moves away in each step, under the same ``kicks (T, N)`` of the query.
    """
    T_C, _, N = context.shape
    T, K = len(kicks), T_C - 1
    L = 8 * ((K + 7) // 8) + 8
    rows, distance = np.zeros((N + 1) * L, np.float32), np.zeros(L, np.float32)
    most = 1
    for e in range(len(counts)):
        most = max(most, counts[e])
    rough, index = np.zeros(most, np.float32), np.zeros(most, np.int64)
    near, near_too = np.zeros(most), np.zeros(most)
    room, slope = np.zeros(3 * N * N + 2 * N), np.zeros(N * N)
    prediction, features = np.zeros(len(counts) * N), np.zeros(2 * len(counts))
    x, query, exact, before = np.zeros(N), np.zeros(N, np.float32), np.zeros(N), np.zeros(N)
    other, before_too = np.zeros(N), np.zeros(N)
    for s in range(first, last):
        for n in range(N):
            for k in range(T_C):
                rows[n * L + k] = context[k, s, n]
            x[n] = start[s, n]
            other[n] = x[n] + APART / math.sqrt(N)
        for k in range(K, L):
            rows[N * L + k] = FAR
        near[most - 1] = near_too[most - 1] = FAR
        for t in range(T):
            local_step(
                rows, L, K, N, counts, pulls, ridge, D, kicks[t], x, query, exact, before, distance,
                rough, near, index, room, slope, prediction, features,
            )  # fmt: skip
            for n in range(N):
                observations[t, s, n] = x[n]
            if len(growth) > 0:
                local_step(
                    rows, L, K, N, counts, pulls, ridge, D, kicks[t], other, query, exact,
                    before_too, distance, rough, near_too, index, room, slope, prediction, features,
                )  # fmt: skip
                apart = 0.0
                for n in range(N):
                    apart += (other[n] - x[n]) ** 2
                apart = max(math.sqrt(apart), 1e-300)
                growth[t, s] = math.log(apart / APART)
                for n in range(N):
                    other[n] = x[n] + (other[n] - x[n]) * APART / apart


@torch.no_grad()
def rollout(
    model: LocalForecaster,
    context: Float[Tensor, "T_C S N"],
    *,
    horizon: int,
    initial_x: Float[Tensor, "S N"] | None = None,
    gate_noise: bool = True,
    seed: int = 0,
    quiet_steps: int = 0,
    return_gates: bool = False,
    threads: int | None = None,
) -> Rollout:
    """What :func:`dynamix.model.rollouts.rollout` computes for a local forecaster.

    Raises as :func:`dynamix.engine.rollout.rollout`.
    """
    check_series(context, model.config.observed_dims)
    S, N, E = context.shape[1], context.shape[2], len(model.config.neighbours)
    noise = np.zeros((horizon, N), np.float32)
    if gate_noise:
        noise = gate_noise_stream(horizon, N, seed=seed, quiet_steps=quiet_steps)
    observations, _ = _run(model, context, noise, initial_x, threads)
    gates = torch.full((horizon, S, E), 1.0 / E) if return_gates else None
    return Rollout(torch.from_numpy(observations), gates)


def largest_exponents(
    model: LocalForecaster,
    context: Float[Tensor, "T_C S N"],
    *,
    steps: int,
    transient: int,
    noise: Float[ndarray, "_ N"] | None = None,
) -> Float[ndarray, " S"]:
    """Largest Lyapunov exponent per step behind each context, from two states :data:`APART`.

    As :func:`dynamix.engine.tangent.largest_exponents`, but by differences (Benettin et al., Meccanica
    15, 9, 1980): the fits depend on the state as well, through which steps are near.
    """
    check_series(context, model.config.observed_dims)
    chosen = choose(rollout, model, context, quiet_steps=model.defaults.quiet_steps)
    kicks = np.zeros((transient + steps, context.shape[2])) if noise is None else noise
    found = np.empty(len(chosen))
    for e in sorted(set(chosen.tolist())):
        members = np.flatnonzero(chosen == e)
        _, growth = _run(model.candidate(e), context[:, members], kicks, None, None, follow=True)
        found[members] = growth[transient:].mean(axis=0)
    return np.where(np.isfinite(found), found, np.inf)


def _run(
    model: LocalForecaster,
    context: Float[Tensor, "T_C S N"],
    noise: Float[ndarray, "T N"],
    initial_x: Float[Tensor, "S N"] | None,
    threads: int | None,
    *,
    follow: bool = False,
) -> tuple[Float[ndarray, "T S N"], Float[ndarray, "_ S"]]:
    """Observations, and the growth of a small deviation where it is followed."""
    config, points, S = model.config, as_array(context), context.shape[1]
    observations = np.empty((len(noise), *points.shape[1:]), np.float32)
    growth = np.empty((len(noise) if follow else 0, S))
    counts = [min(count, len(points) - 1) for count in config.neighbours]
    arguments = (
        np.array(counts, np.int64), np.array(config.pulls), config.ridge, np.eye(points.shape[2]),
        noise.astype(np.float64) * as_array(model.sigma), points,
        points[-1] if initial_x is None else as_array(initial_x), observations, growth, VERSION,
    )  # fmt: skip
    threads = available_cores() if threads is None else threads
    share_out(lambda first, last: call(run_local, first, last, *arguments), S, threads)
    return observations, growth
