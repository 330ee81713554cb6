"""The compiled engine: rollouts of :class:`dynamix.DynaMix` in microseconds a step.

Equal to :mod:`dynamix.model.rollouts` by test. Letters as in :mod:`dynamix.model`. What makes it
fast:

* *vectors of eight float32 by hand* (:mod:`dynamix.engine.vectors`);
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
from collections import namedtuple
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ..model.dynamix import DynaMix, check_series
from ..model.rollouts import Rollout, gate_noise_stream
from ..settings import ModelConfig
from .attention import Context, Near, attend, context_rows
from .index import DIMS, build, look_up, room_for
from .products import Mixing, affine, gate_matrices, mix, product, wide_affine
from .runtime import (
    BLOCK,
    SAFE,
    VERSION,
    WIDTH,
    as_array,
    available_cores,
    call,
    entry,
    followed,
    inlined,
    packed,
    padded,
    rows_of,
    spread,
)  # fmt: skip
from .vectors import BITS, fma, larger, load, narrowed, splat, store, total, widened


class Experts(NamedTuple):
    """The experts' weights; those of a clipped shallow PLRNN in parentheses.

    For an AL-RNN ``B_j = W_j + [0, A_j]`` has ``A_j`` in the columns that ReLU leaves alone and in
    the others, too: ``f_j(z) = B_j phi(z) + A_j * (z - phi(z)) + h_j``.
    """

    inward: ndarray  # B_j, outputs N .. M - 1 of all experts (W2_j)
    offset: ndarray  # h_j of these (0)
    outward: ndarray  # nothing (W1_j)
    outset: ndarray  # nothing (h1_j)
    threshold: ndarray  # nothing (h2_j)
    A: ndarray  # of outputs N .. M - 1 (of all)
    observed: ndarray  # B_j, outputs 0 .. N - 1 of all experts, output by output, float64
    observed_offset: ndarray
    observed_diagonal: ndarray
    L: ndarray


class Gate(NamedTuple):
    """The gate's weights, the convolution multiplied into them."""

    from_state: ndarray  # [D; U_z]
    offset: ndarray  # [0; U_s b]
    mixing: Mixing
    sigma: ndarray
    tau_att: float
    cutoff: np.float32


class Series(NamedTuple):
    """What each series begins with; ``noise (T, N)`` is the same for all."""

    context: ndarray  # (T_C, S, N)
    rows: tuple  # the fields of a Context, where there is no index
    start: ndarray
    noise: ndarray


# Two series at one step: z and phi(z), in float64 (wide) for the entries to which the map is
# sensitive; the experts' outputs (or hidden units); the expert weights; z - phi(z); room
State = namedtuple("State", "wide_z wide_phi phi experts observed wide_weight weight cut extra")
NO_ROWS = context_rows(np.zeros((2, 0, 1), np.float32))


@inlined
def step_shallow(m, sizes, experts, state):  # type: ignore[no-untyped-def]
    """Series ``m``: ``sum_j w_j (A_j * z + h1_j)`` to ``phi``; ``w_j`` times the hidden units."""
    _, M, J, _, _, Jp, Hp, Z, O = sizes  # noqa: E741
    none, phi, hidden, weight = splat(np.float32(0.0)), state.phi, state.experts, state.weight
    threshold, A, outset = experts.threshold, experts.A, experts.outset
    # w_j (relu(W2_j z + h2_j) - relu(W2_j z)): what [W1_1 .. W1_J] is multiplied with
    for j in range(J):
        w = splat(weight[m * Jp + j])
        for i in range(j * Hp, j * Hp + Hp, 8):
            x = load(hidden, m * O + i)
            x = larger(x + load(threshold, i), none) - larger(x, none)
            store(hidden, m * O + i, w * x)
    for c in range(0, M, 8):
        x, z = none, load(phi, m * Z + c)
        for j in range(J):
            y = fma(load(A, j * M + c), z, load(outset, j * M + c))
            x = fma(splat(weight[m * Jp + j]), y, x)
        store(phi, m * Z + c, x)


