"""The model against an independent, scalar transcription of its equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import small_model, wave

from dynamix import DynaMix, InputError, ModelConfig
from dynamix.model import count_parameters
from dynamix.model.experts import ClippedShallowPLRNNExperts, stable_diagonals
from dynamix.model.rollouts import gate_noise_stream, rollout


def step_by_hand(model: DynaMix, z: np.ndarray, c: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """One step for one series, in loops over scalars, from the equations of the paper."""
    p = {name: value.detach().double().numpy() for name, value in model.named_parameters()}
    N, J = model.config.observed_dims, model.config.experts
    q = p["gate.D"] @ z + p["gate.sigma"] * eps
    K = len(c) - 1
    score = np.array([-np.abs(c[k] - q).sum() / abs(p["gate.tau_att"][0]) for k in range(K)])
    a = np.exp(score - score.max())
    a /= a.sum()
    s = np.zeros(N)
    for k in range(K):
        for out in range(N):
            e = p["gate.conv.bias"][out]
            for channel in range(N):
                for tap in range(2):
                    e += p["gate.conv.weight"][out, channel, tap] * c[k + tap, channel]
            s[out] += a[k] * e
    hidden = np.maximum(p["gate.U"] @ np.concatenate([s, z]), 0)
    logits = -(p["gate.V"] @ hidden) / abs(p["gate.tau_gate"][0])
    w = np.exp(logits - logits.max())
    w /= w.sum()
    new = np.zeros_like(z)
    for j in range(J):
        if model.config.expert_kind == "alrnn":
            phi = z.copy()
            for i in range(len(z) - model.config.relu_units, len(z)):
                phi[i] = max(phi[i], 0)
            f = p["experts.A"][j] * z + p["experts.W"][j] @ phi + p["experts.h"][j]
        else:
            drive = p["experts.W2"][j] @ z
            clipped = np.maximum(drive + p["experts.h2"][j], 0) - np.maximum(drive, 0)
            f = p["experts.A"][j] * z + p["experts.W1"][j] @ clipped + p["experts.h1"][j]
        new += w[j] * f
    return new


SIZES = [
    {},
    {"relu_units": 0},
    {"relu_units": 7},
    {"observed_dims": 6},
    {"observed_dims": 1, "latent_dims": 1, "relu_units": 1, "experts": 1},
    {"observed_dims": 7},
    {"expert_kind": "clipped_shallow_plrnn", "hidden_units": 5},
]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_step_equals_the_equations_written_out(sizes):
    model = small_model(**sizes).double()
    N = model.config.observed_dims
    rng = np.random.default_rng(3)
    c, z = wave(40, N), rng.normal(size=model.config.latent_dims)
    eps = rng.normal(size=N)
    with torch.no_grad():
        read = model.gate.read(torch.from_numpy(c)[:, None])
        new, weights = model.step(
            torch.from_numpy(z)[None], read, gate_noise=torch.from_numpy(eps)[None]
        )
    np.testing.assert_allclose(new[0].numpy(), step_by_hand(model, z, c, eps), atol=1e-12)
    assert weights.sum().item() == pytest.approx(1.0)


def test_paper_size_has_10227_parameters():
    assert count_parameters(DynaMix()) == 10_227


@pytest.mark.parametrize("seed", [0, 1])
def test_initial_values_follow_the_recipe(seed):
    model = DynaMix(seed=seed)
    A = model.experts.A
    assert ((A > 0) & (A <= 1)).all()
    assert model.experts.W.std().item() == pytest.approx(0.01, rel=0.05)
    assert not model.experts.h.any()
    torch.testing.assert_close(model.gate.D.data, torch.eye(3, 30))
    assert model.gate.tau_att.item() == model.gate.tau_gate.item() == pytest.approx(0.1)
    assert torch.all(model.gate.sigma == 0.05)
    other = DynaMix(seed=seed + 1)
    assert not torch.equal(A, other.experts.A)
    torch.testing.assert_close(A, DynaMix(seed=seed).experts.A, rtol=0, atol=0)


def test_stable_diagonals_are_the_diagonal_of_a_matrix_of_norm_one():
    A = stable_diagonals(1, 6, torch.Generator().manual_seed(0))[0]
    R = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(0))[0]
    K = R.T @ R / 6 + torch.eye(6)
    torch.testing.assert_close(A, (K / torch.linalg.matrix_norm(K, 2)).diagonal())


def test_clipped_experts_are_bounded():
    """Without A the next state lies within |W1| |h2|, because h1 is 0 at first."""
    config = ModelConfig(observed_dims=1, latent_dims=2, experts=3, hidden_units=5)
    experts = ClippedShallowPLRNNExperts(config, torch.Generator().manual_seed(0))
    experts.A.data.zero_()
    bound = torch.einsum("jmh,jh->jm", experts.W1.abs(), experts.h2.abs())
    assert (experts(torch.full((1, 2), 1e4)).abs() <= 1.01 * bound).all()


def test_attention_finds_the_context_point_it_stands_on():
    model = small_model()
    with torch.no_grad():
        model.gate.tau_att.fill_(0.01)
    c = torch.from_numpy(wave(50)).float()[:, None]
    attention = model.gate.attention(c[17], model.gate.read(c).points)
    assert attention.argmax().item() == 17
    assert attention.sum().item() == pytest.approx(1.0)


def test_series_side_by_side_do_not_see_each_other():
    model = small_model().double()
    contexts = torch.from_numpy(np.stack([wave(60, seed=s) for s in range(3)], axis=1))
    together = rollout(model, contexts, horizon=20).observations
    for s in range(3):
        alone = rollout(model, contexts[:, s : s + 1], horizon=20).observations
        torch.testing.assert_close(together[:, s : s + 1], alone, rtol=0, atol=1e-12)


def test_free_run_of_forward_equals_rollout():
    model = small_model()
    c = torch.from_numpy(wave(60)).float()[:, None]
    eps = torch.from_numpy(gate_noise_stream(15, 3, seed=4))[:, None]
    inputs = c[-1:].expand(15, -1, -1)
    with torch.no_grad():
        freely = model(c, inputs, gate_noise=eps)
    expected = rollout(model, c, horizon=15, seed=4).observations
    torch.testing.assert_close(freely, expected)


@pytest.mark.parametrize("tau", [1, 3, 10])
def test_sparse_forcing_overwrites_every_tau_th_observation(tau):
    model = small_model().double()
    N = 3
    c = torch.from_numpy(wave(60))[:, None]
    x = torch.from_numpy(wave(30, seed=9))[:, None]
    forced = model(c, x, forcing_interval=tau)
    read = model.gate.read(c)
    z = model.initial_state(x[0])
    for t in range(30):
        if t % tau == 0 and t > 0:
            z = torch.cat([x[t], z[:, N:]], dim=-1)
        z, _ = model.step(z, read)
        torch.testing.assert_close(forced[t], z[:, :N])


def test_generalised_forcing_interpolates_between_free_and_fully_forced():
    model = small_model().double()
    c = torch.from_numpy(wave(60))[:, None]
    x = torch.from_numpy(wave(30, seed=9))[:, None]
    torch.testing.assert_close(model(c, x, forcing_strength=0.0), model(c, x))
    torch.testing.assert_close(model(c, x, forcing_strength=1.0), model(c, x, forcing_interval=1))


def test_no_gradient_reaches_the_state_through_the_query():
    model = small_model().double()
    with torch.no_grad():  # cut the gate's direct view of z: only the query is left
        model.gate.U[:, 3:] = 0
        model.gate.tau_att.fill_(1.0)
    c = torch.from_numpy(wave(40))[:, None].expand(-1, 16, -1)  # 16 states: not all units are off
    read = model.gate.read(c)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(16, 7, dtype=torch.float64, generator=generator, requires_grad=True)
    (grad,) = torch.autograd.grad(model.gate(z, read)[:, 0].sum(), z, allow_unused=True)
    assert grad is None or not grad.any()
    (through,) = torch.autograd.grad(model.gate(z, read, query_state=z)[:, 0].sum(), z)
    assert through.any()


def test_expert_noise_has_the_learned_width():
    model = small_model(probabilistic=True)
    c = torch.from_numpy(wave(40)).float()[:, None]
    quiet = rollout(small_model(), c, horizon=5, seed=1).observations
    noisy = rollout(model, c, horizon=5, seed=1).observations
    assert not torch.allclose(quiet, noisy)
    torch.testing.assert_close(noisy, rollout(model, c, horizon=5, seed=1).observations)
    with torch.no_grad():
        model.sigma_expert.zero_()
    torch.testing.assert_close(rollout(model, c, horizon=5, seed=1).observations, quiet)


def test_noise_is_a_prefix_of_longer_noise_and_differs_between_seeds():
    short, long = gate_noise_stream(10, 3, seed=7), gate_noise_stream(50, 3, seed=7)
    np.testing.assert_array_equal(short, long[:10])
    assert not np.allclose(short, gate_noise_stream(10, 3, seed=8))


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({"observed_dims": 0}, "observed_dims"),
        ({"latent_dims": 2}, "latent_dims"),
        ({"relu_units": 31}, "relu_units"),
        ({"relu_units": -1}, "relu_units"),
        ({"experts": 2.0}, "experts"),
        ({"expert_kind": "alrn"}, "alrnn"),
    ],
)
def test_impossible_sizes_are_refused(sizes, named):
    with pytest.raises(InputError, match=named):
        ModelConfig(**sizes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_torch_engine_runs_whole_on_a_gpu():
    model = small_model()
    c = torch.from_numpy(wave(60)).float()[:, None]
    expected = rollout(model, c, horizon=20).observations
    result = rollout(model.to("cuda"), c, horizon=20).observations
    assert result.is_cuda
    torch.testing.assert_close(result.cpu(), expected, atol=1e-4, rtol=1e-4)
