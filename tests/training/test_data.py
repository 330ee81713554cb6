"""What a run trains on and is validated on."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import QUICK, SMALL, quick, wave

from dynamix import BenchmarkConfig, InputError, ModelConfig, TrainingConfig, flows, systems
from dynamix.training import read_log, train, training_systems
from dynamix.training.data import FIRST_FLOW, corpus


def test_corpus_and_validation_systems_are_apart(cache):
    config = TrainingConfig()
    chosen = training_systems(config)
    assert len(chosen) == 28
    assert not set(chosen) & set(systems.split()["validation"])
    everything = training_systems(TrainingConfig(hold_out_validation=False))
    assert everything == systems.split()["train"]
    assert training_systems(TrainingConfig(systems=("Lorenz",))) == ["Lorenz"]
    with pytest.raises(InputError, match="Did you mean 'Lorenz'"):
        training_systems(TrainingConfig(systems=("Lorentz",)))


def test_training_on_named_systems(tmp_path, cache):
    config = quick(
        epochs=1, systems=("Rossler",), validation_systems=("Lorenz",), trajectory_length=200
    )
    train(tmp_path, model=SMALL, training=config)
    (record,) = read_log(tmp_path)
    assert list(record["validation_d_stsp_per_system"]) == ["Lorenz"]


@pytest.mark.parametrize("seed", [0, 1])
def test_generated_flows_follow_the_systems_at_the_rates_by_turns(cache, seed):
    lengths = {"trajectory_length": 50, "variant_length": 60}
    given = TrainingConfig(
        systems=("Lorenz",), points_per_period=(20, 40), flows=3, seed=seed, **lengths
    )
    found = corpus(given)
    assert [len(x) for x in found] == [50, 50, 60, 60, 60]
    for i, (x, rate) in enumerate(zip(found[2:], (20, 40, 20), strict=True)):
        assert np.array_equal(x, flows.flow(FIRST_FLOW + i, n=60, points_per_period=rate))


def test_no_benchmark_has_flows_that_were_trained_on():
    usual = BenchmarkConfig(source="generated")
    assert usual.first_flow + usual.flows <= FIRST_FLOW


def test_data_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"trajectory 0 must be.*\(T, 3\)"):
        train(tmp_path / "a", model=SMALL, training=QUICK, trajectories=[wave(300, 2)])
    with pytest.raises(InputError, match="needs 36"):
        train(tmp_path / "b", model=SMALL, training=QUICK, trajectories=[wave(30)])
    with pytest.raises(InputError, match="observed_dims=3"):
        train(tmp_path / "c", model=ModelConfig(observed_dims=6), training=QUICK)
