"""Exponents and dimensions of systems whose values are known, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import systems
from dynamix.dynamics.invariants import (
    correlation_dimension,
    correlation_sum,
    divergence_curve,
    kaplan_yorke_dimension,
    largest_exponent,
    mean_oscillation,
    recurrence_matrix,
)
from dynamix.errors import InputError


def logistic(n, x=0.3):
    values = np.empty(n)
    for t in range(n):
        values[t] = x
        x = 4 * x * (1 - x)
    return values


def henon(n):
    values = np.empty((n + 100, 2))
    x, y = 0.1, 0.1
    for t in range(n + 100):
        values[t] = x, y
        x, y = 1 - 1.4 * x**2 + y, 0.3 * x
    return values[100:]


def delay_embedding(x, *, dimension, delay):
    rows = len(x) - (dimension - 1) * delay
    return np.stack([x[i * delay : i * delay + rows] for i in range(dimension)], axis=1)


def circle(n, period=2 * np.pi * 8.3):
    phase = 2 * np.pi * np.arange(n) / period
    return np.stack([np.sin(phase), np.cos(phase)], axis=1)


@pytest.fixture(scope="module")
def lorenz():
    return systems.trajectory("Lorenz", n=12_000)[2000:].astype(np.float64)


def test_exponent_of_the_logistic_map_is_ln_2():
    assert largest_exponent(logistic(4000)) == pytest.approx(np.log(2), abs=0.05)


def test_exponent_of_the_henon_map():
    assert largest_exponent(henon(5000)) == pytest.approx(0.419, abs=0.04)


def test_exponent_of_lorenz_from_its_states_and_from_one_channel(lorenz):
    per_lyapunov_time = systems.lyapunov_time("Lorenz")
    assert largest_exponent(lorenz) * per_lyapunov_time == pytest.approx(1.0, abs=0.2)
    embedded = delay_embedding(lorenz[:, 0], dimension=3, delay=5)
    assert largest_exponent(embedded) * per_lyapunov_time == pytest.approx(1.0, abs=0.3)


def test_a_cycle_and_an_exact_repetition_have_no_positive_exponent(lorenz):
    assert abs(largest_exponent(circle(3000))) < 1e-6
    assert abs(largest_exponent(np.resize(lorenz[:300], (5000, 3)))) < 1e-6


def test_what_stands_still_has_no_exponent():
    assert np.isnan(largest_exponent(np.full((500, 2), 3.0)))
    assert np.isnan(divergence_curve(np.zeros((500, 1)), steps=10)).all()


def test_the_divergence_curve_is_what_brute_force_gives():
    x = henon(300)
    steps, window = 6, 3
    y = x / x.std(axis=0)
    n = len(y) - steps
    logs = []
    for i in range(n):
        distance = np.linalg.norm(y[:n] - y[i], axis=1)
        distance[max(0, i - window) : i + window + 1] = np.inf
        j = int(distance.argmin())
        logs.append([np.log(np.linalg.norm(y[i + k] - y[j + k])) for k in range(steps)])
    curve = divergence_curve(x, steps=steps, window=window, references=n)
    np.testing.assert_allclose(curve, np.mean(logs, axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    ("points", "dimension", "within"),
    [
        (circle(4000), 1.0, 0.1),
        (henon(6000), 1.21, 0.07),
        (np.random.default_rng(0).uniform(size=(4000, 2)), 2.0, 0.12),
        (np.random.default_rng(0).uniform(size=(4000, 3)), 3.0, 0.2),
        (np.zeros((100, 2)), 0.0, 1e-12),
    ],
    ids=["cycle", "henon", "noise in 2", "noise in 3", "point"],
)
def test_correlation_dimension(points, dimension, within):
    assert correlation_dimension(points) == pytest.approx(dimension, abs=within)


def test_correlation_dimension_of_lorenz(lorenz):
    assert correlation_dimension(lorenz) == pytest.approx(2.05, abs=0.1)


def test_noise_fills_every_embedding_and_chaos_does_not(lorenz):
    noise = np.random.default_rng(1).normal(size=6000)
    of_noise, of_lorenz = (
        [correlation_dimension(delay_embedding(x, dimension=d, delay=5)) for d in (2, 4)]
        for x in (noise, lorenz[:6000, 0])
    )
    assert of_noise[1] - of_noise[0] > 1.5
    assert of_lorenz[1] - of_lorenz[0] < 0.4


def test_the_correlation_sum_is_the_share_of_pairs():
    x = np.random.default_rng(0).normal(size=(200, 2))
    radius, share = correlation_sum(x, window=4, references=200)
    y = x / x.std(axis=0)
    distance = np.linalg.norm(y[:, None] - y[None], axis=2)
    apart = np.abs(np.subtract.outer(np.arange(200), np.arange(200))) > 4
    for i in range(0, len(radius), 50):
        assert share[i] == pytest.approx((distance[apart] < radius[i]).mean(), abs=1e-12)


@settings(max_examples=4, deadline=None)
@given(
    scale=st.tuples(*[st.floats(0.01, 100) | st.floats(-100, -0.01)] * 2),
    shift=st.floats(-50, 50),
)
def test_invariants_do_not_depend_on_units(scale, shift):
    x = henon(1500)
    other = x[:, ::-1] * np.array(scale) + shift
    assert largest_exponent(other) == pytest.approx(largest_exponent(x), abs=1e-6)
    assert correlation_dimension(other) == pytest.approx(correlation_dimension(x), abs=0.02)


def test_kaplan_yorke():
    assert kaplan_yorke_dimension([0.906, 0.0, -14.572]) == pytest.approx(2 + 0.906 / 14.572)
    assert kaplan_yorke_dimension([-14.572, 0.0, 0.906]) == pytest.approx(2 + 0.906 / 14.572)
    assert kaplan_yorke_dimension([-1.0, -2.0]) == 0.0
    assert kaplan_yorke_dimension([0.0, -1.0]) == 1.0
    assert kaplan_yorke_dimension([1.0, -0.5]) == 2.0
    with pytest.raises(InputError, match="finite"):
        kaplan_yorke_dimension([np.nan, 1.0])


def test_mean_oscillation_of_a_sine_and_of_noise():
    assert mean_oscillation(circle(4000, 40.0)) == 40
    assert mean_oscillation(np.random.default_rng(0).normal(size=(4000, 1))) <= 5


def test_recurrences_of_a_cycle_are_its_diagonals():
    near = recurrence_matrix(circle(600), rate=0.05)
    assert near.diagonal().all()
    assert near.diagonal(52).all()
    assert not near.diagonal(26).any()
    assert near.mean() == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("bad", [np.zeros(2), np.zeros((5, 2, 2)), np.array([1.0, np.nan] * 10)])
def test_bad_series(bad):
    for measure in (largest_exponent, correlation_dimension, recurrence_matrix):
        with pytest.raises(InputError):
            measure(bad)


def test_bad_settings():
    with pytest.raises(InputError, match="rate"):
        recurrence_matrix(circle(100), rate=1.5)
