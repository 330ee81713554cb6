"""The steps of a forecast: seasons are removed before, and come back after."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

import dynamix
from dynamix import InputError
from dynamix.flows import flow

forecast = partial(dynamix.forecast, model="dynamix-3d")
DAY = np.random.default_rng(0).normal(size=24)


@pytest.mark.parametrize("season", ["auto", 24, (24,), (24, 168)])
def test_a_pure_season_is_continued(season):
    y = forecast(np.tile(DAY, 30), horizon=60, season=season)
    np.testing.assert_allclose(y, np.resize(DAY, 60), atol=1e-4)


def test_a_flow_is_forecast_as_without_seasons():
    x = flow(1, n=500)
    np.testing.assert_array_equal(forecast(x, horizon=20, season="auto"), forecast(x, horizon=20))


def test_a_batch_has_seasons_of_its_own():
    rng = np.random.default_rng(1)
    x = np.stack([np.tile(DAY, 30), flow(1, n=720)[:, 0]], axis=1)[:, :, None]
    x[:, 0] += 0.1 * rng.normal(size=(720, 1))
    both = forecast(x, horizon=30, season="auto")
    for i in range(2):
        np.testing.assert_array_equal(both[:, i], forecast(x[:, i], horizon=30, season="auto"))


def test_an_index_names_the_season():
    """A week of days is found on a calendar of days, not on one of hours."""
    rng = np.random.default_rng(2)
    values = np.tile(rng.normal(size=7), 40) + 0.1 * rng.normal(size=280)
    made = {}
    for step in ("D", "h"):
        x = pd.Series(values, index=pd.date_range("2024-01-01", periods=280, freq=step))
        made[step] = forecast(x, horizon=14, season="auto").to_numpy()
    np.testing.assert_array_equal(made["D"], forecast(values, horizon=14, season=7))
    assert not np.array_equal(made["D"], made["h"])


@pytest.mark.parametrize(
    ("season", "message"),
    [
        ("weekly", "unknown season 'weekly'. Known: off, auto"),
        (1, "season must be .* of at least 2, found 1"),
        ((24, 0), "season must be .* of at least 2"),
        ([24], "season must be 'off' or 'auto' or a whole number or a tuple"),
        (500, "season of 500 steps needs a context of 1500 steps, found 720"),
    ],
)
def test_a_season_that_cannot_be_is_an_error(season, message):
    with pytest.raises(InputError, match=message):
        forecast(np.tile(DAY, 30), horizon=5, season=season)


def test_a_start_of_ones_own_has_no_season():
    with pytest.raises(InputError, match="initial_x cannot be combined"):
        forecast(np.tile(DAY, 30), horizon=5, season=24, initial_x=[0.0])


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_run_without_enough_memory_is_one_clear_error(engine):
    with pytest.raises(InputError, match=r"not enough memory.*PiB.*Use fewer steps"):
        forecast(np.tile(DAY, 30), horizon=10**16, engine=engine)
