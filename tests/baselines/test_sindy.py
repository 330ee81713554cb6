"""SINDy: the equation that it recovers, its integration, and its choice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dynamix import baselines, systems
from dynamix.baselines import sindy
from dynamix.baselines.settings import SINDyConfig

pytest.importorskip("pysindy")

FIXED = {"degree": 3, "threshold": 0.02, "window": 5}


def test_sindy_recovers_lorenz():
    def rate(t, x):
        return [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]]

    times = np.arange(0, 10, 0.002)
    solution = solve_ivp(rate, (0, 10), [-8, 8, 27], t_eval=times, rtol=1e-10, atol=1e-10)
    config = SINDyConfig(ridge=1e-8)
    how = {"degree": 2, "threshold": 0.3, "window": 5, "config": config}
    fitted = sindy.sindy_model(solution.y.T, dt=0.002, **how)
    powers = [tuple(row) for row in fitted.feature_library.powers_]
    true = np.zeros((3, len(powers)))
    for equation, power, value in (
        (0, (1, 0, 0), -10),
        (0, (0, 1, 0), 10),
        (1, (1, 0, 0), 28),
        (1, (0, 1, 0), -1),
        (1, (1, 0, 1), -1),
        (2, (0, 0, 1), -8 / 3),
        (2, (1, 1, 0), 1),
    ):
        true[equation, powers.index(power)] = value
    np.testing.assert_allclose(fitted.coefficients(), true, atol=1e-3)
    f = sindy.polynomial(fitted.feature_library.powers_, fitted.coefficients())
    x = np.array([1.0, -2.0, 20.0])
    np.testing.assert_allclose(f(0.0, x), rate(0.0, x), atol=0.05)


def test_polynomials_are_those_of_the_library():
    rng = np.random.default_rng(1)
    powers = rng.integers(0, 3, size=(12, 3))
    coefficients = rng.normal(size=(3, 12)) * (rng.random((3, 12)) < 0.5)
    f = sindy.polynomial(powers, coefficients)
    for x in rng.normal(size=(5, 3)):
        np.testing.assert_allclose(f(0.0, x), coefficients @ (x**powers).prod(axis=1))
    nothing = sindy.polynomial(powers, np.zeros((3, 12)))
    np.testing.assert_array_equal(nothing(0.0, np.ones(3)), np.zeros(3))


def test_integration_ends_where_the_solution_does():
    """``x' = x^2`` from 1 is ``1 / (1 - t)``."""
    config = SINDyConfig()
    f = sindy.polynomial(np.array([[2]]), np.array([[1.0]]))
    y = sindy.integrate(f, np.ones(1), 30, dt=0.1, config=config)
    t = 0.1 * np.arange(1, 10)
    np.testing.assert_allclose(y[:9, 0], 1 / (1 - t), rtol=1e-4)
    assert np.isnan(y[10:]).all()
    limited = sindy.integrate(
        lambda t, x: -1e5 * (x - np.cos(1e4 * t)),  # stiff: far more evaluations than steps
        np.ones(1),
        20_000,
        dt=1.0,
        config=SINDyConfig(evaluations_per_step=0),
    )
    assert np.isnan(limited[-1]).all()


def test_sindy_s_library_shrinks_with_the_context():
    x = np.random.default_rng(0).normal(size=(60, 5))
    fitted = sindy.sindy_model(x, dt=1.0, **FIXED, config=SINDyConfig())
    assert fitted.feature_library.degree == 1  # 56 cubic and 21 quadratic terms are too many for 60


def test_trials_of_several_models_are_their_solutions():
    """Models of different degrees run side by side, each as the integrator solves it."""
    x = systems.trajectory("Lorenz", n=700).astype(np.float64) / 10
    how = {"dt": 0.1, "window": 5, "config": SINDyConfig()}
    models = [sindy.sindy_model(x, degree=degree, threshold=0.02, **how) for degree in (1, 2, 3)]
    starts = np.stack([x[[0, 0, 0]], x[[50, 50, 50]]])  # (K, C, N)
    together = sindy.trials(models, starts, 5, dt=0.02)
    for c, model in enumerate(models):
        for k in range(2):
            alone = sindy.integrate(
                sindy.equation(model), starts[k, c], 5, dt=0.02, config=SINDyConfig()
            )
            np.testing.assert_allclose(together[:, k, c], alone, rtol=1e-3, atol=1e-3)


def test_a_window_of_five_only_differentiates():
    t = np.arange(30.0)
    x = np.stack([t**4, 3 * t**2 - t], axis=1) / 1e3
    noisy = x + np.random.default_rng(0).normal(size=x.shape)
    np.testing.assert_allclose(sindy.smoothed(noisy, window=5), noisy, atol=1e-10)
    slope = np.stack([4 * t**3, 6 * t - 1], axis=1) / 1e3
    for window in (5, 15, 99):
        found = sindy.smoothed(x, window=window, derivative=1, dt=1.0)
        np.testing.assert_allclose(found, slope, atol=1e-8)


def test_the_order_of_channels_does_not_matter():
    x = systems.trajectory("Lorenz", n=400).astype(np.float64)
    call, order = baselines.baseline("sindy"), [2, 0, 1]
    np.testing.assert_allclose(call(x[:, order], 20), call(x, 20)[:, order], rtol=1e-5, atol=1e-5)
