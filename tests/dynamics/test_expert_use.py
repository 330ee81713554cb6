"""What the experts do: the watched run is the forecast, and the measures are what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers import small_model, wave
from hypothesis import given
from hypothesis import strategies as st

from dynamix import DynaMix, InputError, forecast
from dynamix.dynamics import expert_use as use
from dynamix.training import start_as_analogue

X = wave(300)


def walk(seed: int, T: int = 60, n: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((T, n))


@pytest.mark.parametrize("gate_noise", [True, False])
@pytest.mark.parametrize("sizes", [{}, {"attention_sharpness": 4.0, "reference_spacing": 0.3}])
def test_a_watched_run_is_the_forecast(sizes, gate_noise):
    model = small_model(**sizes)
    y, gates = forecast(
        X, horizon=30, model=model, return_gates=True, engine="torch", gate_noise=gate_noise, seed=3
    )
    seen = use.watch(X, steps=30, model=model, gate_noise=gate_noise, seed=3)
    np.testing.assert_allclose(seen.weights, gates, atol=1e-6)
    scaled = (y - X.mean(axis=0)) / X.std(axis=0, ddof=1)
    np.testing.assert_allclose(seen.observations, scaled, atol=1e-5)
    np.testing.assert_allclose(seen.attention.sum(axis=1), 1.0, atol=1e-12)
    assert seen.states.shape == (31, 7)
    assert seen.attention.shape == (30, 299)
    encodings = seen.model.gate.read(_series(seen)).encodings[:, 0].detach().numpy()
    np.testing.assert_allclose(seen.summaries, seen.attention @ encodings, atol=1e-10)


def _series(seen):
    return torch.from_numpy(seen.context)[:, None]


def test_watching_leaves_the_model_alone_and_refuses_what_it_cannot_follow():
    model = small_model()
    before = {name: p.clone() for name, p in model.named_parameters()}
    use.watch(X, steps=3, model=model)
    assert all((p == before[name]).all() for name, p in model.named_parameters())
    with pytest.raises(InputError, match="one series of 3 channels"):
        use.watch(X[:, :2], steps=3, model=model)
    with pytest.raises(InputError, match="local or probabilistic"):
        use.watch(X, steps=3, model="dynamix-3d-plus")
    with pytest.raises(InputError, match="steps"):
        use.watch(X, steps=0, model=model)


def test_the_gate_has_no_sense_of_time():
    """The pairs of context steps may come in any order."""
    model = small_model().double()
    read = model.gate.read(torch.from_numpy(X)[:, None])
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(read.points)))
    mixed = read._replace(points=read.points[order], encodings=read.encodings[order])
    z = torch.from_numpy(walk(0, T=1, n=7))
    with torch.no_grad():
        a, b = model.gate(z, read), model.gate(z, mixed)
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


@given(st.integers(1, 8), st.integers(0, 50))
def test_the_effective_number_lies_between_one_and_all(J, seed):
    w = np.random.default_rng(seed).dirichlet(np.full(J, 0.5), size=20)
    n = use.effective_number(w)
    assert ((n > 1 - 1e-9) & (n < J + 1e-9)).all()
    np.testing.assert_allclose(n, use.effective_number(w[:, ::-1]))
    np.testing.assert_allclose(use.effective_number(np.full((1, J), 1 / J)), J)
    np.testing.assert_allclose(use.effective_number(np.eye(J)), 1.0)


def test_explained_is_one_for_affine_targets_and_small_for_noise():
    x, noise = walk(0, T=4000, n=4), walk(1, T=4000, n=2)
    y = x @ walk(2, T=4, n=2) + 7.0
    assert use.explained(y, by=x) == pytest.approx(1.0)
    assert use.explained(noise, by=x) < 0.01
    mixed = use.explained(noise + y, by=x)
    assert mixed == pytest.approx(y.var(axis=0).sum() / (noise + y).var(axis=0).sum(), abs=0.03)
    assert use.explained(noise + y, by=x @ walk(3, T=4, n=4)) == pytest.approx(mixed)  # a basis


def test_the_increment_is_in_an_analogue_forecasters_weights():
    model = DynaMix()
    start_as_analogue(model, pull=0.05, temperature=0.02, noise=0.0)
    seen = use.watch(X, steps=200, model=model, gate_noise=False)
    increments = np.diff(seen.states[:, :3], axis=0)
    assert use.explained(increments, by=seen.weights) > 0.999


def test_reliance_is_zero_on_what_the_gate_does_not_see():
    model = small_model()
    model.gate.U.data[:, 3:] = 0.0  # the gate's hidden layer sees the summary alone
    found = use.reliance(use.watch(X, steps=50, model=model))
    assert found["state"] == pytest.approx(0.0, abs=1e-20)
    assert found["context"] > 0.1
    model = small_model()
    model.gate.U.data[:, :3] = 0.0
    found = use.reliance(use.watch(X, steps=50, model=model))
    assert found["context"] == pytest.approx(0.0, abs=1e-20)
    assert found["state"] > 0.1


def test_regions_are_where_the_experts_are_affine():
    """Within a region each expert's map is affine: midpoints go to midpoints."""
    model = small_model().double()
    z = torch.from_numpy(walk(0, T=60, n=7))
    code = use.regions(z.numpy(), relu_units=2)
    assert set(code) == {0, 1, 2, 3}
    bits = (z[:, -2:] > 0).numpy()
    np.testing.assert_array_equal(code, bits[:, 0] + 2 * bits[:, 1])
    with torch.no_grad():
        for word in range(4):
            a, b = z[code == word][:2]
            between = model.experts(((a + b) / 2)[None])
            ends = model.experts(torch.stack([a, b])).mean(dim=0)
            np.testing.assert_allclose(between[0].numpy(), ends.numpy(), atol=1e-12)
    assert set(use.regions(z.numpy(), relu_units=0)) == {0}


