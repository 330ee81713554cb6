"""Maps with a memory: what they are fitted to, how they run, and which one a context takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from dynamix import DynaMix, InputError, forecast, systems
from dynamix.engine import gp as compiled
from dynamix.engine.select import run_engine, settled
from dynamix.evaluation import results
from dynamix.forecasting.models import find_model
from dynamix.gp import GPConfig, memory, rollouts
from dynamix.gp.choice import COLUMNS, LEAST
from dynamix.gp.judge import Judge
from dynamix.gp.regression import Kernel, Regression, delayed
from dynamix.model.runs import Group

FEW = GPConfig(entries=(4,), memory_scales=(1.0, 4.0), memory_ridges=(1e-6, 1e-2))
LEARNED = "dynamix-gp-learned"


def context(T_C: int = 400, n: int = 1) -> np.ndarray:
    x = systems.trajectory("Lorenz", n=12_000, points_per_period=50)
    return x[1000 : 1000 + T_C, :n].astype(float)


@pytest.mark.parametrize(("n", "lags"), [(1, (0, 3, 6)), (2, (0, 1)), (1, (0,)), (3, (0, 5))])
def test_compiled_runs_equal_the_reference(n, lags):
    x = context(300, n)
    maps = [Regression(part, FEW, lags=lags).fit(Kernel(2.0, 1e-4)) for part in (x, x[::-1])]
    before = [x, x[: lags[-1] + 1]]
    slow, fast = rollouts.runs(maps, before, 30), compiled.runs(maps, before, 30)
    assert slow.shape == fast.shape == (30, 2, n)
    assert fast == pytest.approx(slow, abs=1e-6 * x.std())


def test_a_step_depends_on_the_observations_at_the_lags_alone():
    x, lags = context(300), (0, 4, 8)
    found = Regression(x, FEW, lags=lags).fit(Kernel(1.0, 1e-6))
    other = x.copy()
    other[[-2, -3, -4, -6, -10, -40]] += 100.0
    a, b = compiled.runs([found, found], [x, other], 1).swapaxes(0, 1)
    assert (a == b).all()
    state = delayed(x, lags)[-1:]
    assert a == pytest.approx(found.step(state), rel=1e-9)


def test_a_sum_of_waves_goes_on():
    t = np.arange(500.0)
    x = (np.sin(0.2 * t) + 0.7 * np.cos(0.11 * t))[:, None]
    y = forecast(x[:400], horizon=100, model="dynamix-gp", embedding="memory")
    assert y == pytest.approx(x[400:], abs=0.02)


def test_the_likelihood_of_a_fit_is_that_of_the_reduced_process():
    x, lags, kernel = context(60), (0, 2), Kernel(1.0, 1e-2)
    fitted = Regression(x, GPConfig(memory_centres=20, centres=20), lags=lags)
    found = fitted.fit(kernel)
    (misses,) = fitted.misses([found])
    states, rest = fitted.points, fitted.rest[1]
    ahead = (found.step(states * x.std() + x.mean(), held=False) - x.mean()) / x.std()
    moves = np.diff(x[lags[-1] :], axis=0) / x.std()
    assert misses == pytest.approx((moves - (ahead - states[:, :1])) / fitted.size, abs=1e-8)

    def values(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (1 + ((a[:, None] - b[None]) ** 2).sum(axis=-1) / 6) ** -3

    C, T = found.centres, len(states)
    near = values(states, C)
    K = near @ np.linalg.solve(values(C, C), near.T) + kernel.ridge * np.eye(T)
    variance = rest[:, 0] @ np.linalg.solve(K, rest[:, 0]) / T
    normal = stats.multivariate_normal(np.zeros(T), variance * K)
    expected = -normal.logpdf(rest[:, 0]) / T - 0.5 * np.log(2 * np.pi) - 0.5
    assert fitted.reduced_likelihood(found, misses) == pytest.approx(expected, abs=1e-5)


def test_features_do_not_depend_on_units():
    def seen(x: np.ndarray) -> np.ndarray:
        found = memory.proposals(x, FEW)
        free = compiled.runs([one.map for one in found], [x] * len(found), 500)
        return memory.features(found, free, x, x)

    x = context()
    found = seen(x)
    assert found.shape == (8, len(COLUMNS))
    np.testing.assert_allclose(seen(2.0**30 * x), found, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-12, 3.7, 1e12])
@pytest.mark.parametrize("n", [1, 2])
def test_units_change_no_forecast(unit, n):
    x = context(300, n)
    how = {"horizon": 400, "model": LEARNED}
    y = forecast(x, **how)
    assert forecast(unit * x, **how) / unit == pytest.approx(y, abs=1e-6 * x.std())


def test_the_map_is_that_of_the_lowest_rating():
    x, place = context(), memory.OF_MEMORY.index("ridge")
    for sign, ridge in ((1.0, 1e-6), (-1.0, 1e-2)):  # a judge that likes small, or large ridges

        def rate(found, sign=sign):
            return sign * found[:, place]

        found = memory.chosen(compiled.runs, rate, x, x, FEW)
        assert found.kernel.ridge == ridge


@pytest.mark.parametrize("start", [None, 200])
def test_a_settled_model_forecasts_the_same_bits(start):
    x, model = context(300), find_model(LEARNED)
    group = Group(model, x[:, None], None if start is None else x[start : start + 1])
    kept = settled("auto", group)
    assert "memory_judge.centre" not in kept.values
    a, b = (run_engine("auto", [group._replace(model=m)], horizon=50)[0] for m in (model, kept))
    assert (a.observations == b.observations).all()


def test_a_run_from_a_state_of_the_context_follows_it():
    x = context(1200)
    y = forecast(x, horizon=10, model=LEARNED, initial_x=x[700])
    assert y == pytest.approx(x[701:711], abs=0.05 * x.std())


@pytest.mark.parametrize("T_C", [3, 5, 12, 13, 40, LEAST - 1, LEAST])
@pytest.mark.parametrize("n", [1, 2])
def test_short_contexts_have_fewer_lags(T_C, n):
    x = context(T_C, n)
    assert all(lags[-1] <= T_C // 4 for lags in memory.lag_sets(x, GPConfig()))
    y = forecast(x, horizon=30, model=LEARNED)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("engine", ["torch", "numpy"])
def test_all_engines_choose_alike(engine):
    x = context(150)
    how = {"horizon": 10, "model": LEARNED}
    ours = forecast(x, **how)
    np.testing.assert_allclose(forecast(x, engine=engine, **how), ours, atol=1e-4 * x.std())


def test_other_models_have_no_memory():
    for model in ("dynamix-3d", "dynamix-3d-plus"):
        with pytest.raises(InputError, match="embedding='memory' is for"):
            forecast(context(), horizon=5, model=model, embedding="memory")


def test_both_judges_are_kept_with_their_model(tmp_path):
    model = DynaMix.from_pretrained(LEARNED)
    model.memory_judge = Judge.at_start(seed=3)
    again = DynaMix.from_pretrained(model.save_pretrained(tmp_path / "a.safetensors"))
    for name in ("judge", "memory_judge"):
        kept = getattr(again.widened(5), name).state_dict()
        for key, value in getattr(model, name).state_dict().items():
            assert torch.equal(value, kept[key])


def test_the_stored_result_calls_the_judge_trained():
    table, _ = results.read("memory_judge", make="python experiments/make_memory_judge.py")
    costs = table.pivot_table(index=["context", "noise"], columns="choice by", values="cost")
    assert (costs["judge"] < costs["judge before training"]).all()
    assert costs.loc[("all", "all"), "judge"] < costs.loc[("all", "all"), "likeness"]
