"""Training: the gradient is the loss's, the guard guards, a broken run ends as an unbroken one."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from helpers import wave

from dynamix import DynaMix, InputError, ModelConfig, TrainingConfig
from dynamix.systems import corpus as systems
from dynamix.systems.windows import WindowSampler
from dynamix.training import Batch, Guard, draw_batch, train, training_loss, training_systems
from dynamix.training.trainer import Trainer, read_log

SMALL = ModelConfig(latent_dims=6, experts=3)
QUICK = TrainingConfig(
    epochs=4,
    batches_per_epoch=3,
    batch_size=4,
    context_length=30,
    window=12,
    overlap=6,
    forcing_interval=4,
    validate_every=2,
    validation_context=40,
    validation_horizon=60,
    checkpoint_every=1,
)
DATA = [wave(300, seed=s).astype(np.float32) for s in range(2)]


def quick(**changes) -> TrainingConfig:
    return dataclasses.replace(QUICK, **changes)


def weights(model):
    return {k: v.clone() for k, v in model.state_dict().items()}


def test_a_batch_is_the_window_behind_the_context():
    config = quick(input_noise=0.0, rotations=False)
    assert config.sequence_length == 36
    assert TrainingConfig().sequence_length == 550
    sampler = WindowSampler(DATA, length=36)
    batch = draw_batch(sampler, SMALL, config, step=0)
    assert batch.context.shape == (30, 4, 3)
    assert batch.inputs.shape == batch.targets.shape == (11, 4, 3)
    # inputs and targets overlap by all but one, and begin inside the context
    torch.testing.assert_close(batch.inputs[1:], batch.targets[:-1])
    torch.testing.assert_close(batch.inputs[:6], batch.context[24:])
    again = draw_batch(sampler, SMALL, config, step=0)
    torch.testing.assert_close(again.targets, batch.targets)
    assert not torch.equal(draw_batch(sampler, SMALL, config, step=1).targets, batch.targets)


def test_noise_is_added_to_inputs_and_not_to_targets():
    sampler = WindowSampler(DATA, length=36)
    noisy = draw_batch(sampler, SMALL, quick(input_noise=0.05), step=0)
    difference = noisy.inputs[1:] - noisy.targets[:-1]
    assert difference.std().item() == pytest.approx(0.05, rel=0.2)


@pytest.mark.parametrize("forcing", ["sparse", "generalised"])
def test_gradient_agrees_with_finite_differences(forcing):
    """In float64; the state's path through the query is cut in the gradient, so it is in both."""
    config = quick(forcing=forcing)
    trainer = Trainer("unused", model=SMALL, training=config)
    model = trainer.model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
        model.gate.D[:, :] = 0.0  # a query that does not see z has no cut path
    batch = draw_batch(WindowSampler(DATA, length=36), SMALL, config, step=0)
    batch = Batch(*(v.double() if isinstance(v, torch.Tensor) else v for v in batch))
    training_loss(model, batch, config).backward()
    rng = np.random.default_rng(0)
    for name, parameter in model.named_parameters():
        index = tuple(int(rng.integers(size)) for size in parameter.shape)
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[index] += sign * 1e-6
                losses.append(training_loss(model, batch, config).item())
                parameter[index] -= sign * 1e-6
        if name != "gate.D":  # D itself meets z in the next step's query: that path is cut
            numeric = (losses[0] - losses[1]) / 2e-6
            assert parameter.grad[index].item() == pytest.approx(numeric, rel=1e-3, abs=1e-7), name


def test_the_penalty_keeps_the_noise_open():
    trainer = Trainer("unused", model=SMALL, training=QUICK)
    batch = draw_batch(WindowSampler(DATA, length=36), SMALL, QUICK, step=0)
    with torch.no_grad():
        trainer.model.gate.sigma.zero_()
    closed = training_loss(trainer.model, batch, QUICK)
    without = training_loss(trainer.model, batch, quick(gate_noise_penalty=0.0))
    assert (closed - without).item() == pytest.approx(0.1)


def test_guard_skips_what_is_not_finite_or_far_out_and_forgets_nothing():
    guard, config = Guard(), TrainingConfig()
    for _ in range(30):
        assert guard.accepts(1.0, 0.5, config)
    assert guard.limit(config) == pytest.approx(1.5)
    for loss, norm in [(np.nan, 0.5), (1.0, np.inf), (1.0, 26.0), (21.0, 0.5)]:
        assert not guard.accepts(loss, norm, config)
    assert guard.skipped == guard.skipped_in_a_row == 4
    assert guard.accepts(1.0, 10.0, config)  # large, so clipped, but not absurd
    assert guard.skipped_in_a_row == 0
    assert guard.mean_norm < 0.54
    assert guard.skipped == 4


def test_training_learns_and_logs(tmp_path):
    config = quick(epochs=12, learning_rate=2e-2, batches_per_epoch=30, validate_every=6)
    model = train(tmp_path / "run", model=SMALL, training=config, trajectories=DATA)
    records = list(read_log(tmp_path / "run"))
    assert [r["epoch"] for r in records] == list(range(1, 13))
    assert records[-1]["loss"] < 0.7 * records[0]["loss"]
    assert records[0]["learning_rate"] == pytest.approx(2e-2)
    assert records[-1]["learning_rate"] == pytest.approx(1e-5)
    assert {"validation_d_stsp", "validation_d_h", "validation_mase"} <= set(records[-1])
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"model.safetensors", "best.safetensors", "log.jsonl", "training.png"} <= names
    assert {"config.json", "state.safetensors"} <= names
    assert json.loads((tmp_path / "run" / "config.json").read_text())["training"]["epochs"] == 12
    assert not model.training


