"""The controlled transformer forecasts: by inversion, repeatably, each series alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynamix import InputError
from dynamix.baselines import baseline

pytest.importorskip("chronos", reason="chronos-forecasting is not installed")

from dynamix.baselines.transformer import TransformerControl


def waves(n=1500):
    t = np.arange(n)
    return np.stack([np.sin(t / 5), np.cos(t / 7), np.sin(t / 6) + 2], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def tiny():
    """A random model of the real class: 48 steps of context, 12 decoded at a time."""
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(
        vocab_size=64, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4, dropout_rate=0.0,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
        chronos_config={
            "tokenizer_class": "MeanScaleUniformBins",
            "tokenizer_kwargs": {"low_limit": -8.0, "high_limit": 8.0},
            "context_length": 48, "prediction_length": 12, "n_tokens": 64, "n_special_tokens": 2,
            "pad_token_id": 0, "eos_token_id": 1, "use_eos_token": True, "model_type": "seq2seq",
            "num_samples": 20, "temperature": 1.0, "top_k": 50, "top_p": 1.0,
        },
    )  # fmt: skip
    return TransformerControl(T5ForConditionalGeneration(config))


@pytest.mark.parametrize("samples", [1, 3])
def test_tokens_are_drawn_by_inversion_of_the_whole_network(tiny, samples):
    """One pass over all tokens, without cached keys, gives the distribution of each."""
    ids, mask, _ = tiny.tokenizer.context_input_transform(torch.from_numpy(waves()[:48].T.copy()))
    uniform = torch.rand((12, 3, samples), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        tokens = tiny.sample(ids, mask, uniform)
        assert tokens.shape == (3, samples, 12)
        for k in range(samples):
            start = torch.zeros((3, 1), dtype=tokens.dtype)
            before = torch.cat([start, tokens[:, k, :-1]], dim=1)
            logits = tiny.network(
                input_ids=ids, attention_mask=mask, decoder_input_ids=before
            ).logits
            for t in range(12):
                drawn = tiny.draw(logits[:, t], uniform[t, :, k : k + 1])
                assert torch.equal(drawn[:, 0], tokens[:, k, t])


def test_a_draw_follows_the_probabilities(tiny):
    """Tokens 2 to 4 with 1/2, 1/3, 1/6; special tokens never, however likely."""
    logits = torch.full((1, 64), -30.0)
    logits[0, :5] = torch.log(torch.tensor([9.0, 9.0, 3.0, 2.0, 1.0]))
    for u, token in ((0.01, 2), (0.49, 2), (0.51, 3), (0.82, 3), (0.84, 4), (0.999, 4)):
        assert tiny.draw(logits.clone(), torch.tensor([[u]])).item() == token


def test_the_seed_decides(tiny):
    x = waves()[:60]
    a, b, c = (tiny.forecast(x, 40, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0
    np.testing.assert_array_equal(tiny.forecast(x, 15, seed=1), a[:15])  # of any horizon
    assert a.dtype == np.float32


def test_a_series_does_not_depend_on_its_neighbours(tiny):
    x = np.stack([waves()[i : i + 60] for i in (0, 100, 333)], axis=1)
    together = tiny.forecast(x, 30, seed=3)
    assert together.shape == (30, 3, 3)
    for s in range(3):
        alone = tiny.forecast(x[:, s], 30, seed=3)
        np.testing.assert_allclose(together[:, s], alone, rtol=1e-4, atol=1e-4)


def test_units_do_not_matter(tiny):
    x = waves()[:60].astype(np.float64)
    y = tiny.forecast(x, 20, seed=0)
    scaled = tiny.forecast(1e3 * x - 7.0, 20, seed=0)
    np.testing.assert_allclose(scaled, 1e3 * y - 7.0, rtol=1e-4, atol=0.5)


def test_a_constant_channel_and_a_short_context(tiny):
    y = tiny.forecast(np.full((5, 1), 4.0), 20)
    assert np.isfinite(y).all()
    assert y.shape == (20, 1)


def test_what_is_no_transformer(tmp_path):
    with pytest.raises(InputError, match=r"Expected a folder with config\.json"):
        TransformerControl.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(InputError, match="no transformer at"):
        TransformerControl.from_pretrained(tmp_path)


def test_the_bundled_model_by_name():
    call = baseline("transformer-control")
    assert sum(p.numel() for p in call.model.state_dict().values()) < 2_000_000
    assert call.identity.startswith("sha256:")
    assert call.identity == baseline("transformer-control-median").identity
    x = waves()[:100]
    y = call(x, 5, seed=3)
    np.testing.assert_array_equal(y, call.model.forecast(x, 5, seed=3))
    np.testing.assert_array_equal(y, baseline("transformer-control", samples=1)(x, 5, seed=3))
    assert not np.array_equal(baseline("transformer-control-median", samples=3)(x, 5, seed=3), y)
