"""The local forecaster of :mod:`dynamix.local`, compiled: nearest context steps and affine fits."""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ..local.fits import FLOOR, TINY
from ..local.forecaster import LocalForecaster
from ..model.dynamix import check_series
from ..model.rollouts import Rollout, gate_noise_stream
from .attention import Context, context_rows
from .runtime import FAR, VERSION, as_array, available_cores, call, entry, inlined, share_out
from .vectors import fma, load, splat, store, within

APART = 1e-7  # distance at which a neighbouring state follows, per deviation of the context

# neighbours and pull of each candidate; the ridge; constants of `dynamix.local.fits`
Fits = namedtuple("Fits", "counts pulls ridge floor tiny")
# room for distances (of all steps, of the nearest ones), the nearest steps, the query in both
# precisions, the sums of a fit, and what the candidates predict
Work = namedtuple("Work", "distance rough index query exact sums predictions")


@inlined
def neighbours(context, c0, q, count, limit, distance, near, index):  # type: ignore[no-untyped-def]
    """The ``count`` context steps nearest to a query, nearest first.

    Writes squared distances to ``near`` and steps to ``index``; ``distance`` is room. Looks only
    at squared distances below ``limit``; returns how many it found, at most ``count``.
    """
    C, L, vectors, N = context
    for v in range(vectors):
        k = c0 + 8 * v
        d = load(C, k + N * L)
        for n in range(N):
            x = load(C, k + n * L) - splat(q[n])
            d = fma(x, x, d)
        store(distance, 8 * v, d)
    found, furthest = 0, limit
    for v in range(vectors):
        if not within(load(distance, 8 * v), splat(furthest)):
            continue
        for k in range(8 * v, 8 * v + 8):  # insert it where it belongs
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


@inlined
def local_fit(context, c0, x, near, work, e, fits):  # type: ignore[no-untyped-def]
    """Candidate ``e``: ``x' = x + v - B^T u`` to the predictions; NaN where nothing can be fitted.

    ``u_k = c_k - x``, ``v_k = c_{k+1} - x - a u_k``, ``w_k ~ (1 - |c_k - q|^2 / r^2)^2``, and
    ``B = (cov(u, u) + ridge r^2 I)^-1 cov(u, v)``.
    """
    C, L, _, N = context
    _, _, index, _, _, sums, predictions = work
    count, pull = fits.counts[e], fits.pulls[e]
    u, v, moments, products = 0, N, 2 * N, 2 * N + N * N
    reach = np.float64(near[count - 1])
    span, mass = 1.0 / max(reach, fits.tiny), 0.0
    if N == 3:  # the same as below, unrolled
        x1, x2, x3 = x[0], x[1], x[2]
        u1 = u2 = u3 = v1 = v2 = v3 = 0.0
        m11 = m12 = m13 = m22 = m23 = m33 = 0.0
        p11 = p12 = p13 = p21 = p22 = p23 = p31 = p32 = p33 = 0.0
        for i in range(count):
            w = 1.0 - near[i] * span
            w = w * w + fits.floor
            k = c0 + index[i]
            a1, a2, a3 = C[k] - x1, C[k + L] - x2, C[k + 2 * L] - x3
            b1 = C[k + 1] - x1 - pull * a1
            b2 = C[k + L + 1] - x2 - pull * a2
            b3 = C[k + 2 * L + 1] - x3 - pull * a3
            mass += w
            w1, w2, w3 = w * a1, w * a2, w * a3
            u1, u2, u3 = u1 + w1, u2 + w2, u3 + w3
            v1, v2, v3 = v1 + w * b1, v2 + w * b2, v3 + w * b3
            m11, m12, m13 = m11 + w1 * a1, m12 + w1 * a2, m13 + w1 * a3
            m22, m23, m33 = m22 + w2 * a2, m23 + w2 * a3, m33 + w3 * a3
            p11, p12, p13 = p11 + w1 * b1, p12 + w1 * b2, p13 + w1 * b3
            p21, p22, p23 = p21 + w2 * b1, p22 + w2 * b2, p23 + w2 * b3
            p31, p32, p33 = p31 + w3 * b1, p32 + w3 * b2, p33 + w3 * b3
        sums[0], sums[1], sums[2], sums[3], sums[4], sums[5] = u1, u2, u3, v1, v2, v3
        sums[6], sums[9], sums[10] = m11, m12, m22  # the lower triangle is enough
        sums[12], sums[13], sums[14] = m13, m23, m33
        sums[15], sums[16], sums[17], sums[18], sums[19] = p11, p12, p13, p21, p22
        sums[20], sums[21], sums[22], sums[23] = p23, p31, p32, p33
    else:
        sums[:] = 0.0
        for i in range(count):
            w = 1.0 - near[i] * span
            w = w * w + fits.floor
            k = c0 + index[i]
            mass += w
            for n in range(N):
                a = C[k + n * L] - x[n]
                b = C[k + 1 + n * L] - x[n] - pull * a
                sums[u + n] += w * a
                sums[v + n] += w * b
                for m in range(N):
                    g = w * (C[k + m * L] - x[m])
                    sums[products + m * N + n] += g * b
                    if m >= n:
                        sums[moments + m * N + n] += g * a
    sums /= mass
    # from means of products to covariances; in float64 little is lost
    for n in range(N):
        for m in range(N):
            sums[products + m * N + n] -= sums[u + m] * sums[v + n]
            if m >= n:
                sums[moments + m * N + n] -= sums[u + m] * sums[u + n]
        sums[moments + n * N + n] += fits.ridge * reach + fits.tiny
    # Cholesky in place, lower triangle
    for i in range(N):
        for j in range(i + 1):
            g = sums[moments + i * N + j]
            for k in range(j):
                g -= sums[moments + i * N + k] * sums[moments + j * N + k]
            sums[moments + i * N + j] = math.sqrt(g) if i == j else g / sums[moments + j * N + j]
    # B in place of the products, a column at a time: forward, then back substitution
    for n in range(N):
        for i in range(N):
            g = sums[products + i * N + n]
            for k in range(i):
                g -= sums[moments + i * N + k] * sums[products + k * N + n]
            sums[products + i * N + n] = g / sums[moments + i * N + i]
        for i in range(N - 1, -1, -1):
            g = sums[products + i * N + n]
            for k in range(i + 1, N):
                g -= sums[moments + k * N + i] * sums[products + k * N + n]
            sums[products + i * N + n] = g / sums[moments + i * N + i]
    # x + v - B^T u
    for n in range(N):
        g = x[n] + sums[v + n]
        for m in range(N):
            g -= sums[u + m] * sums[products + m * N + n]
        predictions[e, n] = g


