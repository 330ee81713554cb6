"""What followed a like past is copied, and the present is not taken for its past."""

from __future__ import annotations

import numpy as np
import pytest

from dynamix import InputError
from dynamix.local.analogue import copied, repeated


def test_a_cycle_is_continued_exactly():
    t = np.arange(400)[:, None]
    x = np.concatenate([np.sin(2 * np.pi * t / 25), np.cos(2 * np.pi * t / 25)], axis=1)
    np.testing.assert_allclose(copied(x[:300], 100), x[300:], atol=1e-9)


def test_the_present_is_not_taken_for_its_past():
    """An orbit that ends slowly: one step back is nearest, and would be copied for ever."""
    t = np.linspace(0, 6, 600)
    x = np.stack([np.exp(-t), np.exp(-2 * t)], axis=1)
    y = copied(x, 30)
    np.testing.assert_array_equal(y[:20], np.resize(x[590:], (20, 2)))  # not x[599] alone


def test_what_followed_the_best_match_is_repeated():
    x = np.random.default_rng(0).normal(size=(60, 2))
    x[20:30] = x[50:60]
    y = copied(x, 75)
    np.testing.assert_array_equal(y[:30], x[30:])
    np.testing.assert_array_equal(y[30:60], x[30:])
    np.testing.assert_array_equal(y[60:], x[30:45])


@pytest.mark.parametrize("factor", [2.0**-900, 2.0**60])
def test_units_have_no_effect(factor):
    x = np.random.default_rng(1).normal(size=(80, 3))
    np.testing.assert_array_equal(copied(factor * x, 20), factor * copied(x, 20))


def test_a_piece_is_repeated_in_its_own_kind():
    y = repeated(np.arange(6, dtype=np.float32).reshape(3, 2), 4)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, [[0, 1], [2, 3], [4, 5], [0, 1]])


def test_too_short_a_context_is_refused():
    with pytest.raises(InputError, match="at least 3 steps, found 2"):
        copied(np.zeros((2, 1)), 5)
