"""Fracast-0 itself, whose weights come with its package: nothing here is a stand-in."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from helpers import wave

from dynamix import InputError, metrics
from dynamix.baselines import baseline, table
from dynamix.baselines.pretrained import fracast_deciles

package = pytest.importorskip("fracast")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Any attempt to reach the network is an error."""

    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_it_is_the_package_s_own_median():
    x = wave(200, n=1)
    own = package.FracastModel.from_pretrained().forecast(x[:, 0], horizon=60)
    y = baseline("fracast")(x, 60)
    assert y.shape == (60, 1)
    np.testing.assert_allclose(y[:, 0], own[:, 4], rtol=1e-3, atol=1e-3)


def noisy_sine():
    t = np.arange(400)
    return np.sin(2 * np.pi * t / 24)[:, None] + 0.1 * np.random.default_rng(0).normal(
        size=(400, 1)
    )


def test_it_continues_a_sine_with_noise_better_than_its_last_value():
    x = noisy_sine()
    y, last = (baseline(name)(x[:352], 48) for name in ("fracast", "naive"))
    assert np.abs(y - x[352:]).mean() < 0.5 * np.abs(last - x[352:]).mean()


def test_each_channel_is_forecast_alone_in_any_unit_and_seed():
    x = wave(64)
    call = baseline("fracast")
    y = call(x, 20)
    np.testing.assert_allclose(y[:, 1:2], call(x[:, 1:2], 20, seed=3), rtol=1e-5, atol=1e-5)
    units = np.array([1e-13, 1.0, 1e13])
    np.testing.assert_allclose(call(x * units, 20) / units, y, rtol=1e-3, atol=1e-3)
    far = x - x.mean(axis=0)
    np.testing.assert_allclose(call(far + 4e6, 20) - 4e6, call(far, 20), atol=1e-3)


def test_beyond_48_steps_it_goes_on_from_its_own_median():
    x = wave(100, n=1)
    y = baseline("fracast")(x, 96)
    again = baseline("fracast")(np.concatenate([x, y[:48]]), 48)
    np.testing.assert_allclose(y[48:], again, rtol=1e-3, atol=1e-3)


def test_it_sees_the_last_2048_steps_only():
    x = wave(2100, n=1)
    changed = x.copy()
    changed[:52] += 5.0
    y = baseline("fracast")(x[52:], 4)
    np.testing.assert_allclose(baseline("fracast")(changed, 4), y, rtol=1e-4, atol=1e-4)


def test_its_deciles_serve_as_an_ensemble():
    x = noisy_sine()
    deciles, truth = fracast_deciles(x[:352], 48), x[352:]
    assert deciles.shape == (9, 48, 1)
    assert (np.diff(deciles, axis=0) >= -1e-6).mean() > 0.95
    np.testing.assert_array_equal(deciles[4], baseline("fracast")(x[:352], 48))
    crps = metrics.crps(forecast=deciles, truth=truth)
    assert crps < metrics.crps(forecast=deciles[4:5], truth=truth)  # of the median alone


def test_a_context_that_is_too_short():
    with pytest.raises(InputError, match="'fracast' needs a context of at least 8 steps, found 7"):
        baseline("fracast")(wave(7), 5)


def test_its_weights_are_safetensors_and_the_table_knows_it():
    files = [file.name for file in (Path(package.__file__).parent / "weights").iterdir()]
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl", ".npy"))]
    row = table().loc["fracast"]
    assert row["here"]
    assert row["needs"] == "dynamix-companion[foundation]"
