"""``dynamix train``: a run, its continuation, a file of settings."""

from __future__ import annotations

import json

import numpy as np
from helpers import wave

from dynamix import ModelConfig, TrainingConfig, cli

TRAIN = [
    *("train", "--epochs", "2", "--batches-per-epoch", "2", "--batch-size", "2"),
    *("--context-length", "20", "--window", "8", "--overlap", "4", "--latent-dims", "5"),
    *("--experts", "2", "--validation-context", "30", "--validation-horizon", "20"),
]


def test_train_on_own_data_then_resume_and_forecast(tmp_path, data, capsys):
    np.save(tmp_path / "own.npy", wave(200))
    run = str(tmp_path / "run")
    arguments = [*TRAIN, "--data", str(tmp_path / "own.npy"), "--output", run]
    assert cli.main(arguments) == 0
    assert "benchmark --model" in capsys.readouterr().err
    assert cli.main(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert cli.main([*arguments, "--resume"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["experts"] == 2
    model = str(tmp_path / "run" / "model.safetensors")
    assert cli.main(["forecast", data, "--horizon", "2", "--model", model]) == 0


def test_train_refuses_contradictions(tmp_path, capsys):
    assert cli.main([*TRAIN, "--output", str(tmp_path / "r"), "--relu-units", "9"]) == 2
    assert "relu_units" in capsys.readouterr().err


def test_flags_override_a_file_of_settings(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.toml").write_text(
        "[model]\nexperts = 3\n\n[training]\nepochs = 7\nsystems = ['Lorenz', 'Chua']\n"
    )
    asked = {}
    monkeypatch.setattr(
        "dynamix.training.trainer.train", lambda output, **given: asked.update(given)
    )
    arguments = ["train", "--output", "x", "--config", str(tmp_path / "mine.toml")]
    assert cli.main([*arguments, "--epochs", "9"]) == 0
    assert asked["model"] == ModelConfig(experts=3)
    assert asked["training"] == TrainingConfig(epochs=9, systems=("Lorenz", "Chua"))
    (tmp_path / "mine.toml").write_text("[training]\nepoch = 7\n")
    assert cli.main(arguments) == 2
    assert "line 2: unknown setting 'epoch'" in capsys.readouterr().err
    (tmp_path / "mine.toml").write_text("[trainings]\n")
    assert cli.main(arguments) == 2
    assert "Did you mean 'training'" in capsys.readouterr().err
