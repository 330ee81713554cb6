"""The regression against brute force: likelihood, fit, left-out errors, Jacobians."""

from __future__ import annotations

import itertools

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
    fitted = Regression(x, CONFIG)
    assert fitted.kernels == regression.candidates(CONFIG)
    for kernel, found in zip(fitted.kernels, fitted.evidence.likelihood, strict=True):
        K = kernel_of(z[:-1], z[:-1], kernel.scale) + kernel.ridge * np.eye(59)
        terms = []
        for column in (rest / scale).T:
            variance = column @ np.linalg.solve(K, column) / 59  # the likeliest
            normal = stats.multivariate_normal(np.zeros(59), variance * K, allow_singular=True)
            terms.append(-normal.logpdf(column) / 59 - 0.5 * np.log(2 * np.pi) - 0.5)
        of_the_linear_map = 4 * np.log(59) / (2 * 59)
        assert found == pytest.approx(np.mean(terms) + of_the_linear_map, abs=1e-6)


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
    C = found.centres
    assert len(C) == 20
    assert all((np.abs(z - c).max(axis=1) < 1e-12).any() for c in C)  # states of the context
    features, among = kernel_of(z[:-1], C, 1.0), kernel_of(C, C, 1.0)
    alpha = np.linalg.solve(features.T @ features + 1e-2 * among, features.T @ rest)
    assert features @ found.weights == pytest.approx(features @ alpha, abs=1e-6)


def test_a_centre_is_the_state_that_the_centres_before_it_say_least_about():
    x, kernel = orbit(), Kernel(1.0, 1e-2)
    z, *_ = targets(x)
    C = Regression(x, GPConfig(centres=20)).fit(kernel).centres
    for k in range(1, 20):
        near = kernel_of(z[:-1], C[:k], 1.0)
        known = np.einsum("ij,ij->i", near, np.linalg.solve(kernel_of(C[:k], C[:k], 1.0), near.T).T)
        left = 1.0 - known
        own = np.abs(z[:-1] - C[k]).max(axis=1).argmin()
        assert left[own] == pytest.approx(left.max(), abs=1e-8)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_terms_are_all_monomials_up_to_a_degree(n, degree):
    z = np.random.default_rng(0).standard_normal((7, n))
    found = regression.monomials(z, regression.terms(n, degree))
    powers = [p for p in itertools.product(range(degree + 1), repeat=n) if sum(p) <= degree]
    wanted = np.stack([np.prod(z**p, axis=1) for p in map(np.array, powers)], axis=1)
    assert found.shape == wanted.shape
    order = [np.lexsort(np.round(m, 9)) for m in (found, wanted)]
    np.testing.assert_allclose(found[:, order[0]], wanted[:, order[1]], atol=1e-9)


def test_a_polynomial_map_is_found_exactly():
    """The quadratic map of Henon, of which nothing is left for the kernels."""
    x = np.zeros((300, 2))
    for t in range(1, 300):
        u, v = x[t - 1]
        x[t] = 1 - 1.4 * u**2 + v, 0.3 * u
    fitted = Regression(x[50:], GPConfig(degrees=(1, 2)))
    assert fitted.ranked()[0].degree == 2
    assert np.abs(fitted.rest[2]).max() < 1e-10 < np.abs(fitted.rest[1]).max()
    found = fitted.likeliest()
    assert found.step(x[60:70]) == pytest.approx(x[61:71], abs=1e-8)


def test_a_degree_with_too_many_terms_is_no_candidate():
    x, config = orbit(120), GPConfig(degrees=(1, 2, 3))
    assert {one.degree for one in Regression(x, config).kernels} == {1, 2}  # 20 terms, 119 states
    assert {one.degree for one in Regression(x[:30], config).kernels} == {1}
    assert {one.degree for one in Regression(orbit(260), config).kernels} == {1, 2, 3}


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("lags", [(0,), (0, 2)])
def test_jacobians_are_the_slopes_of_steps(degree, lags):
    x = 3.0 + np.array([1.0, 1e4, 1e-4]) * orbit()
    found = Regression(x, GPConfig(degrees=(degree,)), lags=lags).fit(Kernel(1.0, 1e-6, degree))
    z, size = regression.delayed(x, lags)[:5], x.std(axis=0)
    J, sizes = found.jacobians(z), np.tile(size, len(lags))
    for j in range(3 * len(lags)):
        h = np.eye(len(sizes))[j] * 1e-5 * sizes
        slope = (found.step(z + h, held=False) - found.step(z - h, held=False)) / 2e-5
        assert J[:, :, j] * sizes[j] / size == pytest.approx(slope / size, abs=1e-5)


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
    fitted = Regression(x, GPConfig(scales=(1.0,), ridges=(1e-2,)))
    assert fitted.kernels == [kernel]
    assert fitted.evidence.surprise[0] * fitted.size == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 3.0, 1e200])
def test_units_change_nothing(unit):
    x, kernel = orbit(), Kernel(1.0, 1e-6)
    moved = Regression(unit * x, CONFIG).fit(kernel).step(unit * x[:9])
    assert moved / unit == pytest.approx(Regression(x, CONFIG).fit(kernel).step(x[:9]), rel=1e-6)
    ranks = Regression(unit * x, CONFIG).evidence.likelihood
    assert ranks == pytest.approx(Regression(x, CONFIG).evidence.likelihood, abs=1e-4)


def test_a_step_is_held_in_the_box():
    x = orbit()
    found = Regression(x, GPConfig(margin=0.5)).fit(Kernel(1.0, 1e-6))
    room = 0.5 * np.ptp(x, axis=0)
    far = found.step(np.array([[1e3, -1e3, 1e3]]))
    assert (far <= x.max(axis=0) + 1.0001 * room).all()
    assert (far >= x.min(axis=0) - 1.0001 * room).all()
