"""Local experts: the fits against brute force, their invariances, and both engines' equality."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamix import DynaMix, InputError, ModelConfig, TrainingConfig, kernels_training
from dynamix.local import FLOOR, TINY, local_fits
from dynamix.training import draw_batch, training_loss
from dynamix.windows import WindowSampler

CONFIG = ModelConfig(local_neighbours=(8, 20), local_ridge=1e-2, local_pull=0.9)


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
            v = c[near + 1] - here - CONFIG.local_pull * u
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
    v = c[near + 1] - here - CONFIG.local_pull * u
    du, dv = u - w @ u, v - w @ v
    moments = du.T * w @ du + (CONFIG.local_ridge * squared[-1] + TINY) * np.eye(3)
    slope = np.linalg.solve(moments, du.T * w @ dv) + CONFIG.local_pull * np.eye(3)
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
        latent_dims=11, experts=3, local_neighbours=neighbours, local_ridge=1e-2, local_pull=0.9
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
        ({"local_pull": 1.5}, "local_pull lie in"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ModelConfig(**settings)  # type: ignore[arg-type]
