"""The centre of odds: skill is a slope, and a run shares it with a copy only if that helps."""

from __future__ import annotations

import numpy as np
import pytest

from dynamix.forecasting import centre
from dynamix.forecasting.centre import knots, shares, skill


def drawn(K: int = 12, L: int = 20, n: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(K, L, n))


def test_skill_is_the_slope_of_least_absolute_errors_where_it_falls():
    made = drawn()
    real = np.linspace(0.9, 0.2, 20)[:, None] * made + 0.3 * drawn(seed=1)
    found = skill(made, real)
    slopes = np.linspace(0, 1, 501)
    errors = [np.abs(real - slope * made).sum(axis=(0, 2)) for slope in slopes]
    alone = slopes[np.argmin(errors, axis=0)]  # of each lead, without the order of the leads
    assert (np.diff(found) <= 1e-12).all()
    assert np.abs(found - alone).mean() < 0.05


@pytest.mark.parametrize(("off", "expected"), [(0.0, 1.0), (3.0, 0.0)])
def test_the_nearer_one_takes_the_centre(off, expected):
    real, known = drawn(), np.ones((12, 20, 2), dtype=bool)
    made, copied = real + off * drawn(seed=1), real + (3.0 - off) * drawn(seed=2)
    share, others = shares(made, copied, real, known)
    assert share.shape == (20,)
    assert others.shape == (12, 20)
    assert (share == expected).all()
    assert (others == expected).all()


def test_of_two_that_are_alike_the_run_stays():
    real, known = drawn(), np.ones((12, 20, 2), dtype=bool)
    made = real + 0.5 * drawn(seed=1)
    share, others = shares(made, made.copy(), real, known)
    assert (share == 1).all()
    assert (others == 1).all()


def test_a_mean_of_independent_errors_is_nearer_than_each():
    real, known = drawn(K=200), np.ones((200, 20, 2), dtype=bool)
    made, copied = (real + 0.5 * drawn(K=200, seed=seed) for seed in (1, 2))
    assert np.allclose(shares(made, copied, real, known)[0], 0.5)


def test_a_trial_has_no_say_in_its_own_share():
    """One run is so wrong that it decides for the others, but not for itself."""
    real, known = drawn(), np.ones((12, 20, 2), dtype=bool)
    made, copied = real + 0.01 * drawn(seed=1), real + 0.2 * drawn(seed=2)
    made[3] = -4.0 * real[3]
    share, others = shares(made, copied, real, known)
    assert (others[3] == 1).all()
    assert (share < 1).all()


def test_what_is_not_known_does_not_count():
    real, known = drawn(), np.ones((12, 20, 2), dtype=bool)
    made, copied = real + 0.1 * drawn(seed=1), real + 0.5 * drawn(seed=2)
    whole = shares(made, copied, real, known)
    known[7, 12:] = False
    made[7, 12:], copied[7, 12:], real[7, 12:] = 0.0, 0.0, 0.0
    part = shares(made, copied, real, known)
    np.testing.assert_array_equal(part[0], whole[0])


@pytest.mark.parametrize("L", [1, 2, 47, 5000])
def test_knots_are_leads_from_the_first_to_the_last(L):
    found = knots(L)
    assert found[0] == 1
    assert found[-1] == L
    assert len(found) <= centre.KNOTS
    assert (np.diff(found) > 0).all()
