"""The measures: brute force, invariances, known limits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from helpers import wave
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import InputError, metrics

MEASURES = {
    "d_stsp": metrics.state_space_divergence,
    "d_h": metrics.spectral_hellinger,
    "hellinger": metrics.histogram_hellinger,
    "mase": metrics.mase,
    "vpt": metrics.valid_prediction_time,
}


def divergence_by_hand(forecast, truth, bins):
    """Histograms counted bin by bin, without index arithmetic."""
    low, high = truth.min(axis=0), truth.max(axis=0)
    edges = [np.linspace(a, b, bins + 1) for a, b in zip(low, high, strict=True)]
    p, q = [], []
    for cell in itertools.product(range(bins), repeat=truth.shape[1]):
        for points, counts in ((truth, p), (forecast, q)):
            inside = np.ones(len(points), dtype=bool)
            for d, i in enumerate(cell):
                x = points[:, d]
                upper = x <= edges[d][i + 1] if i == bins - 1 else x < edges[d][i + 1]
                inside &= (x >= edges[d][i]) & upper
            counts.append(inside.sum() + 1e-5)
    p, q = np.array(p) / sum(p), np.array(q) / sum(q)
    return np.sum(p * np.log(p / q))


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(2, 4))
@settings(max_examples=25, deadline=None)
def test_divergence_equals_counting_by_hand(seed, n, bins):
    rng = np.random.default_rng(seed)
    # multiples of 1/8 on a grid of eighths: points fall on bin edges, exactly
    truth, forecast = rng.integers(0, 9, size=(2, 40, n)) / 8.0
    truth[0], truth[1] = 0.0, 1.0
    bins = 2 ** (bins - 1)
    value = metrics.state_space_divergence(forecast=forecast, truth=truth, bins=bins)
    assert value == pytest.approx(divergence_by_hand(forecast, truth, bins), abs=1e-9)


@pytest.mark.parametrize("name", ["d_stsp", "d_h", "hellinger", "mase"])
def test_a_perfect_forecast_scores_zero(name):
    x = wave(500)
    assert MEASURES[name](forecast=x, truth=x) == 0.0
    assert metrics.valid_prediction_time(forecast=x, truth=x, lyapunov_time=50.0) == 10.0


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_scaling_both_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    truth, forecast = wave(300, seed=seed), wave(300, seed=seed + 1)
    scale, offset = 2.0 ** rng.integers(-6, 7, size=3), rng.integers(-8, 9, size=3)
    for measure in MEASURES.values():
        plain = measure(forecast=forecast, truth=truth)
        scaled = measure(forecast=forecast * scale + offset, truth=truth * scale + offset)
        assert scaled == pytest.approx(plain, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", MEASURES)
def test_series_are_measured_apart(name):
    x, y = (np.stack([wave(200, seed=s + k) for s in range(3)], axis=1) for k in (0, 5))
    together = MEASURES[name](forecast=y, truth=x)
    assert together.shape == (3,)
    for s in range(3):
        assert together[s] == pytest.approx(MEASURES[name](forecast=y[:, s], truth=x[:, s]))
    tensor = MEASURES[name](forecast=torch.from_numpy(y), truth=torch.from_numpy(x))
    np.testing.assert_array_equal(tensor, together)


def test_divergence_of_a_forecast_that_misses_or_explodes_is_a_failure():
    x = wave(300)
    assert np.isnan(metrics.state_space_divergence(forecast=x + 100, truth=x))
    broken = x.copy()
    broken[200:] = np.nan
    for name in ("d_stsp", "d_h"):
        assert np.isnan(MEASURES[name](forecast=broken, truth=x))
    assert metrics.mase(forecast=broken, truth=x) == 0.0  # its first ten steps are right
    assert metrics.valid_prediction_time(forecast=broken, truth=x) == 200


def test_divergence_sees_every_bin():
    truth = np.linspace(0, 1, 300)[:, None]
    lower = truth[truth[:, 0] > 1 / 30]  # leaves the first bin empty
    assert metrics.state_space_divergence(forecast=lower, truth=truth) > 0.3


def hellinger_by_hand(forecast, truth, bins):
    """Cells of an endless grid, counted in a dictionary."""
    low, high = truth.min(axis=0), truth.max(axis=0)
    shares = []
    for points in (truth, forecast):
        counts = {}
        for x in points:
            cell = np.floor((x - low) / (high - low) * bins)
            cell = tuple(np.where(x == high, bins - 1, cell))
            counts[cell] = counts.get(cell, 0) + 1 / len(points)
        shares.append(counts)
    overlap = sum(np.sqrt(p * shares[1].get(cell, 0.0)) for cell, p in shares[0].items())
    return np.sqrt(max(1 - overlap, 0.0))


@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([2, 4, 8]))
@settings(max_examples=25, deadline=None)
def test_histogram_hellinger_equals_counting_by_hand(seed, n, bins):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 9, size=(40, n)) / 8.0
    truth[0], truth[1] = 0.0, 1.0
    forecast = rng.integers(-4, 13, size=(60, n)) / 8.0  # in the range and outside
    value = metrics.histogram_hellinger(forecast=forecast, truth=truth, bins=bins)
    assert value == pytest.approx(hellinger_by_hand(forecast, truth, bins), abs=1e-7)


def test_histogram_hellinger_counts_escapes_and_is_symmetric_within_one_range():
    x, y = wave(400), wave(400, seed=1)
    for a in (x, y):  # the same corners, so the same bins
        a[0], a[1] = -9.0, 9.0
    there = metrics.histogram_hellinger(forecast=y, truth=x, bins=5)
    assert 0 < there < 1
    assert metrics.histogram_hellinger(forecast=x, truth=y, bins=5) == pytest.approx(there)
    escaped = np.where(np.arange(400)[:, None] < 200, x, 1e6)
    half = metrics.histogram_hellinger(forecast=escaped, truth=np.tile(x[:200], (2, 1)), bins=5)
    assert half == pytest.approx(np.sqrt(1 - np.sqrt(0.5)))  # half of the points have left
    assert metrics.histogram_hellinger(forecast=x + 100, truth=x) == 1.0
    assert np.isnan(metrics.histogram_hellinger(forecast=np.full_like(x, np.nan), truth=x))


def test_mixture_divergence_agrees_with_the_closed_form_of_two_gaussians():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(4000, 6))
    forecast = rng.normal(size=(4000, 6)) + 2 * np.eye(6)[0]
    value = metrics.state_space_divergence(forecast=forecast, truth=truth)
    smoothed = 1**2 + 1**2  # variance of points of width 1 under kernels of width 1
    assert value == pytest.approx(2**2 / (2 * smoothed), rel=0.2)
    assert metrics.state_space_divergence(forecast=truth, truth=truth) == pytest.approx(0, abs=1e-9)


@given(st.integers(0, 1000), st.sampled_from([0, 5, 20]))
@settings(max_examples=15, deadline=None)
def test_hellinger_is_symmetric_and_between_zero_and_one(seed, smoothing):
    x, y = wave(200, seed=seed), wave(200, seed=seed + 3)
    value = metrics.spectral_hellinger(forecast=y, truth=x, smoothing=smoothing)
    assert 0 <= value <= 1
    assert value == pytest.approx(
        metrics.spectral_hellinger(forecast=x, truth=y, smoothing=smoothing)
    )


def test_hellinger_of_disjoint_spectra_and_of_a_fixed_point_is_one():
    t = np.arange(1000)
    slow, fast = np.sin(2 * np.pi * t / 50), np.sin(2 * np.pi * t / 4)
    assert metrics.spectral_hellinger(forecast=fast, truth=slow, smoothing=0) == pytest.approx(1)
    assert metrics.spectral_hellinger(forecast=np.zeros(1000), truth=slow) == 1.0
    assert metrics.power_spectrum(slow).sum() == pytest.approx(1.0)


def test_hellinger_of_nearly_equal_spectra_is_not_nan():
    x = wave(512)
    assert metrics.spectral_hellinger(forecast=x * (1 + 1e-15), truth=x) == pytest.approx(0)


def test_mase_of_saying_no_change_is_one_for_a_steady_climb():
    truth = np.arange(1.0, 31.0)
    assert metrics.mase(forecast=np.zeros(30), truth=truth, steps=1) == pytest.approx(1.0)
    assert metrics.mase(forecast=np.zeros(30), truth=truth) == pytest.approx(5.5)


def test_valid_prediction_time_is_the_first_crossing():
    truth = wave(100, 1)[:, 0]
    forecast = truth.copy()
    forecast[40:] += 0.5 * truth.std()
    forecast[60] = truth[60]
    assert metrics.valid_prediction_time(forecast=forecast, truth=truth) == 40
    assert metrics.valid_prediction_time(forecast=forecast, truth=truth, lyapunov_time=8.0) == 5


X = wave(100)
NAN = X.copy()
NAN[3, 1] = np.nan
FLAT = X.copy()
FLAT[:, 2] = 1.0


@pytest.mark.parametrize(
    ("name", "forecast", "truth", "options", "message"),
    [
        ("d_stsp", X, NAN, {}, "truth must be finite.*step 3"),
        ("d_stsp", X, X[:, :2], {}, "same series and channels"),
        ("d_stsp", X, FLAT, {}, "channel 2"),
        ("d_stsp", X, X, {"bins": 1}, "bins"),
        ("hellinger", X, FLAT, {}, "channel 2"),
        ("hellinger", X, X, {"bins": 1}, "bins"),
        ("d_stsp", np.zeros((2, 2, 2, 2)), X, {}, r"\(2, 2, 2, 2\)"),
        ("d_stsp", X[:0], X, {}, "forecast is empty"),
        ("d_h", X[:50], X, {}, "equally long"),
        ("d_h", X, X, {"smoothing": -1}, "smoothing"),
        ("mase", X[:5], X, {}, "found 5 of the forecast"),
        ("mase", X, FLAT, {}, "channel 2"),
        ("mase", X, X, {"steps": 0}, "steps"),
        ("vpt", X, FLAT, {}, "vary"),
        ("vpt", X, X, {"threshold": 0.0}, "positive"),
    ],
)
def test_bad_input(name, forecast, truth, options, message):
    with pytest.raises(InputError, match=message):
        MEASURES[name](forecast=forecast, truth=truth, **options)


def test_measures_are_keyword_only():
    with pytest.raises(TypeError):
        metrics.mase(X, X)
