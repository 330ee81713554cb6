"""Sparse teacher forcing: the batches and the loss.

Equations: Mikhaeil et al. (NeurIPS 2022) for sparse, Hess et al. (ICML 2023) for generalised
teacher forcing. Recipe: Hemmer & Durstewitz (NeurIPS 2025), appendix A.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..io.shapes import Float
from ..model.dynamix import DynaMix
from ..model.shapes import Batch
from ..settings import ModelConfig, TrainingConfig
from ..systems.windows import WindowSampler


def draw_batch(
    sampler: WindowSampler, model: ModelConfig, config: TrainingConfig, *, step: int
) -> Batch:
    """Draw the batch of an optimiser step; it depends on the seed and the step alone.

    ``sampler`` draws the windows for a ``model`` of that config.
    The batch holds ``config.batch_size`` sequences and ``config.window - 1`` predictions. The
    training window begins ``config.overlap`` points before the context ends. With
    ``config.longer_contexts`` the length of the context is drawn, too.

    >>> walk = np.random.default_rng(0).standard_normal((600, 3)).cumsum(axis=0)
    >>> config = TrainingConfig(batch_size=4)
    >>> sampler = WindowSampler([walk], length=config.sequence_length)
    >>> batch = draw_batch(sampler, ModelConfig(), config, step=7)
    >>> tuple(batch.context.shape), tuple(batch.inputs.shape)
    ((500, 4, 3), (100, 4, 3))
    """
    rng = np.random.default_rng([config.seed, step])
    T_C = int(rng.choice([config.context_length, *config.longer_contexts]))
    length = T_C + config.window - config.overlap
    sequences = sampler.draw(config.batch_size, rng=rng, length=length)
    window = sequences[T_C - config.overlap :]
    inputs, targets = window[:-1], window[1:]
    noise = config.input_noise * rng.standard_normal(inputs.shape, dtype=np.float32)
    gate_noise = rng.standard_normal(inputs.shape, dtype=np.float32)
    expert_noise = None
    if model.probabilistic:
        shape = (*inputs.shape[:2], model.experts, model.latent_dims)
        expert_noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    return Batch(
        torch.from_numpy(sequences[:T_C]),
        torch.from_numpy(inputs + noise),
        torch.from_numpy(np.ascontiguousarray(targets)),
        torch.from_numpy(gate_noise),
        expert_noise,
    )


def training_loss(model: DynaMix, batch: Batch, config: TrainingConfig) -> Float[Tensor, ""]:
    """The squared error of the predictions, and a penalty that keeps the gate's noise open.

    ``model`` predicts ``batch`` as in training with ``config``:
    ``mean((x_hat - x)^2) + 0.1 mean(exp(-|sigma| / 0.01))``, in squared deviations of each
    sequence's channels. The logarithmic loss replaces the first term by ``mean_s log(1 + e_s /
    loss_scale)``, with the mean squared error ``e_s`` of sequence ``s``. In the plain mean the few
    unpredictable sequences dominate the gradient, and they favour forecasts that shrink towards the
    mean.

    >>> training_loss(model, batch, config).backward()  # doctest: +SKIP
    """
    sparse = config.forcing == "sparse"
    predictions = model(
        batch.context,
        batch.inputs,
        forcing_interval=config.forcing_interval if sparse else None,
        forcing_strength=None if sparse else config.forcing_strength,
        gate_noise=batch.gate_noise,
        expert_noise=batch.expert_noise,
    )
    errors = ((predictions - batch.targets) ** 2).mean(dim=(0, 2))
    if config.loss == "logarithmic":
        errors = torch.log1p(errors / config.loss_scale)
    closed = torch.exp(-model.gate.sigma.abs() / config.gate_noise_scale).mean()
    return errors.mean() + config.gate_noise_penalty * closed
