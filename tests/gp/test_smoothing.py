"""Smoothing: neutral on clean series, and nearer to the truth on noisy ones."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dynamix import forecast, systems
from dynamix.baselines import baseline
from dynamix.gp import GPConfig, smooth, smoothing
from dynamix.gp.regression import Kernel, Regression, delayed


def context(name: str = "Lorenz", T_C: int = 600) -> np.ndarray:
    """A stretch of a system's trajectory."""
    return systems.trajectory(name, n=12_000, points_per_period=50)[1000 : 1000 + T_C].astype(float)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("name", ["Lorenz", "Rossler", "Chua"])
def test_clean_series_stay_as_they_are(name, n):
    x = context(name)[:, :n]
    assert (smooth(x).values == x).all()


def test_maps_have_a_broad_spectrum_and_stay_as_they_are():
    x = np.full((500, 1), 0.3)
    for t in range(499):
        x[t + 1] = 3.9 * x[t] * (1 - x[t])
    assert (smooth(x).values == x).all()


@pytest.mark.parametrize("noise", [0.02, 0.05, 0.1])
def test_noise_is_found_and_mostly_removed(noise):
    x = context()
    noisy = x + noise * x.std(axis=0) * np.random.default_rng(0).normal(size=x.shape)
    found = smooth(noisy)
    left = ((found.values - x) / x.std(axis=0)).std()
    assert found.noise == pytest.approx(noise, rel=0.25)
    assert left < 0.45 * noise


def test_units_change_nothing():
    x = context()
    noisy = x + 0.05 * x.std(axis=0) * np.random.default_rng(0).normal(size=x.shape)
    plain, units = smooth(noisy), np.array([1e-12, 1.0, 1e9])
    other = smooth(noisy * units + 5.0 * units)
    assert other.noise == pytest.approx(plain.noise, rel=1e-3)
    assert other.values / units - 5.0 == pytest.approx(plain.values, abs=0.02)


def test_the_singular_spectrum_keeps_what_few_delay_vectors_span():
    t = np.arange(300)[:, None]
    x = np.hstack([np.sin(0.2 * t), np.cos(0.31 * t)])
    assert smoothing.singular_spectrum(x) == pytest.approx(x, abs=1e-8)


def test_assimilated_states_solve_the_least_squares_problem():
    """For a linear map one step of Gauss-Newton is the solution, here by dense algebra."""
    rng, A = np.random.default_rng(0), np.array([[0.9, -0.3], [0.3, 0.9]])
    x = np.zeros((30, 2))
    x[0] = 1.0
    for t in range(29):
        x[t + 1] = x[t] @ A.T
    observed = x + 0.05 * rng.normal(size=x.shape)
    found = Regression(x, GPConfig()).fit(Kernel(4.0, 1e-2))
    J, c = found.jacobians(x[:1])[0], found.step(np.zeros((1, 2)), held=False)[0]
    assert pytest.approx(A, abs=1e-5) == J  # the smooth rest of a linear map is nothing
    noise, misses = 0.05, 0.02
    dense, right = np.zeros((60 + 58, 60)), np.zeros(60 + 58)
    dense[:60] = np.eye(60) / noise
    right[:60] = observed.ravel() / noise
    for t in range(29):
        rows = slice(60 + 2 * t, 62 + 2 * t)
        dense[rows, 2 * t + 2 : 2 * t + 4] = np.eye(2) / misses
        dense[rows, 2 * t : 2 * t + 2] = -J / misses
        right[rows] = c / misses
    expected = np.linalg.lstsq(dense, right, rcond=None)[0].reshape(30, 2)
    states = smoothing.assimilated(observed, observed, found, noise=noise, misses=misses)
    assert states == pytest.approx(expected, abs=1e-4)


def test_every_forecaster_takes_it():
    x = context()
    noisy = x + 0.05 * x.std(axis=0) * np.random.default_rng(0).normal(size=x.shape)
    ours = partial(forecast, horizon=9, model="dynamix-3d")
    assert (ours(noisy) == ours(noisy, denoise="off")).all()
    assert (ours(noisy, denoise="auto") != ours(noisy)).any()
    assert (ours(x, denoise="auto") == ours(x)).all()
    parrot = baseline("parrot", denoise="auto")(noisy, 9)
    assert (parrot == baseline("parrot")(smooth(noisy).values, 9)).all()


@pytest.mark.parametrize("channels", [1, 2])
def test_fewer_channels_than_a_state_are_smoothed_in_their_delays(channels):
    clean = context()[:, :channels]
    clean = (clean - clean.mean(axis=0)) / clean.std(axis=0)
    noisy = clean + 0.05 * np.random.default_rng(0).standard_normal(clean.shape)
    alone = smoothing.singular_spectrum(noisy)
    assert (smooth(noisy).values - clean).std() < 0.95 * (alone - clean).std()


@pytest.mark.parametrize("lags", [(0,), (0, 2)])
def test_a_gauss_newton_step_solves_the_whole_least_squares_problem(lags, monkeypatch):
    rng = np.random.default_rng(0)
    T, n, noise, misses = 30, 2, 0.4, 0.7
    states, observed = rng.normal(size=(2, T, n))
    seen = delayed(states, lags)
    found = Regression(seen, GPConfig(observed_dims=seen.shape[1])).fit(Kernel(2.0, 1e-2))

    def residuals(y: np.ndarray) -> np.ndarray:
        y = y.reshape(T, n)
        seen = delayed(y, lags)
        ahead = (seen[1:] - found.step(seen[:-1], held=False))[:, :n]
        return np.concatenate([((observed - y) / noise).ravel(), (ahead / misses).ravel()])

    y, step = states.ravel(), 1e-6 * np.eye(T * n)
    J = np.stack([(residuals(y + e) - residuals(y - e)) / 2e-6 for e in step], axis=1)
    moved = np.linalg.lstsq(J, -residuals(y), rcond=None)[0].reshape(T, n)
    monkeypatch.setattr(smoothing, "_NEWTON", 1)
    made = smoothing.assimilated(observed, states, found, lags=lags, noise=noise, misses=misses)
    np.testing.assert_allclose(made, states + np.clip(moved, -3 * noise, 3 * noise), atol=1e-5)
