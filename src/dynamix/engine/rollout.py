"""The compiled engine: rollouts of :class:`dynamix.DynaMix` in microseconds a step.

Letters as in :mod:`dynamix.model`. What
makes it fast:

* *Vectors of eight float32* (:mod:`.vectors`).
* *The convolution after the attention.* It is linear and the attention sums to 1. So it is applied
  to ``(sum_k a_k c_k, sum_k a_k (c_{k+1} - c_k))`` and not to every context row. Its weights are
  multiplied into the gate's beforehand, as ``A_j`` is into ``W_j``.
* *An index over the context* (:mod:`.index`). It drops far steps and sums up steps near the query
  beforehand, so a step hardly takes longer for a longer context.
* *Two series at a time*, so that each weight of the experts is loaded once for both.

The first N entries of the state and the gate are computed in float64, since the map is most
sensitive to them. The experts' other ``M - N`` outputs, nearly all of the work, are in float32.
"""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from ..model.runs import Group, Rollout, check_series, gate_noise_stream, saved
from ..settings import ModelConfig
from .attention import Context, attend, context_rows, near_room
from .index import DIMS, build, look_up, room_for
from .machine import available_cores
from .products import affine, gate_matrices, mix, product
from .runtime import (
    BLOCK,
    SAFE,
    VERSION,
    WIDTH,
    as_array,
    call,
    entry,
    followed,
    inlined,
    packed,
    padded,
    rows_of,
    signals_for,
    watched,
)  # fmt: skip
from .vectors import BITS, fma, larger, load, load_block, narrowed, splat, store, total, widened

# The experts' weights. For an AL-RNN B_j = W_j + diag(A_j), and
# f_j(z) = B_j phi(z) + A_j * (z - phi(z)) + h_j. In float64 are B_j, h_j and A_j of the outputs
# 0 .. N - 1 ("observed"), output by output; inward, offset and A are those of the other outputs,
# expert by expert. For a clipped shallow PLRNN inward, outward, outset, threshold are W2_j, W1_j,
# h1_j, h2_j
Experts = namedtuple(
    "Experts", "inward offset outward outset threshold A observed observed_offset diagonal L"
)
# [D; U_z]; [0; U_s b]; the two layers, the convolution multiplied into them
Gate = namedtuple("Gate", "from_state offset mixing sigma tau_att cutoff")
Weights = namedtuple("Weights", "experts gate")
# Contexts (T_C, S, N), also as the fields of a Context where there is no index; the first x; noise
# (T, N), the same for all series
Series = namedtuple("Series", "context rows start noise")
# Two series at one step: z and phi(z), in float64 (wide) and float32; the experts' outputs (or
# hidden units), the first N of them apart; the expert weights; z - phi(z); room
State = namedtuple("State", "wide_z wide_phi phi experts observed wide_weight weight cut extra")
NO_ROWS = context_rows(np.zeros((2, 0, 1), np.float32))


@inlined
def step_shallow(m, sizes, weights, state):  # type: ignore[no-untyped-def]
    """Series ``m``: ``sum_j w_j (A_j * z + h1_j)`` to ``phi``; ``w_j`` times the hidden units."""
    _, M, J, _, _, Jp, Hp, Z, O = sizes  # noqa: E741
    phi, hidden, weight, none = state.phi, state.experts, state.weight, splat(np.float32(0.0))
    # w_j (relu(W2_j z + h2_j) - relu(W2_j z)): what [W1_1 .. W1_J] is multiplied with
    for j in range(J):
        for i in range(j * Hp, j * Hp + Hp, 8):
            x = load(hidden, m * O + i)
            x = larger(x + load(weights.threshold, i), none) - larger(x, none)
            store(hidden, m * O + i, splat(weight[m * Jp + j]) * x)
    for c in range(0, M, 8):
        x, z = none, load(phi, m * Z + c)
        for j in range(J):
            y = fma(load(weights.A, j * M + c), z, load(weights.outset, j * M + c))
            x = fma(weight[m * Jp + j], y, x)
        store(phi, m * Z + c, x)


