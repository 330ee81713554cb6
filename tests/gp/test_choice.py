"""The judge: features that units do not change, and choices that its weights decide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import dynamix
from dynamix import InputError, systems
from dynamix.engine.gp import runs
from dynamix.evaluation import results
from dynamix.gp import GaussianProcess, GPConfig
from dynamix.gp.choice import (
    _LATER,
    COLUMNS,
    LEAST,
    OF_CANDIDATE,
    Look,
    best_rated,
    features,
    judged,
    ratings,
)
from dynamix.gp.judge import Judge
from dynamix.gp.regression import Regression, candidates

FEW = GPConfig(scales=(1.0, 4.0), ridges=(1e-6, 1e-2))


def context(T_C: int = 300, n: int = 3) -> np.ndarray:
    x = systems.trajectory("Lorenz", n=12_000, points_per_period=50)
    return x[1000 : 1000 + T_C, :n].astype(float)


def seen(x: np.ndarray) -> np.ndarray:
    regression = Regression(x, FEW)
    maps = [regression.fit(kernel) for kernel in candidates(FEW)]
    return features(runs, regression, maps, x, x[-1:].copy())


@pytest.mark.parametrize("n", [1, 3])
def test_features_do_not_depend_on_units(n):
    x = context(n=n)
    found = seen(x)
    assert found.shape == (4, len(COLUMNS))
    np.testing.assert_allclose(seen(2.0**30 * x), found, atol=1e-6)


def test_a_run_that_is_the_context_differs_from_it_in_nothing():
    z = context()
    z = (z - z.mean(axis=0)) / z.std(axis=0)
    found = dict(zip(OF_CANDIDATE[7:], Look(z).of_run(z), strict=True))
    moving = {found.pop("motion"), found.pop("halves")}
    np.testing.assert_allclose(list(found.values()), 0.0, atol=1e-5)
    assert np.isfinite(list(moving)).all()
    rests = dict(zip(OF_CANDIDATE[7:], Look(z).of_run(np.tile(z[:1], (len(z), 1))), strict=True))
    assert rests["motion"] < -10
    assert rests["regions"] > 0.7
    assert rests["spectrum"] == 1.0
    away = Look(z).of_run(z + 100.0)
    assert away[0] == 1.0  # regions


def test_the_untrained_judge_is_the_one_that_training_began_with():
    trained = dynamix.DynaMix.from_pretrained("dynamix-gp-learned")
    model = dynamix.baselines.baseline("dynamix-gp-learned-untrained").model
    assert model.defaults == trained.defaults
    found = torch.from_numpy(seen(context())).float()
    before = torch.get_rng_state()
    with torch.no_grad():
        a, b = (Judge.at_start(seed=0).layers(found) for _ in range(2))
        scaled = (found - trained.judge.centre) / trained.judge.width
        begun = Judge.at_start(seed=0).layers(scaled.clamp(-5, 5))[..., 0]
    assert (a == b).all()
    assert (torch.get_rng_state() == before).all()
    assert (model.judge(found) == begun).all()
    assert (model.judge(found) != trained.judge(found)).all()


def test_the_map_is_that_of_the_lowest_rating():
    x = context()
    regression = Regression(x, FEW)
    place = OF_CANDIDATE.index("ridge")
    for sign, ridge in ((1.0, 1e-6), (-1.0, 1e-2)):  # a judge that likes small, or large ridges

        def rate(found, sign=sign):
            return sign * found[:, place]

        found = judged(runs, rate, regression, x, x[-1:].copy())
        assert found.kernel.ridge == ridge


def test_a_map_whose_run_comes_to_rest_is_not_taken():
    x = context()
    maps = [Regression(x, FEW).fit(kernel) for kernel in candidates(FEW)]
    moves = np.random.default_rng(0).normal(size=(_LATER, 1, 3)) * x.std(axis=0)
    for resting in ([], [0], [0, 1], [0, 1, 2, 3]):

        def run(some, before, horizon, resting=resting):
            (k,) = (i for i, one in enumerate(maps) if one is some[0])
            return np.where(k in resting, 0.001, 1.0) * moves[:horizon]

        found = best_rated(run, maps, np.arange(4.0), x)
        assert found is maps[len(resting) % 4]


def test_a_judge_is_kept_with_its_model(tmp_path):
    torch.manual_seed(0)
    model = GaussianProcess(GPConfig(observed_dims=3), judge=Judge()).eval()
    again = dynamix.DynaMix.from_pretrained(model.save_pretrained(tmp_path / "a.safetensors"))
    assert again.widened(5).judge is again.judge
    for name, value in model.judge.state_dict().items():
        assert torch.equal(value, again.judge.state_dict()[name])
    y = [dynamix.forecast(context(), horizon=20, model=m) for m in (model, again)]
    np.testing.assert_array_equal(*y)


def test_ratings_need_no_torch():
    torch.manual_seed(1)
    judge = Judge().eval()
    judge.width.mul_(2.0)
    seen = 4.0 * torch.randn(24, len(COLUMNS))
    layers = {name: value.numpy() for name, value in judge.state_dict().items()}
    with torch.no_grad():
        expected = judge(seen).numpy()
    np.testing.assert_allclose(ratings(layers, seen.numpy()), expected, atol=1e-5)


def test_a_judge_of_another_shape_is_refused(tmp_path):
    model = GaussianProcess(judge=Judge(first=8)).eval()
    path = model.save_pretrained(tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="another judge"):
        dynamix.DynaMix.from_pretrained(path)


def test_a_short_context_gets_the_rule():
    x = context(LEAST - 1)
    y = [dynamix.forecast(x, horizon=30, model=m) for m in ("dynamix-gp", "dynamix-gp-learned")]
    np.testing.assert_array_equal(*y)


@pytest.mark.parametrize("engine", ["torch", "numpy", "compiled"])
def test_all_engines_choose_alike(engine):
    x = context(200)
    y = dynamix.forecast(x, horizon=20, model="dynamix-gp-learned", engine=engine)
    ours = dynamix.forecast(x, horizon=20, model="dynamix-gp-learned")
    np.testing.assert_allclose(y, ours, atol=1e-4 * x.std())


def test_the_stored_result_calls_the_judge_trained():
    table, _ = results.read("judge", make="python experiments/make_judge.py")
    costs = table.pivot_table(index=["context", "noise"], columns="choice by", values="cost")
    assert (costs["judge"] < costs["judge before training"]).all()
    assert costs.loc[("all", "all"), "judge"] < costs.loc[("all", "all"), "likelihood and likeness"]


def test_a_channel_at_rest_is_no_more_than_that():
    z = context()
    z[:, 1] = 0.0
    found = Look(z).of_run(z + np.array([0.0, 1e-3, 0.0])[: z.shape[1]])
    assert np.isfinite(found).all()
