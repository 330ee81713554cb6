"""Copies and constants do what their names promise."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import wave

from dynamix import InputError
from dynamix.baselines import baseline, mean, naive, parrot, seasonal_naive


def test_parroting_continues_a_cycle_exactly():
    t = np.arange(400)[:, None]
    x = np.concatenate([np.sin(2 * np.pi * t / 25), np.cos(2 * np.pi * t / 25)], axis=1)
    np.testing.assert_allclose(parrot(x[:300], 100), x[300:], atol=1e-9)


def test_a_parrot_does_not_take_the_present_for_its_past():
    """An orbit that ends slowly: one step back is nearest, and would be copied for ever."""
    t = np.linspace(0, 6, 600)
    x = np.stack([np.exp(-t), np.exp(-2 * t)], axis=1)
    y = parrot(x, 30)
    np.testing.assert_array_equal(y[:20], np.resize(x[590:], (20, 2)))  # not x[599] alone


def test_parroting_copies_what_followed_the_best_match_and_repeats_it():
    x = np.random.default_rng(0).normal(size=(60, 2))
    x[20:30] = x[50:60]
    y = parrot(x, 75)
    np.testing.assert_array_equal(y[:30], x[30:])
    np.testing.assert_array_equal(y[30:60], x[30:])
    np.testing.assert_array_equal(y[60:], x[30:45])


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
