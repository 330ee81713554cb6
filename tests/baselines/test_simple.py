"""Copies and constants do what their names promise."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import wave

from dynamix import InputError
from dynamix.baselines import baseline, mean, naive, parrot, seasonal_naive
from dynamix.local.analogue import copied


def test_a_parrot_copies_what_followed_a_like_past():
    x = np.random.default_rng(0).normal(size=(60, 2))
    np.testing.assert_array_equal(parrot(x, 75), copied(x, 75))
    np.testing.assert_array_equal(parrot(x, 75, match_length=3), copied(x, 75, match_length=3))


def test_seasonal_naive_repeats_each_channel_s_own_season():
    t = np.arange(300)
    x = np.stack([np.sin(2 * np.pi * t / 25), np.cos(2 * np.pi * t / 40), np.ones(300)], axis=1)
    t = np.arange(300, 500)
    truth = np.stack([np.sin(2 * np.pi * t / 25), np.cos(2 * np.pi * t / 40), np.ones(200)], axis=1)
    np.testing.assert_allclose(seasonal_naive(x, 200), truth, atol=1e-9)


def test_seasonal_naive_repeats_a_given_season():
    x = np.arange(10.0)[:, None]
    y = seasonal_naive(x, 7, season=3)
    np.testing.assert_array_equal(y[:, 0], [7, 8, 9, 7, 8, 9, 7])
    np.testing.assert_array_equal(seasonal_naive(x[:2], 3, season=5)[:, 0], [0, 1, 0])


def test_mean_and_naive():
    x = wave(50)
    np.testing.assert_allclose(mean(x, 3), np.tile(x.mean(axis=0), (3, 1)))
    np.testing.assert_array_equal(naive(x, 3), np.tile(x[-1], (3, 1)))


def test_the_ceiling_is_the_true_system_later():
    x, truth = wave(50), wave(40)
    call = baseline("ceiling")
    np.testing.assert_array_equal(call(x, 15, truth=truth), truth[-15:])
    several = call(np.stack([x, x], axis=1), 15, truth=np.stack([truth, -truth], axis=1))
    np.testing.assert_array_equal(several[:, 1], -truth[-15:])
    with pytest.raises(InputError, match="needs the true system"):
        call(x, 15)


def test_too_short():
    with pytest.raises(InputError, match="at least 3 steps"):
        parrot(wave(2), 5)
