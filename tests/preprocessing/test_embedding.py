"""Embeddings do what their definition says."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import wave

from dynamix import InputError
from dynamix.preprocessing import decorrelation_time, dominant_period, embed


def test_pos_appends_sines_of_the_dominant_period():
    x = wave(200, 1)
    tau, t = dominant_period(x), np.arange(1, 201)
    two = embed(x, dims=3)
    np.testing.assert_array_equal(two[:, :1], x)
    np.testing.assert_allclose(two[:, 1], np.sin(2 * np.pi * t / tau), atol=1e-12)
    np.testing.assert_allclose(two[:, 2], np.cos(2 * np.pi * t / tau), atol=1e-9)
    np.testing.assert_allclose(embed(x, dims=2)[:, 1], np.sin(2 * np.pi * t / tau), atol=1e-12)


def test_delay_appends_the_last_channel_delayed_and_drops_the_first_rows():
    x = wave(200, 2)
    tau = decorrelation_time(x)
    out = embed(x, dims=4, embedding="delay")
    assert out.shape == (200 - 2 * tau, 4)
    np.testing.assert_array_equal(out[:, :2], x[2 * tau :])
    np.testing.assert_array_equal(out[:, 2], x[tau:-tau, 1])
    np.testing.assert_array_equal(out[:, 3], x[: -2 * tau, 1])


def test_random_delays_lie_in_range_and_follow_the_seed():
    x = np.arange(100.0)[:, None]
    out = embed(x, dims=6, embedding="delay_random", seed=5)
    delays = out[0, 0] - out[0, 1:]
    assert ((delays >= 3) & (delays <= 10)).all()
    np.testing.assert_array_equal(out, embed(x, dims=6, embedding="delay_random", seed=5))


def test_zero_and_full_dimension():
    x = wave(30, 2)
    np.testing.assert_array_equal(embed(x, dims=3, embedding="zero")[:, 2], 0)
    assert embed(x, dims=2) is x


@pytest.mark.parametrize(("embedding", "T"), [("pos", 9), ("delay", 3), ("delay_random", 6)])
def test_too_short_for_the_embedding(embedding, T):
    with pytest.raises(InputError, match=f"found {T}"):
        embed(wave(T, 1), dims=3, embedding=embedding)


def test_too_many_channels_for_embed():
    with pytest.raises(InputError, match="singly"):
        embed(wave(20, 4), dims=3)
