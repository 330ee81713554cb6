"""The analogue start: what the first weights compute, and that training can begin there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from helpers import small_model, wave
from hypothesis import given
from hypothesis import strategies as st

from dynamix import DynaMix, ModelConfig, TrainingConfig, forecast
from dynamix.errors import InputError
from dynamix.training import Trainer, start_as_analogue
from dynamix.training.analogue_start import REACH


def by_hand(z, context, pull, temperature):
    """``z + sum_k a_k [(c_{k+1} - c_k) + pull (c_k - z)]``."""
    distance = np.abs(context[:-1] - z).sum(axis=1)
    a = np.exp(-(distance - distance.min()) / temperature)
    a /= a.sum()
    return z + a @ (np.diff(context, axis=0) + pull * (context[:-1] - z))


@given(
    st.integers(1, 4),
    st.integers(0, 3),
    st.floats(0.0, 1.0),
    st.floats(0.01, 1.0),
    st.integers(0, 100),
)
def test_a_step_is_that_of_the_analogue_forecaster(N, more, pull, temperature, seed):
    config = ModelConfig(observed_dims=N, latent_dims=2 * N + 3, experts=2 * N + more)
    model = DynaMix(config, seed=seed)
    start_as_analogue(model, pull=pull, temperature=temperature, noise=0.05)
    model = model.double()
    rng = np.random.default_rng(seed)
    context, x = 0.2 * rng.standard_normal((40, N)).cumsum(axis=0), 0.3 * rng.standard_normal(N)
    series = torch.from_numpy(context)[:, None]
    with torch.no_grad():
        z = model.initial_state(torch.from_numpy(x)[None])
        found, _ = model.step(z, model.gate.read(series))
    expected = by_hand(x, context, pull, temperature)
    # the softmax is linear to third order in its logits v J / (2 R)
    logits = np.abs(expected - x).max() / (2 * REACH)
    np.testing.assert_allclose(
        found[0, :N].numpy(), expected, atol=1e-9 + 2 * np.abs(expected - x).max() * logits**2
    )


def test_a_hard_attention_follows_the_nearest_states_increment():
    model = DynaMix()
    start_as_analogue(model, pull=0.0, temperature=1e-4, noise=0.0)
    context = wave(400)
    y = forecast(context, horizon=1, model=model, initial_x=context[123], engine="torch")
    np.testing.assert_allclose(y[0], context[124], atol=2e-3 * context.std())


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"observed_dims": 3, "experts": 5}, "6 or more AL-RNN experts"),
        ({"expert_kind": "clipped_shallow_plrnn"}, "AL-RNN"),
        ({"latent_dims": 4, "relu_units": 2}, "relu_units at most"),
    ],
)
def test_models_that_cannot_hold_it_are_refused(sizes, told):
    with pytest.raises(InputError, match=told):
        start_as_analogue(DynaMix(ModelConfig(**sizes)), pull=0.1, temperature=0.1, noise=0.1)


@pytest.mark.parametrize("wrong", [{"pull": 1.5}, {"temperature": 0.0}, {"noise": -0.1}])
def test_numbers_out_of_range_are_refused(wrong):
    options = {"pull": 0.1, "temperature": 0.1, "noise": 0.1} | wrong
    with pytest.raises(InputError, match="pull must be"):
        start_as_analogue(DynaMix(), **options)


def test_a_trainer_starts_there(tmp_path):
    config = TrainingConfig(
        first_weights="analogue", attention_temperature=0.02, analogue_pull=0.1, analogue_noise=0.03
    )
    trainer = Trainer(tmp_path / "run", training=config, trajectories=[wave(800)])
    expected = DynaMix(seed=config.seed)
    start_as_analogue(expected, pull=0.1, temperature=0.02, noise=0.03)
    for name, value in expected.state_dict().items():
        assert torch.equal(trainer.model.state_dict()[name], value), name


def test_two_beginnings_contradict_each_other():
    with pytest.raises(InputError, match="both say where training starts"):
        TrainingConfig(first_weights="analogue", start_from="dynamix-3d")


def test_every_parameter_is_reached_by_training(tmp_path):
    """What starts unheard is not cut off: after two steps every group has a gradient."""
    config = TrainingConfig(
        first_weights="analogue",
        attention_temperature=0.05,
        loss="logarithmic",
        context_length=60,
        window=31,
        overlap=1,
        engine="torch",
        epochs=1,
        batches_per_epoch=3,
        validate_every=0,
        learning_rate=1e-2,
    )
    model = dataclasses.replace(ModelConfig(), latent_dims=8)
    trainer = Trainer(tmp_path / "run", model=model, training=config, trajectories=[wave(800)])
    first = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    trainer.run()
    for name, value in trainer.model.state_dict().items():
        assert not torch.equal(value, first[name]), name


def test_small_models_keep_what_is_not_set():
    model, same = small_model(experts=7), small_model(experts=7)
    start_as_analogue(model, pull=0.05, temperature=0.01, noise=0.05)
    assert torch.equal(model.L, same.L)
    assert torch.equal(model.experts.A[:, 3:], same.experts.A[:, 3:])
