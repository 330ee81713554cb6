"""Coupled pairs: two systems as one flow."""

from __future__ import annotations

import numpy as np
import pytest

from dynamix import InputError, systems
from dynamix.systems import coupled


def test_a_pair_obeys_its_equations():
    """Finite differences of a finely sampled path against the two right-hand sides."""
    flows = [coupled._normalised(name) for name in ("SprottS", "BurkeShaw")]
    (f, u0), (g, v0) = flows
    start, ratio, k, points = np.concatenate([u0, v0]), 0.7, 0.4, 4000
    x = coupled._integrate(flows, start, 400, points, ratio, k)
    slope = (x[2:] - x[:-2]) * points / 2
    expected = np.array(
        [
            np.concatenate([f(s[:3]) + k * (s[3:] - s[:3]), ratio * g(s[3:]) + k * (s[:3] - s[3:])])
            for s in x[1:-1]
        ]
    )
    assert np.abs(slope - expected).max() < 1e-3 * np.abs(expected).max()


def test_without_coupling_the_halves_are_the_systems_themselves():
    flows = [coupled._normalised(name) for name in ("SprottS", "BurkeShaw")]
    start = np.concatenate([flows[0][1], flows[1][1]])
    x = coupled._integrate(flows, start, 60, 50, 1.0, 0.0)
    whole = systems.trajectory("SprottS", n=2000)
    usual = systems.trajectory("SprottS", n=60, initial_condition=whole[-1].tolist())
    ours = x[:, :3] * whole.astype(np.float64).std(axis=0) + whole.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(ours, usual, atol=1e-3 * usual.std())


def test_a_pair_is_alive_and_repeatable():
    x = coupled.pair("SprottS", "BurkeShaw", n=600, seed=3)
    assert x.shape == (600, 6)
    assert x.dtype == np.float32
    assert (x.std(axis=0) > 0.1).all()
    np.testing.assert_array_equal(x, coupled.pair("SprottS", "BurkeShaw", n=600, seed=3))
    assert not np.array_equal(x, coupled.pair("SprottS", "BurkeShaw", n=600, seed=4))


def test_driven_systems_are_refused():
    with pytest.raises(InputError, match="driven by time"):
        coupled.pair("SprottS", "ForcedVanDerPol", n=200)
