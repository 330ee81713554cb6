"""The corpus: equations, split, cache, windows."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import wave

from dynamix import InputError
from dynamix.systems import corpus as systems
from dynamix.systems import trajectory, windows
from dynamix.systems.windows import WindowSampler


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
    assert "damaged" in caplog.text
    caplog.clear()
    np.testing.assert_array_equal(trajectory("Lorenz", n=50), expected)
    assert not caplog.text


def test_the_cache_is_used(cache, monkeypatch):
    expected = trajectory("Lorenz", n=50)
    monkeypatch.setattr(systems, "_integrate", lambda *_: pytest.fail("integrated again"))
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


def test_windows_are_standardised_stretches_of_the_data():
    data = [wave(200, seed=s).astype(np.float32) for s in range(2)]
    sampler = WindowSampler(data, length=40)
    drawn = sampler.draw(8, rng=np.random.default_rng(0))
    assert drawn.shape == (40, 8, 3)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(drawn.std(axis=0, ddof=1), 1, atol=1e-5)
    candidates = np.stack(
        [
            (w - w.mean(axis=0)) / w.std(axis=0, ddof=1)
            for x in data
            for w in (x[i : i + 40] for i in range(161))
        ]
    )
    for s in range(8):
        assert np.abs(candidates - drawn[:, s]).max(axis=(1, 2)).min() < 1e-5


def test_signed_permutations_only_permute_and_mirror():
    data = [wave(41).astype(np.float32)]
    plain = WindowSampler(data, length=41).draw(1, rng=np.random.default_rng(0))[:, 0]
    drawn = WindowSampler(data, length=41, signed_permutations=True).draw(
        64, rng=np.random.default_rng(0)
    )
    seen = set()
    for s in range(64):
        overlap = drawn[:, s].T @ plain / 40
        seen.add(tuple(np.round(overlap[np.abs(overlap) > 0.99]).astype(int)))
        assert (np.abs(overlap) > 0.99).sum() == 3
    assert len(seen) > 4


def test_rotations_keep_distances_up_to_scaling():
    data = [wave(41).astype(np.float32)]
    plain = WindowSampler(data, length=41).draw(1, rng=np.random.default_rng(0))[:, 0]
    drawn = WindowSampler(data, length=41, rotations=True).draw(8, rng=np.random.default_rng(0))
    for s in range(8):
        np.testing.assert_allclose(drawn[:, s].std(axis=0, ddof=1), 1, atol=1e-5)
        # a linear map of the plain window, invertible, and not the identity
        linear, residual, *_ = np.linalg.lstsq(plain, drawn[:, s], rcond=None)
        assert residual.max() < 1e-6
        assert np.abs(linear - np.eye(3)).max() > 0.1
        rotation = linear / np.linalg.norm(linear, axis=0)
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-4)


def test_windows_that_stand_still_are_drawn_anew():
    x = wave(400).astype(np.float32)
    x[:200, 1] = 0.0
    drawn = WindowSampler([x], length=30).draw(50, rng=np.random.default_rng(0))
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn.std(axis=0, ddof=1), 1, atol=1e-4)
    with pytest.raises(InputError, match="stands still"):
        WindowSampler([np.ones((50, 2))], length=30).draw(1, rng=np.random.default_rng(0))


def test_trajectories_shorter_than_a_window_are_refused():
    with pytest.raises(InputError, match=r"has 30 points.*needs 40"):
        WindowSampler([wave(30)], length=40)
    with pytest.raises(InputError, match="no trajectory"):
        WindowSampler([], length=40)


def test_own_trajectories_from_npy_and_csv(tmp_path, caplog):
    x = wave(50).astype(np.float32)
    np.save(tmp_path / "one.npy", x)
    np.save(tmp_path / "two.npy", np.stack([x, x + 1], axis=1))
    lines = ["date,a,b,c"] + [f"2024-01-{i % 28 + 1},{r[0]},{r[1]},{r[2]}" for i, r in enumerate(x)]
    (tmp_path / "three.csv").write_text("\n".join(lines))
    loaded = windows.load_trajectories(
        [tmp_path / f for f in ("one.npy", "two.npy", "three.csv")], dims=3
    )
    assert [y.shape for y in loaded] == [(50, 3)] * 4
    np.testing.assert_allclose(loaded[3], x, rtol=1e-5)
    assert "date" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", None, "no file"),
        ("a.txt", "1", "expected a .npy or .csv"),
        ("a.npy", "junk", "not a readable .npy"),
        ("a.csv", "a,b\n1,2\n", r"\(1, 2\)"),
        ("a.csv", "a,b,c\n1,2,\n", "NaN"),
    ],
)
def test_unusable_files(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        windows.load_trajectories([tmp_path / name], dims=3)


def test_lyapunov_times():
    assert systems.lyapunov_time("Lorenz") == pytest.approx(50 / (1.5008 * 0.8917), rel=1e-3)


# --- more than three dimensions, and fewer than a model has ---------------------------------------


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


def test_lower_dimensional_sequences_get_zeros():
    data = [wave(90, 3), wave(90, 2, seed=1), wave(90, 4, seed=2)]
    sampler = WindowSampler(data, length=40, dims=5)
    drawn = sampler.draw(60, rng=np.random.default_rng(0))
    still = (drawn == 0).all(axis=0).sum(axis=1)
    assert set(still) == {1, 2, 3}
    moving = drawn.std(axis=0, ddof=1)
    np.testing.assert_allclose(moving[moving > 0], 1.0, rtol=1e-4)
    for s in range(60):  # the channels that move come first
        assert (moving[s, : 5 - still[s]] > 0).all()


def test_rotations_take_every_second_one_into_all_dims():
    sampler = WindowSampler([wave(90, 2)], length=60, dims=4, rotations=True)
    drawn = sampler.draw(200, rng=np.random.default_rng(0))
    moving = (drawn.std(axis=0) > 0).sum(axis=1)
    assert set(moving) == {2, 4}
    assert 70 < (moving == 4).sum() < 130
    for s in range(200):  # still a plane, wherever it lies
        assert np.linalg.matrix_rank(drawn[:, s], tol=1e-2) == 2


def test_wider_trajectories_than_the_model_are_refused():
    with pytest.raises(InputError, match="has 4 channels"):
        WindowSampler([wave(90, 4)], length=40, dims=3)
