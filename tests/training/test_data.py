"""What a run trains on and is validated on."""

from __future__ import annotations

import pytest
from helpers import QUICK, SMALL, quick, wave

from dynamix import InputError, ModelConfig, TrainingConfig, systems
from dynamix.training import read_log, train, training_systems


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


def test_data_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"trajectory 0 must be.*\(T, 3\)"):
        train(tmp_path / "a", model=SMALL, training=QUICK, trajectories=[wave(300, 2)])
    with pytest.raises(InputError, match="needs 36"):
        train(tmp_path / "b", model=SMALL, training=QUICK, trajectories=[wave(30)])
    with pytest.raises(InputError, match="observed_dims=3"):
        train(tmp_path / "c", model=ModelConfig(observed_dims=6), training=QUICK)
