"""Compiled gradients equal autograd's and finite differences."""

import copy
import math

import numpy as np
import pytest
import torch
from engine.cases import SIZES, make_context, make_model

from dynamix.engine.training import loss_and_gradient, supports
from dynamix.model.shapes import Batch
from dynamix.settings import ModelConfig, TrainingConfig
from dynamix.training import read_log, train, training_loss


def make_batch(N, *, T=20, S=4, T_C=60, seed=0):
    generator = torch.Generator().manual_seed(seed)
    context = make_context(T_C, S, N, smooth=True, seed=seed)
    draws = (torch.randn(T, S, N, generator=generator) for _ in range(3))
    return Batch(context, *draws, None)


def doubled(batch):
    return Batch(*(None if part is None else part.double() for part in batch))


def autograd(model, batch, config):
    """Loss and gradients of the reference, in float64: in float32 it rounds like the kernel."""
    exact = copy.deepcopy(model).double()
    loss = training_loss(exact, doubled(batch), config)
    loss.backward()
    return float(loss.detach()), {n: p.grad for n, p in exact.named_parameters()}


def assert_gradients_equal(model, expected):
    """To 1e-4 of each parameter group, or 1e-6 of all where a group has next to no gradient."""
    whole = math.sqrt(sum(float(g.square().sum()) for g in expected.values()))
    for name, parameter in model.named_parameters():
        error = float((parameter.grad.double() - expected[name]).norm())
        assert error <= 1e-4 * float(expected[name].norm()) + 1e-6 * whole, name


FORCINGS = [
    *({"forcing_interval": interval} for interval in (1, 5, 10, 1000)),
    {"forcing": "generalised", "forcing_strength": 0.1},
    {"forcing": "generalised", "forcing_strength": 1.0},
]


@pytest.mark.parametrize("forcing", FORCINGS)
@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_equal_autograd(sizes, forcing):
    model, config = make_model(*sizes), TrainingConfig(**forcing)
    batch = make_batch(sizes[0])
    loss, gradient = autograd(model, batch, config)
    norm = math.sqrt(sum(float(g.square().sum()) for g in gradient.values()))
    assert loss_and_gradient(model, batch, config) == pytest.approx((loss, norm), rel=1e-5)
    assert_gradients_equal(model, gradient)


@pytest.mark.parametrize("S", [1, 3, 4])
def test_gradients_of_the_logarithmic_loss_equal_autograd(S):
    model = make_model(3, 30, 10, 2)
    config = TrainingConfig(loss="logarithmic", loss_scale=0.1)
    batch = make_batch(3, S=S)
    loss, gradient = autograd(model, batch, config)
    assert loss_and_gradient(model, batch, config)[0] == pytest.approx(loss, rel=1e-5)
    assert_gradients_equal(model, gradient)


@pytest.mark.parametrize("tau", [0.02, 0.06, -0.06, 1.0, 50.0])
@pytest.mark.parametrize("T_C", [2, 9, 500])
def test_gradients_equal_autograd_at_any_temperature(tau, T_C):
    model, config = make_model(3, 30, 10, 2, tau=tau), TrainingConfig()
    batch = make_batch(3, S=3, T_C=T_C)
    loss, gradient = autograd(model, batch, config)
    assert loss_and_gradient(model, batch, config)[0] == pytest.approx(loss, rel=1e-5)
    assert_gradients_equal(model, gradient)


def loss_and_states(model, batch, config, queried=None):
    """The loss in plain steps, and the states passed; ``queried`` are those the gate looks at."""
    N, read = model.config.observed_dims, model.gate.read(batch.context)
    z, states, loss = model.initial_state(batch.inputs[0]), [], 0.0
    for t, x in enumerate(batch.inputs):
        if t > 0 and t % config.forcing_interval == 0:
            z = torch.cat([x, z[:, N:]], dim=-1)
        states.append(z)
        query_state = z if queried is None else queried[t]
        z, _ = model.step(z, read, batch.gate_noise[t], query_state=query_state)
        loss = loss + ((z[:, :N] - batch.targets[t]) ** 2).mean() / len(batch.inputs)
    closed = torch.exp(-model.gate.sigma.abs() / config.gate_noise_scale).mean()
    return float(loss + config.gate_noise_penalty * closed), states


@torch.no_grad()
def test_gradients_equal_finite_differences():
    """Without autograd: the queries' states are held, as the stop-gradient does."""
    model, config = make_model(2, 6, 3, 2, tau=0.5).double(), TrainingConfig(forcing_interval=4)
    batch = make_batch(2, T=12, S=3, T_C=30)
    loss, _ = loss_and_gradient(model, batch, config)
    batch = doubled(batch)
    exact, states = loss_and_states(model, batch, config)
    assert loss == pytest.approx(exact, rel=1e-6)
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        kept, values = parameter.clone(), []
        for step in (1e-6, -1e-6):
            parameter.copy_(kept + step * direction)
            values.append(loss_and_states(model, batch, config, states)[0])
        parameter.copy_(kept)
        slope = (values[0] - values[1]) / 2e-6
        found = float((parameter.grad * direction).sum())
        assert found == pytest.approx(slope, rel=1e-4, abs=1e-7), name


@pytest.mark.parametrize("S", [1, 2, 7, 16])
def test_gradients_do_not_depend_on_threads(S):
    model, batch = make_model(3, 30, 10, 2), make_batch(3, S=S)
    results = []
    for threads in (1, 2, 3):
        measured = loss_and_gradient(model, batch, TrainingConfig(), threads=threads)
        results.append((measured, [p.grad.clone() for p in model.parameters()]))
    for measured, gradients in results[1:]:
        assert measured == results[0][0]
        assert all(map(torch.equal, gradients, results[0][1]))


def test_an_exploding_batch_is_seen():
    model, batch = make_model(3, 10, 4, 2), make_batch(3, T=60)
    with torch.no_grad():
        model.experts.A.fill_(1e3)
    loss, norm = loss_and_gradient(model, batch, TrainingConfig())
    assert not (math.isfinite(loss) and math.isfinite(norm))


def test_support_is_stated():
    assert supports(ModelConfig())
    shallow = ModelConfig(expert_kind="clipped_shallow_plrnn")
    assert not supports(shallow)


def test_a_training_run_gives_the_same_losses_on_both_engines(tmp_path):
    """200 optimiser steps: rounding parts the weights slowly, so losses agree to 1e-3."""
    data = [make_context(400, 1, 3, smooth=True, seed=s)[:, 0].numpy() for s in range(3)]
    size = ModelConfig(latent_dims=10, experts=4)
    losses = {}
    for engine in ("torch", "compiled"):
        config = TrainingConfig(
            engine=engine,
            epochs=20,
            batches_per_epoch=10,
            batch_size=4,
            context_length=60,
            window=21,
            overlap=11,
            forcing_interval=5,
            learning_rate=1e-3,
            validate_every=0,
        )
        train(tmp_path / engine, model=size, training=config, trajectories=data)
        losses[engine] = [record["loss"] for record in read_log(tmp_path / engine)]
    np.testing.assert_allclose(losses["compiled"], losses["torch"], rtol=1e-3)
