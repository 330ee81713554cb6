"""Seasons: exact where a series is seasonal, absent where it is a flow."""

import numpy as np
import pandas as pd
import pytest

from dynamix import InputError
from dynamix.flows import flow
from dynamix.preprocessing import Season, calendar_seasons, find_seasons

DAY = np.random.default_rng(0).normal(size=24)
HOURS = np.tile(DAY, 30)[:, None]


def test_a_pure_season_and_a_line_are_continued_exactly():
    line = 0.3 * np.arange(720.0)[:, None]
    season = Season.fit(HOURS + line, (24,))
    rest = season.apply(HOURS + line)
    np.testing.assert_allclose(np.diff(rest, axis=0), 0.3, rtol=1e-9)
    ahead = season.invert(np.zeros((50, 1)), start=721)
    np.testing.assert_allclose(ahead[:, 0], np.resize(DAY, 50) - DAY.mean(), atol=1e-12)


def test_applying_and_inverting_are_inverse():
    x = np.random.default_rng(1).normal(size=(100, 2))
    season = Season.fit(x, (4, 12))
    np.testing.assert_allclose(season.invert(season.apply(x), start=1), x, atol=1e-12)


@pytest.mark.parametrize("cut", [0, 1, 7, 23])
def test_the_phase_does_not_depend_on_where_the_context_ends(cut):
    x = HOURS[: len(HOURS) - cut]
    ahead = Season.fit(x, (24,)).invert(np.zeros((24, 1)), start=len(x) + 1)
    np.testing.assert_allclose(ahead[:, 0], np.roll(DAY, cut) - DAY.mean(), atol=1e-12)


@pytest.mark.parametrize("size", [2.0**-990, 2.0**-30, 1.0, 2.0**30, 2.0**990])
def test_units_change_nothing(size):
    x = HOURS + np.random.default_rng(2).normal(size=HOURS.shape)
    assert find_seasons(size * x[:, 0]) == (24,)
    np.testing.assert_array_equal(
        Season.fit(size * x, (24,)).apply(size * x), size * Season.fit(x, (24,)).apply(x)
    )


def test_two_seasons_are_found():
    rng = np.random.default_rng(3)
    week = np.repeat(rng.normal(size=7), 24)
    x = np.resize(DAY, 1500) + np.resize(week, 1500) + 0.2 * rng.normal(size=1500)
    found = find_seasons(x)
    assert found in {(24, 168), (168,)}
    rest = Season.of(x[:, None], [found]).apply(x[:, None])
    assert rest.std() < 0.25


@pytest.mark.parametrize("kind", ["chaotic", "cyclic"])
@pytest.mark.parametrize("points", [24, 50])
def test_flows_have_no_season(kind, points):
    for seed in range(6):
        x = flow(seed, n=2000, points_per_period=points, kind=kind)
        assert [find_seasons(channel) for channel in x.T.copy()] == [()] * 3


def test_noise_and_trends_have_no_season():
    rng = np.random.default_rng(4)
    assert find_seasons(rng.normal(size=1000)) == ()
    assert find_seasons(rng.normal(size=1000).cumsum()) == ()
    assert find_seasons(np.arange(1000.0)) == ()
    assert find_seasons(np.array([1.0, 2.0, 1.0])) == ()


CALENDARS = {
    "h": (24, 168),
    "15min": (96, 672),
    "D": (7,),
    "B": (5,),
    "W": (52,),
    "MS": (12,),
    "QS": (4,),
    "YS": (),
}


@pytest.mark.parametrize("step", CALENDARS)
def test_an_index_names_its_seasons(step):
    index = pd.date_range("2021-01-01", periods=60, freq=step)
    assert calendar_seasons(index) == CALENDARS[step]


def test_numbers_are_no_calendar():
    assert calendar_seasons(pd.RangeIndex(50)) is None
    assert calendar_seasons(None) is None


def test_a_context_must_hold_three_cycles():
    with pytest.raises(
        InputError, match="season of 24 steps needs a context of 72 steps, found 70"
    ):
        Season.fit(HOURS[:70], (24,))