@inlined
def local_step(context, c0, fits, kick, x, before, near, work):  # type: ignore[no-untyped-def]
    """``x`` gets its successor: the mean of what the candidates predict.

    ``before`` holds the last query and ``near`` the squared distances of its neighbours, or FAR.
    """
    C, L, _, N = context
    distance, rough, index, query, exact, _, predictions = work
    E, most = len(fits.counts), len(near)
    moved = 0.0
    for n in range(N):
        exact[n] = kick[n] + x[n]
        query[n] = exact[n]
        moved += (exact[n] - before[n]) ** 2
        before[n] = exact[n]
    # since the last step, the furthest neighbour went no further than the query did
    limit = np.float32(1.001 * (math.sqrt(near[most - 1]) + math.sqrt(moved)) ** 2)
    if neighbours(context, c0, query, most, limit, distance, rough, index) < most:
        neighbours(context, c0, query, most, FAR, distance, rough, index)
    for i in range(most):  # eight at a time the distances are rough, these are not
        near[i] = 0.0
        for n in range(N):
            near[i] += (np.float64(C[c0 + n * L + index[i]]) - exact[n]) ** 2
    for e in range(E):
        local_fit(context, c0, x, near, work, e, fits)
    for n in range(N):
        x[n] = 0.0
        for e in range(E):
            x[n] += predictions[e, n] / E


@entry
def run_local(first, last, rows, fits, kicks, start, observations, growth, version):  # type: ignore[no-untyped-def]
    """Roll out the series ``first .. last - 1``.

    Where ``growth (T, S)`` is not empty, it gets the logarithm of the factor by which a state close
    by moves away in each step, under the same ``kicks (T, N)`` of the query.
    """
    values, row, vectors, N = rows
    context = Context(values, row, vectors, N)
    T, E, most = len(kicks), len(fits.counts), fits.counts.max()
    work = Work(
        np.zeros(row, np.float32), np.zeros(most, np.float32), np.zeros(most, np.int64),
        np.zeros(N, np.float32), np.zeros(N), np.zeros(2 * N + 2 * N * N), np.zeros((E, N)),
    )  # fmt: skip
    near, near_other, before, before_other = (
        np.zeros(most), np.zeros(most), np.zeros(N), np.zeros(N),
    )  # fmt: skip
    x, other = np.zeros(N), np.zeros(N)
    for s in range(first, last):
        c0 = s * (N + 1) * row
        for n in range(N):
            x[n] = start[s, n]
            other[n] = x[n] + APART / math.sqrt(N)
        near[most - 1] = near_other[most - 1] = FAR
        for t in range(T):
            local_step(context, c0, fits, kicks[t], x, before, near, work)
            for n in range(N):
                observations[t, s, n] = x[n]
            if len(growth) > 0:
                local_step(context, c0, fits, kicks[t], other, before_other, near_other, work)
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
    """What :func:`dynamix.model.rollouts.rollout` computes for a local forecaster."""
    check_series(context, model.config.observed_dims)
    S, N, E = context.shape[1], context.shape[2], len(model.config.neighbours)
    noise = np.zeros((horizon, N), np.float32)
    if gate_noise:
        noise = gate_noise_stream(horizon, N, seed=seed, quiet_steps=quiet_steps)
    observations, _ = _run(model, context, noise, initial_x, threads)
    gates = torch.full((horizon, S, E), 1.0 / E) if return_gates else None
    return Rollout(torch.from_numpy(observations), gates)


def growth(
    model: LocalForecaster, context: Float[Tensor, "T_C S N"], noise: Float[ndarray, "T N"]
) -> Float[ndarray, "T S"]:
    """Logarithms of the factors by which a state :data:`APART` moves away, step by step."""
    return _run(model, context, noise, None, None, follow=True)[1]


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
    counts = np.minimum(config.neighbours, len(points) - 1)
    arguments = (
        context_rows(points), Fits(counts, np.array(config.pulls), config.ridge, FLOOR, TINY),
        noise.astype(np.float64) * as_array(model.sigma),
        points[-1] if initial_x is None else as_array(initial_x), observations, growth, VERSION,
    )  # fmt: skip
    threads = available_cores() if threads is None else threads
    share_out(lambda first, last: call(run_local, first, last, *arguments), S, threads)
    return observations, growth
