"""Compiled rollouts equal the model's."""

import pytest
import torch
from engine.cases import SIZES, TEMPERATURES, make_context, make_model
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix.engine import rollout as kernels
from dynamix.errors import InputError
from dynamix.model.rollouts import rollout
from dynamix.model.runs import Rollout


def compiled(*given, **options):
    """The compiled rollout, of tensors."""
    made = kernels.rollout(*given, **options)
    return Rollout(*(None if x is None else torch.from_numpy(x) for x in made))


@pytest.mark.parametrize("tau", TEMPERATURES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("smooth", [False, True])
def test_rollout_equals_the_reference(sizes, tau, smooth):
    model = make_model(*sizes, tau=tau)
    context = make_context(257, 3, sizes[0], smooth=smooth)
    expected = rollout(model, context, horizon=50, return_gates=True)
    found = compiled(model, context, horizon=50, return_gates=True)
    torch.testing.assert_close(found.observations, expected.observations, rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(found.gates, expected.gates, rtol=0, atol=1e-5)
    assert found.observations.dtype == torch.float32


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5).flatmap(lambda N: st.tuples(st.just(N), st.integers(N, 20))),
    st.integers(1, 12),
    st.integers(0, 20),
    st.integers(2, 700),
    st.integers(1, 4),
    st.sampled_from([*TEMPERATURES, -0.1]),
    st.booleans(),
    st.integers(0, 1000),
)
def test_rollout_equals_the_reference_for_any_size(dims, J, P, T_C, S, tau, smooth, seed):
    N, M = dims
    model = make_model(N, M, J, min(P, M), tau=tau, seed=seed)
    context = make_context(T_C, S, N, smooth=smooth, seed=seed)
    # two steps: the second amplifies the first one's rounding by up to 1 / tau, and every further
    # one would again, in either engine
    expected = rollout(model, context, horizon=2, seed=seed).observations
    found = compiled(model, context, horizon=2, seed=seed, threads=1).observations
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=5e-6 + 2e-6 / abs(tau))


def test_rollout_equals_the_reference_for_clipped_shallow_experts():
    model = make_model(3, 20, 5, 2, expert_kind="clipped_shallow_plrnn", hidden_units=21)
    context = make_context(300, 3, 3, smooth=True)
    expected = rollout(model, context, horizon=50, return_gates=True)
    found = compiled(model, context, horizon=50, return_gates=True)
    torch.testing.assert_close(found.observations, expected.observations, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.gates, expected.gates, rtol=0, atol=1e-5)


def test_rollout_takes_the_reference_s_options():
    model, context = make_model(3, 30, 10, 2), make_context(100, 2, 3, smooth=True)
    options = {"horizon": 30, "initial_x": torch.ones(2, 3), "gate_noise": False}
    expected = rollout(model, context, **options)
    found = compiled(model, context, **options)
    torch.testing.assert_close(found.observations, expected.observations, rtol=0, atol=1e-5)
    assert found.gates is None
    with pytest.raises(InputError):
        compiled(model, context[..., :2], horizon=3)


@pytest.mark.parametrize("sizes", [(3, 30, 10, 2), (6, 33, 5, 2)])
def test_rollout_depends_on_neither_threads_nor_neighbours(sizes):
    model = make_model(*sizes, tau=0.06)
    context = make_context(300, 5, sizes[0], smooth=True)
    alone = [compiled(model, context[:, s : s + 1].clone(), horizon=60) for s in range(5)]
    expected = torch.cat([one.observations for one in alone], dim=1)
    for threads in (1, 2, 3, None):
        found = compiled(model, context, horizon=60, threads=threads).observations
        assert torch.equal(found, expected), f"{threads} threads"


def test_a_longer_rollout_begins_with_the_shorter():
    model, context = make_model(3, 30, 10, 2), make_context(300, 1, 3, smooth=True)
    long = compiled(model, context, horizon=60).observations
    assert torch.equal(compiled(model, context, horizon=20).observations, long[:20])


def test_a_diverging_rollout_does_no_harm():
    model = make_model(3, 10, 4, 2)
    with torch.no_grad():
        model.experts.A.fill_(30.0)
    found = compiled(model, make_context(500, 2, 3, smooth=True), horizon=100).observations
    assert not found[-1].isfinite().any()
