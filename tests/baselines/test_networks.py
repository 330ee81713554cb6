"""AL-RNN, LSTM and neural ODE trained on one context: forcing, budgets, what they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamix import InputError, baselines, systems
from dynamix.baselines import networks
from dynamix.baselines.settings import ContextTrainingConfig, NeuralODEConfig

SMALL = ContextTrainingConfig(
    updates=150,
    batch_size=32,
    window=21,
    learning_rate=2e-2,
    final_learning_rate=2e-3,
    latent_dims=12,
    relu_units=4,
    hidden_units=16,
)
SMALL_ODE = NeuralODEConfig(
    updates=100, batch_size=32, window=6, hidden_units=16, learning_rate=3e-2
)
RECURRENT = ["alrnn_stf", "lstm_stf"]


@pytest.fixture(params=[*RECURRENT, "neural_ode"])
def quick(request):
    """A forecaster by its registered name, with a budget of a second."""
    if request.param == "neural_ode":
        pytest.importorskip("torchdiffeq")
        return baselines.baseline("neural_ode", **vars(SMALL_ODE))
    return baselines.baseline(request.param, **vars(SMALL))


def circle(T: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(T) / 20
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def test_a_circle_is_continued_and_the_seed_decides(quick):
    x = circle(260).astype(np.float32)
    y = quick(x[:200], 60, seed=1)
    assert y.shape == (60, 2)
    assert y.dtype == np.float32
    assert np.sqrt(np.mean((y - x[200:]) ** 2)) < 0.5 * x.std()
    np.testing.assert_array_equal(y, quick(x[:200], 60, seed=1))


def test_lorenz_ten_steps_ahead(quick):
    x = systems.trajectory("Lorenz", n=2500).astype(np.float64)
    c, t = x[:1000], x[1000:1010]
    torch.manual_seed(0)
    y = quick(c, 400, seed=0)
    before = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), before)  # nothing was drawn from the global generator
    ours = (np.abs(y[:10] - t) / c.std(axis=0)).mean()
    assert ours < (np.abs(c.mean(axis=0) - t) / c.std(axis=0)).mean()


def test_units_do_not_matter(quick):
    x = circle(60)
    units = np.array([4.0, 0.5])
    np.testing.assert_allclose(quick(x * units, 5) / units, quick(x, 5), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", RECURRENT)
def test_contexts_of_one_channel_and_short_ones(name):
    call = baselines.baseline(name, updates=3, latent_dims=12)
    assert call(circle(60)[:, :1], 7).shape == (7, 1)
    assert call(circle(6), 4).shape == (4, 2)
    with pytest.raises(InputError, match="at least 6 steps"):
        call(circle(5), 4)


@pytest.mark.parametrize("kind", [networks.SingleALRNN, networks.SingleLSTM])
def test_forcing_writes_over_the_observation_and_nothing_else(kind):
    """Against a loop that forces by hand, on a network whose latent state must survive it."""
    generator = torch.Generator().manual_seed(3)
    net = kind(2, SMALL, generator)
    x = torch.randn(12, 4, 2, generator=generator)
    predictions, last = networks.run(net, x, interval=5)
    z = net.first(x[0])
    for t in range(12):
        if t in (5, 10):
            z = torch.cat([x[t], z[:, 2:]], dim=-1)
        z = net(z)
        torch.testing.assert_close(predictions[t], z[:, :2])
    torch.testing.assert_close(last, z)


def test_sparse_forcing_reaches_further_back_than_plain_forcing():
    """Ten steps without data leave a gradient from the last prediction to the first input."""

    def reach(interval: int) -> float:
        net = networks.SingleALRNN(2, SMALL, torch.Generator().manual_seed(0))
        with torch.no_grad():  # no path through the latent state: what remains is the observation
            net.L.zero_()
            net.experts.W[0, :2, 2:] = 0.0
        x = torch.ones(10, 1, 2, requires_grad=True)
        networks.run(net, x, interval=interval)[0][-1].sum().backward()
        assert x.grad is not None
        return float(x.grad[0].abs().sum())

    assert reach(1) == 0.0
    assert reach(10) > 0.0


def test_al_rnn_equals_its_formula():
    """``z' = A z + W phi(z) + h`` with the ReLU on the last P entries only."""
    net = networks.SingleALRNN(3, SMALL, torch.Generator().manual_seed(1))
    A, W, h = net.experts.A[0], net.experts.W[0], net.experts.h[0]
    z = torch.randn(5, 12, generator=torch.Generator().manual_seed(2))
    for before, after in zip(z, net(z), strict=True):
        phi = torch.cat([before[:8], before[8:].clamp(min=0)])
        torch.testing.assert_close(after, A * before + W @ phi + h)


def test_neural_ode_s_forecast_ends_where_its_solution_does(monkeypatch):
    pytest.importorskip("torchdiffeq")
    monkeypatch.setattr(networks, "_FAR", 0.0)  # every state is too far: one chunk and no more
    monkeypatch.setattr(networks, "_CHUNK", 4)
    y = baselines.baseline("neural_ode", updates=2)(circle(50), 10)
    assert np.isfinite(y[:4]).all()
    assert np.isnan(y[4:]).all()