def test_the_standout_expert_does_not_depend_on_its_usual_share():
    w = np.abs(walk(4, T=100, n=4))
    who = use.standout(w)
    np.testing.assert_array_equal(who, use.standout(w * [1, 0.01, 3, 1] + [0, 5, 0, 9]))
    assert set(use.standout(np.column_stack([w[:, 0], np.ones(100)]))) == {0, 1}


def test_transitions_of_a_markov_chain_come_back():
    rng = np.random.default_rng(0)
    P = np.array([[0.9, 0.1, 0.0], [0.0, 0.5, 0.5], [0.3, 0.3, 0.4]])
    code = [0]
    for u in rng.random(40_000):
        code.append(int(np.searchsorted(P[code[-1]].cumsum(), u)))
    symbols, found = use.transitions(np.array(code) + 10)
    np.testing.assert_array_equal(symbols, [10, 11, 12])
    np.testing.assert_allclose(found, P, atol=0.015)
    stationary = np.bincount(code) / len(code)
    rate = -(stationary[:, None] * P * np.log(np.where(P > 0, P, 1))).sum()
    increments = np.diff(use.block_entropies(np.array(code), longest=5))
    np.testing.assert_allclose(increments, rate, atol=0.01)  # memory of one step: all alike


def test_block_entropies_of_a_cycle_and_by_brute_force():
    cycle = np.tile([0, 1, 1], 200)
    np.testing.assert_allclose(np.diff(use.block_entropies(cycle, longest=6))[2:], 0, atol=1e-2)
    code = np.random.default_rng(1).integers(0, 3, 80)
    words = ["".join(map(str, code[i : i + 4])) for i in range(77)]
    shares = np.array([words.count(w) for w in set(words)]) / 77
    by_hand = -(shares * np.log(shares)).sum()
    assert use.block_entropies(code, longest=4)[3] == pytest.approx(by_hand)
    with pytest.raises(InputError, match="as long a code"):
        use.block_entropies(code[:3], longest=4)


def test_the_entropy_rate_of_a_generating_code_is_the_lyapunov_exponent():
    """Logistic map at 4, cut at its maximum: both are log 2 (Pesin)."""
    x = [0.1234]
    for _ in range(60_000):
        x.append(4 * x[-1] * (1 - x[-1]))
    x = np.array(x)
    exponent = np.log(np.abs(4 - 8 * x)).mean()
    rate = np.diff(use.block_entropies((x > 0.5).astype(int), longest=7))[-1]
    assert exponent == pytest.approx(math.log(2), abs=0.01)
    assert rate == pytest.approx(math.log(2), abs=0.01)
