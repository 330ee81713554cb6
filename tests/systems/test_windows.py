"""Training windows: standardised stretches, in their own and in other coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import wave

from dynamix import InputError
from dynamix.systems import WindowSampler, load_trajectories


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
    with pytest.raises(InputError, match="constant in too many"):
        WindowSampler([np.ones((50, 2))], length=30).draw(1, rng=np.random.default_rng(0))


def test_trajectories_shorter_than_a_window_are_refused():
    with pytest.raises(InputError, match=r"has 30 points.*needs 40"):
        WindowSampler([wave(30)], length=40)
    with pytest.raises(InputError, match="no trajectory"):
        WindowSampler([], length=40)


def test_own_trajectories_from_npy_and_csv(tmp_path, caplog):
    caplog.set_level("INFO")
    x = wave(50).astype(np.float32)
    np.save(tmp_path / "one.npy", x)
    np.save(tmp_path / "two.npy", np.stack([x, x + 1], axis=1))
    lines = ["date,a,b,c,who"]
    lines += [
        f"2024-{1 + i // 28:02d}-{i % 28 + 1},{r[0]},{r[1]},{r[2]},me" for i, r in enumerate(x)
    ]
    (tmp_path / "three.csv").write_text("\n".join(lines))
    loaded = load_trajectories([tmp_path / f for f in ("one.npy", "two.npy", "three.csv")], dims=3)
    assert [y.shape for y in loaded] == [(50, 3)] * 4
    np.testing.assert_allclose(loaded[3], x, rtol=1e-5)
    assert "`who`" in caplog.text  # the time is not a channel


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", None, "no file"),
        ("a.txt", "1\n2\n", r"found \(2, 1\)"),
        ("a.npy", "junk", "no row of data"),
        ("a.csv", "a,b\n1,2\n", r"\(1, 2\)"),
        ("a.csv", "a,b,c\n1,2,\n3,4,6\n", "NaN"),
    ],
)
def test_unusable_files(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_trajectories([tmp_path / name], dims=3)


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


@pytest.mark.parametrize("warp", [0.3, 0.9])
def test_warping_keeps_the_order_along_an_axis_and_the_scale(warp):
    series = [wave(300, 1).astype(np.float32)]
    plain = WindowSampler(series, length=80).draw(5, rng=np.random.default_rng(3))
    warped = WindowSampler(series, length=80, warp=warp).draw(5, rng=np.random.default_rng(3))
    assert not np.allclose(plain, warped, atol=1e-2)
    np.testing.assert_allclose(warped.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(warped.std(axis=0, ddof=1), 1.0, atol=1e-4)
    for i in range(5):  # a strictly monotone function of the plain one
        order = np.argsort(plain[:, i, 0], kind="stable")
        assert (np.diff(warped[order, i, 0].astype(np.float64)) >= -1e-6).all()


@pytest.mark.parametrize(("scale", "offset"), [(0.02, 4e6), (1e200, 0.0), (1e-200, 0.0)])
def test_units_and_offsets_beyond_single_precision_change_no_sequence(scale, offset):
    data = [wave(300), wave(200, seed=1)]
    plain, moved = (
        WindowSampler(given, length=80).draw(5, rng=np.random.default_rng(3))
        for given in (data, [scale * x + offset for x in data])
    )
    np.testing.assert_allclose(moved, plain, rtol=0, atol=1e-4)
