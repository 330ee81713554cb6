"""The regression against brute force: likelihood, fit, left-out errors, Jacobians."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dynamix.gp import GPConfig, regression
from dynamix.gp.regression import Kernel, Regression

CONFIG = GPConfig(scales=(0.7, 2.0), ridges=(1e-6, 1e-2))


def orbit(T_C: int = 120, N: int = 3) -> np.ndarray:
    """A quasi-periodic series."""
    t = np.arange(T_C)[:, None] * np.array([0.21, 0.13, 0.34])[:N]
    return np.sin(t) + 0.3 * np.cos(np.sqrt(2.0) * t)


def targets(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardised states, what a linear map leaves of their moves, and that map's moves."""
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    design = np.column_stack([z[:-1], np.ones(len(z) - 1)])
    linear = design @ np.linalg.lstsq(design, np.diff(z, axis=0), rcond=None)[0]
    return z, np.diff(z, axis=0) - linear, linear


def kernel_of(a: np.ndarray, b: np.ndarray, scale: float) -> np.ndarray:
    apart = np.linalg.norm(a[:, None] - b[None], axis=-1)
    return (1 + apart**2 / (6 * scale**2)) ** -3


def test_the_likelihood_is_that_of_a_normal_distribution():
    x = orbit(60)
    z, rest, _ = targets(x)
    scale = np.diff(z, axis=0).std(axis=0)
    for kernel, found in zip(
        regression.candidates(CONFIG), Regression(x, CONFIG).likelihoods(), strict=True
    ):
        K = kernel_of(z[:-1], z[:-1], kernel.scale) + kernel.ridge * np.eye(59)
        terms = []
        for column in (rest / scale).T:
            variance = column @ np.linalg.solve(K, column) / 59  # the likeliest
            normal = stats.multivariate_normal(np.zeros(59), variance * K, allow_singular=True)
            terms.append(-normal.logpdf(column) / 59 - 0.5 * np.log(2 * np.pi) - 0.5)
        assert found == pytest.approx(np.mean(terms), abs=1e-6)


@pytest.mark.parametrize("kernel", regression.candidates(CONFIG))
def test_a_fit_is_the_mean_of_the_process(kernel):
    x = orbit()
    z, rest, _ = targets(x)
    asked = x[::7] + 0.05
    zq = (asked - x.mean(axis=0)) / x.std(axis=0)
    K = kernel_of(z[:-1], z[:-1], kernel.scale) + kernel.ridge * np.eye(len(rest))
    smooth = kernel_of(zq, z[:-1], kernel.scale) @ np.linalg.solve(K, rest)
    design = np.column_stack([z[:-1], np.ones(len(rest))])
    W = np.linalg.lstsq(design, np.diff(z, axis=0), rcond=None)[0]
    expected = zq + zq @ W[:3] + W[3] + smooth
    found = Regression(x, CONFIG).fit(kernel).step(asked, held=False)
    assert found == pytest.approx(expected * x.std(axis=0) + x.mean(axis=0), abs=1e-5)


def test_fewer_centres_are_the_best_sum_of_so_many_kernels():
    x, kernel = orbit(), Kernel(1.0, 1e-2)
    found = Regression(x, GPConfig(centres=20)).fit(kernel)
    z, rest, _ = targets(x)
    C = z[:-1][np.linspace(0, 118, 20).round().astype(int)]
    features, among = kernel_of(z[:-1], C, 1.0), kernel_of(C, C, 1.0)
    alpha = np.linalg.solve(features.T @ features + 1e-2 * among, features.T @ rest)
    assert found.centres == pytest.approx(C)
    assert features @ found.weights == pytest.approx(features @ alpha, abs=1e-6)


def test_jacobians_are_the_slopes_of_steps():
    x = 3.0 + np.array([1.0, 1e4, 1e-4]) * orbit()
    found = Regression(x, CONFIG).fit(Kernel(1.0, 1e-6))
    J, size = found.jacobians(x[:5]), x.std(axis=0)
    for j in range(3):
        h = np.eye(3)[j] * 1e-5 * size
        slope = (found.step(x[:5] + h, held=False) - found.step(x[:5] - h, held=False)) / 2e-5
        assert J[:, :, j] * size[j] / size == pytest.approx(slope / size, abs=1e-5)


def test_surprise_is_the_error_where_a_transition_is_left_out():
    x, kernel = orbit(40), Kernel(1.0, 1e-2)
    z, rest, _ = targets(x)
    K = kernel_of(z[:-1], z[:-1], 1.0) + 1e-2 * np.eye(39)
    errors = []
    for left in range(39):
        others = np.delete(np.arange(39), left)
        alpha = np.linalg.solve(K[np.ix_(others, others)], rest[others])
        errors.append(rest[left] - K[left, others] @ alpha)
    expected = np.sqrt(np.mean(np.square(errors), axis=0))
    assert Regression(x, CONFIG).surprise(kernel) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 3.0, 1e200])
def test_units_change_nothing(unit):
    x, kernel = orbit(), Kernel(1.0, 1e-6)
    moved = Regression(unit * x, CONFIG).fit(kernel).step(unit * x[:9])
    assert moved / unit == pytest.approx(Regression(x, CONFIG).fit(kernel).step(x[:9]), rel=1e-6)
    ranks = Regression(unit * x, CONFIG).likelihoods()
    assert ranks == pytest.approx(Regression(x, CONFIG).likelihoods(), abs=1e-4)


def test_a_step_is_held_in_the_box():
    x = orbit()
    found = Regression(x, GPConfig(margin=0.5)).fit(Kernel(1.0, 1e-6))
    room = 0.5 * np.ptp(x, axis=0)
    far = found.step(np.array([[1e3, -1e3, 1e3]]))
    assert (far <= x.max(axis=0) + 1.0001 * room).all()
    assert (far >= x.min(axis=0) - 1.0001 * room).all()
