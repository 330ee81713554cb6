"""The compiled engine computes what the reference does."""

import copy
import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix.engine import index as kernels_index
from dynamix.engine import rollout as kernels
from dynamix.engine import runtime as kernels_runtime
from dynamix.engine import training as kernels_training
from dynamix.engine.training import loss_and_gradient
from dynamix.engine.vectors import BITS
from dynamix.errors import InputError
from dynamix.model import DynaMix
from dynamix.model.rollouts import rollout
from dynamix.settings import ModelConfig, TrainingConfig
from dynamix.training import Batch, train, training_loss
from dynamix.training.trainer import read_log

SIZES = [(3, 30, 10, 2), (3, 30, 10, 0), (3, 12, 17, 12), (1, 1, 1, 0), (2, 9, 3, 4), (6, 33, 5, 2)]
TEMPERATURES = [0.005, 0.06, 1.0, 50.0]


def make_model(N, M, J, P, *, tau=None, seed=0, **other):
    """A random model whose experts differ, with weights large enough for the state to move."""
    sizes = {"observed_dims": N, "latent_dims": M, "experts": J, "relu_units": P}
    model = DynaMix(ModelConfig(**sizes, **other), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.experts.named_parameters():
            if name != "A":
                parameter.normal_(0.0, 0.3 / M**0.5, generator=generator)
        if tau is not None:
            model.gate.tau_att.fill_(tau)
    return model


def make_context(T_C, S, N, *, smooth, seed=0):
    generator = torch.Generator().manual_seed(seed)
    if not smooth:
        return torch.randn(T_C, S, N, generator=generator)
    t = torch.arange(T_C)[:, None, None]
    rate, phase = torch.rand(2, S, N, generator=generator)
    return 1.4 * torch.sin(0.2 * rate * t + 6 * phase)


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


# --- rollout ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tau", TEMPERATURES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("smooth", [False, True])
def test_rollout_equals_the_reference(sizes, tau, smooth):
    model = make_model(*sizes, tau=tau)
    context = make_context(257, 3, sizes[0], smooth=smooth)
    expected = rollout(model, context, horizon=50, return_gates=True)
    found = kernels.rollout(model, context, horizon=50, return_gates=True)
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
    found = kernels.rollout(model, context, horizon=2, seed=seed, threads=1).observations
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=5e-6 + 2e-6 / abs(tau))


def test_rollout_equals_the_reference_for_clipped_shallow_experts():
    model = make_model(3, 20, 5, 2, expert_kind="clipped_shallow_plrnn", hidden_units=21)
    context = make_context(300, 3, 3, smooth=True)
    expected = rollout(model, context, horizon=50, return_gates=True)
    found = kernels.rollout(model, context, horizon=50, return_gates=True)
    torch.testing.assert_close(found.observations, expected.observations, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.gates, expected.gates, rtol=0, atol=1e-5)


def test_rollout_takes_the_reference_s_options():
    model, context = make_model(3, 30, 10, 2), make_context(100, 2, 3, smooth=True)
    options = {"horizon": 30, "initial_x": torch.ones(2, 3), "gate_noise": False}
    expected = rollout(model, context, **options)
    found = kernels.rollout(model, context, **options)
    torch.testing.assert_close(found.observations, expected.observations, rtol=0, atol=1e-5)
    assert found.gates is None
    with pytest.raises(InputError):
        kernels.rollout(model, context[..., :2], horizon=3)


@pytest.mark.parametrize("sizes", [(3, 30, 10, 2), (6, 33, 5, 2)])
def test_rollout_depends_on_neither_threads_nor_neighbours(sizes):
    model = make_model(*sizes, tau=0.06)
    context = make_context(300, 5, sizes[0], smooth=True)
    alone = [kernels.rollout(model, context[:, s : s + 1].clone(), horizon=60) for s in range(5)]
    expected = torch.cat([one.observations for one in alone], dim=1)
    for threads in (1, 2, 3, None):
        found = kernels.rollout(model, context, horizon=60, threads=threads).observations
        assert torch.equal(found, expected), f"{threads} threads"


def test_a_longer_rollout_begins_with_the_shorter():
    model, context = make_model(3, 30, 10, 2), make_context(300, 1, 3, smooth=True)
    long = kernels.rollout(model, context, horizon=60).observations
    assert torch.equal(kernels.rollout(model, context, horizon=20).observations, long[:20])


def test_a_diverging_rollout_does_no_harm():
    model = make_model(3, 10, 4, 2)
    with torch.no_grad():
        model.experts.A.fill_(30.0)
    found = kernels.rollout(model, make_context(500, 2, 3, smooth=True), horizon=100).observations
    assert not found[-1].isfinite().any()


