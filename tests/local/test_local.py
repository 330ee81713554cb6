"""Local experts: the fits against brute force, their invariances, and both engines' equality."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from dynamix import DynaMix, InputError, ModelConfig, TrainingConfig, forecast
from dynamix.engine import local as kernels_local
from dynamix.engine import training as kernels_training
from dynamix.local import FLOOR, TINY, choice, local_fits
from dynamix.model import rollouts as rollout
from dynamix.systems.windows import WindowSampler
from dynamix.training import draw_batch, train, training_loss

CONFIG = ModelConfig(local_neighbours=(8, 20), local_ridge=1e-2, local_pull=(0.9,))


def orbit(length: int = 300, seed: int = 0) -> torch.Tensor:
    """A smooth quasi-periodic series ``(length, 2, 3)`` in float64."""
    rng = np.random.default_rng(seed)
    t = np.arange(length)[:, None, None] * rng.uniform(0.05, 0.3, (1, 2, 3))
    return torch.from_numpy(np.sin(t) + 0.3 * np.cos(np.sqrt(2.0) * t + rng.uniform(0, 6, (2, 3))))


def case(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Query, state and context."""
    context = orbit(seed=seed)
    generator = torch.Generator().manual_seed(seed)
    x = context[70] + 0.05 * torch.randn(2, 3, generator=generator, dtype=torch.float64)
    return x + 0.02, x, context


def test_a_fit_solves_the_weighted_ridge_regression() -> None:
    query, x, context = case()
    predictions, features = local_fits(query, x, context, CONFIG)
    for s in range(2):
        c, q, here = (v.numpy() for v in (context[:, s], query[s], x[s]))
        squared = ((c[:-1] - q) ** 2).sum(axis=1)
        for e, count in enumerate(CONFIG.local_neighbours):
            near = np.argsort(squared)[:count]
            reach = squared[near[-1]]
            w = (1.0 - squared[near] / reach) ** 2 + FLOOR
            w /= w.sum()
            u = c[near] - here
            v = c[near + 1] - here - CONFIG.local_pull[0] * u
            # minimise sum w |v - b - B^T u|^2 + ridge |B|^2 over intercept and slope at once
            design = np.concatenate([np.ones((count, 1)), u], axis=1)
            penalty = np.diag([0.0] + [CONFIG.local_ridge * reach + TINY] * 3)
            solved = np.linalg.solve(design.T * w @ design + penalty, design.T * w @ v)
            assert np.allclose(predictions[s, e], here + solved[0], atol=1e-12)
            residual = np.sqrt(w @ ((v - design @ solved) ** 2).sum(axis=1) + TINY)
            told = features[s, [e, 2 + e]].exp().numpy()
            assert np.allclose(told, [np.sqrt(reach + TINY), residual], rtol=1e-9)


def test_affine_dynamics_are_found_exactly() -> None:
    generator = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0] * 0.999
    shift = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)
    states = [torch.randn(1, 3, generator=generator, dtype=torch.float64)]
    for _ in range(200):
        states.append(states[-1] @ turn + shift)
    context = torch.stack(states)
    config = ModelConfig(local_neighbours=(12,), local_ridge=1e-12)
    x = context[50] + 0.3  # off the context: the map holds everywhere
    found = local_fits(x, x, context, config).predictions[:, 0]
    assert torch.allclose(found, x @ turn + shift, atol=1e-6)


def test_turned_and_moved_axes_turn_and_move_the_prediction() -> None:
    query, x, context = case(2)
    generator = torch.Generator().manual_seed(5)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    plain, told = local_fits(query, x, context, CONFIG)
    other, told_too = local_fits(query @ turn + 2.0, x @ turn + 2.0, context @ turn + 2.0, CONFIG)
    assert torch.allclose(other, plain @ turn + 2.0, atol=1e-9)
    assert torch.allclose(told_too, told, atol=1e-6)


