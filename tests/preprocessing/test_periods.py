"""Periods and correlation times, against their definitions and known waves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix.preprocessing import autocorrelation, decorrelation_time, dominant_period


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


@given(st.floats(5.0, 120.0), st.floats(0, 2 * np.pi))
@settings(max_examples=25)
def test_the_peak_of_the_spectrum_is_the_sines(period, phase):
    x = 7 * np.sin(2 * np.pi * np.arange(1200) / period + phase)[:, None]
    trend = 0.1 * np.arange(1200)[:, None]
    assert dominant_period(x, by="spectrum") == pytest.approx(period, rel=0.02)
    assert dominant_period(x + trend, by="spectrum") == pytest.approx(period, rel=0.02)


@pytest.mark.parametrize("T", [2, 3, 20, 100, 1000, 20_000])
@pytest.mark.parametrize("period", [4.0, 90.0, 700.0, 5000.0])
def test_the_decorrelation_time_is_the_first_lag_below_the_level(T, period):
    x = np.sin(2 * np.pi * np.arange(T) / period) + 0.01 * np.random.default_rng(T).normal(size=T)
    below = autocorrelation(x)[: T // 2] < np.exp(-1)
    assert decorrelation_time(x[:, None]) == (int(below.argmax()) if below.any() else 1)