@pytest.mark.parametrize("break_after", [1, 3, 5])
def test_a_resumed_run_ends_in_the_same_weights(break_after, tmp_path, monkeypatch):
    config = quick(epochs=6, checkpoint_every=2, averaging=0.9, frozen=("gate.sigma",))
    whole = train(tmp_path / "whole", model=SMALL, training=config, trajectories=DATA)

    class BrokenError(Exception):
        pass

    original = Trainer._log

    def breaking(self, record):
        original(self, record)
        if record["epoch"] == break_after:
            raise BrokenError

    monkeypatch.setattr(Trainer, "_log", breaking)
    with pytest.raises(BrokenError):
        train(tmp_path / "broken", model=SMALL, training=config, trajectories=DATA)
    monkeypatch.setattr(Trainer, "_log", original)
    resumed = train(
        tmp_path / "broken", model=SMALL, training=config, trajectories=DATA, resume=True
    )
    for key, value in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[key], value, rtol=0, atol=0)
    logs = [list(read_log(tmp_path / name)) for name in ("whole", "broken")]
    for a, b in zip(*logs, strict=True):
        assert {k: v for k, v in a.items() if k != "seconds"} == {
            k: v for k, v in b.items() if k != "seconds"
        }


def test_repeated_failure_rolls_back_to_the_last_good_weights(tmp_path, monkeypatch):
    config = quick(epochs=2, batches_per_epoch=6, rollback_after=3, validate_every=0)
    trainer = Trainer(tmp_path / "run", model=SMALL, training=config, trajectories=DATA)
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
    trainer._train_epoch(WindowSampler(DATA, length=config.sequence_length), _Bar())
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
    train(tmp_path, model=SMALL, training=quick(epochs=1), trajectories=DATA)
    with pytest.raises(InputError, match="--resume"):
        train(tmp_path, model=SMALL, training=quick(epochs=1), trajectories=DATA)
    with pytest.raises(InputError, match=r"epochs \(was 1, now 9\)"):
        train(tmp_path, model=SMALL, training=quick(epochs=9), trajectories=DATA, resume=True)
    with pytest.raises(InputError, match="experts"):
        train(
            tmp_path,
            model=ModelConfig(latent_dims=6, experts=2),
            training=quick(epochs=1),
            trajectories=DATA,
            resume=True,
        )
    (tmp_path / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="truncated"):
        train(tmp_path, model=SMALL, training=quick(epochs=1), trajectories=DATA, resume=True)


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
    trained = train(tmp_path, model=model, training=quick(epochs=2), trajectories=DATA)
    fresh = Trainer("unused", model=model, training=QUICK).model
    for (name, a), b in zip(trained.named_parameters(), fresh.parameters(), strict=True):
        if a.numel():
            assert not torch.equal(a, b), name


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


def test_data_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"trajectory 0 must be.*\(T, 3\)"):
        train(tmp_path / "a", model=SMALL, training=QUICK, trajectories=[wave(300, 2)])
    with pytest.raises(InputError, match="needs 36"):
        train(tmp_path / "b", model=SMALL, training=QUICK, trajectories=[wave(30)])
    with pytest.raises(InputError, match="observed_dims=3"):
        train(tmp_path / "c", model=ModelConfig(observed_dims=6), training=QUICK)


def test_frozen_parameters_stay_and_the_others_move(tmp_path):
    frozen = ("gate.tau_att", "gate.D")
    config = quick(epochs=1, frozen=frozen, attention_temperature=0.03)
    trainer = Trainer(tmp_path / "run", model=SMALL, training=config, trajectories=DATA)
    before = weights(trainer.model)
    assert before["gate.tau_att"].item() == pytest.approx(0.03)
    after = weights(trainer.run())
    for name, value in before.items():
        assert torch.equal(after[name], value) == (name in frozen), name
    with pytest.raises(InputError, match="frozen parameter"):
        Trainer(tmp_path / "other", model=SMALL, training=quick(frozen=("gate.tau",)))


def test_the_kept_weights_are_the_running_mean_of_the_trained_ones(tmp_path, monkeypatch):
    config = quick(epochs=1, batches_per_epoch=30, averaging=0.8, validate_every=0)
    trainer = Trainer(tmp_path / "run", model=SMALL, training=config, trajectories=DATA)
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
    model = DynaMix(dataclasses.replace(SMALL, attention_sharpness=4.0), seed=5)
    path = str(model.save_pretrained(tmp_path / "first.safetensors"))
    config = quick(start_from=path, start_sharpness=4.0)
    started = Trainer(tmp_path / "run", training=config, trajectories=DATA).model
    for name, value in weights(model).items():
        expected = value / 4.0 if name == "gate.tau_att" else value
        torch.testing.assert_close(weights(started)[name], expected)
    assert started.config == SMALL
    with pytest.raises(InputError, match="Leave the model's settings out"):
        Trainer(
            tmp_path / "run",
            model=dataclasses.replace(SMALL, experts=SMALL.experts + 1),
            training=config,
            trajectories=DATA,
        )


@pytest.mark.parametrize("warp", [0.3, 0.9])
def test_warping_keeps_the_order_along_an_axis_and_the_scale(warp):
    series = [DATA[0][:, :1]]
    plain = WindowSampler(series, length=80).draw(5, rng=np.random.default_rng(3))
    warped = WindowSampler(series, length=80, warp=warp).draw(5, rng=np.random.default_rng(3))
    assert not np.allclose(plain, warped, atol=1e-2)
    np.testing.assert_allclose(warped.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(warped.std(axis=0, ddof=1), 1.0, atol=1e-4)
    for i in range(5):  # a strictly monotone function of the plain one
        order = np.argsort(plain[:, i, 0], kind="stable")
        assert (np.diff(warped[order, i, 0].astype(np.float64)) >= -1e-6).all()
