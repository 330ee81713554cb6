"""The adapters of pretrained models, on tiny random models of the real classes, saved to disk."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import torch
from helpers import small_model, wave

from dynamix import InputError, baselines
from dynamix.baselines import pretrained as foundation

pytest.importorskip("chronos")
pytest.importorskip("transformers")

T5 = {
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 16,
    "num_layers": 1,
    "num_heads": 2,
    "dropout_rate": 0.0,
    "decoder_start_token_id": 0,
}
QUANTILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def chronos_t5(folder):
    from transformers import T5Config, T5ForConditionalGeneration

    tokens = 64
    config = T5Config(**T5, num_decoder_layers=1, vocab_size=tokens, pad_token_id=0, eos_token_id=1)
    config.chronos_config = {
        "tokenizer_class": "MeanScaleUniformBins",
        "tokenizer_kwargs": {"low_limit": -15.0, "high_limit": 15.0},
        "n_tokens": tokens,
        "n_special_tokens": 2,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "use_eos_token": True,
        "model_type": "seq2seq",
        "context_length": 64,
        "prediction_length": 8,
        "num_samples": 5,
        "temperature": 1.0,
        "top_k": 50,
        "top_p": 1.0,
    }
    T5ForConditionalGeneration(config).save_pretrained(folder)


def chronos_bolt(folder):
    from chronos.chronos_bolt import ChronosBoltModelForForecasting
    from transformers import T5Config

    config = T5Config(
        **T5, num_decoder_layers=1, vocab_size=2, pad_token_id=0, eos_token_id=1, reg_token_id=1
    )
    config.chronos_pipeline_class = "ChronosBoltPipeline"
    config.architectures = ["ChronosBoltModelForForecasting"]
    config.chronos_config = {
        "context_length": 64,
        "prediction_length": 8,
        "input_patch_size": 8,
        "input_patch_stride": 8,
        "quantiles": QUANTILES,
        "use_reg_token": True,
    }
    ChronosBoltModelForForecasting(config).save_pretrained(folder)


def chronos_2(folder):
    from chronos.chronos2 import Chronos2Model
    from chronos.chronos2.config import Chronos2CoreConfig

    sizes = {k: v for k, v in T5.items() if k != "decoder_start_token_id"}
    config = Chronos2CoreConfig(**sizes, vocab_size=2, reg_token_id=1)
    config.chronos_pipeline_class = "Chronos2Pipeline"
    config.architectures = ["Chronos2Model"]
    config.chronos_config = {
        "context_length": 64,
        "output_patch_size": 8,
        "input_patch_size": 8,
        "input_patch_stride": 8,
        "quantiles": QUANTILES,
        "use_reg_token": True,
        "use_arcsinh": True,
        "max_output_patches": 2,
        "time_encoding_scale": 64,
    }
    Chronos2Model(config).save_pretrained(folder)


def timesfm(folder):
    from transformers import TimesFm2_5Config, TimesFm2_5ModelForPrediction

    config = TimesFm2_5Config(
        patch_length=8,
        context_length=64,
        horizon_length=16,
        num_hidden_layers=1,
        hidden_size=16,
        intermediate_size=16,
        head_dim=8,
        num_attention_heads=2,
        num_key_value_heads=2,
        output_quantile_len=16,
    )
    TimesFm2_5ModelForPrediction(config).save_pretrained(folder)


KINDS = {
    "chronos-t5-tiny": chronos_t5,
    "chronos-bolt-tiny": chronos_bolt,
    "chronos-2": chronos_2,
    "timesfm-2.5": timesfm,
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder of folders as DYNAMIX_WEIGHTS names one, a small model of each kind in it."""
    root = tmp_path_factory.mktemp("weights")
    for name, make in KINDS.items():
        torch.manual_seed(1)
        make(root / name)
    return root


@pytest.fixture(autouse=True)
def found(weights, monkeypatch):
    monkeypatch.setenv("DYNAMIX_WEIGHTS", str(weights))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def fresh():
    """No model kept from a test before, whose folder may have had the same name."""
    foundation._load.cache_clear()


every = pytest.mark.parametrize("name", KINDS)


@every
@pytest.mark.parametrize("horizon", [5, 20])  # within and beyond the prediction lengths
def test_shape_dtype_and_the_seed(name, horizon):
    x = wave(100).astype(np.float32)
    call = baselines.baseline(name)
    y = call(x, horizon, seed=1)
    assert y.shape == (horizon, 3)
    assert y.dtype == np.float32
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(y, call(x, horizon, seed=1))
    if name.startswith("chronos-t5"):  # it alone draws
        assert not np.array_equal(y, call(x, horizon, seed=2))


@every
def test_global_random_state_is_left_alone(name):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    baselines.baseline(name)(wave(40), 4, seed=9)
    assert torch.equal(torch.rand(3), expected)


@every
def test_rescaled_context_rescaled_forecast(name):
    """Powers of two are exact in floating point; an offset is so for those that subtract a mean."""
    x = wave(64)
    call = baselines.baseline(name)
    y = call(x, 24, seed=0)
    np.testing.assert_allclose(call(4.0 * x, 24, seed=0), 4.0 * y, rtol=1e-5, atol=1e-5)
    if not name.startswith("chronos-t5"):  # it divides by the mean of |x| and subtracts nothing
        shifted = call(2.0 * x + 3.0, 24, seed=0)
        np.testing.assert_allclose(shifted, 2.0 * y + 3.0, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "chronos-2"])
