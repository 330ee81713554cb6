"""Batches and loss: the gradient is the loss's, the penalty keeps the noise open."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import QUICK, SMALL, WAVES, quick

from dynamix import DynaMix, TrainingConfig
from dynamix.model.shapes import Batch
from dynamix.systems import WindowSampler
from dynamix.training import draw_batch, training_loss


def test_a_batch_is_the_window_behind_the_context():
    config = quick(input_noise=0.0, rotations=False)
    assert config.sequence_length == 36
    assert TrainingConfig().sequence_length == 550
    sampler = WindowSampler(WAVES, length=36)
    batch = draw_batch(sampler, SMALL, config, step=0)
    assert batch.context.shape == (30, 4, 3)
    assert batch.inputs.shape == batch.targets.shape == (11, 4, 3)
    # inputs and targets overlap by all but one, and begin inside the context
    torch.testing.assert_close(batch.inputs[1:], batch.targets[:-1])
    torch.testing.assert_close(batch.inputs[:6], batch.context[24:])
    again = draw_batch(sampler, SMALL, config, step=0)
    torch.testing.assert_close(again.targets, batch.targets)
    assert not torch.equal(draw_batch(sampler, SMALL, config, step=1).targets, batch.targets)


def test_noise_is_added_to_inputs_and_not_to_targets():
    sampler = WindowSampler(WAVES, length=36)
    noisy = draw_batch(sampler, SMALL, quick(input_noise=0.05), step=0)
    difference = noisy.inputs[1:] - noisy.targets[:-1]
    assert difference.std().item() == pytest.approx(0.05, rel=0.2)


@pytest.mark.parametrize("forcing", ["sparse", "generalised"])
def test_gradient_agrees_with_finite_differences(forcing):
    """In float64; the state's path through the query is cut in the gradient, so it is in both."""
    config = quick(forcing=forcing)
    model = DynaMix(SMALL).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
        model.gate.D[:, :] = 0.0  # a query that does not see z has no cut path
    batch = draw_batch(WindowSampler(WAVES, length=36), SMALL, config, step=0)
    batch = Batch(*(v.double() if isinstance(v, torch.Tensor) else v for v in batch))
    training_loss(model, batch, config).backward()
    rng = np.random.default_rng(0)
    for name, parameter in model.named_parameters():
        index = tuple(int(rng.integers(size)) for size in parameter.shape)
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[index] += sign * 1e-6
                losses.append(training_loss(model, batch, config).item())
                parameter[index] -= sign * 1e-6
        if name != "gate.D":  # D itself meets z in the next step's query: that path is cut
            numeric = (losses[0] - losses[1]) / 2e-6
            assert parameter.grad[index].item() == pytest.approx(numeric, rel=1e-3, abs=1e-7), name


def test_the_penalty_keeps_the_noise_open():
    model = DynaMix(SMALL)
    batch = draw_batch(WindowSampler(WAVES, length=36), SMALL, QUICK, step=0)
    with torch.no_grad():
        model.gate.sigma.zero_()
    closed = training_loss(model, batch, QUICK)
    without = training_loss(model, batch, quick(gate_noise_penalty=0.0))
    assert (closed - without).item() == pytest.approx(0.1)
