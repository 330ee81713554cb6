"""Likeness of systems by their use of experts: metrics, permutation tests, maps."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

from dynamix import InputError
from dynamix.dynamics import kin


def walk(seed: int, T: int = 60, n: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((T, n))


def test_use_distances_are_a_metric_that_does_not_know_the_experts_numbers():
    p = np.random.default_rng(0).dirichlet(np.ones(5), size=12)
    d = kin.use_distances(p)
    np.testing.assert_allclose(d, d.T)
    np.testing.assert_allclose(np.diag(d), 0.0, atol=1e-7)
    np.testing.assert_allclose(d, kin.use_distances(p[:, [3, 0, 4, 1, 2]]))
    assert (d[:, None] <= d[:, :, None] + d[None] + 1e-9).all()  # triangles
    opposite = kin.use_distances(np.eye(2))[0, 1]
    assert opposite == pytest.approx(math.sqrt(math.log(2)))
    m = (p[0] + p[1]) / 2
    by_hand = sum((q * np.log(q / m)).sum() / 2 for q in p[:2])
    assert d[0, 1] == pytest.approx(math.sqrt(by_hand))


def test_energy_distances_by_brute_force_and_under_motions():
    clouds = [walk(s, T=20) + s for s in range(3)]
    d = kin.energy_distances(clouds)

    def mean(a, b):
        return np.mean([np.linalg.norm(x - y) for x in a for y in b])

    a, b = clouds[0], clouds[2]
    assert d[0, 2] == pytest.approx(math.sqrt(2 * mean(a, b) - mean(a, a) - mean(b, b)))
    turn = np.linalg.qr(walk(9, T=3))[0]
    np.testing.assert_allclose(kin.energy_distances([c @ turn + 5 for c in clouds]), d)
    assert kin.energy_distances([a, a[::-1]])[0, 1] == pytest.approx(0.0, abs=1e-6)
    # one dimension, two points: 2 |x - y|
    assert kin.energy_distances([np.zeros((4, 1)), np.full((3, 1), 8.0)])[0, 1] == pytest.approx(4)


def test_chance_gives_kin_a_nearness_of_one_half_exactly():
    d = kin.use_distances(np.random.default_rng(1).dirichlet(np.ones(4), size=5))
    families = ["a", "a", "a", "b", "b"]
    every = [
        kin.kinship(d[np.ix_(p, p)], families, permutations=1, seed=0).nearness
        for p in map(list, permutations(range(5)))
    ]
    assert np.mean(every) == pytest.approx(0.5)


def test_kinship_by_hand_and_its_invariances():
    d = np.array([[0, 1, 5, 6], [1, 0, 4, 3], [5, 4, 0, 2], [6, 3, 2, 0]], dtype=float)
    found = kin.kinship(d, ["a", "a", "b", "b"], permutations=2000, seed=0)
    assert found.by_family == {"a": 5.5 / 6, "b": 4.5 / 6}
    assert found.nearness == pytest.approx(5 / 6)
    assert found.pairs == 2
    # 3 ways to pair four systems; only the true one is as near
    assert found.p_value == pytest.approx(1 / 3, abs=0.03)
    assert found.null.mean() == pytest.approx(0.5, abs=0.02)
    same = kin.kinship(np.exp(d), ["x", "x", "y", "y"], permutations=2000, seed=0)
    assert (same.nearness, same.p_value) == (found.nearness, found.p_value)
    lonely = kin.kinship(d, ["a", "a", "b", ""], permutations=50, seed=0)
    assert list(lonely.by_family) == ["a"]


def test_kinship_finds_planted_families_and_p_values_are_even_without():
    rng = np.random.default_rng(0)
    families = ["a"] * 4 + ["b"] * 3 + [""] * 20
    planted = rng.standard_normal((27, 3))
    planted[:4] = planted[0] + 0.1 * planted[:4]
    planted[4:7] = planted[4] + 0.1 * planted[4:7]
    d = np.linalg.norm(planted[:, None] - planted, axis=-1)
    assert kin.kinship(d, families, permutations=500, seed=0).p_value == pytest.approx(1 / 501)
    ps = []
    for _ in range(100):
        x = rng.standard_normal((27, 3))
        d = np.linalg.norm(x[:, None] - x, axis=-1)
        ps.append(kin.kinship(d, families, permutations=99, seed=1).p_value)
    assert np.mean(ps) == pytest.approx(0.5, abs=0.1)
    assert np.mean(np.array(ps) <= 0.1) < 0.2


def test_kinship_refuses_what_it_cannot_test():
    with pytest.raises(InputError, match="no family has two members"):
        kin.kinship(np.zeros((2, 2)), ["a", "b"], permutations=9, seed=0)
    with pytest.raises(InputError, match=r"\(3, 3\)"):
        kin.kinship(np.zeros((2, 2)), ["a", "a", "b"], permutations=9, seed=0)


def test_recognition_counts_what_is_found_again():
    d = np.array([[0.0, 1, 2], [3, 4, 1], [9, 9, 2]])
    assert kin.recognition(d) == pytest.approx(2 / 3)