def test_univariate_models_forecast_each_channel_alone(name):
    x = wave(64)
    call = baselines.baseline(name)
    assert not call.joint
    both, alone = call(x, 20, seed=3), call(x[:, 1:2], 20, seed=3)
    np.testing.assert_array_equal(both[:, 1:2], alone)


def test_chronos_2_sees_all_channels():
    x = wave(64)
    call = baselines.baseline("chronos-2")
    assert call.joint
    other = x.copy()
    other[:, 2] = np.random.default_rng(0).normal(size=64)
    assert not np.allclose(call(x, 8)[:, 0], call(other, 8)[:, 0], atol=1e-6)


def test_the_forecast_is_the_package_s_own_median():
    from chronos import BaseChronosPipeline

    x = wave(50)
    series = torch.tensor(x.T, dtype=torch.float32)
    for name in ("chronos-bolt-tiny", "chronos-2"):
        pipeline = BaseChronosPipeline.from_pretrained(foundation._folder(name))
        inputs = series[None] if name == "chronos-2" else series
        raw = pipeline.predict(inputs, prediction_length=8)
        median = raw[0][:, 4] if name == "chronos-2" else raw[:, 4]
        y = baselines.baseline(name)(x, 8)
        np.testing.assert_allclose(y, median.numpy().T, rtol=1e-4, atol=1e-5)
    pipeline = BaseChronosPipeline.from_pretrained(foundation._folder("chronos-t5-tiny"))
    torch.manual_seed(4)
    samples = pipeline.predict(series[:1], prediction_length=8)
    y = baselines.baseline("chronos-t5-tiny")(x, 8, seed=4)
    np.testing.assert_allclose(y[:, 0], samples[0].median(dim=0).values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_units_change_nothing(name):
    x, call = np.round(wave(50) * 2**20) / 2**20, baselines.baseline(name)
    y = call(x, 8)
    np.testing.assert_array_equal(call(x * 2.0**-996, 8) / 2.0**-996, y)
    mixed = np.array([1e-13, 1.0, 1e300])
    np.testing.assert_allclose(call(x * mixed, 8) / mixed, y, rtol=1e-3, atol=1e-3)
    far = call(x + 4e6, 8) - 4e6
    np.testing.assert_allclose(far, call(x - x.mean(axis=0), 8) + x.mean(axis=0), atol=1e-2)


def test_timesfm_rolls_out_by_appending_its_median_and_never_pads():
    x = wave(50)
    call = baselines.baseline("timesfm-2.5")
    y = call(x, 30)
    # 48 of 50 steps are whole patches of 8, so that the first two are never seen
    changed = x.copy()
    changed[:2] = 7.0
    first = call(changed, 16)
    np.testing.assert_allclose(first, y[:16], rtol=1e-4, atol=1e-4)
    rest = call(np.concatenate([x, y[:16]]), 14)
    np.testing.assert_allclose(rest, y[16:], rtol=1e-4, atol=1e-4)


def test_a_longer_context_than_a_model_takes_loses_its_beginning():
    x = wave(100)
    for name in ("chronos-bolt-tiny", "chronos-2", "timesfm-2.5"):
        call = baselines.baseline(name)
        np.testing.assert_allclose(call(x, 6), call(x[-64:], 6), rtol=1e-5, atol=1e-5)


def test_models_by_path_and_by_the_hub_s_name(weights, tmp_path, monkeypatch):
    x = wave(40)
    y = baselines.baseline("chronos-bolt-tiny")(x, 5)
    np.testing.assert_array_equal(baselines.baseline(weights / "chronos-bolt-tiny")(x, 5), y)
    shutil.copytree(weights / "timesfm-2.5", tmp_path / "timesfm-2.5-200m-transformers")
    shutil.copytree(weights / "chronos-bolt-tiny", tmp_path / "mine")
    monkeypatch.setenv("DYNAMIX_WEIGHTS", str(tmp_path))
    assert baselines.baseline("timesfm-2.5").weights_here()
    assert not baselines.baseline("chronos-2").weights_here()
    np.testing.assert_array_equal(baselines.baseline("mine")(x, 5), y)  # a name of one's own
    assert baselines.baseline("mine").rival


def test_what_is_no_pretrained_model_is_none(tmp_path):
    small_model().save_pretrained(tmp_path / "dynamix")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    for name in ("dynamix", "broken", "nothing"):
        assert foundation.pretrained(str(tmp_path / name)) is None
    assert not baselines.baseline(tmp_path / "dynamix").rival  # but the first is a DynaMix


def test_no_weights_no_network(fresh, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("DYNAMIX_WEIGHTS")
    for name in ("chronos-t5-large", "chronos-bolt-base", "timesfm-2.5"):
        with pytest.raises(InputError, match=f"folder '{name}'.*DYNAMIX_WEIGHTS"):
            baselines.baseline(name)(wave(40), 5)


def test_damaged_weights_and_pickles_are_refused(weights, tmp_path):
    for name in ("chronos-bolt-tiny", "timesfm-2.5"):
        cut = tmp_path / name
        shutil.copytree(weights / name, cut)
        file = cut / "model.safetensors"
        file.write_bytes(file.read_bytes()[:200])
        with pytest.raises(InputError, match="cannot be loaded"):
            baselines.baseline(cut)(wave(40), 5)
        os.remove(file)
        torch.save({}, cut / "pytorch_model.bin")
        with pytest.raises(InputError, match="cannot be loaded"):
            baselines.baseline(cut)(wave(40), 5)


def test_an_unknown_kind_of_chronos(tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"chronos_config": {}, "chronos_pipeline_class": "Chronos9Pipeline"})
    )
    with pytest.raises(InputError, match="Chronos9Pipeline"):
        baselines.baseline(tmp_path)
