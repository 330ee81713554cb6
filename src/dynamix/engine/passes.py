"""The two passes of a training step, for two series at once, with derivatives by hand.

Letters as in :mod:`dynamix.model`. ``G = dl/dz'``, the gradient of the next state, comes from the
next step. The gradient of a weight matrix is a sum over steps of outer products. The forward pass
keeps the right vectors, the backward pass the left ones. One matrix product per series and kind
then gives all gradients: ``[dq; dr; dlogit; ds]`` times ``[z; s; pair; eps; 1; r]`` for the gate,
and ``v`` times ``[phi(z); 1]`` for the experts.

``pair`` is ``[sum_k a_k c_k; sum_k a_k c_{k+1}]``. ``m`` is 0 or 1, for the two series. Arrays
have the series first, then the step.
"""

from collections import namedtuple

import numpy as np

from .attention import Context, attend, attend_back, near_room
from .products import mix, product
from .runtime import entry, inlined
from .vectors import fma, load, splat, store, total

# N, M, J, P, steps, series; M and J in whole vectors; in whole blocks of `product`: a state, all
# experts' outputs, the gate's left vectors; numbers of right vectors of the experts and the gate
Sizes = namedtuple("Sizes", "N M J P T S Mp Jp Z O F R Q")


# AL-RNN experts side by side, each M' wide: W to all experts' outputs, and back from them
Experts = namedtuple("Experts", "W W_back A h")
# [D; U_z]; U_z; -V / |tau_gate|; the convolution for c_k and for c_{k+1}, and its bias
Gate = namedtuple("Gate", "from_state mixing U_back V_back conv sigma tau_att tau_gate")
# A batch, time first, its context as the fields of a Context; L gives the first state
Data = namedtuple("Data", "context inputs targets noise L cutoff")
# Interval 0: generalised forcing, at every step. Log_scale 0: the plain mean square
Forcing = namedtuple("Forcing", "interval strength log_scale")
# Sums for each pair of series, those of matrices as products write them. Scalars: the loss, and the
# gradients of tau_att and tau_gate
Gradients = namedtuple("Gradients", "W gate A L scalars")
# What the backward pass needs of the forward pass: the gate's right vectors; f_j(z), then v_j, as
# (2, blocks, T, 32); the expert weights, their logits, q; dl/dx; and what the attention returned
Kept = namedtuple("Kept", "right outputs weights logits query error near counts shares nearest")


@inlined
def place(o, t, T):  # type: ignore[no-untyped-def]
    """Where output ``o`` of step ``t`` is in ``(blocks, T, 32)``."""
    return (o >> 5) * T * 32 + t * 32 + (o & 31)


@inlined
def force(state, z0, x, t, forcing):  # type: ignore[no-untyped-def]
    """Replace the observed part of a state by the data ``x``, where forcing says so."""
    interval, alpha, _ = forcing
    if t > 0 and interval > 0 and t % interval == 0:
        for n in range(x.size):
            state[z0 + n] = x[n]
    elif t > 0 and interval == 0:  # alpha x + (1 - alpha) z
        for n in range(x.size):
            state[z0 + n] = alpha * x[n] + (np.float32(1.0) - alpha) * state[z0 + n]


