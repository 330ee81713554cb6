"""The Gaussian-process forecaster: engines, choice, invariances and checkpoints."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import edit_config

from dynamix import DynaMix, InputError, forecast, systems
from dynamix.baselines import baseline
from dynamix.engine import gp as compiled
from dynamix.engine.select import run_engine, settled
from dynamix.forecasting.models import find_model
from dynamix.gp import GaussianProcess, GPConfig, rollouts
from dynamix.gp.regression import Kernel, Regression, candidates
from dynamix.metrics import histogram_hellinger, mase
from dynamix.model.runs import Group, saved
from dynamix.settings import ForecastDefaults

SMALL = GPConfig(ranked_on=80, centres=100)


def context(name: str = "Lorenz", T_C: int = 512) -> np.ndarray:
    """A stretch of a system's trajectory, and 1,000 steps more."""
    x = systems.trajectory(name, n=12_000, points_per_period=50)
    return x[1000 : 2000 + T_C].astype(float)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_compiled_runs_equal_the_reference(n):
    x = np.hstack([context(), context("Rossler")])[:300, :n]
    maps = [Regression(part, SMALL).fit(Kernel(1.0, 1e-6)) for part in (x, x[::-1])]
    start, steps = [x[-1:], x[:1]], 30
    slow = rollouts.runs(maps, start, steps)
    fast = compiled.runs(maps, start, steps, threads=2)
    assert slow.shape == fast.shape == (steps, 2, n)
    assert fast == pytest.approx(slow, abs=1e-6 * x.std())
    assert (compiled.runs(maps, start, steps, threads=1) == fast).all()


def test_it_knows_a_flow_from_a_short_clean_context():
    x, truth = np.split(context(), [512])
    y = forecast(x, horizon=1000, model=GaussianProcess())
    assert mase(forecast=y, truth=truth) < 0.01
    assert histogram_hellinger(forecast=y, truth=truth) < 0.7
    assert forecast(x, horizon=20, model=GaussianProcess(), engine="torch") == pytest.approx(
        y[:20], abs=1e-3
    )


@pytest.mark.parametrize("name", ["dynamix-gp", "dynamix-gp-learned"])
def test_a_settled_model_forecasts_the_same_bits(name):
    """Its kernel is the one that the context chooses; a start is part of the choice."""
    x = context(T_C=300)[:300]
    model = find_model(name)
    for start in (None, x[40:41]):
        group = Group(model, x[:, None], start)
        kept = settled("auto", group)
        assert len(candidates(kept.config)) == 1
        runs = [run_engine("auto", [group._replace(model=m)], horizon=50)[0] for m in (model, kept)]
        np.testing.assert_array_equal(runs[1].observations, runs[0].observations)
    assert settled("numpy", Group(kept, x[:, None])).config == kept.config


def test_start_and_step_are_those_of_the_likeliest_kernel():
    x = context()[:200]
    model = GaussianProcess(SMALL)
    fitted, z = model.start(torch.from_numpy(x[:, None]))
    assert (z.numpy() == x[-1]).all()
    regression = Regression(x, SMALL)
    expected = regression.fit(regression.ranked()[0]).step(x[-1:])
    assert model.step(z, fitted)[0].numpy() == pytest.approx(expected)


def test_a_run_that_reaches_the_box_is_not_chosen():
    """The kernels of the first two ridges leave the context; the third stays."""
    x = context()[:100]
    own, asked = rollouts._Own.of(x, x[-1]), []

    def run(maps, start, horizon):
        asked.append(maps[0].kernel.ridge)
        inside = np.resize(own.x, (horizon, 1, 3))
        return inside if len(asked) == 3 else inside * 1e6

    config = GPConfig(ranked_on=80, centres=100, tried=1)
    found = rollouts._choose(run, own, saved(GaussianProcess(config)))
    assert len(asked) == 3
    assert found.kernel.ridge == asked[-1]


def test_series_side_by_side_do_not_meet():
    both = np.stack([context()[:200], context("Rossler")[:200]], axis=1)
    model = GaussianProcess(SMALL)
    y = forecast(both, horizon=50, model=model)
    for s in range(2):
        alone = forecast(np.ascontiguousarray(both[:, s]), horizon=50, model=model)
        assert (alone == y[:, s]).all()


@pytest.mark.parametrize("standardize", [True, False])
def test_units_change_nothing(standardize):
    x, how = context()[:200], {"horizon": 10, "standardize": standardize}
    model = GaussianProcess(SMALL)
    y = forecast(x, model=model, **how)
    moved = forecast(x * 1024.0 - 4096.0, model=model, **how)
    assert (moved + 4096.0) / 1024.0 == pytest.approx(y, abs=0.05)


def test_more_channels_than_three_are_seen_together():
    x = np.hstack([context(), context("Rossler")])
    y = forecast(x[:512], horizon=30, model=GaussianProcess())
    assert y.shape == (30, 6)
    assert mase(forecast=y, truth=x[512:]) < 0.2


def test_a_checkpoint_brings_everything_back(tmp_path):
    model = GaussianProcess(SMALL, defaults=ForecastDefaults(embedding="delay", denoise="auto"))
    path = model.save_pretrained(tmp_path / "mine.safetensors")
    back = DynaMix.from_pretrained(path)
    assert isinstance(back, GaussianProcess)
    assert back.config == model.config
    assert back.defaults == model.defaults
    x = context()[:200]
    assert (forecast(x, horizon=9, model=back) == forecast(x, horizon=9, model=model)).all()
    assert baseline(str(path)).identity == baseline(model).identity
    edit_config(path, architecture={"N": 10**12})
    with pytest.raises(InputError, match=r"shape \(1000000000000,\)"):
        DynaMix.from_pretrained(path)
    for name in ("scales", "ridges"):
        for wrong in ([], [-1.0], [0.0], [1e-320], [float("inf")]):
            edit_config(path, gp={"scales": [1.0], "ridges": [1e-6], name: wrong})
            with pytest.raises(InputError, match=name):
                DynaMix.from_pretrained(path)


def test_the_weights_of_another_kind_are_refused(tmp_path):
    path = DynaMix().save_pretrained(tmp_path)
    edit_config(path, gp={})
    with pytest.raises(InputError, match="no others but those of judges"):
        DynaMix.from_pretrained(path)
