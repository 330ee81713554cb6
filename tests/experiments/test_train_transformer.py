"""Training of the controlled transformer: its first weights, its loss, its count, its folder."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT

from dynamix.errors import InputError
from dynamix.settings import TrainingConfig

pytest.importorskip("chronos", reason="chronos-forecasting is not installed")

from dynamix.baselines.transformer import TransformerControl

sys.path.insert(0, str(ROOT / "experiments"))
import train_transformer as script
import transformer_training as training

DATA = TrainingConfig()
TINY = training.TransformerConfig(
    context_length=48,
    prediction_length=12,
    tokens=64,
    width=32,
    feed_forward=64,
    training_contexts=(24, 48),
    steps=40,
    batch_size=8,
    warm_up=5,
    learning_rate=1e-2,
    bfloat16=False,
    log_every=10,
    validate_every=0,
    checkpoint_every=20,
)


def waves(n=1500):
    t = np.arange(n)
    return np.stack([np.sin(t / 5), np.cos(t / 7), np.sin(t / 6) + 2], axis=1).astype(np.float32)


def read(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return training.train(folder, config=TINY, data=DATA, trajectories=[waves()]), folder


def test_training_reduces_the_loss_and_counts_its_compute(trained):
    log = read(trained[1])
    assert [line["step"] for line in log] == [10, 20, 30, 40]
    assert log[-1]["loss"] < 0.85 * log[0]["loss"]
    assert log[-1]["windows"] == 40 * 8
    per_step = [training.flops(TINY, length) for length in (24, 48)]
    assert 40 * per_step[0] <= log[-1]["flops"] <= 40 * per_step[1]


def test_first_embeddings_of_near_bins_are_alike():
    """Ordered: the kernel falls with the bins' distance, its diagonal is T5's own variance."""
    model = training.untrained(dataclasses.replace(TINY, tokens=258, width=64))
    E = model.network.shared.weight[2:].detach()
    kernel = (E @ E.T / E.shape[1]).numpy()
    at = [np.diagonal(kernel, offset=k).mean() for k in (0, 1, 8, 64)]
    np.testing.assert_allclose(np.diagonal(kernel), 1.0, rtol=1e-5)  # sin^2 + cos^2
    assert at == sorted(at, reverse=True)
    assert at[1] > 0.7 > 0.6 > at[2]
    random = training.untrained(dataclasses.replace(TINY, ordered_start=False)).network
    E = random.shared.weight[2:].detach()
    assert abs(np.diagonal((E @ E.T / E.shape[1]).numpy(), offset=1).mean()) < 0.1


def test_without_decay_the_loss_is_transformers_own():
    """And with it, it is the weighted mean written out; what is missing counts nowhere."""
    model = training.untrained(TINY)
    series = torch.from_numpy(waves(60).T.copy())
    context, future = series[:, :48], series[:, 48:].clone()
    future[1, 5:] = torch.nan
    ids, mask, scale = model.tokenizer.context_input_transform(context)
    labels, seen = model.tokenizer.label_input_transform(future, scale)
    each = training.token_losses(model, context, future)
    logits = model.network(input_ids=ids, attention_mask=mask, labels=labels).logits
    surprise = -logits.log_softmax(dim=2).gather(2, labels[..., None])[..., 0]
    for t in range(labels.shape[1]):
        torch.testing.assert_close(each[t], surprise[seen[:, t], t].mean())
    whole = torch.from_numpy(waves(60).T.copy())[:, 48:]
    labels, _ = model.tokenizer.label_input_transform(whole, scale)
    own = model.network(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss = training.weighted(training.token_losses(model, context, whole), 0.0)
    torch.testing.assert_close(loss, own)
    by_hand = sum(each[t] / (t + 1) for t in range(len(each))) / sum(
        1 / (t + 1) for t in range(len(each))
    )
    torch.testing.assert_close(training.weighted(each, 1.0), by_hand)


def test_a_head_of_the_encoder_starts_out_looking_one_step_ahead():
    model = training.untrained(TINY)
    model.network.set_attn_implementation("eager")
    ids = torch.randint(2, TINY.tokens, (1, 30), generator=torch.Generator().manual_seed(0))
    attention = model.network.encoder(input_ids=ids, output_attentions=True).attentions[0][0]
    for head, offset in ((0, 1), (1, -1)):
        looked = torch.diagonal(attention[head], offset=offset)
        assert looked.mean() > 0.6
    assert torch.diagonal(attention[2], offset=1).mean() < 0.3


def test_the_count_of_operations_is_that_of_its_matrix_products(trained):
    """One layer counted by hand: six operations per weight and token, forward and backward."""
    c, B = TINY, TINY.batch_size
    width, T, P = c.width, 48 + 1, c.prediction_length + 1
    attention, forward = 4 * width**2, 2 * width * c.feed_forward
    encoder = c.layers * (T * (attention + forward) + 2 * T * T * width)
    decoder = c.layers * (
        P * (attention + 2 * width**2 + forward)
        + T * 2 * width**2
        + 2 * P * P * width
        + 2 * P * T * width
    )
    by_hand = 6 * B * (encoder + decoder + P * width * c.tokens)
    assert training.flops(TINY, 48) == pytest.approx(by_hand, rel=0.02)


def test_dynamix_operations_grow_with_its_batch():
    one, two = (
        script.dynamix_flops(TrainingConfig(batch_size=n, context_length=60, window=21, overlap=11))
        for n in (1, 2)
    )
    assert two == pytest.approx(2 * one, rel=0.05)


def test_an_interrupted_run_ends_as_an_unbroken_one(trained, tmp_path):
    class BrokenOffError(Exception):
        pass

    calls = 0
    draw = training.draw

    def failing(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls > 25:
            raise BrokenOffError
        return draw(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "draw", failing)
        with pytest.raises(BrokenOffError):
            training.train(tmp_path, config=TINY, data=DATA, trajectories=[waves()])
    with pytest.raises(InputError, match="already holds"):
        training.train(tmp_path, config=TINY, data=DATA, trajectories=[waves()])
    other = dataclasses.replace(TINY, learning_rate=1e-3)
    with pytest.raises(InputError, match="other settings"):
        training.train(tmp_path, config=other, data=DATA, trajectories=[waves()], resume=True)
    model = training.train(tmp_path, config=TINY, data=DATA, trajectories=[waves()], resume=True)
    for ours, theirs in zip(
        model.network.parameters(), trained[0].network.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    assert [line["step"] for line in read(tmp_path)] == [10, 20, 30, 40]


def test_a_run_told_to_stop_brings_its_rate_to_nothing():
    config = dataclasses.replace(TINY, stop_after=30, cool_down=10)
    rates = [training.learning_rate(config, step) for step in range(31)]
    assert rates[20] == training.learning_rate(TINY, 20)
    assert rates[30] == 0.0
    assert config.last_step == 30


def test_saved_and_loaded_it_forecasts_the_same(trained, tmp_path):
    model = trained[0]
    folder = training.save(model, tmp_path / "model", TINY)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    loaded = TransformerControl.from_pretrained(folder)
    again = TransformerControl.from_pretrained(training.save(loaded, tmp_path / "again", TINY))
    x = waves()[:60]
    np.testing.assert_array_equal(loaded.forecast(x, 30), again.forecast(x, 30))
    for ours, theirs in zip(loaded.network.parameters(), model.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)  # half precision


def test_chronos_own_pipeline_reads_it(trained, tmp_path):
    from chronos import ChronosPipeline

    folder = training.save(trained[0], tmp_path / "model", TINY)
    pipeline = ChronosPipeline.from_pretrained(folder, dtype=torch.float32)
    x = torch.from_numpy(waves()[:48, 0].copy())
    theirs, _ = pipeline.embed(x)
    loaded = TransformerControl.from_pretrained(folder)
    ids, mask, _ = loaded.tokenizer.context_input_transform(x[None])
    with torch.no_grad():
        ours = loaded.network.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_settings_that_contradict_each_other():
    with pytest.raises(InputError, match="multiple of heads"):
        training.TransformerConfig(width=30, heads=4)
    with pytest.raises(InputError, match="at most context_length = 24"):
        dataclasses.replace(TINY, context_length=24)
