"""The trainer: it learns and logs, and a broken run ends as an unbroken one."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys

import pytest
import torch
from helpers import QUICK, SMALL, WAVES, quick, weights

from dynamix import DynaMix, InputError, ModelConfig
from dynamix.model.checkpoints import read_tensors, write_tensors
from dynamix.settings import ForecastDefaults
from dynamix.systems import WindowSampler
from dynamix.training import Trainer, read_log, train


def test_training_learns_and_logs(tmp_path):
    config = quick(epochs=12, learning_rate=2e-2, batches_per_epoch=30, validate_every=6)
    seen = []
    model = train(
        tmp_path / "run", model=SMALL, training=config, trajectories=WAVES, on_epoch=seen.append
    )
    records = list(read_log(tmp_path / "run"))
    assert seen == records
    assert [r["epoch"] for r in records] == list(range(1, 13))
    assert records[-1]["loss"] < 0.7 * records[0]["loss"]
    assert records[0]["learning_rate"] == pytest.approx(2e-2)
    assert records[-1]["learning_rate"] == pytest.approx(1e-5)
    assert {"validation_d_stsp", "validation_d_h", "validation_mase"} <= set(records[-1])
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"model.safetensors", "best.safetensors", "log.jsonl"} <= names
    assert {"config.json", "state.safetensors"} <= names
    assert json.loads((tmp_path / "run" / "config.json").read_text())["training"]["epochs"] == 12
    assert not model.training


@pytest.mark.parametrize("break_after", [1, 3, 5])
def test_a_resumed_run_ends_in_the_same_weights(break_after, tmp_path):
    config = quick(epochs=6, checkpoint_every=2, averaging=0.9, frozen=("gate.sigma",))
    whole = train(tmp_path / "whole", model=SMALL, training=config, trajectories=WAVES)

    def breaking(record):
        if record["epoch"] == break_after:
            raise KeyboardInterrupt

    run = {"model": SMALL, "training": config, "trajectories": WAVES}
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", **run, on_epoch=breaking)
    resumed = train(tmp_path / "broken", **run, resume=True)
    for key, value in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[key], value, rtol=0, atol=0)
    logs = [list(read_log(tmp_path / name)) for name in ("whole", "broken")]
    for a, b in zip(*logs, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {
            k: v for k, v in b.items() if k != "seconds"
        }


def test_repeated_failure_rolls_back_to_the_last_good_weights(tmp_path, monkeypatch):
    config = quick(epochs=2, batches_per_epoch=6, rollback_after=3, validate_every=0)
    trainer = Trainer(tmp_path / "run", model=SMALL, training=config, trajectories=WAVES)
    before = weights(trainer.model)
    original = Trainer.gradient
    calls = []

    def failing(self, batch):
        calls.append(1)
        if len(calls) == 2:  # something destroys the weights; every batch fails from then on
            with torch.no_grad():
                self.model.gate.U.fill_(float("nan"))
        return original(self, batch)

    monkeypatch.setattr(Trainer, "gradient", failing)
    trainer._train_epoch(WindowSampler(WAVES, length=config.sequence_length), _Bar())
    assert trainer.guard.rollbacks == 1
    assert trainer.guard.skipped == 3
    assert all(torch.isfinite(v).all() for v in trainer.model.state_dict().values())
    # two good batches ran after the weights came back
    assert not torch.equal(trainer.model.experts.A, before["experts.A"])


class _Bar:
    def update(self):
        pass

    def set_postfix(self, **_):
        pass


def test_a_folder_with_a_run_is_refused_and_other_settings_cannot_resume(tmp_path):
    train(tmp_path, model=SMALL, training=quick(epochs=1), trajectories=WAVES)
    with pytest.raises(InputError, match="--resume"):
        train(tmp_path, model=SMALL, training=quick(epochs=1), trajectories=WAVES)
    with pytest.raises(InputError, match=r"epochs \(was 1, now 9\)"):
        train(tmp_path, model=SMALL, training=quick(epochs=9), trajectories=WAVES, resume=True)
    with pytest.raises(InputError, match="experts"):
        train(
            tmp_path,
            model=ModelConfig(latent_dims=6, experts=2),
            training=quick(epochs=1),
            trajectories=WAVES,
            resume=True,
        )
    (tmp_path / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="truncated"):
        train(tmp_path, model=SMALL, training=quick(epochs=1), trajectories=WAVES, resume=True)


@pytest.mark.parametrize(
    "model",
    [
        ModelConfig(latent_dims=6, experts=2, expert_kind="clipped_shallow_plrnn", hidden_units=4),
        ModelConfig(latent_dims=6, experts=2, probabilistic=True),
        ModelConfig(latent_dims=6, experts=2, relu_units=0),
        ModelConfig(latent_dims=3, experts=2, relu_units=3),
    ],
    ids=["shallow", "probabilistic", "linear", "square"],
)
def test_every_kind_of_model_trains(model, tmp_path):
    trained = train(tmp_path, model=model, training=quick(epochs=2), trajectories=WAVES)
    fresh = Trainer("unused", model=model, training=QUICK).model
    for (name, a), b in zip(trained.named_parameters(), fresh.parameters(), strict=True):
        if a.numel():
            assert not torch.equal(a, b), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"forcing": "spars"}, "sparse"),
        ({"overlap": 13}, "overlap"),
        ({"forcing_strength": 1.5}, "forcing_strength"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"window": 1}, "window"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        quick(**changes)


def test_frozen_parameters_stay_and_the_others_move(tmp_path):
    frozen = ("gate.tau_att", "gate.D")
    config = quick(epochs=1, frozen=frozen, attention_temperature=0.03)
    trainer = Trainer(tmp_path / "run", model=SMALL, training=config, trajectories=WAVES)
    before = weights(trainer.model)
    assert before["gate.tau_att"].item() == pytest.approx(0.03)
    after = weights(trainer.run())
    for name, value in before.items():
        assert torch.equal(after[name], value) == (name in frozen), name
    with pytest.raises(InputError, match="frozen parameter"):
        Trainer(tmp_path / "other", model=SMALL, training=quick(frozen=("gate.tau",)))


def test_the_kept_weights_are_the_running_mean_of_the_trained_ones(tmp_path, monkeypatch):
    config = quick(epochs=1, batches_per_epoch=30, averaging=0.8, validate_every=0)
    trainer = Trainer(tmp_path / "run", model=SMALL, training=config, trajectories=WAVES)
    mean, steps = weights(trainer.model)["experts.W"], []
    original = Trainer._average

    def recording(self):
        original(self)
        steps.append(weights(self.model)["experts.W"])

    monkeypatch.setattr(Trainer, "_average", recording)
    kept = trainer.run()
    for i, value in enumerate(steps, start=1):
        share = max(0.2, 1.0 / (1.0 + 0.1 * i))
        mean = (1.0 - share) * mean + share * value
    assert len(steps) > 20
    torch.testing.assert_close(weights(kept)["experts.W"], mean)
    assert not torch.equal(weights(kept)["experts.W"], weights(trainer.model)["experts.W"])
    stored = DynaMix.from_pretrained(tmp_path / "run" / "model.safetensors")
    assert torch.equal(weights(stored)["experts.W"], weights(kept)["experts.W"])


def test_training_can_start_from_a_checkpoint(tmp_path):
    model = DynaMix(SMALL, seed=5, defaults=ForecastDefaults(attention_sharpness=4.0))
    path = str(model.save_pretrained(tmp_path / "first.safetensors"))
    config = quick(start_from=path, start_sharpness=4.0)
    started = Trainer(tmp_path / "run", training=config, trajectories=WAVES).model
    for name, value in weights(model).items():
        expected = value / 4.0 if name == "gate.tau_att" else value
        torch.testing.assert_close(weights(started)[name], expected)
    assert started.config == SMALL
    assert started.defaults == ForecastDefaults()
    with pytest.raises(InputError, match="Leave the model's settings out"):
        Trainer(
            tmp_path / "run",
            model=dataclasses.replace(SMALL, experts=SMALL.experts + 1),
            training=config,
            trajectories=WAVES,
        )


def test_training_needs_no_room_above_it():
    code = "import sys, dynamix.training; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    rooms = {name.split(".")[1] for name in loaded.stdout.split() if name.startswith("dynamix.")}
    assert not rooms & {"baselines", "evaluation", "report", "plotting", "companion", "cli"}
    assert "matplotlib" not in loaded.stdout.split()


def edit_state(folder, change):
    tensors, metadata = read_tensors(folder / "state.safetensors")
    header = json.loads(metadata["state"])
    change(header, tensors)
    write_tensors(folder / "state.safetensors", tensors, {"state": json.dumps(header)})


def test_a_damaged_run_folder_is_refused_and_a_damaged_log_is_not(tmp_path):
    given = {"model": SMALL, "training": quick(epochs=1, validate_every=0, engine="torch")}
    given["trajectories"] = WAVES
    first = train(tmp_path / "run", **given)
    changes = (
        lambda header, tensors: header.pop("guard"),
        lambda header, tensors: header.update(epoch="1"),
        lambda header, tensors: header.update(epoch=-5),
        lambda header, tensors: tensors.pop("model.gate.D"),
        lambda header, tensors: tensors.update({"good.model.gate.D": torch.zeros(2, 2)}),
    )
    for i, change in enumerate(changes):
        folder = shutil.copytree(tmp_path / "run", tmp_path / f"run{i}")
        edit_state(folder, change)
        with pytest.raises(InputError, match="damaged"):
            train(folder, resume=True, **given)
    log = tmp_path / "run" / "log.jsonl"
    log.write_bytes(b"\xff\n3\n" + log.read_bytes() + b'{"epo')
    again = train(tmp_path / "run", resume=True, **given)
    torch.testing.assert_close(weights(again), weights(first), rtol=0, atol=0)


def test_an_output_that_cannot_be_a_run_folder_is_refused_before_the_work(tmp_path):
    given = {"model": SMALL, "training": quick(epochs=1), "trajectories": WAVES}
    (tmp_path / "file").write_text("")
    for place in ("file", "file/run"):
        with pytest.raises(InputError, match="cannot write "):
            train(tmp_path / place, **given)
    DynaMix(SMALL).save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match="already holds"):
        train(tmp_path / "model", **given)
