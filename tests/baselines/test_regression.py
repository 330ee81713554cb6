"""Fitted rivals on sines and chaos, and what DMD and EDMD must recover exactly."""

from __future__ import annotations

import numpy as np
import pytest

from dynamix import baselines, systems
from dynamix.baselines import regression
from dynamix.baselines.settings import DMDConfig, EDMDConfig

for package in ("pydmd", "pysindy"):
    pytest.importorskip(package)

NAMES = ["echo_state", "echo_state_untuned", "dmd", "edmd", "sindy", "sindy_untuned"]


def sine(T: int) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(T) / 37.3)[:, None]


def linear(A: np.ndarray, T: int, start: np.ndarray) -> np.ndarray:
    states = [start]
    for _ in range(T - 1):
        states.append(A @ states[-1])
    return np.stack(states)


def error(forecast: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean(((forecast - truth) / truth.std(axis=0)) ** 2)))


@pytest.fixture(scope="module")
def lorenz() -> np.ndarray:
    return systems.trajectory("Lorenz", n=2500).astype(np.float64)


# all of them


@pytest.mark.parametrize("name", NAMES)
def test_a_sine_is_continued(name):
    x = sine(700)
    y = baselines.baseline(name)(x[:300], 400)
    # the mean's is 1; the choice weighs climate too, and costs SINDy accuracy here (fixed: 0.002)
    assert error(y, x[300:]) < (0.2 if name == "sindy" else 0.1)


@pytest.mark.parametrize("name", NAMES)
def test_a_forecast_does_not_depend_on_the_number_of_threads(name, lorenz):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    runs = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            runs.append(baselines.baseline(name)(lorenz[:512], 1000))
    np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize("name", NAMES)
def test_lorenz_short_term_seed_and_shape(name, lorenz):
    call = baselines.baseline(name)
    c, t = lorenz[:1000], lorenz[1000:1010]
    y = call(c.astype(np.float32), 300, seed=3)
    assert y.shape == (300, 3)
    assert y.dtype == np.float32
    finite = np.isfinite(y).all(axis=1)
    assert (finite == np.sort(finite)[::-1]).all()  # NaN from somewhere on, never in between
    np.testing.assert_array_equal(y, call(c.astype(np.float32), 300, seed=3))
    ours = np.abs(y[:10] - t) / c.std(axis=0)
    means = np.abs(baselines.mean(c, 10) - t) / c.std(axis=0)
    assert ours.mean() < means.mean()


@pytest.mark.parametrize("name", NAMES)
def test_units_do_not_matter(name, lorenz):
    """Each method scales its channels, so that powers of two change nothing but the units."""
    call = baselines.baseline(name)
    c = lorenz[:400]
    units = np.array([4.0, 0.5, 1024.0])
    np.testing.assert_allclose(call(c * units, 20) / units, call(c, 20), rtol=1e-6, atol=1e-6)


def test_the_methods_that_reconstruct_chaos_from_a_clean_context(lorenz):
    c, t = lorenz[:1000], lorenz[1000:1040]
    for name in ("echo_state", "sindy"):
        assert error(baselines.baseline(name)(c, 40), t) < 0.1


# DMD


def test_dmd_recovers_the_eigenvalues_of_a_linear_system():
    rng = np.random.default_rng(0)
    true = np.array([0.99 * np.exp(0.3j), 0.99 * np.exp(-0.3j), 0.9])
    rotation = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    blocks = np.zeros((3, 3))
    blocks[:2, :2], blocks[2, 2] = 0.99 * rotation, 0.9
    basis = rng.normal(size=(3, 3))
    x = linear(basis @ blocks @ np.linalg.inv(basis), 60, rng.normal(size=3))
    for delays in (1, 4):  # copies of the same system have the same eigenvalues
        fitted = regression.dmd_model(x, config=DMDConfig(delays=delays, rank=3))
        np.testing.assert_allclose(np.sort_complex(fitted.eigs), np.sort_complex(true), atol=1e-8)


def test_dmd_continues_a_linear_system_exactly():
    x = linear(np.array([[0.9, 0.4], [-0.4, 0.9]]), 120, np.array([1.0, 0.0]))  # it grows
    config = DMDConfig(delays=1, rank=-1)
    # scaling adds an offset, and with it the eigenvalue 1: one delay makes room for it
    y = baselines.baseline("dmd", delays=2, rank=3)(x[:60] - x[:60].mean(axis=0), 5)
    np.testing.assert_allclose(y, x[60:65] - x[:60].mean(axis=0), rtol=1e-6)
    fitted = regression.dmd_model(x[:60], config=config)
    grown = regression.sum_of_modes(
        fitted.eigs, fitted.modes, regression.amplitudes(fitted), horizon=60
    )
    np.testing.assert_allclose(grown, x[60:], rtol=1e-8)


# EDMD


def test_edmd_is_exact_where_its_dictionary_closes():
    """``x' = a x, y' = b y + (b - a^2) c x^2``: the span of 1, x, y, x^2 is invariant.

    Then the eigenvalues among ``{a, b, a^2, 1}`` are exact, and so is the continuation (Brunton,
    Brunton, Proctor & Kutz 2016).
    """
    a, b, c = 0.9, 0.6, 1.5

    def step(x):
        return np.stack([a * x[..., 0], b * x[..., 1] + (b - a**2) * c * x[..., 0] ** 2], axis=-1)

    rng = np.random.default_rng(0)
    before = rng.uniform(-1, 1, size=(80, 2))
    config = EDMDConfig(degree=2, rank=6)  # 1, x, y, x^2, x y, y^2
    fitted = regression.edmd_model(before, step(before), config=config)
    for eigenvalue in (1.0, a, b, a**2):
        assert np.abs(fitted.eigs - eigenvalue).min() < 1e-5
    x = np.array([0.7, -0.4])
    values = fitted.eigenfunctions(x).ravel()
    y = regression.sum_of_modes(fitted.eigs, fitted.modes, values, horizon=12)
    for predicted in y:
        x = step(x)
        np.testing.assert_allclose(predicted, x, atol=1e-5)
