"""The compiled engine: rollouts of :class:`dynamix.DynaMix` in microseconds a step.

Equal to :mod:`dynamix.rollout` by test, and the only place, with :mod:`dynamix.kernels_training`,
where speed beats readability. Letters as in :mod:`dynamix.model`. What makes it fast:

* *vectors of eight float32 by hand* (:mod:`dynamix.kernels_vectors`), so that nothing hangs on a
  compiler's guess;
* *the convolution after the attention*: it is linear and the attention sums to 1, so it is applied
  to the weighted pair ``(sum_k a_k c_k, sum_k a_k c_{k+1})`` and not to every context row;
* *an index over the context* (:mod:`dynamix.kernels_index`): far steps are dropped, those beside
  the query summed up beforehand, so that a step hardly grows with the context;
* *two series at a time*, so that each of the experts' weights is loaded once for both.

Arrays are flat and padded: a matrix that maps ``n`` inputs to ``m`` outputs is stored as
``(blocks, n, 32)``, ``blocks = ceil(m / 32)``, the order in which :func:`product` reads it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .config import ModelConfig
from .kernels_index import (
    DIMS,
    build,
    look_up,
)
from .kernels_runtime import (
    BLOCK,
    FAR,
    SAFE,
    VERSION,
    WIDTH,
    as_array,
    available_cores,
    call,
    entry,
    packed,
    padded,
    piece,
    pool,
    rows_of,
)
from .kernels_vectors import (
    BITS,
    exponential,
    fabs,
    fma,
    highest,
    larger,
    load,
    lowest,
    smaller,
    splat,
    store,
    total,
    within,
)
from .model import DynaMix, check_series
from .rollout import Rollout, gate_noise_stream


@piece
def product(x, x0, x1, n, W, w0, y, y0, y1, blocks, stride):  # type: ignore[no-untyped-def]
    """``y += x W`` for two inputs ``x[x0:]`` and ``x[x1:]``, of ``n`` entries, at once.

    ``W[w0:]`` is ``(blocks, n, 32)``; block ``b`` of the outputs begins at ``y0 + b stride`` and
    ``y1 + b stride``. Two at once, because then each entry of ``W`` is loaded once for both.
    """
    r = w0
    for b in range(blocks):
        o, p = y0 + b * stride, y1 + b * stride
        a0, a1, a2, a3 = load(y, o), load(y, o + 8), load(y, o + 16), load(y, o + 24)
        b0, b1, b2, b3 = load(y, p), load(y, p + 8), load(y, p + 16), load(y, p + 24)
        for k in range(n):
            u, v = splat(x[x0 + k]), splat(x[x1 + k])
            w = load(W, r)
            a0, b0 = fma(u, w, a0), fma(v, w, b0)
            w = load(W, r + 8)
            a1, b1 = fma(u, w, a1), fma(v, w, b1)
            w = load(W, r + 16)
            a2, b2 = fma(u, w, a2), fma(v, w, b2)
            w = load(W, r + 24)
            a3, b3 = fma(u, w, a3), fma(v, w, b3)
            r += 32
        store(y, o, a0), store(y, o + 8, a1), store(y, o + 16, a2), store(y, o + 24, a3)
        store(y, p, b0), store(y, p + 8, b1), store(y, p + 16, b2), store(y, p + 24, b3)


@piece
def attend(C, c0, L, vectors, N, q, q0, tau, cutoff, distance, weight, w0, seen, n0, out, o0):  # type: ignore[no-untyped-def]
    """Attention of one query to one context, and the pair it selects.

    ``C[c0:]`` is ``(N + 1, L)``, a row per dimension and one of 0, or FAR where there is no context
    step. Vectors of eight steps all of which weigh less than ``exp(-cutoff)`` of the nearest are
    passed over. Writes the indices of the others to ``seen[n0:]``, their weights to ``weight[w0:]``
    before the division by the weights' sum, ``sum_k a_k c_k`` and ``sum_k a_k c_{k+1}`` to
    ``out[o0:]``. Returns the number of vectors seen, the reciprocal of the weights' sum and the
    nearest step's distance.
    """
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
    least = lowest(nearest)
    first, limit, rate = splat(least), splat(least + cutoff * tau), splat(np.float32(1.0) / tau)
    zero = splat(np.float32(0.0))
    mass, count = zero, 0
    for v in range(vectors):
        d = load(distance, 8 * v)
        if within(d, limit):
            e = exponential((first - d) * rate)
            store(weight, w0 + 8 * count, e)
            seen[n0 + count] = v
            count += 1
            mass = mass + e
    share = np.float32(1.0) / total(mass)
    if N == 3:
        ax, ay, az, bx, by, bz = zero, zero, zero, zero, zero, zero
        for i in range(count):
            k = c0 + 8 * seen[n0 + i]
            e = load(weight, w0 + 8 * i)
            ax, bx = fma(e, load(C, k), ax), fma(e, load(C, k + 1), bx)
            ay, by = fma(e, load(C, k + L), ay), fma(e, load(C, k + L + 1), by)
            az, bz = fma(e, load(C, k + 2 * L), az), fma(e, load(C, k + 2 * L + 1), bz)
        out[o0], out[o0 + 1], out[o0 + 2] = total(ax) * share, total(ay) * share, total(az) * share
        out[o0 + 3], out[o0 + 4] = total(bx) * share, total(by) * share
        out[o0 + 5] = total(bz) * share
    else:
        for n in range(N):
            here, after = zero, zero
            for i in range(count):
                k = c0 + n * L + 8 * seen[n0 + i]
                e = load(weight, w0 + 8 * i)
                here, after = fma(e, load(C, k), here), fma(e, load(C, k + 1), after)
            out[o0 + n], out[o0 + N + n] = total(here) * share, total(after) * share
    return count, share, least


@entry
def run(  # type: ignore[no-untyped-def]
    first, last, sizes, inward, outward, diagonal, offset, threshold, query_hidden, U_summary, V,
    floor, conv, sigma, L_map, tau_att, cutoff, context, start, noise, bits, observations, gates,
    version,
):  # fmt: skip
    """Roll out the series ``first .. last - 1``, at most two, beside each other."""
    N, M, J, P, H, T = sizes
    K = context.shape[0] - 1
    zero, none = np.float32(0.0), splat(np.float32(0.0))
    Mp, Jp, Z = (M + 7) // 8 * 8, (J + 7) // 8 * 8, (M + 31) // 32 * 32
    Hp = Mp if H == 0 else (H + 7) // 8 * 8
    O = (J * Hp + 31) // 32 * 32  # noqa: E741
    G = (N + Jp + 31) // 32 * 32
    D = max(N, DIMS)
    indexed = N <= DIMS
    live = last - first
    state, phi = np.zeros(2 * Z, np.float32), np.zeros(2 * Z, np.float32)
    experts, mixed = np.zeros(2 * O, np.float32), np.zeros(2 * G, np.float32)
    query, pair = np.zeros(2 * D, np.float32), np.zeros(2 * D, np.float32)
    hidden, weight = np.zeros(Jp, np.float32), np.zeros(2 * Jp, np.float32)
    work = np.zeros(16, np.float32)
    # the two series' contexts: an index each, or the plain rows
    values = np.zeros((2, D, K + 1), np.float32)
    for m in range(live):
        for n in range(N):
            for k in range(K + 1):
                values[m, n, k] = context[k, first + m, n]
            state[m * Z + n] = start[first + m, n]
        for i in range(M - N):
            x = zero
            for n in range(N):
                x += L_map[i, n] * state[m * Z + n]
            state[m * Z + N + i] = x
    vectors = (K + 7) // 8
    Lc = 8 * vectors + 8
    rows = np.zeros((1 if indexed else 2) * (N + 1) * Lc, np.float32)
    seen = np.zeros(1 if indexed else vectors, np.int32)
    distance = np.zeros(8 if indexed else 8 * vectors, np.float32)
    share = np.zeros(8 if indexed else 8 * vectors, np.float32)
    if not indexed:
        for m in range(live):
            for n in range(N):
                for k in range(K + 1):
                    rows[(m * (N + 1) + n) * Lc + k] = values[m, n, k]
            for k in range(K, Lc):
                rows[(m * (N + 1) + N) * Lc + k] = FAR
    few = K if indexed else 1
    points, boxes, sums, starts, levels = build(values[0, :DIMS], few, tau_att)
    points1, boxes1, sums1, starts1, levels1 = points, boxes, sums, starts, levels
    if live > 1:
        points1, boxes1, sums1, starts1, levels1 = build(values[1, :DIMS], few, tau_att)
    room = 8 * max(starts[levels], starts1[levels1]) + 16
    lists, near = np.zeros(2 * room, np.uint32), np.zeros(room, np.uint32)
    box_rows, shares = np.zeros(room, np.uint32), np.zeros(8 * room, np.float32)
    for t in range(T):
        for i in range(0, 2 * G, 8):
            store(mixed, i, none)
        product(state, 0, Z, M, query_hidden, 0, mixed, 0, G, G // 32, 32)
        for m in range(live):
            for n in range(N):
                query[m * D + n] = mixed[m * G + n] + sigma[n] * noise[t, n]
            if not indexed:
                attend(rows, m * (N + 1) * Lc, Lc, vectors, N, query, m * D, tau_att, cutoff,
                       distance, share, 0, seen, 0, pair, 0)  # fmt: skip
            elif m == 0:
                look_up(points, boxes, sums, starts, levels, query, 0, tau_att, cutoff, lists, near,
                        box_rows, shares, work, bits, pair, 0)  # fmt: skip
            else:
                look_up(points1, boxes1, sums1, starts1, levels1, query, D, tau_att, cutoff, lists,
                        near, box_rows, shares, work, bits, pair, 0)  # fmt: skip
            # summary s, hidden relu(U [s; z]), weights softmax(-V hidden / tau_gate)
            for n in range(N):
                x = conv[n, 2 * D]
                for c in range(2 * D):
                    x += conv[n, c] * pair[c]
                for j in range(0, Jp, 8):
                    i = m * G + N + j
                    store(mixed, i, fma(splat(x), load(U_summary, n * Jp + j), load(mixed, i)))
            top = splat(np.float32(-3e38))
            for j in range(0, Jp, 8):
                store(hidden, j, larger(load(mixed, m * G + N + j), none))
            for j in range(0, Jp, 8):
                u = load(floor, j)
                for h in range(J):
                    u = fma(splat(hidden[h]), load(V, h * Jp + j), u)
                store(weight, m * Jp + j, u)
                top = larger(u, top)
            top, mass = splat(highest(top)), none
            for j in range(0, Jp, 8):
                e = exponential(load(weight, m * Jp + j) - top)
                store(weight, m * Jp + j, e)
                mass = mass + e
            scale = splat(np.float32(1.0) / total(mass))
            for j in range(0, Jp, 8):
                store(weight, m * Jp + j, load(weight, m * Jp + j) * scale)
            for j in range(J if gates.shape[0] > 0 else 0):
                gates[t, first + m, j] = weight[m * Jp + j]
            # what each expert adds beside its matrix
            for i in range(M):
                phi[m * Z + i] = state[m * Z + i]
            for i in range(M - P if H == 0 else M, M):
                if state[m * Z + i] < zero:
                    phi[m * Z + i] = zero
            for i in range(0, O, 8):
                store(experts, m * O + i, none)
        product(phi, 0, Z, M, inward, 0, experts, 0, O, O // 32, 32)
        for m in range(live):
            if H > 0:  # relu(W2 z + h2) - relu(W2 z), weighted: the inputs of [W1_1 .. W1_J]
                for j in range(J):
                    w = splat(weight[m * Jp + j])
                    for i in range(j * Hp, j * Hp + Hp, 8):
                        x = load(experts, m * O + i)
                        x = larger(x + load(threshold, i), none) - larger(x, none)
                        store(experts, m * O + i, w * x)
            for c in range(0, Mp, 8):
                x, z = none, load(state, m * Z + c)
                for j in range(J):
                    o = j * Mp + c
                    y = fma(load(diagonal, o), z, load(offset, o))
                    if H == 0:
                        y = y + load(experts, m * O + o)
                    x = fma(splat(weight[m * Jp + j]), y, x)
                store(state, m * Z + c, x)
        if H > 0:
            product(experts, 0, O, O, outward, 0, state, 0, Z, Z // 32, 32)
        for m in range(live):
            for n in range(N):
                observations[t, first + m, n] = state[m * Z + n]


def supports(config: ModelConfig) -> bool:
    """Whether :func:`rollout` handles this model; the torch engine handles every one."""
    return not config.probabilistic


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
    """What :func:`dynamix.rollout.rollout` computes, in float32 on the CPU.

    Bit for bit independent of ``threads`` (None: all cores) and of the series beside a series.

    Raises
    ------
    InputError
        If the context's shape does not fit the model.
    EngineUnavailable
        If the kernels do not compile on this machine.
    """
    check_series(context, model.config)
    c = model.config
    N, M, J = c.observed_dims, c.latent_dims, c.experts
    H = 0 if c.expert_kind == "alrnn" else c.hidden_units
    T_C, S, _ = context.shape
    D = max(N, DIMS)
    value = {name: as_array(p) for name, p in model.named_parameters()}
    diagonal = rows_of(value["experts.A"]).ravel()
    if H:
        inward, offset = rows_of(value["experts.W2"].transpose(2, 0, 1)), value["experts.h1"]
        outward = np.zeros((padded(inward.shape[1], BLOCK), M), np.float32)
        outward[: inward.shape[1]] = rows_of(value["experts.W1"].transpose(1, 0, 2)).T
        threshold = rows_of(value["experts.h2"]).ravel()
    else:
        inward, offset = rows_of(value["experts.W"].transpose(2, 0, 1)), value["experts.h"]
        outward, threshold = np.zeros((1, 1), np.float32), np.zeros(8, np.float32)
    V, floor, query_hidden, U_summary = gate_matrices(value, N, J)
    kernel = value["gate.conv.weight"]
    conv = np.zeros((N, 2 * D + 1), np.float32)
    conv[:, :N], conv[:, D : D + N] = kernel[:, :, 0], kernel[:, :, 1]
    conv[:, 2 * D] = value["gate.conv.bias"]
    noise = (
        gate_noise_stream(horizon, N, seed=seed, quiet_steps=quiet_steps)
        if gate_noise
        else np.zeros((horizon, N), np.float32)
    )
    observations = np.empty((horizon, S, N), np.float32)
    gates = np.empty((horizon if return_gates else 0, S, J), np.float32)
    points = as_array(context)
    arguments = (
        (N, M, J, c.relu_units, H, horizon), packed(inward), packed(outward), diagonal,
        rows_of(offset).ravel(), threshold, packed(query_hidden), U_summary.ravel(), V.ravel(),
        floor, conv, value["gate.sigma"], value["L"], abs(value["gate.tau_att"][0]),
        np.float32(SAFE + math.log(T_C - 1)), points,
        points[-1] if initial_x is None else as_array(initial_x), noise, BITS, observations, gates,
        VERSION,
    )  # fmt: skip
    threads = available_cores() if threads is None else threads
    together = 1 if threads > S // 2 else 2  # two share the experts' weights in the cache
    starts = range(0, S, together)

    def work(first: int) -> None:
        call(run, first, min(first + together, S), *arguments)

    if threads == 1 or len(starts) == 1:
        for first in starts:
            work(first)
    else:
        list(pool(threads).map(work, starts))
    return Rollout(
        torch.from_numpy(observations), torch.from_numpy(gates) if return_gates else None
    )


def gate_matrices(value: dict[str, np.ndarray], N: int, J: int) -> tuple[np.ndarray, ...]:
    """The gate's weights, padded: ``-V^T / tau_gate``, what pads it, ``[D; U_z]``, ``U_s``."""
    Jp = padded(J, WIDTH)
    U = value["gate.U"]
    V = np.zeros((J, Jp), np.float32)
    V[:, :J] = -value["gate.V"].T / abs(value["gate.tau_gate"][0])
    floor = np.zeros(Jp, np.float32)
    floor[J:] = -1e30
    query_hidden = np.zeros((U.shape[1] - N, N + Jp), np.float32)
    query_hidden[:, :N] = value["gate.D"].T
    query_hidden[:, N : N + J] = U[:, N:].T
    U_summary = np.zeros((N, Jp), np.float32)
    U_summary[:, :J] = U[:, :N].T
    return V, floor, query_hidden, U_summary
