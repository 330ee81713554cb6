"""The two passes of a training step, for two series at once, with derivatives by hand.

Letters as in :mod:`dynamix.model`; ``G = dl/dz'``, the gradient of the next state, comes from the
step after. Every weight matrix's gradient is a sum over steps of outer products. The forward pass
keeps the right vectors and the backward pass the left ones; one matrix product per series and kind
then makes all gradients: ``[dq; dr; dlogit; ds]`` with ``[z; s; r; pair; eps; 1]`` for the gate,
and ``v`` with ``[phi(z); 1]`` for the experts.

``pair`` is ``[sum_k a_k c_k; sum_k a_k c_{k+1}]``. Of a pair of series, ``m`` is 0 or 1; arrays
begin with the series, then have the step.
"""

from collections import namedtuple
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from .attention import Context, Near, attend, attend_back
from .products import Mixing, mix, product
from .runtime import entry, inlined
from .vectors import fma, load, splat, store, total

# N, M, J, P, steps, series; M and J in whole vectors; in whole blocks of `product`: a state, all
# experts' outputs, the gate's left vectors; numbers of right vectors of the experts and the gate
Sizes = namedtuple("Sizes", "N M J P T S Mp Jp Z O F R Q")


class Experts(NamedTuple):
    """AL-RNN experts side by side, each ``M'`` wide."""

    W: ndarray  # to all experts' outputs
    W_back: ndarray  # and back from them
    A: ndarray
    h: ndarray


class Gate(NamedTuple):
    """The gate."""

    from_state: ndarray  # [D; U_z]
    mixing: Mixing
    U_back: ndarray  # U_z
    V_back: ndarray  # -V / |tau_gate|
    conv: ndarray  # for c_k, for c_{k+1}, and the bias
    sigma: ndarray
    tau_att: float
    tau_gate: float


class Data(NamedTuple):
    """A batch, time first, and ``L``, which makes the first state of it."""

    context: tuple  # the fields of a Context
    inputs: ndarray
    targets: ndarray
    noise: ndarray
    L: ndarray
    cutoff: np.float32


class Forcing(NamedTuple):
    """Teacher forcing and the loss."""

    interval: int  # 0: generalised, at every step
    strength: np.float32
    log_scale: float  # 0: the plain mean square


class Gradients(NamedTuple):
    """Sums for each pair of series; those of matrices as products write them."""

    W: ndarray
    gate: ndarray
    A: ndarray
    L: ndarray
    scalars: ndarray  # the loss, and the gradients of tau_att and tau_gate


# What the backward pass needs of the forward pass: the states; f_j(z), then v_j, as
# (2, blocks, T, 32); [phi(z); 1] as (2, R, T) and the gate's right vectors as (2, Q, T); the
# expert weights, their logits, r, q and pair; dl/dx; and what the attention returned
Kept = namedtuple(
    "Kept",
    "z experts right gate_right weights logits hidden query pair error near counts shares nearest",
)


@inlined
def place(o, t, T):  # type: ignore[no-untyped-def]
    """Where output ``o`` of step ``t`` is in ``(blocks, T, 32)``."""
    return (o >> 5) * T * 32 + t * 32 + (o & 31)


@inlined
def force(state, z0, inputs, t, s, forcing):  # type: ignore[no-untyped-def]
    """Replace the observed part of a state by the data, where forcing says so."""
    interval, strength, _ = forcing
    if t > 0 and interval > 0 and t % interval == 0:
        for n in range(inputs.shape[2]):
            state[z0 + n] = inputs[t, s, n]
    elif t > 0 and interval == 0:  # alpha x + (1 - alpha) z
        for n in range(inputs.shape[2]):
            x = strength * inputs[t, s, n]
            state[z0 + n] = x + (np.float32(1.0) - strength) * state[z0 + n]