def test_no_jump_where_one_neighbour_takes_another_ones_place() -> None:
    _, x, context = case(3)
    config = ModelConfig(local_neighbours=(8,))
    steps = torch.linspace(0.0, 0.4, 4001, dtype=torch.float64)[:, None] * torch.ones(3)
    line = x[:1] + steps
    one = context[:, :1].expand(-1, len(line), -1)
    found = local_fits(line, x[:1].expand(len(line), -1), one, config).predictions[:, 0]
    jumps = found.diff(dim=0).norm(dim=-1)
    sets = ((one[:-1] - line) ** 2).sum(-1).topk(8, dim=0, largest=False)[1].sort(dim=0)[0]
    swaps = (sets.diff(dim=1) != 0).any(dim=0)
    assert swaps.sum() > 5
    assert jumps[swaps].max() < 5 * jumps[~swaps].max()


def test_gradients_go_through_the_map_and_not_through_the_fit() -> None:
    query, x, context = case(4)
    x = x.clone().requires_grad_()
    local_fits(query, x, context, CONFIG).predictions[0, 1, 2].backward()
    assert x.grad is not None
    # moving x alone, the fit about the old x: the map x -> x' is affine, so differences are exact
    c, q, here = context[:, 0].numpy(), query[0].numpy(), x[0].detach().numpy()
    near = np.argsort(((c[:-1] - q) ** 2).sum(axis=1))[:20]
    squared = ((c[near] - q) ** 2).sum(axis=1)
    w = (1.0 - squared / squared[-1]) ** 2 + FLOOR
    w /= w.sum()
    u = c[near] - here
    v = c[near + 1] - here - CONFIG.local_pull[0] * u
    du, dv = u - w @ u, v - w @ v
    moments = du.T * w @ du + (CONFIG.local_ridge * squared[-1] + TINY) * np.eye(3)
    slope = np.linalg.solve(moments, du.T * w @ dv) + CONFIG.local_pull[0] * np.eye(3)
    assert np.allclose(x.grad[0], slope[:, 2], atol=1e-10)
    assert not x.grad[1].any()


def test_a_context_that_stands_still_gives_a_finite_prediction() -> None:
    context = torch.ones(40, 1, 3)
    x = torch.ones(1, 3)
    predictions, features = local_fits(x, x, context, ModelConfig(local_neighbours=(8,)))
    assert torch.allclose(predictions, torch.ones(1, 1, 3))
    assert features.isfinite().all()


@pytest.mark.parametrize("neighbours", [(8,), (8, 20, 500)])
def test_the_compiled_gradient_equals_autograd(neighbours: tuple[int, ...]) -> None:
    config = ModelConfig(
        latent_dims=11, experts=3, local_neighbours=neighbours, local_ridge=1e-2, local_pull=(0.9,)
    )
    training = TrainingConfig(
        batch_size=3, window=21, overlap=1, context_length=150, forcing_interval=4
    )
    series = [orbit(600, seed=seed)[:, 0].numpy() for seed in range(3)]
    sampler = WindowSampler(series, length=training.sequence_length, rotations=True)
    batch = draw_batch(sampler, config, training, step=0)
    model = DynaMix(config, seed=1)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    loss, _ = kernels_training.loss_and_gradient(model, batch, training)
    compiled = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    model.double()
    exact = type(batch)(*(None if part is None else part.double() for part in batch))
    reference = training_loss(model, exact, training)
    reference.backward()
    assert loss == pytest.approx(reference.item(), rel=1e-5)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert (compiled[name] - parameter.grad).norm() <= 1e-4 * parameter.grad.norm(), name


