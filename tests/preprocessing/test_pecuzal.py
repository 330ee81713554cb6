"""PECUZAL: its statistics against brute force, its delays against those its authors publish.

The published values stand in the authors' own documentation of the method: DelayEmbeddings.jl
("Unified optimal embedding") for the x of Lorenz, PECUZAL_python ("Univariate example") for the y
of Roessler, each with the initial state and sampling used below.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers import wave
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import binom

from dynamix import InputError, forecast
from dynamix.preprocessing import embed, find_delays, pecuzal


def lorenz(t, u):
    x, y, z = u
    return [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z]


def roessler(t, u):
    x, y, z = u
    return [-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)]


def solved(flow, start, times):
    options = {"t_eval": times, "rtol": 1e-9, "atol": 1e-9, "method": "DOP853"}
    return solve_ivp(flow, (0.0, times[-1]), start, **options).y


@pytest.fixture(scope="module")
def lorenz_x():
    return solved(lorenz, [1.0, 1.0, 50.0], 10.0 + 0.01 * np.arange(10_001))[0]


@pytest.fixture(scope="module")
def roessler_y():
    return solved(roessler, [1.0, 0.5, 0.5], 0.2 * np.arange(7500))[1, 2500:]


def test_lorenz_has_the_published_delays(lorenz_x):
    found = pecuzal.pecuzal(lorenz_x, longest=50)
    assert found.lags == (0, 18, 9)
    # published: -0.81 and -0.41; the average here is over a fifth of the points
    assert found.decreases[:2] == pytest.approx((-0.81, -0.41), abs=0.05)
    assert found.decreases[2] >= 0
    assert found.continuity.shape == (3, 51)


def test_half_of_lorenz_differs_from_that_by_no_more_than_a_step(lorenz_x):
    lags = pecuzal.pecuzal(lorenz_x[:5000], longest=50).lags
    assert len(lags) == 3
    assert lags == pytest.approx((0, 18, 9), abs=1)


def test_roessler_has_the_published_delays(roessler_y):
    found = pecuzal.pecuzal(roessler_y, longest=50, theiler=7)
    assert found.lags == (0, 7, 15)
    fewer = pecuzal.pecuzal(roessler_y, longest=50, theiler=7, cycles=1)
    assert (fewer.lags, fewer.decreases) == ((0, 7), found.decreases[:1])


def test_the_theiler_window_is_the_first_minimum_of_the_mutual_information(lorenz_x, roessler_y):
    assert pecuzal.information_minimum(roessler_y) == pytest.approx(7, abs=1)  # as published
    # its fastest oscillation has a period of about 0.65: a quarter of that in steps of 0.01
    assert pecuzal.information_minimum(lorenz_x) == pytest.approx(16, abs=4)


@pytest.mark.parametrize("seed", range(4))
def test_noise_gets_no_embedding_of_its_own(seed):
    """The paper: stochastic series are detected, since no component decreases the cost by much."""
    found = pecuzal.pecuzal(np.random.default_rng(seed).normal(size=800))
    assert len(found.lags) <= 2
    assert min(found.decreases) > -0.2  # Lorenz: -0.8


def test_scaling_and_shifting_the_series_change_nothing(lorenz_x):
    x = lorenz_x[:1500]
    plain, other = pecuzal.pecuzal(x), pecuzal.pecuzal(1e4 + 1e3 * x)
    assert plain.lags == other.lags
    assert plain.decreases == pytest.approx(other.decreases, abs=1e-6)


def by_hand_neighbours(v, t, count, theiler):
    distance = np.sqrt(((v - v[t]) ** 2).sum(axis=1))
    order = [i for i in np.argsort(distance, kind="stable") if abs(i - t) > theiler]
    return order[:count]


@given(st.integers(0, 20), st.integers(1, 6), st.integers(1, 3), st.integers(0, 100))
def test_neighbours_are_the_nearest_outside_the_theiler_window(theiler, count, d, seed):
    v = np.random.default_rng(seed).normal(size=(60, d)).cumsum(axis=0)
    t = np.array([0, 7, 30, 59])
    found = pecuzal.neighbours(v, t, count=count, theiler=theiler)
    for row, time in zip(found, t, strict=True):
        assert list(row) == by_hand_neighbours(v, time, count, theiler)


def test_the_number_of_images_needed_is_that_of_the_binomial_test():
    for k in range(8, 14):
        l = pecuzal.images_needed(k)  # noqa: E741
        assert binom.sf(l - 1, k, 0.5) <= 0.05 < binom.sf(l - 2, k, 0.5)
    assert [pecuzal.images_needed(k) for k in (8, 9, 10, 11, 13)] == [7, 8, 9, 9, 10]


def test_continuity_by_hand():
    x = wave(150, 1)[:, 0]
    lags, longest, theiler = [0, 5], 8, 3
    points = 150 - 5 - longest
    v = np.array([[x[t], x[t + 5]] for t in range(points)])
    expected = np.zeros(longest + 1)
    for t in range(points):
        near = by_hand_neighbours(v, t, 13, theiler)
        for lag in range(longest + 1):
            away = [abs(x[i + lag] - x[t + lag]) for i in near]
            expected[lag] += min(
                sorted(away[:k])[pecuzal.images_needed(k) - 1] for k in range(8, 14)
            )
    found = pecuzal.continuity(x, lags=lags, longest=longest, theiler=theiler)
    np.testing.assert_allclose(found, expected / points, rtol=1e-10)


def test_the_cost_by_hand():
    x = wave(120, 1, seed=3)[:, 0]
    lags, points, horizon, theiler, k = [0, 4, 9], 90, 12, 2, 3
    v = np.array([[x[t + lag] for lag in lags] for t in range(120 - 9)])
    sizes, spreads = [], np.zeros((points, horizon + 1))
    for t in range(points):
        ball = [t, *by_hand_neighbours(v[:points], t, k, theiler)]
        pairs = itertools.combinations(ball, 2)
        sizes.append(2 / (k * (k + 1)) * sum(((v[a] - v[b]) ** 2).sum() for a, b in pairs))
        for T in range(2, horizon + 1):
            later = v[np.array(ball) + T]
            spreads[t, T] = ((later - later.mean(axis=0)) ** 2).sum(axis=1).mean()
    expected = []
    for top in range(2, horizon + 1):
        sigma2 = np.mean(spreads[:, 2 : top + 1].mean(axis=1) / sizes)
        alpha2 = 1 / np.sum(1 / np.array(sizes))
        expected.append(np.log10(np.sqrt(sigma2) * np.sqrt(alpha2)))
    found = pecuzal.costs(x, lags=lags, points=points, horizon=horizon, theiler=theiler)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_maxima_are_strict_and_a_plateau_counts_once():
    values = np.array([0.0, 1.0, 0.5, 2.0, 2.0, 1.0, 1.0, 3.0, 4.0])
    assert pecuzal.local_maxima(values).tolist() == [1, 3]
    assert pecuzal.local_maxima(np.zeros(5)).tolist() == []


def test_the_statistics_of_a_long_series_are_averaged_over_points_spread_evenly():
    t = pecuzal.fiducials(10_001)
    assert len(t) == pecuzal.MOST_POINTS
    assert t[0] == 0
    assert t[-1] == 10_000
    assert set(np.diff(t)) <= {5, 6}
    assert pecuzal.fiducials(30).tolist() == list(range(30))


def found_lags(monkeypatch, *lags):
    def found(x, *, cycles):
        return pecuzal.Embedding(lags[: cycles + 1], (), np.zeros((1, 1)), 1)

    monkeypatch.setattr(pecuzal, "pecuzal", found)


@pytest.mark.parametrize(
    ("lags", "count", "delays"),
    [
        ((0, 18, 9), 2, (9, 18)),
        ((0, 7, 15), 2, (8, 15)),  # x(t), x(t + 7), x(t + 15) seen from the newest
        ((0, 7, 15), 1, (7,)),  # more than are missing: the first, which matters most
        ((0, 7), 3, (7, 14, 21)),  # fewer
        ((0,), 2, ()),
    ],
)
def test_lags_become_delays_behind_the_newest_value(monkeypatch, lags, count, delays):
    found_lags(monkeypatch, *lags)
    assert pecuzal.past_delays(np.arange(50.0), count) == delays


def test_the_embedded_rows_are_the_same_points_and_end_with_the_context(monkeypatch):
    x = wave(200, 1)
    found_lags(monkeypatch, 0, 7, 15)
    rows = embed(x, dims=3, embedding="pecuzal")
    assert rows.shape == (185, 3)
    assert rows[-1].tolist() == [x[-1, 0], x[-9, 0], x[-16, 0]]
    points = np.column_stack([x[:185], x[7:192], x[15:]])
    np.testing.assert_array_equal(rows[:, [2, 1, 0]], points)


def test_where_pecuzal_finds_nothing_the_delays_are_those_of_delay(monkeypatch, caplog):
    x = wave(200, 1)
    found_lags(monkeypatch, 0)
    with caplog.at_level("INFO", logger="dynamix"):
        assert find_delays(x, count=2, embedding="pecuzal") == find_delays(
            x, count=2, embedding="delay"
        )
    assert "no delay that helps" in caplog.text


def test_a_forecast_can_use_it(lorenz_x):
    x = lorenz_x[: 3 * 600 : 3]
    y = forecast(x, horizon=20, embedding="pecuzal")
    assert np.abs(y[:3] - lorenz_x[1800:1809:3]).max() < x.std()
    two = np.column_stack([x, lorenz_x[600:2400:3]])
    assert forecast(two, horizon=5, embedding="pecuzal").shape == (5, 2)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (wave(20, 1)[:, 0], {}, "at least .* found 20"),
        (wave(100, 1)[:, 0], {"longest": 30}, "lags up to 30 .* found 100"),
        (np.ones(100), {}, "constant"),
        (wave(300, 1)[:, 0], {"theiler": -1}, "theiler"),
        (wave(300, 1)[:, 0], {"longest": 1}, "longest"),
    ],
)
def test_series_that_are_too_short_are_refused(x, options, message):
    with pytest.raises(InputError, match=message):
        pecuzal.pecuzal(x, **options)