# --- the index --------------------------------------------------------------------------------


def attention_errors(context, queries, tau):
    """Largest error of the index's summaries, against all weights in float64."""
    K = len(context) - 1
    tau = np.float32(tau)
    parts = kernels_index.build(np.ascontiguousarray(context.T), K, tau)
    starts, levels = parts[3:]
    room = 8 * starts[levels] + 16
    lists, near, rows = (np.zeros(n, np.uint32) for n in (2 * room, room, room))
    shares, work, out = np.zeros(8 * room, np.float32), np.zeros(8), np.zeros(6)
    cutoff = np.float32(kernels_runtime.SAFE + math.log(K))
    worst = 0.0
    for query in queries:
        kernels_index.look_up(
            *parts,
            query,
            0,
            tau,
            cutoff,
            lists,
            near,
            rows,
            shares,
            work,
            BITS,
            out,
            0,
        )
        distance = np.abs(context[:-1].astype(float) - query).sum(axis=1)
        weight = np.exp(-(distance - distance.min()) / float(tau))
        weight /= weight.sum()
        steps = np.diff(context.astype(float), axis=0)
        exact = np.concatenate([weight @ context[:-1], weight @ steps])
        worst = max(worst, float(np.abs(out - exact).max()))
    return worst


def on_grid(values):
    """Values whose distances float32 holds exactly, so that what is left is the index's error."""
    return (np.round(np.asarray(values) * 1024) / 1024).astype(np.float32)


@pytest.mark.parametrize("tau", [0.0005, *TEMPERATURES, 1e4])
@pytest.mark.parametrize("K", [1, 7, 64, 65, 1000, 5000])
@pytest.mark.parametrize("smooth", [False, True])
def test_skipping_context_steps_changes_nothing(K, tau, smooth):
    context = on_grid(make_context(K + 1, 1, 3, smooth=smooth)[:, 0])
    rng = np.random.default_rng(K)
    queries = on_grid(
        np.concatenate([rng.standard_normal((40, 3)), context[rng.integers(K, size=20)]])
    )
    assert attention_errors(context, queries, tau) < 1e-6


@pytest.mark.parametrize("extra", [14.0, 16.0, 18.0, 20.0, 24.0])
def test_many_far_steps_are_not_skipped_where_they_add_up(extra):
    """One step near, ten thousand equally far: alone each is nothing, together they are not."""
    tau = 1 / 16
    context = np.full((10_001, 3), 0.0, np.float32)
    context[:, 0] = on_grid(0.25 + extra * tau)
    context[0] = (0.25, 0.0, 0.0)
    assert attention_errors(context, np.zeros((1, 3), np.float32), tau) < 1e-6


def test_equal_context_steps_are_no_trouble():
    context = np.zeros((500, 3), np.float32)
    assert attention_errors(context, np.ones((1, 3), np.float32), 0.06) < 1e-20


# --- training ---------------------------------------------------------------------------------

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


# --- compiling --------------------------------------------------------------------------------


class FakeKernel:
    """Compiles as told."""

    __name__ = "fake"

    def __init__(self, *, error=None, seconds=0.0):
        self.error, self.seconds = error, seconds

    def compile(self, types):
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error

    def __call__(self, *arguments):
        self.arguments = arguments


def test_a_kernel_that_does_not_compile_is_an_engine_unavailable():
    with pytest.raises(kernels_runtime.EngineUnavailable, match="no compiler"):
        kernels_runtime.call(FakeKernel(error=OSError("no compiler")), 1)


def test_long_compiling_is_announced_once(caplog, monkeypatch):
    monkeypatch.setattr(kernels_runtime, "NOTICE", 0.01)
    kernel = FakeKernel(seconds=0.2)
    kernels_runtime.call(kernel, 1)
    kernels_runtime.call(kernel, 2)
    assert [record.message.split(";")[0] for record in caplog.records] == ["compiling fake"]
    assert kernel.arguments == (2,)


def test_support_is_stated():
    assert kernels.supports(ModelConfig())
    assert kernels.supports(ModelConfig(expert_kind="clipped_shallow_plrnn"))
    assert not kernels.supports(ModelConfig(probabilistic=True))
    assert kernels_training.supports(ModelConfig(), TrainingConfig())
    shallow = ModelConfig(expert_kind="clipped_shallow_plrnn")
    assert not kernels_training.supports(shallow, TrainingConfig())


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
