"""The corpus: equations, split, cache."""

from __future__ import annotations

import numpy as np
import pytest

from dynamix import InputError, systems
from dynamix.systems import corpus, trajectory


def test_the_split_is_what_the_protocol_says():
    parts = systems.split()
    assert len(parts["train"]) == 34
    assert len(parts["validation"]) == 6
    assert set(parts["validation"]) < set(parts["train"])
    assert {"Lorenz", "Chua", "SprottM"} <= set(parts["test"])
    everything = parts["train"] + parts["test"] + parts["excluded"]
    assert sorted(everything) == systems.catalogue()
    assert len(everything) == 104


def test_every_exclusion_has_a_reason_and_families_are_never_cut():
    table = systems.split_table()
    assert all(row["reason"] for row in table if row["role"] == "excluded")
    sides = {}
    for row in table:
        if row["family"]:
            sides.setdefault(row["family"], set()).add(row["role"].split("-")[0])
    assert all(len(side) == 1 for side in sides.values())


def test_lorenz_follows_its_equations(cache):
    x = trajectory("Lorenz", n=400, points_per_period=2000).astype(float)
    facts = systems.system_facts("Lorenz")
    np.testing.assert_allclose(x[0], facts["initial_conditions"], rtol=1e-6)
    dt = facts["period"] / 2000
    velocity = (x[2:] - x[:-2]) / (2 * dt)  # second-order differences
    p = facts["parameters"]
    X, Y, Z = x[1:-1].T
    expected = np.stack(
        [p["sigma"] * (Y - X), X * (p["rho"] - Z) - Y, X * Y - p["beta"] * Z], axis=1
    )
    assert np.abs(velocity - expected).max() < 0.01 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["Rossler", "BeerRNN", "DoubleGyre"])
def test_trajectories_agree_with_dysts_own(name, cache):
    """The three ways in which dysts states equations: compiled, wrapped, with unbounded angles."""
    import dysts.flows

    n = 60
    x = trajectory(name, n=n, points_per_period=50)
    # dysts spreads n points over n / 50 periods, ends included
    times, reference = getattr(dysts.flows, name)().make_trajectory(
        n, resample=True, pts_per_period=50, return_times=True, method="LSODA", rtol=1e-9, atol=1e-9
    )
    step = systems.system_facts(name)["period"] / 50
    for i in (0, 20, 40):
        here = np.array([np.interp(i * step, times, channel) for channel in reference.T])
        assert np.abs(x[i] - here).max() < 0.02 * np.ptp(reference, axis=0).max()


def test_every_system_of_the_split_can_be_integrated(cache):
    parts = systems.split()
    for name in parts["train"] + parts["test"]:
        x = trajectory(name, n=30)
        assert x.shape == (30, 3)
        assert np.isfinite(x).all()
        assert (np.ptp(x, axis=0) > 0).all(), name


def test_longer_trajectories_begin_with_the_shorter_and_transients_are_dropped(cache):
    short, long = trajectory("Chua", n=50), trajectory("Chua", n=80)
    np.testing.assert_array_equal(short, long[:50])
    np.testing.assert_array_equal(trajectory("Chua", n=50, transient=30), long[30:])
    assert short.dtype == np.float32


@pytest.mark.parametrize("name", ["Lorenz", "BlinkingRotlet"])
def test_parameters_can_be_replaced_and_are_part_of_the_cache_key(name, cache):
    facts = systems.system_facts(name)["parameters"]
    key = next(k for k, v in facts.items() if np.ndim(v) == 0)
    usual = trajectory(name, n=50)
    np.testing.assert_array_equal(trajectory(name, n=50, parameters={key: facts[key]}), usual)
    assert not np.allclose(trajectory(name, n=50, parameters={key: facts[key] * 1.2}), usual)
    np.testing.assert_array_equal(trajectory(name, n=50), usual)


def test_a_rossler_with_small_c_is_a_cycle(cache):
    x = trajectory("Rossler", n=400, transient=3000, parameters={"c": 2.5})
    distance = np.linalg.norm(x[30:] - x[0], axis=1)
    assert distance.min() < 0.15 * np.ptp(x[:, 0])


def test_sampling_is_per_period(cache):
    coarse, fine = (trajectory("Lorenz", n=n, points_per_period=p) for n, p in ((50, 25), (99, 50)))
    np.testing.assert_allclose(fine[::2], coarse, rtol=1e-3, atol=1e-3)


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:200])


def damage_flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def damage_empty(path):
    path.write_bytes(b"")


def damage_swap(path):
    np.savez(path.open("wb"), values=np.zeros((50, 3), np.float32), recipe=np.array("other"))


def damage_pickle(path):
    np.savez(path.open("wb"), values=np.array([object()]), recipe=np.array("x"))


@pytest.mark.parametrize(
    "damage", [damage_truncate, damage_flip, damage_empty, damage_swap, damage_pickle]
)
def test_a_damaged_cache_file_is_noticed_and_made_anew(damage, cache, caplog):
    expected = trajectory("Lorenz", n=50)
    (path,) = (cache / "trajectories").iterdir()
    damage(path)
    np.testing.assert_array_equal(trajectory("Lorenz", n=50), expected)
    assert "cannot be used" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(trajectory("Lorenz", n=50), expected)
    assert not caplog.text


def test_the_cache_is_used(cache, monkeypatch):
    expected = trajectory("Lorenz", n=50)
    monkeypatch.setattr(corpus, "_integrate", lambda *_: pytest.fail("integrated again"))
    np.testing.assert_array_equal(trajectory("Lorenz", n=50), expected)


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("DYNAMIX_CACHE", str(blocked))
    assert trajectory("Lorenz", n=20).shape == (20, 3)
    assert "could not cache" in caplog.text


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Lorentz", {}, "unknown system 'Lorentz'.*Did you mean 'Lorenz'"),
        ("Lorenz", {"n": 0}, "n must be"),
        ("Lorenz", {"parameters": {"r": 3.0}}, "beta, rho, sigma"),
        ("Lorenz", {"points_per_period": 1}, "points_per_period"),
        ("Lorenz", {"initial_condition": [1.0, 2.0]}, "3 finite numbers"),
        ("StickSlipOscillator", {"n": 12_000}, "could not follow StickSlipOscillator"),
    ],
)
def test_bad_input(name, options, message, cache):
    with pytest.raises(InputError, match=message):
        trajectory(name, **options)


def test_lyapunov_times():
    # 0.9056 in each unit of time (Viswanath 1998), with the standard error of 300 periods
    own = 50 / (systems.system_facts("Lorenz")["period"] * 0.9056)
    assert systems.lyapunov_time("Lorenz") == pytest.approx(own, rel=0.02)


def test_larger_flows_are_in_the_catalogue_but_not_in_the_split():
    larger = systems.catalogue(dims=(4, 5, 6))
    assert len(larger) == 24
    assert not set(larger) & {row["system"] for row in systems.split_table()}
    assert set(systems.catalogue(dims=(4,))) < set(larger)


def test_a_four_dimensional_trajectory_obeys_its_equations(cache):
    import dysts.flows

    system = dysts.flows.HyperLorenz()
    x = systems.trajectory("HyperLorenz", n=200, points_per_period=2000).astype(np.float64)
    dt = system.period / 2000
    slope = (x[2:] - x[:-2]) / (2 * dt)
    expected = np.array([system.rhs(state, 0.0) for state in x[1:-1]])
    assert x.shape == (200, 4)
    assert np.abs(slope - expected).max() < 2e-3 * np.abs(expected).max()
