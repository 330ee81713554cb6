"""Damping: the model's share of a forecast, by the context's own end."""

from functools import partial

import numpy as np
import pytest

import dynamix
from dynamix import InputError
from dynamix.flows import flow
from dynamix.forecasting.damping import CYCLES, DECAYS, WEIGHTS, Trials, origins, plain, shares

forecast = partial(dynamix.forecast, model="dynamix-3d")
DAY = np.random.default_rng(0).normal(size=24)


def noisy(steps=480, seed=1):
    return np.resize(DAY, steps) + 0.3 * np.random.default_rng(seed).normal(size=steps)


def test_a_flow_is_forecast_as_without_damping():
    x = flow(1, n=600)
    np.testing.assert_array_equal(
        forecast(x, horizon=200, damping="auto"), forecast(x, horizon=200)
    )


def test_noise_about_a_season_is_forecast_by_the_season():
    x = noisy(528)
    y = forecast(x[:480], horizon=48, season="auto", damping="auto")
    free = forecast(x[:480], horizon=48, season="auto")
    truth = np.resize(DAY, 48)
    assert np.abs(y - truth).mean() < 0.15 < np.abs(free - truth).mean()


def test_white_noise_is_forecast_by_its_mean():
    x = np.random.default_rng(2).normal(size=400)
    assert np.abs(forecast(x, horizon=50, damping="auto")).mean() < 0.3


def test_units_change_no_digit():
    x = noisy()
    y = forecast(x, horizon=30, season="auto", damping="auto")
    for size in (2.0**-900, 2.0**40, 2.0**900):
        again = forecast(size * x, horizon=30, season="auto", damping="auto")
        np.testing.assert_array_equal(again, size * y)


def test_a_series_does_not_depend_on_the_series_beside_it():
    x = np.stack([noisy(seed=1), noisy(seed=2)[::-1].cumsum()], axis=1)[:, :, None]
    both = forecast(x, horizon=24, season="auto", damping="auto")
    for i in range(2):
        one = forecast(x[:, i], horizon=24, season="auto", damping="auto")
        np.testing.assert_array_equal(both[:, i], one)


def test_all_samples_are_damped_alike():
    y = forecast(noisy(), horizon=10, season="auto", damping="auto", n_samples=3)
    assert y.shape == (3, 10)


def test_the_weight_is_the_best_one():
    """Of a model that is right up to a factor, and a plain forecast of zeros."""
    truth = np.random.default_rng(3).normal(size=(8, 20, 1, 1))
    plains = np.zeros((len(CYCLES) * len(DECAYS), 8, 20, 1, 1))
    for right, weight in ((1.0, 1.0), (4 / 3, 1.0), (-1.0, 0.0), (np.nan, 0.0)):
        assert shares(Trials(right * truth, plains, truth))[0] == weight
    truth[:, :5] = 0.0  # the first steps do not tell
    assert shares(Trials(2 * truth, plains, truth))[0] == 0.5
    assert 0.5 in WEIGHTS


def test_a_plain_forecast_of_a_pure_season_is_exact():
    made = plain(np.tile(DAY, 12)[:, None], [(24,)], horizon=30)
    np.testing.assert_allclose(made[:, :, 0], np.broadcast_to(np.resize(DAY, 30), made.shape[:2]))


def test_trials_lie_in_the_context():
    for T, horizon in ((16, 1), (17, 100), (500, 24), (2048, 720)):
        places, steps = origins(T, horizon)
        assert places[0] >= T // 2 - steps
        assert places[-1] + steps == T
        assert 1 <= steps <= horizon


def test_a_short_context_is_an_error():
    with pytest.raises(InputError, match="damping needs a context of at least 16 steps, found 15"):
        forecast(noisy(15), horizon=3, damping="auto")
