"""Measures of ensembles against brute force and exact draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import small_model, wave
from scipy import stats

from dynamix import InputError, forecast, metrics

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("level", [0.5, 0.9])
@pytest.mark.parametrize("K", [20, 200])
def test_exact_gaussian_draws_are_covered_as_order_statistics_say(level, K):
    T = 10_000
    samples, truth = RNG.normal(size=(K, T)), RNG.normal(size=T)
    # the interpolated quantile at rank 1 + q (K - 1); of K + 1 exchangeable values each gap of the
    # K sorted ones holds the truth with probability 1 / (K + 1)
    expected = level * (K - 1) / (K + 1)
    found = metrics.coverage(forecast=samples, truth=truth, level=level)
    assert found == pytest.approx(
        expected, abs=4 * np.sqrt(level * (1 - level) / T) + 0.01 * 20 / K
    )


def test_coverage_by_hand():
    samples = RNG.normal(size=(7, 30, 2))
    truth = RNG.normal(size=(30, 2))
    inside = 0
    for t in range(30):
        for i in range(2):
            low, high = (np.quantile(samples[:, t, i], q) for q in (0.25, 0.75))
            inside += low <= truth[t, i] <= high
    found = metrics.coverage(forecast=samples, truth=truth, level=0.5)
    assert found == pytest.approx(inside / 60)


def test_frames_and_tensors_are_measured_as_arrays_are():
    x = wave(60, 2)
    frame = pd.DataFrame(x, columns=["a", "b"])
    truth = wave(12, 2, seed=1)
    options = {"horizon": 12, "n_samples": 4, "model": small_model()}
    plain, framed = forecast(x, **options), forecast(frame, **options)
    tensor = torch.from_numpy(plain)
    for measure in (metrics.coverage, metrics.crps):
        expected = measure(forecast=plain, truth=truth)
        assert measure(forecast=framed, truth=truth) == expected
        assert measure(forecast=tensor, truth=truth) == expected
    one = forecast(frame["a"], **options)
    expected = metrics.crps(forecast=forecast(x[:, 0], **options), truth=truth[:, 0])
    assert metrics.crps(forecast=one, truth=truth[:, 0]) == expected


def test_too_narrow_and_too_wide_ensembles_show():
    samples, truth = RNG.normal(size=(200, 3000)), RNG.normal(size=3000)
    narrow, wide = (
        metrics.coverage(forecast=width * samples, truth=truth, level=0.9) for width in (0.5, 2.0)
    )
    assert narrow < 0.65
    assert wide > 0.99


def test_crps_by_hand():
    samples, truth = RNG.normal(size=(6, 20, 2)), RNG.normal(size=(20, 2))
    change = np.abs(np.diff(truth, axis=0)).mean(axis=0)
    total = 0.0
    for t in range(5):
        for i in range(2):
            x, y = samples[:, t, i], truth[t, i]
            energy = np.abs(x - y).mean() - np.abs(x[:, None] - x[None]).mean() / 2
            total += energy / change[i]
    assert metrics.crps(forecast=samples, truth=truth, steps=5) == pytest.approx(total / 10)


def test_crps_of_a_gaussian_is_the_closed_form():
    truth = RNG.normal(size=400)
    samples = RNG.normal(size=(1000, 400))
    z = truth
    exact = z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi)
    change = np.abs(np.diff(truth)).mean()
    found = metrics.crps(forecast=samples, truth=truth)
    assert found == pytest.approx(exact.mean() / change, rel=0.02)


def test_crps_of_one_sample_is_the_scaled_error():
    truth, forecast = RNG.normal(size=(30, 3)), RNG.normal(size=(30, 3))
    same = np.stack([forecast] * 4)
    error = metrics.mase(forecast=forecast, truth=truth, steps=8)
    assert metrics.crps(forecast=same, truth=truth, steps=8) == pytest.approx(error)


@pytest.mark.parametrize("measure", [metrics.coverage, metrics.crps])
def test_series_are_measured_singly_and_failures_are_nan(measure):
    samples, truth = RNG.normal(size=(9, 25, 3, 2)), RNG.normal(size=(25, 3, 2))
    found = measure(forecast=samples, truth=truth)
    assert found.shape == (3,)
    for s in range(3):
        assert found[s] == measure(forecast=samples[:, :, s], truth=truth[:, s])
    samples[4, 7, 1, 0] = np.inf
    assert np.isnan(measure(forecast=samples, truth=truth)).tolist() == [False, True, False]


@pytest.mark.parametrize("measure", [metrics.coverage, metrics.crps])
@pytest.mark.parametrize(
    ("samples", "truth", "message"),
    [
        (np.zeros((5, 10)), np.zeros(9), r"\(5, 10\) for a truth of \(9,\)"),
        (np.zeros(10), np.zeros(10), "first axis"),
        (np.zeros((0, 10)), np.zeros(10), "first axis"),
        (np.zeros((5, 10)), np.r_[np.zeros(9), np.nan], "truth must be finite"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(measure, samples, truth, message):
    with pytest.raises(InputError, match=message):
        measure(forecast=samples, truth=truth)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 90.0, float("nan")])
def test_levels_lie_between_0_and_1(level):
    with pytest.raises(InputError, match="level"):
        metrics.coverage(forecast=np.zeros((3, 5)), truth=np.zeros(5), level=level)


def test_a_truth_that_stands_still_has_no_scale():
    with pytest.raises(InputError, match="vary"):
        metrics.crps(forecast=np.zeros((3, 5)), truth=np.ones(5))
