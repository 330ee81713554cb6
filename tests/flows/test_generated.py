"""Generated flows: what they promise, and the integrator behind them."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from dynamix import InputError, systems
from dynamix.flows.families import FAMILIES, candidate
from dynamix.flows.generated import LARGEST_STEP, _search, flow, rhythm
from dynamix.flows.integrator import TOLERANCE, Tables, Walk


@pytest.fixture(scope="module")
def first():
    """What lies behind the first seeds."""
    return [_search(seed, 3, "any") for seed in range(24)]


def slope(tables: Tables, x: np.ndarray) -> np.ndarray:
    """The right-hand side, term by term."""
    n, full, result = len(x), np.append(x, 1.0), []
    units = {0: np.tanh, 1: np.sin, 2: lambda v: np.sqrt(v * v + 0.01)}
    for i in range(n):
        begin, end = (tables.ends[i - 1] if i else 0), tables.ends[i]
        total = sum(
            c * full[f].prod()
            for c, f in zip(tables.coefficient[begin:end], tables.factors[begin:end], strict=True)
        )
        for kind, row in zip(tables.kinds, tables.units, strict=True):
            total += row[n + 1 + i] * units[int(kind)](row[:n] @ x + row[n])
        result.append(total)
    return np.array(result)


def test_every_flow_moves_as_promised(first):
    for seed, found in enumerate(first):
        x = found.path
        assert x.shape == (10_000, 3)
        assert np.isfinite(x).all()
        assert np.abs(x).max() < 200
        parts = np.stack([part.std(axis=0) for part in np.array_split(x, 4)])
        assert (parts > 0.3 * x.std(axis=0)).all(), seed  # it neither settles nor leaves
        steps = np.abs(np.diff(x, axis=0)).max(axis=0)
        assert (steps <= LARGEST_STEP * np.ptp(x, axis=0)).all(), seed
        assert 0.7 < rhythm(x, guess=50.0) / 50 < 1.4, seed


def test_kinds_and_families_are_mixed(first):
    chaotic = sum(found.kind == "chaotic" for found in first)
    assert 12 <= chaotic <= 23  # three in four, give or take three deviations
    assert len({found.family for found in first}) >= 5


def test_near_paths_part_in_chaos_and_only_there(first):
    """Over 200 periods a small distance grows by e^10 at least, or else as a power at most."""
    for seed, found in enumerate(first):
        ends = []
        for nudge in (0.0, 1e-7):
            start = found.start.copy()
            start[0] += nudge * found.scale[0]
            walk = Walk(found.tables, start)
            walk.scale = found.scale
            path, *_ = walk.path(found.period / 5, 1000, tolerance=1e-11, steps=400)
            ends.append(path[-50:] / found.scale)
        growth = np.linalg.norm(ends[1] - ends[0], axis=1).mean() / 1e-7
        assert growth > 3e3 if found.kind == "chaotic" else growth < 2e3, (seed, growth)


@pytest.mark.parametrize("seed", range(8))
def test_halving_the_steps_changes_nothing(seed, first):
    found, paths = first[seed], {}
    for tolerance in (TOLERANCE, TOLERANCE / 32):  # of a fifth-order method
        walk = Walk(found.tables, found.start)
        walk.scale = found.scale
        paths[tolerance], *_ = walk.path(found.period / 50, 150, tolerance=tolerance)
    coarse, fine = paths.values()
    assert 0 < np.abs((coarse - fine) / found.scale).max() < 1e-6
    start, times = found.start[:-1], np.arange(150) * found.period / 50
    exact = solve_ivp(
        lambda t, x: slope(found.tables, x),
        (0, times[-1]),
        start,
        method="DOP853",
        t_eval=times,
        rtol=1e-12,
        atol=1e-12,
    ).y.T
    assert np.abs((coarse - exact) / found.scale).max() < 1e-6


def test_a_seed_is_a_flow_for_good():
    x = flow(3)
    _search.cache_clear()
    np.testing.assert_array_equal(flow(3), x)
    np.testing.assert_array_equal(flow(3, n=77), x[:77])
    longer = flow(3, n=10_500)
    np.testing.assert_array_equal(longer[:10_000], x)
    finer = flow(3, n=200, points_per_period=100)
    np.testing.assert_allclose(finer[::2], x[:100], atol=1e-6 * x.std())
    assert np.abs(flow(4, n=100) - x[:100]).max() > 0.1
    assert len(flow(3, n=300, points_per_period=2)) == 300
    x[:] = 0  # the caller's own
    assert flow(3, n=10).any()


def test_points_per_period_mean_what_they_say(cache):
    t = np.arange(3000)[:, None]
    wave = np.sin(2 * np.pi * t / np.array([40.0, 40.0, 90.0])) + 0.2 * np.sin(t)
    assert rhythm(wave, guess=25.0) == pytest.approx(40, rel=0.04)
    rossler = systems.trajectory("Rossler", n=4000, points_per_period=50).astype(float)
    assert rhythm(rossler, guess=30.0) == pytest.approx(50, rel=0.1)
    assert np.isnan(rhythm(wave[:20], guess=25.0))
    for seed in range(4):
        found = rhythm(flow(seed, n=4000, points_per_period=20), guess=20.0)
        assert 0.6 < found / 20 < 1.6


@pytest.mark.parametrize("family", FAMILIES)
def test_no_candidate_is_a_catalogues(family):
    """A catalogue's coefficients are fixed numbers; here several are drawn from a continuum.

    This holds for every candidate, and so for those that are accepted.
    """
    before = np.zeros(0)
    for seed in range(50):
        tables = candidate(family, 4, np.random.default_rng(seed))
        numbers = np.abs(np.hstack([tables.coefficient, tables.units.ravel()]))
        drawn = np.setdiff1d(numbers, [0, 1])
        assert len(drawn) >= 4
        assert (np.abs(drawn * 100 - np.round(drawn * 100)) > 1e-9).sum() >= 4  # nor round ones
        assert not np.isin(drawn, before).any()
        before = np.append(before, drawn)


def test_no_flow_is_a_catalogues(first):
    for found in first:
        numbers = np.abs(np.hstack([found.tables.coefficient, found.tables.units.ravel()]))
        assert len(np.setdiff1d(numbers, [0, 1])) >= 4


@pytest.mark.parametrize(("dims", "kind"), [(4, "chaotic"), (5, "cyclic"), (6, "any")])
def test_more_dimensions(dims, kind):
    x = flow(1, n=500, dims=dims, kind=kind)
    assert x.shape == (500, dims)
    assert (x.std(axis=0) > 0).all()
    if kind != "any":
        assert _search(1, dims, kind).kind == kind


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be an integer of at least 0, found -1"),
        ({"seed": 1.0}, "seed must be an integer"),
        ({"n": 0}, "n must be an integer of at least 1"),
        ({"points_per_period": 1}, "points_per_period must be an integer of at least 2"),
        ({"dims": 2}, "dims must be an integer of at least 3"),
        ({"dims": 7}, "dims must be 3 to 6, found 7"),
        ({"kind": "caotic"}, "unknown kind 'caotic'.*Did you mean 'chaotic'"),
    ],
)
def test_bad_input_is_told(options, message):
    with pytest.raises(InputError, match=message):
        inspect.unwrap(flow)(**({"seed": 0} | options))  # before the tests' own type checks