def test_a_checkpoint_keeps_the_local_experts(tmp_path: object) -> None:
    model = DynaMix(CONFIG, seed=3)
    again = DynaMix.from_pretrained(model.save_pretrained(f"{tmp_path}/model.safetensors"))
    assert again.config == CONFIG
    for (name, a), (_, b) in zip(model.named_parameters(), again.named_parameters(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"local_neighbours": (4,)}, "at least observed_dims"),
        ({"local_ridge": 0.0}, "local_ridge must be positive"),
        ({"local_pull": (1.5,)}, "local_pull lie in"),
        ({"local_pull": (0.5, 0.6)}, "one for each of the 0"),
        ({"experts": 0}, "experts must be an integer of at least 1"),
        ({"local_neighbours": (8,), "local_choice": "context"}, "without learned experts"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ModelConfig(**settings)  # type: ignore[arg-type]


ALONE = ModelConfig(
    experts=0,
    latent_dims=3,
    relu_units=0,
    local_neighbours=(8, 20),
    local_pull=(1.0, 0.9),
    quiet_steps=5,
)


def test_without_learned_experts_the_local_ones_are_averaged() -> None:
    context = orbit().float()
    model = DynaMix(ALONE)
    read = model.gate.read(context)
    new, weights = model.step(context[70], read)
    assert torch.allclose(weights, torch.full((2, 2), 0.5))
    assert torch.allclose(
        new, local_fits(context[70], context[70], context, ALONE).predictions.mean(dim=1)
    )


@pytest.mark.parametrize("dims", [1, 2, 3, 5])
def test_both_engines_roll_out_local_experts_alike(dims: int) -> None:
    config = dataclasses.replace(ALONE, observed_dims=dims, latent_dims=dims)
    model = DynaMix(config).eval()
    context = orbit(200).float().repeat(1, 1, 2)[:, :, :dims]
    steps = 40 if dims > 1 else 5  # one channel is no state: where orbits cross, rounding decides
    plain = rollout.rollout(model, context, horizon=steps, seed=3, return_gates=True)
    for threads in (1, 2):
        fast = kernels_local.rollout(
            model, context, horizon=steps, seed=3, return_gates=True, threads=threads
        )
        assert torch.allclose(fast.observations, plain.observations, atol=1e-5)
        assert plain.gates is not None
        assert fast.gates is not None
        assert torch.equal(fast.gates, plain.gates)
    alone = kernels_local.rollout(model, context[:, 1:], horizon=steps, seed=3)
    assert torch.equal(alone.observations[:, 0], fast.observations[:, 1])


def test_the_context_picks_the_expert_whose_free_run_is_like_it() -> None:
    model = DynaMix(dataclasses.replace(ALONE, local_choice="context")).eval()
    context = orbit(200).float()

    def run(expert: DynaMix, shown: torch.Tensor, *, horizon: int, seed: int) -> rollout.Rollout:
        faithful = shown.repeat(-(-horizon // len(shown)), 1, 1)[:horizon]
        shrunk = 0.2 * faithful
        # the first expert keeps series 0 alive, the second series 1
        first = expert.config.local_neighbours == (8,)
        kept = [faithful[:, 0], shrunk[:, 1]] if first else [shrunk[:, 0], faithful[:, 1]]
        return rollout.Rollout(torch.stack(kept, dim=1), None)

    assert choice.choose(run, model, context, seed=0).tolist() == [0, 1]


def test_a_forecast_is_the_chosen_experts_own() -> None:
    model = DynaMix(dataclasses.replace(ALONE, local_choice="context")).eval()
    context = orbit(400).float().numpy()
    whole, gates = forecast(context, horizon=30, model=model, return_gates=True)
    for s in range(2):
        e = int(gates[0, s].argmax())
        assert (gates[:, s] == np.eye(2)[e]).all()
        only = forecast(context[:, s], horizon=30, model=choice.single(model, e))
        assert np.array_equal(whole[:, s], only)


def test_unlikeness_is_zero_for_the_context_itself_and_grows_with_the_difference() -> None:
    context = orbit(400)[:, 0].numpy()
    assert choice.unlikeness(context, context) == pytest.approx(0.0, abs=1e-6)
    near, far = context + 0.1, context + 1.0
    assert 0 < choice.unlikeness(near, context) < choice.unlikeness(far, context)
    assert choice.unlikeness(np.full_like(context, np.nan), context) == np.inf
    # the same boxes in another order: only the spectrum tells
    shuffled = np.random.default_rng(0).permutation(context)
    assert choice.unlikeness(shuffled, context) > 0.3


def test_a_chosen_expert_starts_where_it_is_told() -> None:
    model = DynaMix(dataclasses.replace(ALONE, local_choice="context")).eval()
    context = orbit(200).float().numpy()
    y = forecast(context, horizon=3, model=model, initial_x=context[50])
    assert np.allclose(y[0], context[51], atol=0.05)


def test_a_model_without_learned_experts_has_nothing_to_train(tmp_path: object) -> None:
    with pytest.raises(InputError, match="nothing to train"):
        train(f"{tmp_path}/run", model=ALONE, trajectories=[orbit(800)[:, 0].numpy()])
