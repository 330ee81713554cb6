"""Rivals and the benchmark around them."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import small_model, wave

from dynamix import BenchmarkConfig, InputError, baselines, benchmark, systems

SHORT = BenchmarkConfig(context=200, horizon=300)


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


def test_benchmark_rows_and_starts():
    config = BenchmarkConfig(context=200, horizon=300, starts=2)
    table = benchmark.run(small_model(), config=config, names=["Rossler", "Torus"])
    assert list(table["system"]) == ["Rossler", "Rossler", "Torus", "Torus"]
    assert list(table["start"]) == [0, 1, 0, 1]
    assert not table[table["system"] == "Rossler"]["d_stsp"].duplicated().any()
    # a torus has no Lyapunov time
    assert table[table["system"] == "Torus"]["vpt"].isna().all() == np.isinf(
        systems.lyapunov_time("Torus")
    )


def test_the_ceiling_is_near_perfect_and_the_mean_is_not():
    names = ["Rossler", "Lorenz"]
    ceiling, mean = (
        benchmark.summary(benchmark.run(rival, config=SHORT, names=names))
        for rival in ("ceiling", "mean")
    )
    assert ceiling.loc["d_stsp", "median"] < mean.loc["d_stsp", "median"]
    assert ceiling.loc["d_h", "median"] < 0.3
    assert mean.loc["d_h", "median"] == 1.0


def test_a_failure_counts_as_worst_and_is_shown():
    table = benchmark.run("parrot", config=SHORT, names=["Rossler", "Lorenz", "Duffing"])
    table.loc[0, "d_stsp"] = np.nan
    summary = benchmark.summary(table)
    assert summary.loc["d_stsp", "failures"] == 1
    assert summary.loc["d_stsp", "systems"] == 3
    assert summary.loc["d_stsp", "upper quartile"] == np.inf
    assert np.isfinite(summary.loc["d_stsp", "median"])


def test_unknown_systems_and_models():
    with pytest.raises(InputError, match="Did you mean 'Lorenz'"):
        benchmark.run("parrot", names=["Lorens"])
    with pytest.raises(InputError, match="no system"):
        benchmark.run("parrot", names=[])
    with pytest.raises(InputError, match="unknown checkpoint"):
        benchmark.run("dynamix-9d", names=["Lorenz"])
