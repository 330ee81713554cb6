"""The local experts of :mod:`dynamix.local`, compiled: nearest context steps and affine fits.

The pieces serve the training kernel too. :func:`rollout` is the engine of models that have no other
experts; a mixture of both kinds is rolled out by torch.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .config import ModelConfig
from .kernels_runtime import FAR, VERSION, as_array, available_cores, call, entry, piece, pool
from .kernels_vectors import fma, load, splat, store, within
from .local import FLOOR, TINY
from .model import DynaMix, check_series
from .rollout import Rollout, gate_noise_stream


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


@entry
def run_local(  # type: ignore[no-untyped-def]
    first, last, counts, pulls, ridge, D, sigma, context, start, noise, observations, version
):  # fmt: skip
    """Roll out the series ``first .. last - 1`` of a model of equally weighed local experts."""
    T_C, _, N = context.shape
    E, T, K = len(counts), len(noise), T_C - 1
    vectors = (K + 7) // 8
    L = 8 * vectors + 8
    rows, distance = np.zeros((N + 1) * L, np.float32), np.zeros(8 * vectors, np.float32)
    most = 1
    for e in range(E):
        most = max(most, counts[e])
    rough, near, index = np.zeros(most, np.float32), np.zeros(most), np.zeros(most, np.int64)
    room, slope = np.zeros(3 * N * N + 2 * N), np.zeros(N * N)
    prediction, features = np.zeros(E * N), np.zeros(2 * E)
    x, query, exact = np.zeros(N), np.zeros(N, np.float32), np.zeros(N)
    for s in range(first, last):
        for n in range(N):
            for k in range(T_C):
                rows[n * L + k] = context[k, s, n]
            x[n] = start[s, n]
        for k in range(K, L):
            rows[N * L + k] = FAR
        for t in range(T):
            for n in range(N):
                exact[n] = sigma[n] * noise[t, n]
                for m in range(N):
                    exact[n] += D[n, m] * x[m]
                query[n] = exact[n]
            neighbours(rows, 0, L, vectors, N, query, 0, most, distance, rough, index)
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
                observations[t, s, n] = x[n]


def supports(config: ModelConfig) -> bool:
    """Whether :func:`rollout` handles this model: local experts alone."""
    return config.experts == 0 and config.observed_dims == config.latent_dims


@torch.no_grad()
def rollout(
    model: DynaMix,
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
    """What :func:`dynamix.rollout.rollout` computes for a model of local experts alone.

    Raises as :func:`dynamix.kernels.rollout`.
    """
    check_series(context, model.config)
    config, S = model.config, context.shape[1]
    N, E = config.observed_dims, len(config.local_neighbours)
    noise = np.zeros((horizon, N), np.float32)
    if gate_noise:
        noise = gate_noise_stream(horizon, N, seed=seed, quiet_steps=quiet_steps)
    points = as_array(context)
    observations = np.empty((horizon, S, N), np.float32)
    counts = [min(count, len(points) - 1) for count in config.local_neighbours]
    arguments = (
        np.array(counts, np.int64), np.array([pull for _, pull in config.local_experts]),
        config.local_ridge, as_array(model.gate.D).astype(np.float64),
        as_array(model.gate.sigma).astype(np.float64), points,
        points[-1] if initial_x is None else as_array(initial_x), noise, observations, VERSION,
    )  # fmt: skip
    threads = min(available_cores() if threads is None else threads, S)
    edges = [S * i // threads for i in range(threads + 1)]
    if threads == 1:
        call(run_local, 0, S, *arguments)
    else:
        list(pool(threads).map(lambda a, b: call(run_local, a, b, *arguments), edges, edges[1:]))
    gates = torch.full((horizon, S, E), 1.0 / E) if return_gates else None
    return Rollout(torch.from_numpy(observations), gates)
