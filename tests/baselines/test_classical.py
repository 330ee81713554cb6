"""The classics do what their names promise, on series whose continuation is known."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import wave

from dynamix import InputError
from dynamix.baselines import baseline, seasonal_naive

pytest.importorskip("statsforecast", reason="the extra 'realworld' is not installed")


def seasonal(T: int, *periods: int, trend: float = 0.0) -> np.ndarray:
    t = np.arange(T)
    return (sum(np.sin(2 * np.pi * t / p) for p in periods) + trend * t + 5.0)[:, None]


NAMES = ("auto_arima", "auto_ets", "auto_theta")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("periods", [(12,), (48,), (12, 60)])
def test_seasons_are_continued_short_long_and_several(name, periods):
    x = seasonal(300, *periods, trend=0.01)
    y = baseline(name, seasons=periods)(x[:240], 60, seed=0)
    # Theta halves the trend, multiplies its season, and knows one only
    known = 0.15 if name != "auto_theta" else 0.4 if len(periods) == 1 else 1.2
    assert y.shape == (60, 1)
    assert np.abs(y - x[240:]).mean() < known


@pytest.mark.parametrize("name", NAMES)
def test_channels_are_forecast_alone_and_keep_their_type(name):
    x = wave(80, 2).astype(np.float32)
    call = baseline(name, seasons=(20,))
    assert not call.joint
    both = call(x, 15, seed=3)
    assert both.dtype == np.float32
    for i in range(2):
        one = call(x[:, i : i + 1], 15, seed=4)
        np.testing.assert_allclose(one[:, 0], both[:, i], rtol=1e-6)


def test_a_random_walk_goes_on_where_it_stands():
    x = np.cumsum(np.random.default_rng(0).normal(size=(400, 1)), axis=0)
    y = baseline("auto_arima")(x, 5)
    assert np.abs(y - x[-1]).max() < 2.0


def test_seasonal_naive_repeats():
    x = np.arange(10.0)[:, None]
    y = seasonal_naive(x, 7, season=3)
    np.testing.assert_array_equal(y[:, 0], [7, 8, 9, 7, 8, 9, 7])
    np.testing.assert_array_equal(seasonal_naive(x[:2], 3, season=5)[:, 0], [0, 1, 0])


def test_bad_input():
    with pytest.raises(InputError, match="Did you mean 'auto_ets'"):
        baseline("auto_est")
    with pytest.raises(InputError, match=r"AutoETS needs .* at least 4 steps, found 3"):
        baseline("auto_ets")(np.ones((3, 1)), 2)
    with pytest.raises(InputError, match="season"):
        baseline("auto_ets", seasons=(0,))(wave(20, 1), 2)
