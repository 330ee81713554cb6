"""The local forecaster: fits against brute force, invariances, engines, choice and checkpoints."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import edit_config, wave
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import DynaMix, InputError, TrainingConfig, forecast
from dynamix.engine import local as kernels_local
from dynamix.local import LocalForecaster, choice, forecaster
from dynamix.local.fits import local_fits
from dynamix.local.settings import FLOOR, TINY, LocalConfig
from dynamix.metrics.reconstruction import power_spectrum
from dynamix.model import checkpoints
from dynamix.model.runs import saved
from dynamix.settings import ForecastDefaults
from dynamix.training import train

CONFIG = LocalConfig(neighbours=(8, 20), ridge=1e-2, pulls=(0.9, 0.9))


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
    predictions = local_fits(query, x, context, CONFIG)
    for s in range(2):
        c, q, here = (v.numpy() for v in (context[:, s], query[s], x[s]))
        squared = ((c[:-1] - q) ** 2).sum(axis=1)
        for e, count in enumerate(CONFIG.neighbours):
            near = np.argsort(squared)[:count]
            reach = squared[near[-1]]
            w = (1.0 - squared[near] / reach) ** 2 + FLOOR
            w /= w.sum()
            u = c[near] - here
            v = c[near + 1] - here - CONFIG.pulls[0] * u
            # minimise sum w |v - b - B^T u|^2 + ridge |B|^2 over intercept and slope at once
            design = np.concatenate([np.ones((count, 1)), u], axis=1)
            penalty = np.diag([0.0] + [CONFIG.ridge * reach + TINY] * 3)
            solved = np.linalg.solve(design.T * w @ design + penalty, design.T * w @ v)
            assert np.allclose(predictions[s, e], here + solved[0], atol=1e-12)


def test_affine_dynamics_are_found_exactly() -> None:
    generator = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0] * 0.999
    shift = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)
    states = [torch.randn(1, 3, generator=generator, dtype=torch.float64)]
    for _ in range(200):
        states.append(states[-1] @ turn + shift)
    context = torch.stack(states)
    config = LocalConfig(neighbours=(12,), pulls=(0.95,), ridge=1e-12)
    x = context[50] + 0.3  # off the context: the map holds everywhere
    found = local_fits(x, x, context, config)[:, 0]
    assert torch.allclose(found, x @ turn + shift, atol=1e-6)


def test_turned_and_moved_axes_turn_and_move_the_prediction() -> None:
    query, x, context = case(2)
    generator = torch.Generator().manual_seed(5)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    plain = local_fits(query, x, context, CONFIG)
    other = local_fits(query @ turn + 2.0, x @ turn + 2.0, context @ turn + 2.0, CONFIG)
    assert torch.allclose(other, plain @ turn + 2.0, atol=1e-9)


def test_no_jump_where_one_neighbour_takes_another_ones_place() -> None:
    _, x, context = case(3)
    config = LocalConfig(neighbours=(8,), pulls=(0.95,))
    steps = torch.linspace(0.0, 0.4, 4001, dtype=torch.float64)[:, None] * torch.ones(3)
    line = x[:1] + steps
    one = context[:, :1].expand(-1, len(line), -1)
    found = local_fits(line, x[:1].expand(len(line), -1), one, config)[:, 0]
    jumps = found.diff(dim=0).norm(dim=-1)
    sets = ((one[:-1] - line) ** 2).sum(-1).topk(8, dim=0, largest=False)[1].sort(dim=0)[0]
    swaps = (sets.diff(dim=1) != 0).any(dim=0)
    assert swaps.sum() > 5
    assert jumps[swaps].max() < 5 * jumps[~swaps].max()


def test_gradients_go_through_the_map_and_not_through_the_fit() -> None:
    query, x, context = case(4)
    x = x.clone().requires_grad_()
    local_fits(query, x, context, CONFIG)[0, 1, 2].backward()
    assert x.grad is not None
    # moving x alone, the fit about the old x: the map x -> x' is affine, so differences are exact
    c, q, here = context[:, 0].numpy(), query[0].numpy(), x[0].detach().numpy()
    near = np.argsort(((c[:-1] - q) ** 2).sum(axis=1))[:20]
    squared = ((c[near] - q) ** 2).sum(axis=1)
    w = (1.0 - squared / squared[-1]) ** 2 + FLOOR
    w /= w.sum()
    u = c[near] - here
    v = c[near + 1] - here - CONFIG.pulls[0] * u
    du, dv = u - w @ u, v - w @ v
    moments = du.T * w @ du + (CONFIG.ridge * squared[-1] + TINY) * np.eye(3)
    slope = np.linalg.solve(moments, du.T * w @ dv) + CONFIG.pulls[0] * np.eye(3)
    assert np.allclose(x.grad[0], slope[:, 2], atol=1e-10)
    assert not x.grad[1].any()


def test_a_context_that_stands_still_gives_a_finite_prediction() -> None:
    context = torch.ones(40, 1, 3)
    x = torch.ones(1, 3)
    predictions = local_fits(x, x, context, LocalConfig(neighbours=(8,), pulls=(0.95,)))
    assert torch.allclose(predictions, torch.ones(1, 1, 3))


def test_a_checkpoint_keeps_the_forecaster(tmp_path: Path) -> None:
    model = LocalForecaster(CONFIG, sigma=0.3, defaults=ForecastDefaults(quiet_steps=7))
    again = DynaMix.from_pretrained(model.save_pretrained(tmp_path / "model.safetensors"))
    assert isinstance(again, LocalForecaster)
    assert (again.config, again.defaults) == (CONFIG, model.defaults)
    assert torch.equal(again.sigma, model.sigma)


def test_the_bundled_file_and_one_in_the_older_layout_are_read(tmp_path: Path) -> None:
    bundled = DynaMix.from_pretrained("dynamix-3d-plus")
    local = {"local_neighbours": LocalConfig().neighbours, "local_ridge": LocalConfig().ridge}
    local |= {"local_pull": LocalConfig().pulls, "local_choice": "context"}
    config = {"architecture": {"N": 3, "M": 3, "Experts": 0}, "local": local}
    sigma = {"gating_network.sigma": bundled.sigma.detach()}
    path = checkpoints.write(tmp_path / "old.safetensors", sigma, config, bundled.defaults)
    for model in (bundled, DynaMix.from_pretrained(path)):
        assert isinstance(model, LocalForecaster)
        assert model.config == LocalConfig()
        assert model.defaults == ForecastDefaults(embedding="pecuzal", quiet_steps=20)
        assert model.sigma.tolist() == pytest.approx([0.02] * 3)


def test_a_file_that_mixes_learned_and_local_experts_is_refused(tmp_path: Path) -> None:
    path = LocalForecaster(CONFIG).save_pretrained(tmp_path)
    edit_config(path, architecture={"Experts": 10})
    with pytest.raises(InputError, match="mixes learned and local experts"):
        DynaMix.from_pretrained(path)
    edit_config(path, architecture={"N": 2, "Experts": 0})
    with pytest.raises(InputError, match=r"tensor 'gating_network.sigma' of shape"):
        DynaMix.from_pretrained(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"neighbours": (4,), "pulls": (1.0,)}, "at least observed_dims"),
        ({"ridge": 0.0}, "ridge must be a number above 0"),
        (
            {"pulls": (1.5,) * 8},
            "pulls must be a tuple of numbers each of at least 0 and at most 1",
        ),
        ({"pulls": (0.5, 0.6)}, "one number for each candidate, found 8 and 2"),
        ({"neighbours": (), "pulls": ()}, "one number for each candidate, found 0 and 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LocalConfig(**settings)


def test_a_step_averages_the_candidates() -> None:
    context = orbit().float()
    model = LocalForecaster(CONFIG)
    new, weights = model.step(context[70], model.read(context))
    assert torch.allclose(weights, torch.full((2, 2), 0.5))
    assert torch.allclose(new, local_fits(context[70], context[70], context, CONFIG).mean(dim=1))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_both_engines_roll_out_alike(dims: int) -> None:
    model = LocalForecaster(dataclasses.replace(CONFIG, observed_dims=dims), sigma=0.05)
    context = orbit(200).float().numpy()[:, :, :dims]
    steps = 40 if dims > 1 else 5  # one channel is no state: where orbits cross, rounding decides
    pairs, options = (np.array([1, 0, 1, 1]), np.array([0, 1, 1, 0])), {"horizon": steps, "seed": 3}
    plain = forecaster.rollouts(model, context, *pairs, **options)
    for threads in (1, 2):
        fast = kernels_local.rollouts(saved(model), context, *pairs, threads=threads, **options)
        assert np.allclose(fast, plain, atol=1e-5)
    alone = kernels_local.rollouts(
        saved(model), context[:, 1:], 0 * pairs[0][:1], pairs[1][:1], **options
    )
    assert np.array_equal(alone[:, 0], fast[:, 0])
    assert np.array_equal(fast[:, 3], fast[:, 0])


@given(st.integers(2, 300), st.integers(1, 40), st.integers(0, 99), st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_search_finds_the_nearest_steps(T_C: int, count: int, seed: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(T_C, 1, 3)).cumsum(axis=0).round(0 if coarse else 6).astype(np.float32)
    model = LocalForecaster(LocalConfig(neighbours=(5 + count,), pulls=(0.5,)), sigma=0.1)
    one, options = np.zeros(1, np.int64), {"horizon": 3, "seed": seed}
    fast = kernels_local.rollouts(saved(model), x, one, one, **options)
    plain = forecaster.rollouts(model, x, one, one, **options)
    if not coarse:  # torch takes any of several steps that are equally far
        assert np.allclose(fast, plain, atol=1e-3, rtol=1e-4)
    assert np.isfinite(fast).all()


@pytest.mark.parametrize("dims", [4, 11])
def test_both_engines_roll_out_alike_in_many_dimensions(dims: int) -> None:
    model = LocalForecaster(CONFIG, sigma=0.05).widened(dims)
    assert min(model.config.neighbours) >= dims + 2
    context = np.stack([wave(90, dims), wave(90, dims, seed=1)], axis=1).astype(np.float32)
    pairs, options = (np.array([1, 0, 1]), np.array([0, 1, 1])), {"horizon": 20, "seed": 3}
    plain = forecaster.rollouts(model, context, *pairs, **options)
    for threads in (1, 2):
        fast = kernels_local.rollouts(saved(model), context, *pairs, threads=threads, **options)
        assert np.allclose(fast, plain, atol=1e-4)


def test_a_forecast_of_many_channels_is_of_all_together() -> None:
    """A state of four coordinates is found again, and one coordinate alone does not determine it.

    The channels' order and units play no part.
    """
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    angle = 2 * np.pi * np.arange(860)[:, None] / np.array([40, 25])
    x = np.hstack([np.sin(angle), np.cos(angle)]) @ turned
    given = {"horizon": 60, "model": "dynamix-3d-plus", "gate_noise": False}
    together = forecast(x[:800], **given)
    assert np.abs(together - x[800:]).max() < 1e-4
    swapped = forecast(x[:800, ::-1] * 8.0, **given)
    assert np.allclose(swapped[:, ::-1] / 8.0, together, atol=1e-4)
    alone = forecast(x[:800, :1], embedding="zero", **given)
    assert np.abs(together[:, :1] - alone).max() > 0.1


def test_many_channels_fill_boxes_and_a_short_context() -> None:
    x = wave(60, 70)  # more channels than 64-bit numbers of boxes, and than steps
    assert np.isfinite(forecast(x, horizon=3, model="dynamix-3d-plus")).all()


def test_the_context_chooses_the_candidate_whose_free_run_is_like_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, context = LocalForecaster(CONFIG), orbit(200).numpy()

    def run(
        _: Any, shown: np.ndarray, series: Any, candidates: Any, *, horizon: int, seed: int
    ) -> np.ndarray:
        faithful = np.resize(shown, (horizon, *shown.shape[1:]))
        # the first candidate keeps series 0 alive, the second one series 1
        scale = np.where(series == candidates, 1.0, 0.2)
        return scale[:, None] * faithful[:, series]

    assert choice.choose(run, model, context, seed=0).tolist() == [0, 1]
    monkeypatch.setattr(choice, "_MOST_NUMBERS", 1)  # one series at a time
    assert choice.choose(run, model, context, seed=0).tolist() == [0, 1]


def test_a_forecast_is_that_of_the_chosen_candidate() -> None:
    model = LocalForecaster(CONFIG, defaults=ForecastDefaults(quiet_steps=5))
    context = orbit(400).float().numpy()
    whole, gates = forecast(context, horizon=30, model=model, return_gates=True)
    for s in range(2):
        e = int(gates[0, s].argmax())
        assert (gates[:, s] == np.eye(2)[e]).all()
        only = forecast(context[:, s], horizon=30, model=model.candidate(e))
        assert np.array_equal(whole[:, s], only)


def test_unlikeness_is_zero_for_the_context_itself_and_grows_with_the_difference() -> None:
    context = orbit(400)[:, 0].numpy()
    unlike = choice.unlikeness(context)
    assert unlike(context) == pytest.approx(0.0, abs=1e-6)
    near, far = context + 0.1, context + 1.0
    assert 0 < unlike(near) < unlike(far)
    assert unlike(np.full_like(context, np.nan)) == np.inf
    # the same boxes in another order: only the spectrum differs
    shuffled = np.random.default_rng(0).permutation(context)
    assert unlike(shuffled) > 0.3


@pytest.mark.parametrize(("T_C", "n"), [(400, 3), (1001, 1), (37, 2)])
def test_unlikeness_is_that_of_its_definition(T_C: int, n: int) -> None:
    context, run = wave(T_C, n), wave(2 * T_C, n, seed=1)
    side, smoothing = round(216 ** (1 / n)), max(1.0, 0.002 * T_C)
    low, high = context.min(axis=0), context.max(axis=0)
    edges = [
        np.linspace(a - 0.05 * (b - a), b + 0.05 * (b - a), side + 1)
        for a, b in zip(low, high, strict=True)
    ]
    p, q = (np.histogramdd(x, edges)[0] / len(x) for x in (context, run))
    ours, first, second = (
        power_spectrum(x, smoothing=smoothing) for x in (context, run[:T_C], run[T_C:])
    )
    affinity = np.sqrt(ours * (first + second) / 2).sum(axis=0)
    by_hand = 1.0 - np.sqrt(p * q).sum() + 3.0 * np.sqrt(1.0 - affinity).mean()
    assert choice.unlikeness(context)(run) == pytest.approx(by_hand, abs=1e-12)


def test_a_forecast_starts_at_initial_x() -> None:
    context = orbit(200).float().numpy()
    y = forecast(context, horizon=3, model=LocalForecaster(CONFIG), initial_x=context[50])
    assert np.allclose(y[0], context[51], atol=0.05)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("start", [1e8, 1e12, 1e20, 1e38])
def test_a_start_far_outside_the_context(start: float, n: int) -> None:
    context, model = wave(60, n), LocalForecaster(LocalConfig(observed_dims=n))
    if start > 1e18:
        with pytest.raises(InputError, match="initial_x must lie within"):
            forecast(context, horizon=4, model=model, initial_x=np.full(n, start))
        return
    y = forecast(context, horizon=4, model=model, initial_x=np.full(n, start))
    assert y.shape == (4, n)
    assert np.isfinite(y).all()


def test_a_sigma_that_kicks_the_query_far_away() -> None:
    model = saved(LocalForecaster(CONFIG))
    far = dataclasses.replace(model, values={"sigma": np.full(3, 3e38, np.float32)})
    assert forecast(wave(60), horizon=4, model=far).shape == (4, 3)


def test_values_beyond_the_index_are_refused() -> None:
    x = wave(60)
    assert np.isfinite(
        forecast(1e12 * x, horizon=4, model="dynamix-3d-plus", standardize=False)
    ).all()
    with pytest.raises(InputError, match="without standardize"):
        forecast(1e20 * x, horizon=4, model="dynamix-3d-plus", standardize=False)


def test_a_local_forecaster_is_not_trained_further(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no learned experts to train"):
        train(
            tmp_path / "run",
            training=TrainingConfig(start_from="dynamix-3d-plus"),
            trajectories=[orbit(800)[:, 0].numpy()],
        )