@inlined
def forward(first, sizes, experts, gate, data, forcing, kept):  # type: ignore[no-untyped-def]
    """The loss of the series ``first`` and ``first + 1``; leaves ``dl/dx`` in ``kept.error``."""
    N, M, J, P, T, S, Mp, Jp, Z, O, _, _, _ = sizes  # noqa: E741
    W, _, A, h = experts
    from_state, mixing, _, _, conv, sigma, tau_att, _ = gate
    (flat, row, vectors, _), inputs, targets, noise, L, cutoff = data
    right, outputs, weights, logits, query, error, near, counts, shares, nearest = kept
    context, zero = Context(flat, row, vectors, N), np.float32(0.0)
    D, H, width = 2 * N, (N + Jp + 31) // 32 * 32, right.size // (2 * T)
    state, phi = np.zeros(2 * Z, np.float32), np.zeros(2 * Z, np.float32)
    mixed, squares = np.zeros(2 * H, np.float32), np.zeros(2)
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
        mixed[:] = zero
        for m in range(2):
            force(state, m * Z, inputs[t, min(first + m, S - 1)], t, forcing)
            # phi(z): ReLU of the last P entries
            for i in range(M):
                x = right[(m * T + t) * width + i] = state[m * Z + i]
                phi[m * Z + i] = x if i < M - P or x > zero else zero
            # f_j(z) = A_j * z + W_j phi(z) + h_j
            for i in range(0, Mp, 8):
                x = load(state, m * Z + i)
                for j in range(J):
                    o = j * Mp + i
                    store(outputs, m * T * O + place(o, t, T), fma(load(A, o), x, load(h, o)))
        product(phi, 0, Z, M, W, 0, outputs, t * 32, T * O + t * 32, O // 32, T * 32)
        product(state, 0, Z, M, from_state, 0, mixed, 0, H, H // 32, 32)
        for m in range(2):
            i, series = m * T + t, min(first + m, S - 1)
            s = i * width + M
            pair, eps, r = s + N, s + N + D, s + 4 * N + 1
            # q = D z + sigma * eps, and the pair of attended values
            for n in range(N):
                right[eps + n] = noise[t, series, n]
                query[i * N + n] = mixed[m * H + n] + sigma[n] * right[eps + n]
            right[eps + N] = np.float32(1.0)
            counts[i], shares[i], nearest[i] = attend(
                context, series * (N + 1) * row, query, i * N, tau_att, cutoff,
                near, i * vectors, right, pair,
            )  # fmt: skip
            # s = sum_k a_k e_k: the convolution of the pair
            for n in range(N):
                x = conv[n, D]
                for c in range(D):
                    x += conv[n, c] * right[pair + c]
                right[s + n] = x
            # r = relu(U [s; z]), w = softmax(-V r / |tau_gate|)
            mix(mixed, m * H + N, right, s, N, mixing, right, r, logits, weights, i * Jp)
            # z' = sum_j w_j f_j(z)
            for c in range(0, Mp, 8):
                x = splat(zero)
                for j in range(J):
                    y = load(outputs, m * T * O + place(j * Mp + c, t, T))
                    x = fma(weights[i * Jp + j], y, x)
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
    N, M, J, P, T, S, Mp, Jp, Z, O, F, _, _ = sizes  # noqa: E741
    _, W_back, A, _ = experts
    _, (U, _, _), U_back, V_back, conv, _, tau_att, tau_gate = gate
    (flat, row, vectors, _), inputs, _, _, _, _ = data
    interval, alpha, _ = forcing
    right, outputs, weights, logits, query, error, near, counts, shares, nearest = kept
    context, p, zero = Context(flat, row, vectors, N), first // 2, np.float32(0.0)
    D, width = 2 * N, right.size // (2 * T)
    left = np.zeros(2 * T * F, np.float32)
    G, v = np.zeros(2 * Z, np.float32), np.zeros(2 * O, np.float32)
    dlogit, dhidden = np.zeros(Jp, np.float32), np.zeros(2 * Jp, np.float32)
    dpair, dq = np.zeros(D, np.float32), np.zeros(N, np.float32)
    d_tau_att, d_tau_gate, dA = 0.0, 0.0, gradients.A
    for t in range(T - 1, -1, -1):
        for m in range(2):
            i, e = m * T + t, m * T * F
            z, r = i * width, i * width + M + 4 * N + 1
            for n in range(N):
                G[m * Z + n] += error[i * N + n]
            # v_j = w_j G, dl/dA_j = sum v_j * z, dl/dw_j = G . f_j(z)
            mean = zero
            for j in range(J):
                w, dw = splat(weights[i * Jp + j]), splat(zero)
                for c in range(0, Mp, 8):
                    o = j * Mp + c
                    at, a = m * T * O + place(o, t, T), p * O + o
                    g = load(G, m * Z + c)
                    dw = fma(load(outputs, at), g, dw)
                    x = w * g
                    store(outputs, at, x), store(v, m * O + o, x)
                    # after M, z is followed by others, but v_j by zeros
                    store(dA, a, fma(x, load(right, z + c), load(dA, a)))
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
                    x = fma(dlogit[j], load(V_back, j * Jp + h), x)
                store(dhidden, m * Jp + h, x)
            for h in range(J):
                if not right[r + h] > zero:
                    dhidden[m * Jp + h] = zero
                left[e + place(N + h, t, T)] = dhidden[m * Jp + h]
            # dl/ds = U_s^T dr, and through the convolution
            dpair[:] = zero
            for n in range(N):
                x = splat(zero)
                for h in range(0, Jp, 8):
                    x = fma(load(dhidden, m * Jp + h), load(U, n * Jp + h), x)
                ds = left[e + place(N + 2 * J + n, t, T)] = total(x)
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
        G[:] = zero
        product(v, 0, O, O, W_back, 0, G, 0, Z, Z // 32, 32)
        for m in range(2):
            for i in range(M - P, M):
                if not right[(m * T + t) * width + i] > zero:
                    G[m * Z + i] = zero
            for c in range(0, Mp, 8):
                x = load(G, m * Z + c)
                for j in range(J):
                    o = j * Mp + c
                    x = fma(load(A, o), load(v, m * O + o), x)
                store(G, m * Z + c, x)
        product(dhidden, 0, Jp, J, U_back, 0, G, 0, Z, Z // 32, 32)
        # a forced entry does not pass its gradient on
        if t > 0 and (interval == 0 or t % interval == 0):
            keep = np.float32(1.0) - alpha if interval == 0 else zero
            for m in range(2):
                for n in range(N):
                    G[m * Z + n] *= keep
    # z_0 = [x_0; L x_0]
    for m in range(2):
        for i in range(M - N):
            for n in range(N):
                x = inputs[0, min(first + m, S - 1), n]
                gradients.L[p, i, n] += G[m * Z + N + i] * x
    gradients.scalars[p, 1] = d_tau_att / (np.float64(tau_att) * np.float64(tau_att))
    gradients.scalars[p, 2] = d_tau_gate / np.float64(tau_gate)
    outer_products(p, sizes, right, outputs, left, gradients)


@inlined
def outer_products(p, sizes, vectors, outputs, left, gradients):  # type: ignore[no-untyped-def]
    """The matrices' gradients, summed over steps: two right vectors at a time, each over time."""
    N, M, J, P, T, _, _, _, _, O, F, R, Q = sizes  # noqa: E741
    width = vectors.size // (2 * T)
    right, phi = np.zeros(Q * T, np.float32), np.zeros(R * T, np.float32)
    phi[M * T : (M + 1) * T] = np.float32(1.0)
    for m in range(2):
        for t in range(T):
            for i in range(M + 4 * N + 1 + J):
                x = right[i * T + t] = vectors[(m * T + t) * width + i]
                if i < M:
                    phi[i * T + t] = x if i < M - P or x > np.float32(0.0) else np.float32(0.0)
        for r in range(0, R, 2):
            a = (p * R + r) * O
            product(phi, r * T, r * T + T, T, outputs, m * T * O,
                    gradients.W, a, a + O, O // 32, 32)  # fmt: skip
        for r in range(0, Q, 2):
            a = (p * Q + r) * F
            product(right, r * T, r * T + T, T, left, m * T * F,
                    gradients.gate, a, a + F, F // 32, 32)  # fmt: skip


@entry
def train(first, last, sizes, experts, gate, data, forcing, gradients, version):  # type: ignore[no-untyped-def]
    """Forward and back for the pairs of series ``first .. last - 1``."""
    N, M, _, _, T, _, _, Jp, _, O, _, _, _ = sizes  # noqa: E741
    n, f32 = 2 * T, np.float32
    kept = Kept(
        np.zeros(n * (M + 4 * N + 1 + Jp), f32), np.zeros(n * O, f32), np.zeros(n * Jp, f32),
        np.zeros(n * Jp, f32), np.zeros(n * N, f32), np.zeros(n * N, f32),
        near_room(data.context[2], n), np.zeros(n, np.int32), np.zeros(n, f32), np.zeros(n, f32),
    )  # fmt: skip
    for p in range(first, last):
        gradients.scalars[p, 0] = forward(2 * p, sizes, experts, gate, data, forcing, kept)
        backward(2 * p, sizes, experts, gate, data, forcing, kept, gradients)
