"""``dynamix train``: a run, its continuation, a file of settings."""

from __future__ import annotations

import json

import numpy as np
import pytest
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


def test_several_seeds_get_a_folder_each(tmp_path, capsys):
    np.save(tmp_path / "own.npy", wave(200))
    own = [*TRAIN, "--data", str(tmp_path / "own.npy"), "--output"]
    several = [*own, str(tmp_path / "runs"), "--seeds", "3,0"]
    assert cli.main([*several, "--workers", "2"]) == 0
    assert capsys.readouterr().err.count("benchmark --model") == 2
    for seed in (3, 0):
        assert cli.main([*own, str(tmp_path / f"{seed}"), "--seed", f"{seed}"]) == 0
        files = [
            tmp_path / folder / "model.safetensors" for folder in (f"{seed}", f"runs/seed-{seed}")
        ]
        assert files[0].read_bytes() == files[1].read_bytes()
        drawn = [(file.parent / "training.png").is_file() for file in files]
        assert drawn == [True, True]
    assert cli.main(several) == 2
    assert "run 'seed-3'" in capsys.readouterr().err
    assert cli.main([*several, "--resume"]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--seeds", "0,0"], "different whole numbers"),
        (["--seeds", "a"], "different whole numbers"),
        (["--seeds", ","], "different whole numbers"),
        (["--seeds", "-1"], "seed must be"),
        (["--seeds", "0", "--seed", "1"], "both name seeds"),
        (["--workers", "2"], "no effect without --seeds"),
        (["--seeds", "0", "--workers", "0"], "workers must be"),
    ],
    ids=str,
)
def test_seeds_that_cannot_be_used(tmp_path, capsys, flags, message):
    assert cli.main([*TRAIN, "--output", str(tmp_path / "x"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
