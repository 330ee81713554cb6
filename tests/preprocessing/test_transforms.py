"""Transforms invert exactly; embeddings do what their definition says."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import wave
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dynamix import InputError
from dynamix.preprocessing import (
    BoxCox,
    PowerLawTrend,
    Standardize,
    autocorrelation,
    decorrelation_time,
    dominant_period,
    embed,
    fit_transforms,
    invert_transforms,
)
from dynamix.preprocessing import transforms as preprocessing


@st.composite
def series(draw) -> np.ndarray:
    """Moving series of any scale and offset, with and without a trend."""
    T, n = draw(st.integers(8, 60)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale, offset = 10.0 ** draw(st.integers(-4, 5)), draw(st.floats(-100, 100))
    trend = draw(st.sampled_from([0.0, 0.02, 0.2])) * np.arange(T)[:, None]
    return scale * (rng.normal(size=(T, n)) + trend + offset)


@given(series(), st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
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


@given(st.integers(0, 10_000), st.integers(3, 40))
@settings(max_examples=30, deadline=None)
def test_autocorrelation_is_the_biased_sum(seed, T):
    x = np.random.default_rng(seed).normal(size=T)
    d = x - x.mean()
    by_hand = [np.sum(d[: T - k] * d[k:]) / T for k in range(T)]
    np.testing.assert_allclose(autocorrelation(x), np.array(by_hand) / by_hand[0], atol=1e-10)


@pytest.mark.parametrize("period", [20, 33, 50])
def test_periods_and_decorrelation_of_a_sine_are_found(period):
    x = np.sin(2 * np.pi * np.arange(400) / period)[:, None]
    found = dominant_period(x)  # a multiple where the period is under a tenth of the context
    assert min(found % period, period - found % period) <= 1
    assert decorrelation_time(x) == pytest.approx(np.arccos(1 / np.e) / (2 * np.pi) * period, abs=1)


def test_pos_appends_sines_of_the_dominant_period():
    x = wave(200, 1)
    tau, t = dominant_period(x), np.arange(1, 201)
    two = embed(x, dims=3)
    np.testing.assert_array_equal(two[:, :1], x)
    np.testing.assert_allclose(two[:, 1], np.sin(2 * np.pi * t / tau), atol=1e-12)
    np.testing.assert_allclose(two[:, 2], np.cos(2 * np.pi * t / tau), atol=1e-9)
    np.testing.assert_allclose(embed(x, dims=2)[:, 1], np.sin(2 * np.pi * t / tau), atol=1e-12)


def test_delay_appends_the_last_channel_delayed_and_drops_the_first_rows():
    x = wave(200, 2)
    tau = decorrelation_time(x)
    out = embed(x, dims=4, embedding="delay")
    assert out.shape == (200 - 2 * tau, 4)
    np.testing.assert_array_equal(out[:, :2], x[2 * tau :])
    np.testing.assert_array_equal(out[:, 2], x[tau:-tau, 1])
    np.testing.assert_array_equal(out[:, 3], x[: -2 * tau, 1])


def test_random_delays_lie_in_range_and_follow_the_seed():
    x = np.arange(100.0)[:, None]
    out = embed(x, dims=6, embedding="delay_random", seed=5)
    delays = out[0, 0] - out[0, 1:]
    assert ((delays >= 3) & (delays <= 10)).all()
    np.testing.assert_array_equal(out, embed(x, dims=6, embedding="delay_random", seed=5))


def test_zero_and_full_dimension():
    x = wave(30, 2)
    np.testing.assert_array_equal(embed(x, dims=3, embedding="zero")[:, 2], 0)
    assert embed(x, dims=2) is x


@pytest.mark.parametrize(("embedding", "T"), [("pos", 9), ("delay", 3), ("delay_random", 6)])
def test_too_short_for_the_embedding(embedding, T):
    with pytest.raises(InputError, match=f"found {T}"):
        embed(wave(T, 1), dims=3, embedding=embedding)


def test_too_many_channels_for_embed():
    with pytest.raises(InputError, match="singly"):
        preprocessing.embed(wave(20, 4), dims=3)
