"""The compiled engine: rollouts of :class:`dynamix.DynaMix` in microseconds a step.

Equal to :mod:`dynamix.model.rollouts` by test, and the only place, with :mod:`dynamix.engine.training`,
where speed beats readability. Letters as in :mod:`dynamix.model`. What makes it fast:

* *vectors of eight float32 by hand* (:mod:`dynamix.engine.vectors`), so that nothing hangs on a
  compiler's guess;
* *the convolution after the attention*: it is linear and the attention sums to 1, so it is applied
  to the weighted pair ``(sum_k a_k c_k, sum_k a_k (c_{k+1} - c_k))`` and not to every context row,
  and its weights are multiplied into the gate's beforehand, as ``A_j`` is into ``W_j``;
* *an index over the context* (:mod:`dynamix.engine.index`): far steps are dropped, those beside
  the query summed up beforehand, so that a step hardly grows with the context;
* *two series at a time*, so that each of the experts' weights is loaded once for both.

Where the model's map is expansive it enlarges what it is sensitive to: the first N entries of the
state and the gate. So these are computed in float64, at little cost, and the experts' other
``M - N`` outputs, nearly all of the work, in float32.

Arrays are flat and padded: a matrix that maps ``n`` inputs to ``m`` outputs is stored as
``(blocks, n, 32)``, ``blocks = ceil(m / 32)``, the order in which :func:`product` reads it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..model.dynamix import DynaMix, check_series
from ..model.rollouts import Rollout, gate_noise_stream
from ..settings import ModelConfig
from .index import (
    DIMS,
    build,
    look_up,
)
from .runtime import (
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
from .vectors import (
    BITS,
    exponential,
    fabs,
    fma,
    highest,
    larger,
    load,
    lowest,
    narrowed,
    smaller,
    splat,
    splat_wide,
    store,
    total,
    widened,
    within,
)


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
def affine(x, x0, x1, both, n, W, bias, y, y0, y1, blocks):  # type: ignore[no-untyped-def]
    """``y = x W + bias`` for one input or ``both``, laid out as for :func:`product`."""
    r = 0
    for b in range(blocks):
        o, p, c = y0 + b * 32, y1 + b * 32, b * 32
        a0, a1, a2, a3 = load(bias, c), load(bias, c + 8), load(bias, c + 16), load(bias, c + 24)
        b0, b1, b2, b3 = a0, a1, a2, a3
        for k in range(n if both else 0):
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
        for k in range(0 if both else n):
            u = splat(x[x0 + k])
            a0, a1 = fma(u, load(W, r), a0), fma(u, load(W, r + 8), a1)
            a2, a3 = fma(u, load(W, r + 16), a2), fma(u, load(W, r + 24), a3)
            r += 32
        store(y, o, a0), store(y, o + 8, a1), store(y, o + 16, a2), store(y, o + 24, a3)
        store(y, p, b0), store(y, p + 8, b1), store(y, p + 16, b2), store(y, p + 24, b3)


@piece
def wide_affine(x, x0, x1, both, n, W, bias, y, y0, y1, blocks):  # type: ignore[no-untyped-def]
    """:func:`affine` in float64, with a ``W`` of ``(blocks, n, 16)``."""
    r = 0
    for b in range(blocks):
        o, p, c = y0 + b * 16, y1 + b * 16, b * 16
        a0, a1 = load(bias, c), load(bias, c + 8)
        b0, b1 = a0, a1
        for k in range(n if both else 0):
            u, v = splat_wide(x[x0 + k]), splat_wide(x[x1 + k])
            w = load(W, r)
            a0, b0 = fma(u, w, a0), fma(v, w, b0)
            w = load(W, r + 8)
            a1, b1 = fma(u, w, a1), fma(v, w, b1)
            r += 16
        for k in range(0 if both else n):
            u = splat_wide(x[x0 + k])
            a0, a1 = fma(u, load(W, r), a0), fma(u, load(W, r + 8), a1)
            r += 16
        store(y, o, a0), store(y, o + 8, a1), store(y, p, b0), store(y, p + 8, b1)


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
    first, last, sizes, inward, offset, outward, outset, threshold, diagonal, observed_inward,
    observed_offset, observed_diagonal, gate_inward, gate_offset, selected, V, floor, sigma, L_map,
    tau_att, cutoff, context, start, noise, bits, observations, gates, version,
):  # fmt: skip
    """Roll out the series ``first .. last - 1``, at most two, beside each other."""
    N, M, J, P, H, T = sizes
    K = context.shape[0] - 1
    zero, none, nothing = np.float32(0.0), splat(np.float32(0.0)), splat_wide(0.0)
    E = N if H == 0 else 0  # outputs of each expert that are computed in float64
    R = M - E
    Jp, Z = (J + 7) // 8 * 8, (M + 62) // 32 * 32
    Hp = (H + 7) // 8 * 8
    B, X, G = offset.size // 32, observed_offset.size // 16, gate_offset.size // 16
    O, Xp, Gp = 32 * B + 32, 16 * X + 8, 16 * G + 8  # noqa: E741
    D = max(N, DIMS)
    indexed = N <= DIMS
    live, both = last - first, last - first > 1
    # z and phi(z), the first N in float64 and the others in float32; cut: what phi takes away
    wide_state, wide_phi = np.zeros(2 * Z), np.zeros(2 * Z)
    phi, cut, extra = np.zeros(2 * Z, np.float32), np.zeros(Z, np.float32), np.zeros(Z, np.float32)
    experts, observed, mixed = np.zeros(2 * O, np.float32), np.zeros(2 * Xp), np.zeros(2 * Gp)
    query, rough = np.zeros(2 * D, np.float32), np.zeros(2 * D, np.float32)
    pair, hidden, work = np.zeros(2 * D), np.zeros(Jp), np.zeros(8)
    wide_weight, weight = np.zeros(2 * Jp), np.zeros(2 * Jp, np.float32)
    # the two series' contexts: an index each, or the plain rows
    values = np.zeros((2, D, K + 1), np.float32)
    for m in range(live):
        for n in range(N):
            for k in range(K + 1):
                values[m, n, k] = context[k, first + m, n]
            wide_state[m * Z + n] = start[first + m, n]
        for i in range(M - N):
            x = 0.0
            for n in range(N):
                x += L_map[i, n] * wide_state[m * Z + n]
            wide_state[m * Z + N + i] = np.float32(x)
        for i in range(m * Z, m * Z + M):
            phi[i], wide_phi[i] = wide_state[i], wide_state[i]
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
        wide_affine(wide_state, 0, Z, both, M, gate_inward, gate_offset, mixed, 0, Gp, G)
        for m in range(live):
            for n in range(N):
                query[m * D + n] = mixed[m * Gp + n] + sigma[n] * noise[t, n]
            if not indexed:
                attend(rows, m * (N + 1) * Lc, Lc, vectors, N, query, m * D, tau_att, cutoff,
                       distance, share, 0, seen, 0, rough, 0)  # fmt: skip
                for n in range(N):
                    pair[n], pair[D + n] = rough[n], np.float64(rough[N + n]) - rough[n]
            elif m == 0:
                look_up(points, boxes, sums, starts, levels, query, 0, tau_att, cutoff, lists, near,
                        box_rows, shares, work, bits, pair, 0)  # fmt: skip
            else:
                look_up(points1, boxes1, sums1, starts1, levels1, query, D, tau_att, cutoff, lists,
                        near, box_rows, shares, work, bits, pair, 0)  # fmt: skip
            # hidden relu(U [s; z]), weights softmax(-V hidden / tau_gate)
            for j in range(0, Jp, 8):
                u = load(mixed, m * Gp + N + j)
                for c in range(2 * D):
                    u = fma(splat_wide(pair[c]), load(selected, c * Jp + j), u)
                store(hidden, j, larger(u, nothing))
            top = splat_wide(-1e300)
            for j in range(0, Jp, 8):
                u = load(floor, j)
                for h in range(J):
                    u = fma(splat_wide(hidden[h]), load(V, h * Jp + j), u)
                store(wide_weight, m * Jp + j, u)
                top = larger(u, top)
            top, mass = splat_wide(highest(top)), nothing
            for j in range(0, Jp, 8):
                e = exponential(load(wide_weight, m * Jp + j) - top)
                store(wide_weight, m * Jp + j, e)
                mass = mass + e
            scale = splat_wide(1.0 / total(mass))
            for j in range(0, Jp, 8):
                e = load(wide_weight, m * Jp + j) * scale
                store(wide_weight, m * Jp + j, e)
                store(weight, m * Jp + j, narrowed(e))
            for j in range(J if gates.shape[0] > 0 else 0):
                gates[t, first + m, j] = weight[m * Jp + j]
            for i in range(M - P if H == 0 else M, M):
                if wide_state[m * Z + i] < 0.0:
                    phi[m * Z + i], wide_phi[m * Z + i] = zero, 0.0
        wide_affine(wide_phi, 0, Z, both, M, observed_inward, observed_offset, observed, 0, Xp, X)
        affine(phi, 0, Z, both, M, inward, offset, experts, 0, O, B)
        for m in range(live):
            if H > 0:  # relu(W2 z + h2) - relu(W2 z), weighted: the inputs of [W1_1 .. W1_J]
                for j in range(J):
                    w = splat(weight[m * Jp + j])
                    for i in range(j * Hp, j * Hp + Hp, 8):
                        x = load(experts, m * O + i)
                        x = larger(x + load(threshold, i), none) - larger(x, none)
                        store(experts, m * O + i, w * x)
                for c in range(0, M, 8):
                    x, z = none, load(phi, m * Z + c)
                    for j in range(J):
                        y = fma(load(diagonal, j * M + c), z, load(outset, j * M + c))
                        x = fma(splat(weight[m * Jp + j]), y, x)
                    store(phi, m * Z + c, x)
                continue
            for i in range(M - P, M):
                cut[i] = min(wide_state[m * Z + i], 0.0)
            for c in range(max(0, M - P - E) // 8 * 8, R, 8):  # A (z - phi); A phi is in W
                x = none
                for j in range(J):
                    x = fma(splat(weight[m * Jp + j]), load(diagonal, j * R + c), x)
                store(extra, c, x * load(cut, E + c))
            for c in range(0, R, 32):
                x0, x1 = load(extra, c), load(extra, c + 8)
                x2, x3 = load(extra, c + 16), load(extra, c + 24)
                for j in range(J):
                    w, o = splat(weight[m * Jp + j]), m * O + j * R + c
                    x0, x1 = fma(w, load(experts, o), x0), fma(w, load(experts, o + 8), x1)
                    x2, x3 = fma(w, load(experts, o + 16), x2), fma(w, load(experts, o + 24), x3)
                i = m * Z + E + c
                store(phi, i, x0), store(phi, i + 8, x1), store(phi, i + 16, x2)
                store(phi, i + 24, x3)
                v0, v1, v2, v3 = widened(x0), widened(x1), widened(x2), widened(x3)
                store(wide_state, i, v0), store(wide_state, i + 8, v1)
                store(wide_state, i + 16, v2), store(wide_state, i + 24, v3)
                store(wide_phi, i, v0), store(wide_phi, i + 8, v1)
                store(wide_phi, i + 16, v2), store(wide_phi, i + 24, v3)
            for n in range(E):
                v, r = nothing, splat_wide(cut[n])
                for j in range(0, Jp, 8):
                    y = load(observed, m * Xp + n * J + j)
                    if n >= M - P:
                        y = fma(load(observed_diagonal, n * J + j), r, y)
                    v = fma(load(wide_weight, m * Jp + j), y, v)
                i = m * Z + n
                wide_state[i] = total(v)
                wide_phi[i], phi[i] = wide_state[i], wide_state[i]
        if H > 0:
            product(experts, 0, O, 32 * B, outward, 0, phi, 0, Z, (M + 31) // 32, 32)
            for i in range(0, 2 * Z, 8):
                store(wide_state, i, widened(load(phi, i)))
        for m in range(live):
            for n in range(N):
                observations[t, first + m, n] = phi[m * Z + n]


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
    """What :func:`dynamix.model.rollouts.rollout` computes, on the CPU; weights and results in float32.

    Bit for bit independent of ``threads`` (None: all cores) and of the series beside a series.

    Raises
    ------
    InputError
        If the context's shape does not fit the model.
    EngineUnavailable
        If the kernels do not compile on this machine.
    """
    check_series(context, model.config.observed_dims)
    c = model.config
    N, M, J = c.observed_dims, c.latent_dims, c.experts
    H = 0 if c.expert_kind == "alrnn" else c.hidden_units
    T_C, S, _ = context.shape
    D = max(N, DIMS)
    value = {name: as_array(p) for name, p in model.named_parameters()}
    fine = {name: p.astype(np.float64) for name, p in value.items() if name != "experts.W"}
    A = value["experts.A"]
    if H:
        inward = rows_of(value["experts.W2"].transpose(2, 0, 1))
        offset = np.zeros(inward.shape[1], np.float32)
        outward = np.zeros((padded(inward.shape[1], BLOCK), M), np.float32)
        outward[: inward.shape[1]] = rows_of(value["experts.W1"].transpose(1, 0, 2)).T
        outset, threshold = value["experts.h1"], rows_of(value["experts.h2"]).ravel()
        observed, observed_offset, observed_A = np.zeros((M, 0)), np.zeros(0), np.zeros(0)
    else:
        # A phi(z) is in the product; outputs N .. M - 1 are sorted by expert, the others not
        W, h, one = value["experts.W"], value["experts.h"], np.eye(M, dtype=np.float32)
        inward = (W[:, N:] + A[:, N:, None] * one[N:]).transpose(2, 0, 1).reshape(M, -1)
        observed = W[:, :N].astype(np.float64) + A[:, :N, None] * one[:N]
        observed, offset = observed.transpose(2, 1, 0).reshape(M, -1), h[:, N:].ravel()
        observed_offset, observed_A = fine["experts.h"][:, :N].T.ravel(), A[:, :N].T.ravel()
        outward, outset = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
        threshold = np.zeros(8, np.float32)
        A = A[:, N:]
    V, floor, query_hidden, U_summary = gate_matrices(fine, N, J)
    # the convolution, of sum_k a_k c_k and sum_k a_k (c_{k+1} - c_k), is in the gate's products
    kernel = fine["gate.conv.weight"]
    selected = np.zeros((2 * D, U_summary.shape[1]))
    selected[:N], selected[D : D + N] = (
        kernel.sum(axis=2).T @ U_summary,
        kernel[:, :, 1].T @ U_summary,
    )
    gate_offset = np.zeros(N + J)
    gate_offset[N:] = (fine["gate.conv.bias"] @ U_summary)[:J]
    noise = (
        gate_noise_stream(horizon, N, seed=seed, quiet_steps=quiet_steps)
        if gate_noise
        else np.zeros((horizon, N), np.float32)
    )
    observations = np.empty((horizon, S, N), np.float32)
    gates = np.empty((horizon if return_gates else 0, S, J), np.float32)
    points = as_array(context)
    arguments = (
        (N, M, J, c.relu_units, H, horizon), packed(inward),
        followed(offset, -offset.size % BLOCK), packed(outward),
        followed(outset, WIDTH), threshold, followed(A, WIDTH),
        packed(observed, 2 * WIDTH, np.float64),
        followed(observed_offset, -observed_offset.size % 16),
        followed(observed_A.astype(np.float64), WIDTH),
        packed(query_hidden[:, : N + J], 2 * WIDTH, np.float64),
        followed(gate_offset, -gate_offset.size % 16),
        selected.ravel(), V.ravel(), floor, fine["gate.sigma"], fine["L"],
        abs(value["gate.tau_att"][0]),
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
    U, D, out = value["gate.U"], value["gate.D"], value["gate.V"]
    M, I = D.shape[1], len(out)  # noqa: E741
    Jp = padded(I, WIDTH)
    V = np.zeros((J, Jp), U.dtype)
    V[:, :I] = -out.T / abs(value["gate.tau_gate"][0])
    floor = np.zeros(Jp, U.dtype)
    floor[I:] = -1e30
    query_hidden = np.zeros((M, N + Jp), U.dtype)
    query_hidden[:, :N] = D.T
    query_hidden[:, N : N + J] = U[:, N : N + M].T
    seen = np.concatenate([U[:, :N], U[:, N + M :]], axis=1)
    U_summary = np.zeros((seen.shape[1], Jp), U.dtype)
    U_summary[:, :J] = seen.T
    return V, floor, query_hidden, U_summary


def followed(values: np.ndarray, n: int) -> np.ndarray:
    """All values in a row, and ``n`` zeros."""
    return np.concatenate([values.ravel(), np.zeros(n, values.dtype)])