@inlined
def forward(first, sizes, experts, gate, data, forcing, kept):  # type: ignore[no-untyped-def]
    """The loss of the series ``first`` and ``first + 1``; leaves ``dl/dx`` in ``kept.error``."""
    N, M, J, P, T, S, Mp, Jp, Z, O, _, R, Q = sizes  # noqa: E741
    W, _, A, h = experts
    from_state, mixing, _, _, conv, sigma, tau_att, _ = gate
    (flat, row, vectors, _), inputs, targets, noise, L, cutoff = data
    z, outputs, right, gate_right, weights, logits, hidden, query, pair, error = kept[:10]
    near, counts, shares, nearest = kept[10:]
    context = Context(flat, row, vectors, N)
    zero, D, H = np.float32(0.0), 2 * N, (N + Jp + 31) // 32 * 32
    state, phi = np.zeros(2 * Z, np.float32), np.zeros(2 * Z, np.float32)
    mixed, s, squares = np.zeros(2 * H, np.float32), np.zeros(N, np.float32), np.zeros(2)
    # z_0 = [x_0; L x_0]
    for m in range(2):
        x = inputs[0, min(first + m, S - 1)]
        for n in range(N):
            state[m * Z + n] = x[n]
        for i in range(M - N):
            y = zero
            for n in range(N):
                y += L[i, n] * x[n]
            state[m * Z + N + i] = y
    for t in range(T):
        for m in range(2):
            force(state, m * Z, inputs, t, min(first + m, S - 1), forcing)
            # phi(z): ReLU of the last P entries
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
            # f_j(z) = A_j * z + W_j phi(z) + h_j
            for i in range(0, Mp, 8):
                x = load(state, m * Z + i)
                for j in range(J):
                    o = j * Mp + i
                    store(outputs, m * T * O + place(o, t, T), fma(load(A, o), x, load(h, o)))
        product(phi, 0, Z, M, W, 0, outputs, t * 32, T * O + t * 32, O // 32, T * 32)
        product(state, 0, Z, M, from_state, 0, mixed, 0, H, H // 32, 32)
        for m in range(2):
            i = m * T + t
            series, r = min(first + m, S - 1), m * Q + M
            # q = D z + sigma * eps, and the pair of attended values
            for n in range(N):
                query[i * N + n] = mixed[m * H + n] + sigma[n] * noise[t, series, n]
            counts[i], shares[i], nearest[i] = attend(
                context, series * (N + 1) * row, query, i * N, tau_att, cutoff,
                near, i * vectors, pair, i * D,
            )  # fmt: skip
            # s = sum_k a_k e_k: the convolution of the pair
            for n in range(N):
                x = conv[n, D]
                for c in range(D):
                    x += conv[n, c] * pair[i * D + c]
                s[n] = x
            mix(mixed, m * H + N, s, 0, N, mixing, hidden, i * Jp, logits, weights, i * Jp)
            for n in range(N):
                gate_right[(r + n) * T + t] = s[n]
            for j in range(J):
                gate_right[(r + N + j) * T + t] = hidden[i * Jp + j]
            for c in range(D):
                gate_right[(r + N + J + c) * T + t] = pair[i * D + c]
            for n in range(N):
                gate_right[(r + N + J + D + n) * T + t] = noise[t, series, n]
            gate_right[(r + N + J + D + N) * T + t] = np.float32(1.0)
            # z' = sum_j w_j f_j(z)
            for c in range(0, Mp, 8):
                x = splat(zero)
                for j in range(J):
                    y = load(outputs, m * T * O + place(j * Mp + c, t, T))
                    x = fma(splat(weights[i * Jp + j]), y, x)
                store(state, m * Z + c, x)
            for n in range(N):
                x = state[m * Z + n] - targets[t, series, n]
                squares[m] += np.float64(x) * np.float64(x)
                error[i * N + n] = x
    loss = 0.0
    for m in range(2):
        # the odd series' companion is its twin, without a share in the loss
        share_of_loss = 1.0 / S if first + m < S else 0.0
        mse = squares[m] / (T * N)
        slope = share_of_loss * 2.0 / (T * N)
        if forcing.log_scale > 0.0:  # ln(1 + mse / scale)
            loss += share_of_loss * np.log1p(mse / forcing.log_scale)
            slope /= mse + forcing.log_scale
        else:
            loss += share_of_loss * mse
        for i in range(m * T * N, (m + 1) * T * N):
            error[i] *= np.float32(slope)
    return loss


@inlined
def backward(first, sizes, experts, gate, data, forcing, kept, gradients):  # type: ignore[no-untyped-def]
    """Back through :func:`forward`, from the last step to the first."""
    N, M, J, P, T, S, Mp, Jp, Z, O, F, R, Q = sizes  # noqa: E741
    _, W_back, A, _ = experts
    _, (U, _, _), U_back, V_back, conv, _, tau_att, tau_gate = gate
    (flat, row, vectors, _), inputs, _, _, _, _ = data
    interval, strength, _ = forcing
    z, outputs, right, gate_right, weights, logits, hidden, query, _, error = kept[:10]
    near, counts, shares, nearest = kept[10:]
    dW, dG, dA, dL, scalars = gradients
    context, p = Context(flat, row, vectors, N), first // 2
    zero, D = np.float32(0.0), 2 * N
    left = np.zeros(2 * T * F, np.float32)
    G, back = np.zeros(2 * Z, np.float32), np.zeros(2 * Z, np.float32)
    v = np.zeros(2 * O, np.float32)
    dlogit, dhidden = np.zeros(Jp, np.float32), np.zeros(2 * Jp, np.float32)
    dpair, dq = np.zeros(D, np.float32), np.zeros(N, np.float32)
    d_tau_att, d_tau_gate = 0.0, 0.0
    for t in range(T - 1, -1, -1):
        for m in range(2):
            i, e = m * T + t, m * T * F
            for n in range(N):
                G[m * Z + n] += error[i * N + n]
            for c in range(0, Z, 8):
                store(back, m * Z + c, splat(zero))
            # v_j = w_j G, dl/dA_j = sum v_j * z, dl/dw_j = G . f_j(z)
            mean = zero
            for j in range(J):
                w, dw = splat(weights[i * Jp + j]), splat(zero)
                for c in range(0, Mp, 8):
                    o = j * Mp + c
                    at = m * T * O + place(o, t, T)
                    g = load(G, m * Z + c)
                    dw = fma(load(outputs, at), g, dw)
                    x = w * g
                    store(outputs, at, x)
                    store(v, m * O + o, x)
                    a = p * O + o
                    store(dA, a, fma(x, load(z, i * Z + c), load(dA, a)))
                dlogit[j] = total(dw)
                mean += weights[i * Jp + j] * dlogit[j]
            # dl/dlogit_j = w_j (dl/dw_j - sum_i w_i dl/dw_i),
            # dl/d|tau_gate| = -sum_j dl/dlogit_j logit_j / |tau_gate|
            for j in range(J):
                dlogit[j] = weights[i * Jp + j] * (dlogit[j] - mean)
                d_tau_gate -= np.float64(dlogit[j] * logits[i * Jp + j])
                left[e + place(N + J + j, t, T)] = dlogit[j]
            # dl/dr = -V^T dlogit / |tau_gate|, where r > 0
            for h in range(0, Jp, 8):
                x = splat(zero)
                for j in range(J):
                    x = fma(splat(dlogit[j]), load(V_back, j * Jp + h), x)
                store(dhidden, m * Jp + h, x)
            for h in range(J):
                if not hidden[i * Jp + h] > zero:
                    dhidden[m * Jp + h] = zero
                left[e + place(N + h, t, T)] = dhidden[m * Jp + h]
            # dl/ds = U_s^T dr, and through the convolution
            for n in range(D):
                dpair[n] = zero
            for n in range(N):
                x = splat(zero)
                for h in range(0, Jp, 8):
                    x = fma(load(dhidden, m * Jp + h), load(U, n * Jp + h), x)
                ds = total(x)
                left[e + place(N + 2 * J + n, t, T)] = ds
                for c in range(D):
                    dpair[c] += conv[n, c] * ds
            # attention: dl/dq = sum_k b_k sign(c_k - q) / |tau_att|,
            # dl/d|tau_att| = sum_k b_k |c_k - q|_1 / tau_att^2; none of it reaches z
            moved = attend_back(
                context, min(first + m, S - 1) * (N + 1) * row, query, i * N, dpair, near,
                i * vectors, (counts[i], shares[i], nearest[i]), dq,
            )  # fmt: skip
            d_tau_att += np.float64(moved)
            for n in range(N):
                left[e + place(n, t, T)] = dq[n] / tau_att
        # dl/dz = sum_j A_j * v_j + 1[phi] W_j^T v_j, and U_z^T dr
        product(v, 0, O, O, W_back, 0, back, 0, Z, Z // 32, 32)
        for m in range(2):
            for i in range(M - P, M):
                if not z[(m * T + t) * Z + i] > zero:
                    back[m * Z + i] = zero
            for c in range(0, Mp, 8):
                x = load(back, m * Z + c)
                for j in range(J):
                    o = j * Mp + c
                    x = fma(load(A, o), load(v, m * O + o), x)
                store(back, m * Z + c, x)
        product(dhidden, 0, Jp, J, U_back, 0, back, 0, Z, Z // 32, 32)
        for i in range(2 * Z):
            G[i] = back[i]
        # a forced entry does not pass its gradient on
        if t > 0 and (interval == 0 or t % interval == 0):
            keep = np.float32(1.0) - strength if interval == 0 else zero
            for m in range(2):
                for n in range(N):
                    G[m * Z + n] *= keep
    for m in range(2):
        for i in range(M - N):
            for n in range(N):
                dL[p, i, n] += G[m * Z + N + i] * inputs[0, min(first + m, S - 1), n]
        # the outer products, summed over steps: two right vectors at a time
        for r in range(0, R, 2):
            a = (p * R + r) * O
            product(right, (m * R + r) * T, (m * R + r + 1) * T, T, outputs, m * T * O,
                    dW, a, a + O, O // 32, 32)  # fmt: skip
        for r in range(0, Q, 2):
            a = (p * Q + r) * F
            product(gate_right, (m * Q + r) * T, (m * Q + r + 1) * T, T, left, m * T * F,
                    dG, a, a + F, F // 32, 32)  # fmt: skip
    scalars[p, 1] = d_tau_att / (np.float64(tau_att) * np.float64(tau_att))
    scalars[p, 2] = d_tau_gate / np.float64(tau_gate)


@entry
def train(first, last, sizes, experts, gate, data, forcing, gradients, version):  # type: ignore[no-untyped-def]
    """Forward and back for the pairs of series ``first .. last - 1``."""
    N, _, _, _, T, _, _, Jp, Z, O, _, R, Q = sizes  # noqa: E741
    vectors = data.context[2]
    near = Near(
        np.zeros(vectors * 8, np.float32), np.zeros(2 * T * vectors * 8, np.float32),
        np.zeros(2 * T * vectors, np.int32),
    )  # fmt: skip
    kept = Kept(
        np.zeros(2 * T * Z, np.float32), np.zeros(2 * T * O, np.float32),
        np.zeros(2 * R * T, np.float32), np.zeros(2 * Q * T, np.float32),
        np.zeros(2 * T * Jp, np.float32), np.zeros(2 * T * Jp, np.float32),
        np.zeros(2 * T * Jp, np.float32), np.zeros(2 * T * N, np.float32),
        np.zeros(4 * T * N, np.float32), np.zeros(2 * T * N, np.float32), near,
        np.zeros(2 * T, np.int32), np.zeros(2 * T, np.float32), np.zeros(2 * T, np.float32),
    )  # fmt: skip
    for p in range(first, last):
        gradients.scalars[p, 0] = forward(2 * p, sizes, experts, gate, data, forcing, kept)
        backward(2 * p, sizes, experts, gate, data, forcing, kept, gradients)
