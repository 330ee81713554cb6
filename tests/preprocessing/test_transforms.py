"""Transforms invert exactly."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import wave
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from dynamix import InputError
from dynamix.preprocessing import (
    BoxCox,
    PowerLawTrend,
    Standardize,
    fit_transforms,
    invert_transforms,
)


@st.composite
def series(draw) -> np.ndarray:
    """Moving series of any scale and offset, with and without a trend."""
    T, n = draw(st.integers(8, 60)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale, offset = 10.0 ** draw(st.integers(-4, 5)), draw(st.floats(-100, 100))
    trend = draw(st.sampled_from([0.0, 0.02, 0.2])) * np.arange(T)[:, None]
    return scale * (rng.normal(size=(T, n)) + trend + offset)


@given(series(), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_transforms_invert_exactly_in_any_combination(x, standardize, detrend, box_cox):
    if box_cox and not standardize:
        with pytest.raises(InputError, match="standardize"):
            fit_transforms(x, standardize=False, detrend=detrend, box_cox=True)
        return
    transformed, fitted = fit_transforms(
        x, standardize=standardize, detrend=detrend, box_cox=box_cox
    )
    assert np.isfinite(transformed).all()
    back = invert_transforms(transformed, fitted, start=1)
    tolerance = 1e-6 * np.abs(x).max()
    np.testing.assert_allclose(back, x, rtol=0, atol=tolerance)


def test_standardising_uses_the_sample_deviation():
    x = wave(50)
    z = Standardize.fit(x).apply(x)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0, ddof=1), 1)


def test_box_cox_lambda_is_the_maximum_of_the_likelihood():
    x = np.exp(np.random.default_rng(0).normal(size=(400, 1)))
    transform = BoxCox.fit(x)
    assert transform.offset[0] == pytest.approx(1.2)
    at = stats.boxcox_llf(transform.exponent[0], x[:, 0] + 1.2)
    for nearby in (-0.05, 0.05):
        assert stats.boxcox_llf(transform.exponent[0] + nearby, x[:, 0] + 1.2) < at


def test_box_cox_leaves_a_channel_alone_that_never_changes():
    x = np.column_stack([np.full(50, 3.0), np.linspace(1.0, 2.0, 50) ** 3])
    transform = BoxCox.fit(x)
    assert transform.exponent[0] == 1.0
    np.testing.assert_allclose(transform.apply(x)[:, 0], 3.0 + 1.2 - 1.0)
    np.testing.assert_allclose(transform.invert(transform.apply(x)), x, atol=1e-9)


def test_box_cox_holds_forecasts_beyond_its_domain_at_the_edge():
    transform = BoxCox(exponent=np.array([0.5]), offset=np.array([1.2]))
    back = transform.invert(np.array([[-1e6], [-2.0], [0.0]]))
    assert np.isfinite(back).all()
    assert back[0, 0] == pytest.approx(-1.2, abs=1e-6)
    assert back[2, 0] == pytest.approx(1.0 - 1.2)


def test_trend_recovers_a_power_law_and_continues_it():
    t = np.arange(1.0, 201.0)[:, None]
    x = 0.3 * t**0.7 + 1.0
    trend = PowerLawTrend.fit(x)
    assert trend.b[0] == pytest.approx(0.7, abs=0.02)
    ahead = np.arange(201.0, 251.0)[:, None]
    np.testing.assert_allclose(
        trend.invert(np.zeros((50, 1)), start=201), 0.3 * ahead**0.7 + 1.0, rtol=0.01
    )


@pytest.mark.parametrize("T", [4, 30, 300])
@pytest.mark.parametrize("kind", ["walk", "cubic", "steep"])
def test_the_trend_is_what_scipy_finds_by_differences_of_its_own(T, kind):
    t = np.arange(1.0, T + 1.0)
    walk = np.cumsum(np.random.default_rng(T).normal(size=T))
    y = {"walk": walk, "cubic": 1e-3 * t**2.99 + walk, "steep": 1e-6 * t**5}[kind]
    y = np.round((y - y.mean()) / y.std() * 2**20) / 2**20

    def squares(p):
        return np.sum((y - (p[0] * t ** p[1] + p[2])) ** 2)

    bounds = [(None, None), (0.0, 3.0), (None, None)]
    expected = optimize.minimize(squares, [0.0, 1.0, y[0]], method="L-BFGS-B", bounds=bounds).x
    found = PowerLawTrend.fit(y[:, None], scaled=True)
    np.testing.assert_allclose([found.a[0], found.b[0], found.c[0]], expected, rtol=1e-9)
