"""Rivals behind one signature."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest
from helpers import ROOT, wave

import dynamix
from dynamix import InputError
from dynamix.baselines import forecasters
from dynamix.baselines import simple as baselines
from dynamix.baselines import trained as baselines_trained
from dynamix.baselines.settings import ContextTrainingConfig, NeuralODEConfig


def test_parroting_continues_a_cycle_exactly():
    t = np.arange(400)[:, None]
    x = np.concatenate([np.sin(2 * np.pi * t / 25), np.cos(2 * np.pi * t / 25)], axis=1)
    np.testing.assert_allclose(baselines.parrot(x[:300], 100), x[300:], atol=1e-9)


def test_a_parrot_does_not_take_the_present_for_its_past():
    """An orbit that ends slowly: one step back is nearest, and would be copied for ever."""
    t = np.linspace(0, 6, 600)
    x = np.stack([np.exp(-t), np.exp(-2 * t)], axis=1)
    y = baselines.parrot(x, 30)
    np.testing.assert_array_equal(y[:20], np.resize(x[590:], (20, 2)))  # not x[599] alone


def test_parroting_copies_what_followed_the_best_match_and_repeats_it():
    x = np.random.default_rng(0).normal(size=(60, 2))
    x[20:30] = x[50:60]
    y = baselines.parrot(x, 75)
    np.testing.assert_array_equal(y[:30], x[30:])
    np.testing.assert_array_equal(y[30:60], x[30:])
    np.testing.assert_array_equal(y[60:], x[30:45])


@pytest.mark.parametrize("name", [*baselines.BASELINES, "dynamix-3d"])
def test_every_rival_has_the_same_signature(name, quick_training, recwarn):
    call = baselines.baseline(name)
    for package in call.packages:
        pytest.importorskip(package)
    x = wave(60).astype(np.float32)
    y = call(x, 20, seed=0)
    assert y.shape == (20, 3)
    assert y.dtype == np.float32
    assert np.isfinite(y).all()
    assert call(x.astype(np.float64), 3, seed=0).dtype == np.float64
    assert not recwarn.list


@pytest.fixture
def quick_training(monkeypatch):
    monkeypatch.setattr(
        baselines_trained, "_DEFAULTS", ContextTrainingConfig(updates=3, latent_dims=8)
    )
    monkeypatch.setattr(baselines_trained, "_NEURAL_ODE", NeuralODEConfig(updates=3))


def test_dynamix_is_dynamix():
    x = wave(60)
    y = baselines.baseline("dynamix-3d")(x, 12, seed=4)
    np.testing.assert_array_equal(y, dynamix.forecast(x, horizon=12, model="dynamix-3d", seed=4))


def test_seasonal_naive_repeats_each_channel_s_own_season():
    t = np.arange(300)
    x = np.stack([np.sin(2 * np.pi * t / 25), np.cos(2 * np.pi * t / 40), np.ones(300)], axis=1)
    t = np.arange(300, 500)
    truth = np.stack([np.sin(2 * np.pi * t / 25), np.cos(2 * np.pi * t / 40), np.ones(200)], axis=1)
    np.testing.assert_allclose(baselines.seasonal_naive(x, 200), truth, atol=1e-9)


@pytest.mark.parametrize("name", ["auto_arima", "auto_ets", "auto_theta"])
def test_the_classics_forecast_each_channel_alone(name):
    pytest.importorskip("statsforecast")
    x = wave(60)
    call = baselines.baseline(name)
    assert not call.joint
    np.testing.assert_array_equal(call(x, 8)[:, 1:2], call(x[:, 1:2], 8))


def test_divergence_is_not_a_number_from_there_on_and_no_warning(monkeypatch, recwarn):
    def explode(context, horizon, *, seed):
        y = np.zeros((horizon, 2))
        y[5, 1] = 1e9
        return y + np.log(np.zeros(1)) * 0 if seed else y

    monkeypatch.setattr(forecasters.Baseline, "_load", lambda self: explode)
    y = baselines.baseline("mean")(wave(30, n=2), 10)
    assert np.isfinite(y[:5]).all()
    assert np.isnan(y[5:]).all()
    assert np.isnan(baselines.baseline("mean")(wave(30, n=2), 10, seed=1)).all()
    assert not recwarn.list


def test_bounded_leaves_what_stays_near():
    context = np.column_stack([wave(50, n=1), np.full(50, 3.0)])
    y = np.array([[1.0, 3.0], [-5e5, 2.9e6], [0.0, 3.1e6], [0.0, 0.0]])
    kept = forecasters.bounded(y, context)
    np.testing.assert_array_equal(kept[:2], y[:2])  # a constant channel counts in its own value
    assert np.isnan(kept[2:]).all()


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (np.zeros(10), "found an array of shape"),
        (np.zeros((2, 3)), "at least 3 steps"),
        (np.array([[1.0], [np.nan], [2.0]]), "not finite"),
    ],
)
def test_contexts_that_cannot_be_used(context, message):
    with pytest.raises(InputError, match=message):
        baselines.baseline("mean")(context, 5)
    with pytest.raises(InputError, match="horizon"):
        baselines.baseline("mean")(wave(10), 0)


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(forecasters.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pysindy.*pip install 'dynamix-companion\[baselines\]'"):
        baselines.baseline("sindy")(wave(30), 5)
    with pytest.raises(InputError, match=r"chronos.*dynamix-companion\[foundation\]"):
        baselines.baseline("chronos-2")(wave(30), 5)


def test_the_table_lists_every_forecaster_once_and_importable(monkeypatch):
    monkeypatch.delenv("DYNAMIX_WEIGHTS", raising=False)
    table = baselines.table()
    assert table.index.is_unique
    assert {"parrot", "sindy", "chronos-bolt-small", "timesfm-2.5", "dynamix-3d"} <= set(
        table.index
    )
    assert table.loc["parrot", "here"]
    assert (table["what"] != "").all()
    for name in table.index:
        assert callable(baselines.baseline(name)._load() if table.loc[name, "here"] else print)
        assert baselines.is_rival(name) == (not name.startswith("dynamix"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for need in set(table["needs"]) - {""}:
        assert need.partition("[")[2][:-1] in extras


def test_versions_of_what_computed_a_result():
    pytest.importorskip("pysindy")
    assert list(baselines.versions("sindy")) == ["pysindy"]
    assert baselines.versions("parrot") == {}
    assert baselines.versions("dynamix-3d") == {}


def test_mean_and_naive():
    x = wave(50)
    np.testing.assert_allclose(baselines.mean(x, 3), np.tile(x.mean(axis=0), (3, 1)))
    np.testing.assert_array_equal(baselines.naive(x, 3), np.tile(x[-1], (3, 1)))


def test_unknown_rival_and_too_short():
    with pytest.raises(InputError, match="Did you mean 'parrot'"):
        baselines.baseline("parot")
    with pytest.raises(InputError, match="at least 3 steps"):
        baselines.parrot(wave(2), 5)
