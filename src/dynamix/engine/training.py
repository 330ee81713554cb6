"""The compiled training step: the loss under teacher forcing and its gradient.

Tests hold it equal to autograd. Two series go through time together (:mod:`.passes`). Pairs are
shared out among threads. Each pair has its own sums, which are added in a fixed order at the end:
the bits of the result do not depend on the number of threads.
"""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import torch

from ..model.dynamix import DynaMix
from ..model.shapes import Batch
from ..settings import ModelConfig, TrainingConfig
from .attention import context_rows
from .passes import Data, Experts, Forcing, Gate, Gradients, Sizes, train
from .products import gate_matrices
from .runtime import (
    BLOCK,
    SAFE,
    VERSION,
    WIDTH,
    as_array,
    call,
    followed,
    packed,
    padded,
    rows_of,
    share_out,
)  # fmt: skip


def supports(config: ModelConfig) -> bool:
    """Whether :func:`loss_and_gradient` handles this model. Autograd handles every model."""
    return config.expert_kind == "alrnn" and config.experts > 0 and not config.probabilistic


def loss_and_gradient(
    model: DynaMix, batch: Batch, config: TrainingConfig, *, threads: int = 1
) -> tuple[float, float]:
    """Loss and gradient norm of a batch; the gradients are written to the parameters.

    Computes :func:`dynamix.training.training_loss` and its backward pass, always in float32.
    """
    c = model.config
    N, M, J = c.observed_dims, c.latent_dims, c.experts
    T, S, _ = batch.inputs.shape
    Mp, Jp = padded(M, WIDTH), padded(J, WIDTH)
    O, F = padded(J * Mp, BLOCK), padded(2 * (N + J), BLOCK)  # noqa: E741
    R, Q, pairs = padded(M + 1, 2), padded(M + 4 * N + J + 1, 2), (S + 1) // 2
    parameters = dict(model.named_parameters())
    value = {name: as_array(parameter) for name, parameter in parameters.items()}
    wide = rows_of(value["experts.W"].transpose(2, 0, 1))  # (M, J M'), experts side by side
    tall = np.zeros((O, M), np.float32)
    tall[: J * Mp] = wide.T
    A, h = (followed(rows_of(value[f"experts.{name}"]), O - J * Mp) for name in "Ah")
    from_state, mixing = gate_matrices(value)
    kernel, sigma = value["gate.conv.weight"], value["gate.sigma"]
    tau_att, tau_gate = abs(value["gate.tau_att"][0]), abs(value["gate.tau_gate"][0])
    sums = Gradients(
        np.zeros(pairs * R * O, np.float32), np.zeros(pairs * Q * F, np.float32),
        np.zeros(pairs * O, np.float32), np.zeros((pairs, M - N, N), np.float32),
        np.zeros((pairs, 3)),
    )  # fmt: skip
    arguments = (
        Sizes(N, M, J, c.relu_units, T, S, Mp, Jp, padded(M, BLOCK), O, F, R, Q),
        Experts(packed(wide), packed(tall), A, h),
        Gate(
            packed(from_state), mixing, packed(value["gate.U"][:, N:]),
            rows_of(-value["gate.V"] / tau_gate),
            np.column_stack([kernel[:, :, 0], kernel[:, :, 1], value["gate.conv.bias"]]), sigma,
            tau_att, tau_gate,
        ),
        Data(
            context_rows(batch.context.numpy()), as_array(batch.inputs), as_array(batch.targets),
            as_array(batch.gate_noise), value["L"],
            np.float32(SAFE + math.log(len(batch.context) - 1)),
        ),
        Forcing(
            config.forcing_interval if config.forcing == "sparse" else 0,
            np.float32(config.forcing_strength),
            config.loss_scale if config.loss == "logarithmic" else 0.0,
        ),
        sums, VERSION,
    )  # fmt: skip
    share_out(lambda first, last: call(train, first, last, *arguments), pairs, threads)

    # rows are right vectors, columns left ones
    W = sums.W.reshape(pairs, R, O).sum(axis=0)[:, : J * Mp].reshape(R, J, Mp)[:, :, :M]
    G = sums.gate.reshape(pairs, Q, F).sum(axis=0)
    dq, dr, dlogit, ds = (G[:, part] for part in _parts(N, J, J, N))
    z, s, here, after, eps, one, r = _parts(M, N, N, N, N, 1, J)
    closed = np.exp(-np.abs(sigma.astype(np.float64)) / config.gate_noise_scale)
    loss, d_tau_att, d_tau_gate = sums.scalars.sum(axis=0)
    penalty = config.gate_noise_penalty / N
    d_sigma = dq[eps].diagonal() - penalty / config.gate_noise_scale * closed * np.sign(sigma)
    gradient = {
        "experts.A": sums.A.reshape(pairs, O).sum(axis=0)[: J * Mp].reshape(J, Mp)[:, :M],
        "experts.W": W[:M].transpose(1, 2, 0),
        "experts.h": W[M],
        "gate.D": dq[z].T,
        "gate.sigma": d_sigma,
        "gate.tau_att": d_tau_att * np.sign(value["gate.tau_att"]),
        "gate.tau_gate": d_tau_gate * np.sign(value["gate.tau_gate"]),
        "gate.U": np.concatenate([dr[s], dr[z]]).T,
        "gate.V": -dlogit[r].T / tau_gate,
        "gate.conv.weight": np.stack([ds[here].T, ds[after].T], axis=2),
        "gate.conv.bias": ds[one][0],
        "L": sums.L.sum(axis=0),
    }
    squares = 0.0
    for name, parameter in parameters.items():
        if parameter.requires_grad:
            found = np.ascontiguousarray(gradient[name])
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
            parameter.grad.copy_(torch.from_numpy(found))
            flat = found.ravel().astype(np.float64)
            squares += float(flat @ flat)
    return float(loss + penalty * closed.sum()), math.sqrt(squares)


def _parts(*sizes: int) -> list[slice]:
    """Slices of these sizes, one after the other."""
    return [slice(end - size, end) for size, end in zip(sizes, accumulate(sizes), strict=True)]