@inlined
def step_alrnn(m, sizes, weights, state):  # type: ignore[no-untyped-def]
    """Series ``m``: the next state, ``z' = sum_j w_j (B_j phi(z) + h_j + A_j * (z - phi(z)))``."""
    N, M, J, P, _, Jp, _, Z, O = sizes  # noqa: E741
    A, observed_diagonal = weights.A, weights.observed_diagonal
    wide_z, wide_phi, phi, experts, observed, wide_weight, weight, cut, extra = state
    none, R, Xp = splat(np.float32(0.0)), M - N, observed.size // 2
    # z - phi(z), not 0 in the last P entries
    for i in range(M - P, M):
        cut[i] = min(wide_z[m * Z + i], 0.0)
    for c in range(max(0, R - P) // 8 * 8, R, 8):
        x = none
        for j in range(J):
            x = fma(splat(weight[m * Jp + j]), load(A, j * R + c), x)
        store(extra, c, x * load(cut, N + c))
    # entries N .. M - 1, 32 at a time: four independent sums
    for c in range(0, R, 32):
        x0, x1 = load(extra, c), load(extra, c + 8)
        x2, x3 = load(extra, c + 16), load(extra, c + 24)
        for j in range(J):
            w, o = splat(weight[m * Jp + j]), m * O + j * R + c
            x0, x1 = fma(w, load(experts, o), x0), fma(w, load(experts, o + 8), x1)
            x2, x3 = fma(w, load(experts, o + 16), x2), fma(w, load(experts, o + 24), x3)
        i = m * Z + N + c
        store(phi, i, x0), store(phi, i + 8, x1), store(phi, i + 16, x2)
        store(phi, i + 24, x3)
        v0, v1, v2, v3 = widened(x0), widened(x1), widened(x2), widened(x3)
        store(wide_z, i, v0), store(wide_z, i + 8, v1)
        store(wide_z, i + 16, v2), store(wide_z, i + 24, v3)
        store(wide_phi, i, v0), store(wide_phi, i + 8, v1)
        store(wide_phi, i + 16, v2), store(wide_phi, i + 24, v3)
    # entries 0 .. N - 1, eight experts at a time
    for n in range(N):
        v, r = splat(0.0), splat(np.float64(cut[n]))
        for j in range(0, Jp, 8):
            y = load(observed, m * Xp + n * J + j)
            if n >= M - P:
                y = fma(load(observed_diagonal, n * J + j), r, y)
            v = fma(load(wide_weight, m * Jp + j), y, v)
        i = m * Z + n
        wide_z[i] = total(v)
        wide_phi[i], phi[i] = wide_z[i], wide_z[i]


@entry
def run(first, last, sizes, experts, gate, series, bits, observations, gates, version):  # type: ignore[no-untyped-def]
    """Roll out the series ``first .. last - 1``, at most two, beside each other."""
    N, M, J, P, H, T = sizes
    inward, offset, outward = experts.inward, experts.offset, experts.outward
    from_state, gate_offset, mixing, sigma, tau_att, cutoff = gate
    context, rows, start, noise = series
    K = context.shape[0] - 1
    Jp, Z, Hp = (J + 7) // 8 * 8, (M + 62) // 32 * 32, (H + 7) // 8 * 8
    B, X, G = offset.size // 32, experts.observed_offset.size // 16, gate_offset.size // 16
    O, Xp, Gp = 32 * B + 32, 16 * X + 8, 16 * G + 8  # noqa: E741
    D = max(N, DIMS)
    indexed, live, both = N <= DIMS, last - first, last - first > 1
    all_sizes = N, M, J, P, H, Jp, Hp, Z, O
    wide_z, wide_phi, phi = np.zeros(2 * Z), np.zeros(2 * Z), np.zeros(2 * Z, np.float32)
    outputs, observed, mixed = np.zeros(2 * O, np.float32), np.zeros(2 * Xp), np.zeros(2 * Gp)
    wide_weight, weight = np.zeros(2 * Jp), np.zeros(2 * Jp, np.float32)
    state = State(
        wide_z, wide_phi, phi, outputs, observed, wide_weight, weight,
        np.zeros(Z, np.float32), np.zeros(Z, np.float32),
    )  # fmt: skip
    query, rough = np.zeros(2 * D, np.float32), np.zeros(2 * D, np.float32)
    pair, hidden = np.zeros(2 * D), np.zeros(Jp)
    # z_0 = [x_0; L x_0]
    values = np.zeros((2, D, K + 1), np.float32)
    for m in range(live):
        for n in range(N):
            for k in range(K + 1):
                values[m, n, k] = context[k, first + m, n]
            wide_z[m * Z + n] = start[first + m, n]
        for i in range(M - N):
            x = 0.0
            for n in range(N):
                x += experts.L[i, n] * wide_z[m * Z + n]
            wide_z[m * Z + N + i] = np.float32(x)
        for i in range(m * Z, m * Z + M):
            phi[i], wide_phi[i] = wide_z[i], wide_z[i]
    # the two series' contexts: an index each, or the plain rows
    plain, row, vectors, _ = rows
    points = Context(plain, row, vectors, N)
    near = Near(
        np.zeros(8 * vectors, np.float32), np.zeros(8 * vectors, np.float32),
        np.zeros(vectors, np.int32),
    )  # fmt: skip
    index = build(values[0, :DIMS], K if indexed else 1, tau_att)
    other = build(values[1, :DIMS], K, tau_att) if indexed and both else index
    room = room_for(max(index.starts[index.levels], other.starts[other.levels]), bits)
    for t in range(T):
        # [D z; U_z z + U_s b]
        wide_affine(wide_z, 0, Z, both, M, from_state, gate_offset, mixed, 0, Gp, G)
        for m in range(live):
            # q = D z + sigma * eps, and pair: sum_k a_k c_k, sum_k a_k (c_{k+1} - c_k)
            for n in range(N):
                query[m * D + n] = mixed[m * Gp + n] + sigma[n] * noise[t, n]
            if not indexed:
                attend(points, (first + m) * (N + 1) * row, query, m * D, tau_att, cutoff,
                       near, 0, rough, 0)  # fmt: skip
                for n in range(N):
                    pair[n], pair[D + n] = rough[n], np.float64(rough[N + n]) - rough[n]
            elif m == 0:
                look_up(index, query, 0, tau_att, cutoff, room, pair, 0)
            else:
                look_up(other, query, D, tau_att, cutoff, room, pair, 0)
            mix(mixed, m * Gp + N, pair, 0, 2 * D, mixing, hidden, 0, wide_weight, wide_weight,
                m * Jp)  # fmt: skip
            for j in range(m * Jp, m * Jp + Jp, 8):
                store(weight, j, narrowed(load(wide_weight, j)))
            for j in range(J if gates.shape[0] > 0 else 0):
                gates[t, first + m, j] = weight[m * Jp + j]
            # phi(z): ReLU of an AL-RNN's last P entries
            for i in range(M - P if H == 0 else M, M):
                if wide_z[m * Z + i] < 0.0:
                    phi[m * Z + i], wide_phi[m * Z + i] = np.float32(0.0), 0.0
        wide_affine(wide_phi, 0, Z, both, M, experts.observed, experts.observed_offset,
                    observed, 0, Xp, X)  # fmt: skip
        affine(phi, 0, Z, both, M, inward, offset, outputs, 0, O, B)
        for m in range(live):
            if H > 0:
                step_shallow(m, all_sizes, experts, state)
            else:
                step_alrnn(m, all_sizes, experts, state)
        if H > 0:
            product(outputs, 0, O, 32 * B, outward, 0, phi, 0, Z, (M + 31) // 32, 32)
            for i in range(0, 2 * Z, 8):
                store(wide_z, i, widened(load(phi, i)))
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
    """What :func:`dynamix.model.rollouts.rollout` computes, on the CPU and in float32.

    Bit for bit independent of ``threads`` (None: all cores) and of the series beside a series.
    Raises EngineUnavailable if the kernels do not compile on this machine.
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
        observed, observed_offset, observed_diagonal = np.zeros((M, 0)), np.zeros(0), np.zeros(0)
    else:
        # A phi(z) is in the product; outputs N .. M - 1 are sorted by expert, the others not
        W, h, one = value["experts.W"], value["experts.h"], np.eye(M, dtype=np.float32)
        inward = (W[:, N:] + A[:, N:, None] * one[N:]).transpose(2, 0, 1).reshape(M, -1)
        observed = W[:, :N].astype(np.float64) + A[:, :N, None] * one[:N]
        observed, offset = observed.transpose(2, 1, 0).reshape(M, -1), h[:, N:].ravel()
        observed_offset, observed_diagonal = fine["experts.h"][:, :N].T.ravel(), A[:, :N].T.ravel()
        outward, outset = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
        threshold = np.zeros(8, np.float32)
        A = A[:, N:]
    from_state, mixing = gate_matrices(fine)
    # the convolution, of sum_k a_k c_k and sum_k a_k (c_{k+1} - c_k), is in the gate's products
    kernel, U = fine["gate.conv.weight"], mixing.U.reshape(N, -1)
    selected = np.zeros((2 * D, U.shape[1]))
    selected[:N], selected[D : D + N] = kernel.sum(axis=2).T @ U, kernel[:, :, 1].T @ U
    gate_offset = np.zeros(N + J)
    gate_offset[N:] = (fine["gate.conv.bias"] @ U)[:J]
    noise = (
        gate_noise_stream(horizon, N, seed=seed, quiet_steps=quiet_steps)
        if gate_noise
        else np.zeros((horizon, N), np.float32)
    )
    observations = np.empty((horizon, S, N), np.float32)
    gates = np.empty((horizon if return_gates else 0, S, J), np.float32)
    points = as_array(context)
    experts = Experts(
        packed(inward), followed(offset, -offset.size % BLOCK), packed(outward),
        followed(outset, WIDTH), threshold, followed(A, WIDTH),
        packed(observed, 2 * WIDTH, np.float64),
        followed(observed_offset, -observed_offset.size % 16),
        followed(observed_diagonal.astype(np.float64), WIDTH), fine["L"],
    )  # fmt: skip
    gate = Gate(
        packed(from_state[:, : N + J], 2 * WIDTH, np.float64),
        followed(gate_offset, -gate_offset.size % 16), mixing._replace(U=selected.ravel()),
        fine["gate.sigma"], abs(value["gate.tau_att"][0]), np.float32(SAFE + math.log(T_C - 1)),
    )  # fmt: skip
    series = Series(
        points, context_rows(points) if N > DIMS else NO_ROWS,
        points[-1] if initial_x is None else as_array(initial_x), noise,
    )  # fmt: skip
    arguments = ((N, M, J, c.relu_units, H, horizon), experts, gate, series, BITS, observations,
                 gates, VERSION)  # fmt: skip
    threads = available_cores() if threads is None else threads
    together = 1 if threads > S // 2 else 2  # two share the experts' weights in the cache

    def work(first: int) -> None:
        call(run, first, min(first + together, S), *arguments)

    spread(work, range(0, S, together), threads)
    return Rollout(
        torch.from_numpy(observations), torch.from_numpy(gates) if return_gates else None
    )
