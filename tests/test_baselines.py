"""Rivals behind one signature."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import wave

from dynamix import InputError, baselines


def test_parroting_continues_a_cycle_exactly():
    t = np.arange(400)[:, None]
    x = np.concatenate([np.sin(2 * np.pi * t / 25), np.cos(2 * np.pi * t / 25)], axis=1)
    np.testing.assert_allclose(baselines.parrot(x[:300], 100), x[300:], atol=1e-9)


def test_parroting_copies_what_followed_the_best_match_and_repeats_it():
    x = np.random.default_rng(0).normal(size=(60, 2))
    x[20:30] = x[50:60]
    y = baselines.parrot(x, 75)
    np.testing.assert_array_equal(y[:30], x[30:])
    np.testing.assert_array_equal(y[30:60], x[30:])
    np.testing.assert_array_equal(y[60:], x[30:45])


@pytest.mark.parametrize("name", baselines.BASELINES)
def test_every_rival_has_the_same_signature(name):
    x = wave(50).astype(np.float32)
    y = baselines.baseline(name)(x, 20, seed=0)
    assert y.shape == (20, 3)
    assert y.dtype == np.float32
    assert np.isfinite(y).all()


def test_mean_and_naive():
    x = wave(50)
    np.testing.assert_allclose(baselines.mean(x, 3), np.tile(x.mean(axis=0), (3, 1)))
    np.testing.assert_array_equal(baselines.naive(x, 3), np.tile(x[-1], (3, 1)))


def test_unknown_rival_and_too_short():
    with pytest.raises(InputError, match="Did you mean 'parrot'"):
        baselines.baseline("parot")
    with pytest.raises(InputError, match="at least 3 steps"):
        baselines.parrot(wave(2), 5)
