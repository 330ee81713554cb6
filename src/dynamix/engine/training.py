"""The compiled training step: the loss under teacher forcing and its gradient, derived by hand.

:func:`loss_and_gradient` computes what ``Trainer.gradient`` computes with autograd, and equals it
by test. Two series go through time together, forward and back, so that every weight loaded serves
both; such pairs are spread over threads. Each pair has gradients of its own, added in a fixed order
at the end, so the result does not depend on the number of threads, to the bit.

The backward step, with ``G = dl/dz'`` and ``v_j = w_j G``:

* experts: ``dl/dW_j = sum v_j phi(z)^T``, ``dl/dA_j = sum v_j * z``, ``dl/dh_j = sum v_j``, and
  ``dl/dz += sum_j A_j * v_j + 1[phi] * W_j^T v_j``;
* gate: ``dl/dw_j = G . f_j(z)``, then through the softmax with logits ``-V r / |tau_gate|``,
  ``r = relu(U [s; z])``; ``dl/dz`` gets ``U_z^T``'s part and ``s`` the rest;
* local experts, ``x' = (a I + B^T) x + ...``: ``dl/dx += w_e (a I + B^T)^T [I; L]^T G``;
* attention: ``b_k = a_k (g_k - sum_l a_l g_l)`` with ``g_k = dl/ds . e_k`` gives
  ``dl/dq = sum_k b_k sign(c_k - q) / |tau_att|`` and
  ``dl/d|tau_att| = sum_k b_k |c_k - q|_1 / tau_att^2``; ``z`` gets nothing through the query.

Every weight matrix's gradient is a sum over steps of outer products. The vectors are kept, and one
matrix product per series and kind makes all of them: ``left`` ``[dq; dU-part; dV-part; ds]`` with
``right`` ``[z; s; r; pair; eps; 1]`` for the gate, ``v`` with ``[phi; 1]`` for the experts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..model.dynamix import DynaMix
from ..settings import ModelConfig, TrainingConfig
from .local import local_fit, neighbours
from .rollout import attend, gate_matrices, product
from .runtime import (
    BLOCK,
    FAR,
    SAFE,
    VERSION,
    as_array,
    call,
    entry,
    packed,
    padded,
    piece,
    rows_of,
    share_out,
)
from .vectors import (
    exponential,
    fabs,
    fma,
    highest,
    larger,
    load,
    sign,
    splat,
    store,
    total,
)

if TYPE_CHECKING:
    from ..model.batch import Batch


@piece
def attend_back(  # type: ignore[no-untyped-def]
    C, c0, L, N, q, q0, g, weight, w0, share, least, seen, n0, count, slope, out
):  # fmt: skip
    """Back through :func:`attend`: ``sum_k b_k sign(c_k - q)`` to ``out``.

    ``g`` holds the pair's gradients, ``slope`` is room for ``g_k = dl/da_k``. Returns
    ``sum_k b_k (|c_k - q|_1 - least)``, where ``least``, the nearest step's distance, takes away
    most of the rounding error; it changes nothing else, since the ``b_k`` add up to 0.
    """
    zero, a, first = splat(np.float32(0.0)), splat(share), splat(least)
    mean, moved = zero, zero
    if N == 3:
        gx, gy, gz, hx, hy, hz = (
            splat(g[0]), splat(g[1]), splat(g[2]), splat(g[3]), splat(g[4]), splat(g[5])
        )  # fmt: skip
        for i in range(count):
            k = c0 + 8 * seen[n0 + i]
            s = fma(gx, load(C, k), hx * load(C, k + 1))
            s = fma(gy, load(C, k + L), fma(hy, load(C, k + L + 1), s))
            s = fma(gz, load(C, k + 2 * L), fma(hz, load(C, k + 2 * L + 1), s))
            store(slope, 8 * i, s)
            mean = fma(load(weight, w0 + 8 * i), s, mean)
    else:
        for i in range(count):
            k = c0 + 8 * seen[n0 + i]
            s = zero
            for n in range(N):
                s = fma(splat(g[n]), load(C, k + n * L), s)
                s = fma(splat(g[N + n]), load(C, k + n * L + 1), s)
            store(slope, 8 * i, s)
            mean = fma(load(weight, w0 + 8 * i), s, mean)
    centre = splat(total(mean) * share)
    if N == 3:
        qx, qy, qz = splat(q[q0]), splat(q[q0 + 1]), splat(q[q0 + 2])
        ox, oy, oz = zero, zero, zero
        for i in range(count):
            k = c0 + 8 * seen[n0 + i]
            b = (load(slope, 8 * i) - centre) * a * load(weight, w0 + 8 * i)
            x, y, z = load(C, k) - qx, load(C, k + L) - qy, load(C, k + 2 * L) - qz
            ox, oy, oz = fma(b, sign(x), ox), fma(b, sign(y), oy), fma(b, sign(z), oz)
            moved = fma(b, fabs(x) + fabs(y) + fabs(z) - first, moved)
        out[0], out[1], out[2] = total(ox), total(oy), total(oz)
        return total(moved)
    for i in range(count):
        b = (load(slope, 8 * i) - centre) * a * load(weight, w0 + 8 * i)
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


@entry
def train(  # type: ignore[no-untyped-def]
    first, last, sizes, forward, backward, diagonal, offset, query_hidden, hidden_back, U_summary,
    V_forward, V_backward, floor, conv, sigma, L_map, tau_att, tau_gate, cutoff, local, ridge, pull,
    context, inputs, targets, noise, interval, strength, log_scale, dW, dG, dA, dL, scalars,
    version,
):  # fmt: skip
    """Forward and back for the pairs of series ``first .. last - 1``; results by pair."""
    N, M, J, P, T, S, K = sizes
    zero = np.float32(0.0)
    E = len(local)
    I = J + E  # all experts  # noqa: E741
    Mp, Jp, Z = (M + 7) // 8 * 8, (I + 7) // 8 * 8, (M + 31) // 32 * 32
    O = (J * Mp + 31) // 32 * 32  # outputs of all learned experts  # noqa: E741
    H = (N + Jp + 31) // 32 * 32  # [q; U z]
    F = (2 * N + J + I + 31) // 32 * 32  # left vectors of the gate
    R, Q = dW.shape[1] // O, dG.shape[1] // F  # right vectors' lengths
    vectors = (K + 7) // 8
    Lc = context.shape[1] // (N + 1)
    D, size, flat_context = 2 * N, context.shape[1], context.ravel()
    # kept for the way back, by series, then step
    z = np.zeros(2 * T * Z, np.float32)
    experts = np.zeros(2 * T * O, np.float32)  # (2, blocks, T, 32): proposals, then v
    right = np.zeros(2 * R * T, np.float32)  # (2, R, T): [phi; 1]
    gate_right = np.zeros(2 * Q * T, np.float32)
    left = np.zeros(2 * T * F, np.float32)
    gates, logits = np.zeros(2 * T * Jp, np.float32), np.zeros(2 * T * Jp, np.float32)
    hidden, query = np.zeros(2 * T * Jp, np.float32), np.zeros(2 * T * N, np.float32)
    pair, error = np.zeros(2 * T * D, np.float32), np.zeros(2 * T * N, np.float32)
    weight = np.zeros(2 * T * vectors * 8, np.float32)
    seen, counts = np.zeros(2 * T * vectors, np.int32), np.zeros(2 * T, np.int32)
    share, nearest = np.zeros(2 * T, np.float32), np.zeros(2 * T, np.float32)
    slope, predicted = np.zeros(2 * T * E * N * N, np.float32), np.zeros(2 * T * E * N, np.float32)
    local_z = np.zeros(2 * T * E * Mp, np.float32)
    # of the current step
    most = 1
    for e in range(E):
        most = max(most, local[e])
    near, index = np.zeros(most, np.float32), np.zeros(most, np.int64)
    room, local_back = np.zeros(3 * N * N + 2 * N), np.zeros(2 * N, np.float32)
    features = np.zeros(2 * E, np.float32)
    state, phi, grad = (
        np.zeros(2 * Z, np.float32),
        np.zeros(2 * Z, np.float32),
        np.zeros(2 * Z, np.float32),
    )
    back, flat = np.zeros(2 * Z, np.float32), np.zeros(2 * O, np.float32)
    mixed, distance = np.zeros(2 * H, np.float32), np.zeros(vectors * 8, np.float32)
    summary, pair_grad = np.zeros(N, np.float32), np.zeros(D, np.float32)
    dlogit, dhidden = np.zeros(Jp, np.float32), np.zeros(2 * Jp, np.float32)
    dq, squares = np.zeros(N, np.float32), np.zeros(2)
    for pair_index in range(first, last):
        loss, d_tau_att, d_tau_gate = 0.0, 0.0, 0.0
        for m in range(2):
            squares[m] = 0.0
            s = min(2 * pair_index + m, S - 1)
            for n in range(N):
                state[m * Z + n] = inputs[0, s, n]
            for i in range(M - N):
                x = zero
                for n in range(N):
                    x += L_map[i, n] * inputs[0, s, n]
                state[m * Z + N + i] = x
        for t in range(T):
            for m in range(2):
                s = min(2 * pair_index + m, S - 1)
                if t > 0 and interval > 0 and t % interval == 0:
                    for n in range(N):
                        state[m * Z + n] = inputs[t, s, n]
                elif t > 0 and interval == 0:
                    for n in range(N):
                        a = strength * inputs[t, s, n]
                        state[m * Z + n] = a + (np.float32(1.0) - strength) * state[m * Z + n]
                for i in range(M):
                    x = state[m * Z + i]
                    gate_right[(m * Q + i) * T + t] = x
                    z[(m * T + t) * Z + i] = x
                    if i >= M - P and not x > zero:
                        x = zero
                    phi[m * Z + i] = x
                    right[(m * R + i) * T + t] = x
                right[(m * R + M) * T + t] = np.float32(1.0)
                for i in range(0, H, 8):
                    store(mixed, m * H + i, splat(zero))
                # f_j = A_j * z + h_j + W_j phi(z)
                for i in range(0, Mp, 8):
                    x = load(state, m * Z + i)
                    for j in range(J):
                        o = j * Mp + i
                        y = fma(load(diagonal, o), x, load(offset, o))
                        store(experts, m * T * O + (o >> 5) * T * 32 + t * 32 + (o & 31), y)
            product(phi, 0, Z, M, forward, 0, experts, t * 32, T * O + t * 32, O // 32, T * 32)
            product(state, 0, Z, M, query_hidden, 0, mixed, 0, H, H // 32, 32)
            for m in range(2):
                s = min(2 * pair_index + m, S - 1)
                i = m * T + t
                for n in range(N):
                    query[i * N + n] = mixed[m * H + n] + sigma[n] * noise[t, s, n]
                counts[i], share[i], nearest[i] = attend(
                    flat_context, s * size, Lc, vectors, N, query, i * N, tau_att, cutoff,
                    distance, weight, i * vectors * 8, seen, i * vectors, pair, i * D,
                )  # fmt: skip
                r = m * Q + M
                for n in range(N):
                    x = conv[n, D]
                    for c in range(D):
                        x += conv[n, c] * pair[i * D + c]
                    summary[n] = x
                    gate_right[(r + n) * T + t] = x
                    gate_right[(r + N + J + D + n) * T + t] = noise[t, s, n]
                if E > 0:
                    neighbours(flat_context, s * size, Lc, vectors, N, query, i * N, most, FAR,
                               distance, near, index)  # fmt: skip
                for e in range(E):
                    p = i * E + e
                    local_fit(
                        flat_context, s * size, Lc, N, state, m * Z, near, index, local[e], ridge,
                        pull[e], room, slope, p * N * N, predicted, p * N, features, e, E + e,
                    )  # fmt: skip
                    for n in range(N):
                        local_z[p * Mp + n] = predicted[p * N + n]
                    for c in range(M - N):
                        x = zero
                        for n in range(N):
                            x += L_map[c, n] * predicted[p * N + n]
                        local_z[p * Mp + N + c] = x
                for c in range(2 * E):
                    gate_right[(r + 2 * N + J + D + 1 + c) * T + t] = features[c]
                for c in range(D):
                    gate_right[(r + N + J + c) * T + t] = pair[i * D + c]
                gate_right[(r + 2 * N + J + D) * T + t] = np.float32(1.0)
                for j in range(0, Jp, 8):
                    h = load(mixed, m * H + N + j)
                    for n in range(N):
                        h = fma(splat(summary[n]), load(U_summary, n * Jp + j), h)
                    for c in range(2 * E):
                        h = fma(splat(features[c]), load(U_summary, (N + c) * Jp + j), h)
                    store(hidden, i * Jp + j, larger(h, splat(zero)))
                top = splat(np.float32(-3e38))
                for j in range(0, Jp, 8):
                    u = load(floor, j)
                    for h in range(J):
                        u = fma(splat(hidden[i * Jp + h]), load(V_forward, h * Jp + j), u)
                    store(logits, i * Jp + j, u)
                    top = larger(u, top)
                top, mass = splat(highest(top)), splat(zero)
                for j in range(0, Jp, 8):
                    w = exponential(load(logits, i * Jp + j) - top)
                    store(gates, i * Jp + j, w)
                    mass = mass + w
                scale = splat(np.float32(1.0) / total(mass))
                for j in range(0, Jp, 8):
                    store(gates, i * Jp + j, load(gates, i * Jp + j) * scale)
                for j in range(J):
                    gate_right[(r + N + j) * T + t] = hidden[i * Jp + j]
                for c in range(0, Mp, 8):
                    x = splat(zero)
                    for j in range(J):
                        o = j * Mp + c
                        y = load(experts, m * T * O + (o >> 5) * T * 32 + t * 32 + (o & 31))
                        x = fma(splat(gates[i * Jp + j]), y, x)
                    for e in range(E):
                        y = load(local_z, (i * E + e) * Mp + c)
                        x = fma(splat(gates[i * Jp + J + e]), y, x)
                    store(state, m * Z + c, x)
                for n in range(N):
                    x = state[m * Z + n] - targets[t, s, n]
                    squares[m] += np.float64(x) * np.float64(x)
                    error[i * N + n] = x
        for m in range(2):
            # the odd series' companion is its twin, without a share in the loss
            share_of_loss = 1.0 / S if 2 * pair_index + m < S else 0.0
            mse = squares[m] / (T * N)
            slope_of_loss = share_of_loss * 2.0 / (T * N)
            if log_scale > 0.0:
                loss += share_of_loss * np.log1p(mse / log_scale)
                slope_of_loss /= mse + log_scale
            else:
                loss += share_of_loss * mse
            for i in range(m * T * N, (m + 1) * T * N):
                error[i] *= np.float32(slope_of_loss)
        for i in range(2 * Z):
            grad[i] = zero
        for t in range(T - 1, -1, -1):
            for m in range(2):
                i = m * T + t
                for n in range(N):
                    grad[m * Z + n] += error[i * N + n]
                for c in range(0, Z, 8):
                    store(back, m * Z + c, splat(zero))
                mean = zero
                for j in range(J):
                    w, dw = splat(gates[i * Jp + j]), splat(zero)
                    for c in range(0, Mp, 8):
                        o = j * Mp + c
                        p = m * T * O + (o >> 5) * T * 32 + t * 32 + (o & 31)
                        g = load(grad, m * Z + c)
                        dw = fma(load(experts, p), g, dw)
                        v = w * g
                        store(experts, p, v)
                        store(flat, m * O + o, v)
                        x = load(z, i * Z + c)
                        q = pair_index * O + o
                        store(dA, q, fma(v, x, load(dA, q)))
                    dlogit[j] = total(dw)
                    mean += gates[i * Jp + j] * dlogit[j]
                for n in range(N):
                    local_back[m * N + n] = zero
                for e in range(E):
                    w, dw, p = gates[i * Jp + J + e], splat(zero), i * E + e
                    for c in range(0, Mp, 8):
                        dw = fma(load(local_z, p * Mp + c), load(grad, m * Z + c), dw)
                    dlogit[J + e] = total(dw)
                    mean += w * dlogit[J + e]
                    for n in range(N):  # back through [x; L x], then through the affine map
                        x = grad[m * Z + n]
                        for c in range(M - N):
                            y = grad[m * Z + N + c]
                            x += L_map[c, n] * y
                            dL[pair_index, c, n] += w * y * predicted[p * N + n]
                        for k in range(N):
                            local_back[m * N + k] += w * x * slope[(p * N + n) * N + k]
                for j in range(I):
                    dlogit[j] = gates[i * Jp + j] * (dlogit[j] - mean)
                    d_tau_gate -= np.float64(dlogit[j] * logits[i * Jp + j])
                for h in range(0, Jp, 8):
                    x = splat(zero)
                    for j in range(I):
                        x = fma(splat(dlogit[j]), load(V_backward, j * Jp + h), x)
                    store(dhidden, m * Jp + h, x)
                for n in range(D):
                    pair_grad[n] = zero
                e = m * T * F + t * 32
                for h in range(J):
                    if not hidden[i * Jp + h] > zero:
                        dhidden[m * Jp + h] = zero
                    o = N + h
                    left[e + (o >> 5) * T * 32 + (o & 31)] = dhidden[m * Jp + h]
                for j in range(I):
                    o = N + J + j
                    left[e + (o >> 5) * T * 32 + (o & 31)] = dlogit[j]
                for n in range(N):
                    x = splat(zero)
                    for h in range(0, Jp, 8):
                        x = fma(load(dhidden, m * Jp + h), load(U_summary, n * Jp + h), x)
                    ds = total(x)
                    o = N + J + I + n
                    left[e + (o >> 5) * T * 32 + (o & 31)] = ds
                    for c in range(D):
                        pair_grad[c] += conv[n, c] * ds
                s = min(2 * pair_index + m, S - 1)
                moved = attend_back(
                    flat_context, s * size, Lc, N, query, i * N, pair_grad, weight, i * vectors * 8,
                    share[i], nearest[i], seen, i * vectors, counts[i], distance, dq,
                )  # fmt: skip
                d_tau_att += np.float64(moved)
                for n in range(N):
                    left[e + (n >> 5) * T * 32 + (n & 31)] = dq[n] / tau_att
            product(flat, 0, O, O, backward, 0, back, 0, Z, Z // 32, 32)
            for m in range(2):
                for i in range(M - P, M):
                    if not z[(m * T + t) * Z + i] > zero:
                        back[m * Z + i] = zero
                for c in range(0, Mp, 8):
                    x = load(back, m * Z + c)
                    for j in range(J):
                        o = j * Mp + c
                        x = fma(load(diagonal, o), load(flat, m * O + o), x)
                    store(back, m * Z + c, x)
                for n in range(N):
                    back[m * Z + n] += local_back[m * N + n]
            product(dhidden, 0, Jp, J, hidden_back, 0, back, 0, Z, Z // 32, 32)
            for i in range(2 * Z):
                grad[i] = back[i]
            if t > 0 and (interval == 0 or t % interval == 0):
                keep = np.float32(1.0) - strength if interval == 0 else zero
                for m in range(2):
                    for n in range(N):
                        grad[m * Z + n] *= keep
        for m in range(2):
            s = min(2 * pair_index + m, S - 1)
            for i in range(M - N):
                for n in range(N):
                    dL[pair_index, i, n] += grad[m * Z + N + i] * inputs[0, s, n]
            for r in range(0, R, 2):
                a = pair_index * R * O + r * O
                product(right, (m * R + r) * T, (m * R + r + 1) * T, T, experts, m * T * O,
                        dW.ravel(), a, a + O, O // 32, 32)  # fmt: skip
            for r in range(0, Q, 2):
                a = pair_index * Q * F + r * F
                product(gate_right, (m * Q + r) * T, (m * Q + r + 1) * T, T, left, m * T * F,
                        dG.ravel(), a, a + F, F // 32, 32)  # fmt: skip
        scalars[pair_index, 0] = loss
        scalars[pair_index, 1] = d_tau_att / (np.float64(tau_att) * np.float64(tau_att))
        scalars[pair_index, 2] = d_tau_gate / np.float64(tau_gate)


def supports(model_config: ModelConfig, training_config: TrainingConfig) -> bool:
    """Whether :func:`loss_and_gradient` handles this model; autograd handles every one."""
    return (
        model_config.expert_kind == "alrnn"
        and model_config.experts > 0
        and not model_config.probabilistic
    )


def loss_and_gradient(
    model: DynaMix, batch: Batch, config: TrainingConfig, *, threads: int = 1
) -> tuple[float, float]:
    """Loss and gradient norm of a batch; the gradients are left in the parameters.

    What :func:`dynamix.training.training_loss` and its backward pass compute, in float32 whatever
    the model's precision. The result does not depend on ``threads``.
    """
    c = model.config
    N, M, J, P = c.observed_dims, c.latent_dims, c.experts, c.relu_units
    T, S, _ = batch.inputs.shape
    K = batch.context.shape[0] - 1
    local, pull = np.zeros(0, np.int64), np.zeros(0)
    E = len(local)
    I = J + E  # noqa: E741
    Mp, Jp = padded(M, 8), padded(I, 8)
    O, F = padded(J * Mp, BLOCK), padded(2 * N + J + I, BLOCK)  # noqa: E741
    R, Q = padded(M + 1, 2), padded(M + N + J + 3 * N + 1 + 2 * E, 2)
    value = {name: as_array(p) for name, p in model.named_parameters()}
    sparse = config.forcing == "sparse"
    wide = rows_of(value["experts.W"].transpose(2, 0, 1))  # (M, J M'), experts side by side
    diagonal, offset = np.zeros(O, np.float32), np.zeros(O, np.float32)
    diagonal[: J * Mp], offset[: J * Mp] = rows_of(value["experts.A"]), rows_of(value["experts.h"])
    tall = np.zeros((O, M), np.float32)
    tall[: J * Mp] = wide.T
    tau_att, tau_gate = abs(value["gate.tau_att"][0]), abs(value["gate.tau_gate"][0])
    V_forward, floor, query_hidden, U_summary = gate_matrices(value, N, J)
    V_backward = np.zeros((I, Jp), np.float32)
    V_backward[:, :J] = -value["gate.V"] / tau_gate
    kernel, sigma = value["gate.conv.weight"], value["gate.sigma"]
    conv = np.concatenate(
        [kernel[:, :, 0], kernel[:, :, 1], value["gate.conv.bias"][:, None]], axis=1
    )
    context = np.zeros((S, N + 1, padded(K + 1, 8) + 8), np.float32)
    context[:, :N, : K + 1] = batch.context.numpy().transpose(1, 2, 0)
    context[:, N, K:] = FAR
    pairs = (S + 1) // 2
    dW, dG = np.zeros((pairs, R * O), np.float32), np.zeros((pairs, Q * F), np.float32)
    dA, dL = np.zeros((pairs, O), np.float32), np.zeros((pairs, M - N, N), np.float32)
    scalars = np.zeros((pairs, 3))
    cutoff = np.float32(SAFE + math.log(K))

    def work(first: int, last: int) -> None:
        call(
            train, first, last, (N, M, J, P, T, S, K), packed(wide), packed(tall), diagonal, offset,
            packed(query_hidden), packed(value["gate.U"][:, N : N + M]), U_summary.ravel(),
            V_forward.ravel(), V_backward.ravel(), floor, conv, sigma, value["L"], tau_att,
            tau_gate, cutoff, local, 1.0, pull, context.reshape(S, -1),
            as_array(batch.inputs), as_array(batch.targets), as_array(batch.gate_noise),
            config.forcing_interval if sparse else 0, np.float32(config.forcing_strength),
            config.loss_scale if config.loss == "logarithmic" else 0.0, dW, dG,
            dA.reshape(-1), dL, scalars, VERSION,
        )  # fmt: skip

    share_out(work, pairs, threads)

    W = dW.sum(axis=0).reshape(R, O)[:, : J * Mp].reshape(R, J, Mp)[:, :, :M]
    G = dG.sum(axis=0).reshape(Q, F)
    dU, ds = G[:, N : N + J], G[:, N + J + I : 2 * N + J + I]
    pair, eps = M + N + J, M + 3 * N + J
    told = eps + N + 1
    closed = np.exp(-np.abs(sigma.astype(np.float64)) / config.gate_noise_scale)
    loss, d_tau_att, d_tau_gate = scalars.sum(axis=0)
    penalty = config.gate_noise_penalty / N
    gradient = {
        "experts.A": dA.sum(axis=0)[: J * Mp].reshape(J, Mp)[:, :M],
        "experts.W": W[:M].transpose(1, 2, 0),
        "experts.h": W[M],
        "gate.D": G[:M, :N].T,
        "gate.sigma": G[eps : eps + N, :N].diagonal()
        - penalty / config.gate_noise_scale * closed * np.sign(sigma),
        "gate.tau_att": d_tau_att * np.sign(value["gate.tau_att"]),
        "gate.tau_gate": d_tau_gate * np.sign(value["gate.tau_gate"]),
        "gate.U": np.concatenate([dU[M : M + N], dU[:M], dU[told : told + 2 * E]]).T,
        "gate.V": -G[M + N : M + N + J, N + J : N + J + I].T / tau_gate,
        "gate.conv.weight": np.stack(
            [ds[pair : pair + N].T, ds[pair + N : pair + 2 * N].T], axis=2
        ),
        "gate.conv.bias": ds[eps + N],
        "L": dL.sum(axis=0),
    }
    squares = 0.0
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            parameter.grad = torch.empty_like(parameter)
        parameter.grad.copy_(torch.from_numpy(np.ascontiguousarray(gradient[name])))
        flat = np.asarray(gradient[name], np.float64).ravel()
        squares += float(flat @ flat)
    return float(loss + penalty * closed.sum()), math.sqrt(squares)
