"""One registry: every name gives a forecaster of the same signature, with the same checks."""

from __future__ import annotations

import tomllib

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, small_model, wave

import dynamix
from dynamix import InputError
from dynamix.baselines import Baseline, baseline, registry, table

TRAINED = ("alrnn_stf", "lstm_stf", "neural_ode")
NAMES = [
    name for name in registry._entries if name not in ("ceiling", "transformer-control-median")
]


@pytest.mark.parametrize("name", [*NAMES, "dynamix-3d"])
def test_every_forecaster_has_the_same_signature(name, recwarn):
    call = baseline(name, **({"updates": 3} if name in TRAINED else {}))
    for package in call.packages:
        pytest.importorskip(package)
    x = wave(60).astype(np.float32)
    y = call(x, 20, seed=0)
    assert y.shape == (20, 3)
    assert y.dtype == np.float32
    assert np.isfinite(y).all()
    assert call(x.astype(np.float64), 3, seed=0).dtype == np.float64
    assert not recwarn.list


@pytest.mark.parametrize("name", ["parrot", "seasonal_naive", "dmd", "dynamix-3d"])
def test_several_series_at_once_are_each_alone(name):
    call = baseline(name)
    x = np.stack([wave(60), wave(60, seed=1)], axis=1)
    y = call(x, 12, seed=2)
    assert y.shape == (12, 2, 3)
    for s in range(2):
        np.testing.assert_allclose(y[:, s], call(x[:, s], 12, seed=2), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["dynamix-3d", "dynamix-3d-plus"])
def test_dynamix_is_dynamix(name):
    x = wave(60)
    y = baseline(name)(x, 12, seed=4)
    np.testing.assert_array_equal(y, dynamix.forecast(x, horizon=12, model=name, seed=4))


def test_a_model_counts_as_a_name_and_its_weights_as_its_identity(tmp_path):
    model, x = small_model(), wave(60)
    call = baseline(model)
    np.testing.assert_array_equal(call(x, 9), dynamix.forecast(x, horizon=9, model=model))
    stored = baseline(model.save_pretrained(tmp_path / "mine.safetensors"))
    assert stored.identity == call.identity == baseline(small_model()).identity
    assert call.identity != baseline(small_model(seed=1)).identity
    assert baseline("parrot").identity == "parrot"


def test_settings_are_those_of_the_function():
    x = wave(90, 1)
    how = {"embedding": "delay", "detrend": True}
    made = dynamix.forecast(x, horizon=9, model="dynamix-3d", seed=3, **how)
    np.testing.assert_array_equal(baseline("dynamix-3d", **how)(x, 9, seed=3), made)
    assert not np.array_equal(baseline("dmd", delays=2)(x, 9), baseline("dmd")(x, 9))


def returning(function) -> Baseline:
    return Baseline("mine", "a test", "", function)


def test_divergence_is_not_a_number_from_there_on_and_no_warning(recwarn):
    def explode(context, horizon, *, seed):
        y = np.zeros((horizon, 2))
        y[5, 1] = 1e9
        return y + np.log(np.zeros(1)) * 0 if seed else y

    y = returning(explode)(wave(30, n=2), 10)
    assert np.isfinite(y[:5]).all()
    assert np.isnan(y[5:]).all()
    assert np.isnan(returning(explode)(wave(30, n=2), 10, seed=1)).all()
    assert not recwarn.list


def test_bounded_leaves_what_stays_near():
    context = np.column_stack([wave(50, n=1), np.full(50, 3.0)])
    y = np.array([[1.0, 3.0], [-5e5, 2.9e6], [0.0, 3.1e6], [0.0, 0.0]])
    kept = registry.bounded(y, context)
    np.testing.assert_array_equal(kept[:2], y[:2])  # a constant channel counts in its own value
    assert np.isnan(kept[2:]).all()


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (np.zeros((9, 1, 1, 1)), "found 4 dimensions"),
        (np.zeros((2, 3)), "at least 3 steps"),
        (np.array([[1.0], [np.nan], [2.0]]), "must be finite"),
    ],
)
def test_contexts_that_cannot_be_used(context, message):
    with pytest.raises(InputError, match=message):
        baseline("mean")(context, 5)
    with pytest.raises(InputError, match="horizon"):
        baseline("mean")(wave(10), 0)


def test_an_unknown_name():
    with pytest.raises(InputError, match="Did you mean 'parrot'"):
        baseline("parot")
    with pytest.raises(InputError, match="unknown model None"):
        baseline(None)


def test_a_frame_gives_a_frame():
    frame = pd.DataFrame(wave(30, n=2), columns=["a", "b"], index=np.arange(30) * 0.5)
    y = baseline("naive")(frame, 3)
    assert y.columns.tolist() == ["a", "b"]
    assert y.index.tolist() == [15.0, 15.5, 16.0]


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr(registry.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pysindy.*pip install "dynamix-companion\[baselines\]"'):
        baseline("sindy")(wave(30), 5)
    with pytest.raises(InputError, match=r"chronos.*dynamix-companion\[foundation\]"):
        baseline("chronos-2")(wave(30), 5)


def test_the_table_lists_every_forecaster_once(monkeypatch):
    monkeypatch.delenv("DYNAMIX_WEIGHTS", raising=False)
    listed = table()
    assert listed.index.is_unique
    known = {"parrot", "ceiling", "sindy", "chronos-bolt-small", "timesfm-2.5", "dynamix-3d"}
    assert known <= set(listed.index)
    assert listed.loc["parrot", "here"]
    assert (listed["what"] != "").all()
    for name in listed.index:
        assert baseline(name).name == name
        assert baseline(name).rival == (not name.startswith("dynamix"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for need in set(listed["needs"]) - {""}:
        assert need.partition("[")[2][:-1] in extras


def test_versions_of_what_computed_a_result():
    pytest.importorskip("pysindy")
    assert list(baseline("sindy").versions) == ["pysindy", "threadpoolctl"]
    assert baseline("parrot").versions == {}
    assert baseline("dynamix-3d").versions == {}