@inlined
def step_alrnn(m, sizes, weights, state):  # type: ignore[no-untyped-def]
    """Series ``m``: the next state, ``z' = sum_j w_j (B_j phi(z) + h_j + A_j * (z - phi(z)))``."""
    N, M, J, P, _, Jp, _, Z, O = sizes  # noqa: E741
    wide_z, wide_phi, phi, experts, observed, wide_weight, weight, cut, extra = state
    R, Xp = M - N, observed.size // 2
    # z - phi(z), not 0 in the last P entries
    for i in range(M - P, M):
        cut[i] = min(wide_z[m * Z + i], 0.0)
    for c in range(max(0, R - P) // 8 * 8, R, 8):
        x = splat(np.float32(0.0))
        for j in range(J):
            x = fma(weight[m * Jp + j], load(weights.A, j * R + c), x)
        store(extra, c, x * load(cut, N + c))
    # entries N .. M - 1
    for c in range(0, R, 32):
        x, i = load_block(extra, c), m * Z + N + c
        for j in range(J):
            x = fma(weight[m * Jp + j], load_block(experts, m * O + j * R + c), x)
        v = widened(x)
        store(phi, i, x), store(wide_z, i, v), store(wide_phi, i, v)
    # entries 0 .. N - 1, eight experts at a time
    for n in range(N):
        v, r = splat(0.0), np.float64(cut[n])
        for j in range(0, Jp, 8):
            y = load(observed, m * Xp + n * J + j)
            if n >= M - P:
                y = fma(r, load(weights.diagonal, n * J + j), y)
            v = fma(load(wide_weight, m * Jp + j), y, v)
        i = m * Z + n
        wide_z[i] = total(v)
        wide_phi[i], phi[i] = wide_z[i], wide_z[i]


@entry
def run(  # type: ignore[no-untyped-def]
    first, last, sizes, experts, gate, series, signals, slot, bits, observations, gates, version
):
    """Roll out one series or two, ``first .. last - 1``, side by side."""
    N, M, J, P, H, T = sizes
    from_state, gate_offset, mixing, sigma, tau_att, cutoff = gate
    context, (flat, row, vectors, _), start, noise = series
    K, D, live, indexed = context.shape[0] - 1, max(N, DIMS), last - first, N <= DIMS
    both = live > 1
    Jp, Z, Hp = (J + 7) // 8 * 8, (M + 62) // 32 * 32, (H + 7) // 8 * 8
    # room after the outputs: `step_alrnn` loads whole vectors from the last expert's
    O, Xp = experts.offset.size + 32, experts.observed_offset.size + 8  # noqa: E741
    Gp, all_sizes = gate_offset.size + 8, (N, M, J, P, H, Jp, Hp, Z, O)
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
        values[m, :N] = context[:, first + m].T
        for n in range(N):
            wide_z[m * Z + n] = start[first + m, n]
        for i in range(M - N):
            x = 0.0
            for n in range(N):
                x += experts.L[i, n] * wide_z[m * Z + n]
            wide_z[m * Z + N + i] = np.float32(x)
    phi[:], wide_phi[:] = wide_z, wide_z
    # the two series' contexts: an index each, or the plain rows
    points, near = Context(flat, row, vectors, N), near_room(vectors, 1)
    index = build(values[0, :DIMS], K if indexed else 1, tau_att)
    other = build(values[1, :DIMS], K, tau_att) if indexed and both else index
    room = room_for(max(index.starts[index.levels], other.starts[other.levels]), bits)
    for t in range(T):
        if signals[0] != 0:
            return
        signals[slot] = live * (t + 1)
        # [D z; U_z z + U_s b]
        affine(wide_z, 0, Z, both, M, from_state, gate_offset, mixed, 0, Gp)
        for m in range(live):
            # q = D z + sigma * eps, and pair: sum_k a_k c_k, sum_k a_k (c_{k+1} - c_k)
            for n in range(N):
                query[m * D + n] = mixed[m * Gp + n] + sigma[n] * noise[t, n]
            if not indexed:
                c0 = (first + m) * (N + 1) * row
                attend(points, c0, query, m * D, tau_att, cutoff, near, 0, rough, 0)
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
        affine(wide_phi, 0, Z, both, M, experts.observed, experts.observed_offset, observed, 0, Xp)
        affine(phi, 0, Z, both, M, experts.inward, experts.offset, outputs, 0, O)
        for m in range(live):
            if H > 0:
                step_shallow(m, all_sizes, experts, state)
            else:
                step_alrnn(m, all_sizes, experts, state)
        if H > 0:
            product(outputs, 0, O, O - 32, experts.outward, 0, phi, 0, Z, (M + 31) // 32, 32)
            wide_z[:] = phi
        for m in range(live):
            for n in range(N):
                observations[t, first + m, n] = phi[m * Z + n]


def _experts(value: dict[str, ndarray], config: ModelConfig) -> Experts:
    N, M, A = config.observed_dims, config.latent_dims, value["experts.A"]
    L = value["L"].astype(np.float64)
    nothing, no_matrix = np.zeros(WIDTH, np.float32), np.zeros((1, 1))
    if config.expert_kind == "alrnn":
        h = value["experts.h"]
        B = value["experts.W"].astype(np.float64)
        B[:, np.arange(M), np.arange(M)] += A
        # outputs N .. M - 1 are sorted by expert, the others are not
        inward, observed = B[:, N:].transpose(2, 0, 1), B[:, :N].transpose(2, 1, 0)
        offset, observed_offset = h[:, N:].ravel(), h[:, :N].T.astype(np.float64).ravel()
        diagonal = A[:, :N].T.astype(np.float64)
        return Experts(
            packed(inward.reshape(M, -1)), followed(offset, -offset.size % BLOCK),
            packed(no_matrix), nothing, nothing, followed(A[:, N:], WIDTH),
            packed(observed.reshape(M, -1), BLOCK // 2, np.float64),
            followed(observed_offset, -observed_offset.size % (BLOCK // 2)),
            followed(diagonal, WIDTH), L,
        )  # fmt: skip
    inward = rows_of(value["experts.W2"].transpose(2, 0, 1))
    offset = np.zeros(padded(inward.shape[1], BLOCK), np.float32)
    outward = np.zeros((offset.size, M))
    outward[: inward.shape[1]] = rows_of(value["experts.W1"].transpose(1, 0, 2)).T
    return Experts(
        packed(inward), offset, packed(outward), followed(value["experts.h1"], WIDTH),
        rows_of(value["experts.h2"]).ravel(), followed(A, WIDTH),
        packed(no_matrix, BLOCK // 2, np.float64), np.zeros(0), np.zeros(0), L,
    )  # fmt: skip


def _gate(value: dict[str, ndarray]) -> Gate:
    fine = {name: p.astype(np.float64) for name, p in value.items() if name.startswith("gate")}
    from_state, mixing = gate_matrices(fine)
    # the convolution, of sum_k a_k c_k and sum_k a_k (c_{k+1} - c_k), is in the gate's products
    kernel, bias, N = fine["gate.conv.weight"], fine["gate.conv.bias"], len(value["gate.D"])
    D = max(N, DIMS)
    U = mixing.U.reshape(N, -1)
    selected = np.zeros((2 * D, U.shape[1]))
    selected[:N], selected[D : D + N] = kernel.sum(axis=2).T @ U, kernel[:, :, 1].T @ U
    offset = np.concatenate([np.zeros(N), bias @ U])[: N + len(value["gate.V"])]
    return Gate(
        packed(from_state[:, : offset.size], BLOCK // 2, np.float64),
        followed(offset, -offset.size % (BLOCK // 2)), mixing._replace(U=selected.ravel()),
        fine["gate.sigma"], abs(value["gate.tau_att"][0]), np.float32(0.0),
    )  # fmt: skip


class _Job(NamedTuple):
    """Kernel calls ``run(first, min(first + together, S), ...)``; what they fill."""

    S: int
    together: int
    arguments: tuple[Any, ...]
    observations: ndarray
    gates: ndarray


def rollout(model: Any, context: Any, **options: Any) -> Rollout:
    """The rollout of one model, a torch model too, after a context ``(T_C, S, N)`` of any kind.

    ``options`` are ``initial_x (S, N)`` and those of :func:`rollouts`.
    """
    start = options.pop("initial_x", None)
    return rollouts([Group(saved(model), as_array(context), start)], **options)[0]


def rollouts(
    groups: Sequence[Group],
    *,
    horizon: int,
    gate_noise: bool = True,
    seed: int = 0,
    quiet_steps: int = 0,
    return_gates: bool = False,
    threads: int | None = None,
) -> list[Rollout]:
    """The rollouts of several groups at once, each of one model and one length of context.

    The bits of a forecast depend neither on ``threads`` (None: all cores) nor on other series.
    Raises EngineUnavailable if the kernels do not compile on this machine.
    """
    threads = available_cores() if threads is None else threads
    weights: dict[int, Weights] = {}
    experts_of: dict[int, Experts] = {}  # models may differ in their gates alone
    noise: dict[int, ndarray] = {}
    jobs = []
    for model, context, initial_x in groups:
        c, points = model.config, as_array(context)
        N, S = c.observed_dims, points.shape[1]
        check_series(context, N)
        if id(model) not in weights:
            value = {name: as_array(p) for name, p in model.values.items()}
            own = id(model.values["experts.A"])
            if own not in experts_of:
                experts_of[own] = _experts(value, c)
            weights[id(model)] = Weights(experts_of[own], _gate(value))
        if N not in noise:
            noise[N] = np.zeros((horizon, N), np.float32)
            if gate_noise:
                noise[N] = gate_noise_stream(horizon, N, seed=seed, quiet_steps=quiet_steps)
        observations = np.empty((horizon, S, N), np.float32)
        gates = np.empty((horizon if return_gates else 0, S, c.experts), np.float32)
        start = points[-1] if initial_x is None else as_array(initial_x)
        rows = context_rows(points) if N > DIMS else NO_ROWS
        H = 0 if c.expert_kind == "alrnn" else c.hidden_units
        experts, gate = weights[id(model)]
        arguments = (
            (N, c.latent_dims, c.experts, c.relu_units, H, horizon), experts,
            gate._replace(cutoff=np.float32(SAFE + math.log(len(points) - 1))),
            Series(points, rows, start, noise[N]),
        )  # fmt: skip
        together = 1 if threads > S // 2 else 2  # two share the experts' weights in the cache
        jobs.append(_Job(S, together, arguments, observations, gates))
    parts = [(job, first) for job in jobs for first in range(0, job.S, job.together)]
    signals = signals_for(len(parts))

    def work(i: int) -> None:
        job, first = parts[i]
        last = min(first + job.together, job.S)
        made = BITS, job.observations, job.gates, VERSION
        call(run, first, last, *job.arguments, signals, i + 1, *made)

    steps = horizon * sum(job.S for job in jobs)
    watched(work, len(parts), threads, signals=signals, steps=steps)
    return [Rollout(y, w if return_gates else None) for *_, y, w in jobs]
