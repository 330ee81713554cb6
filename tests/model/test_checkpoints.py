"""Saving, loading, and everything that may be wrong with a file."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from helpers import small_model, wave

from dynamix import DynaMix, InputError, forecast
from dynamix.model import checkpoints

KINDS = [
    {},
    {"relu_units": 0},
    {"observed_dims": 6},
    {"observed_dims": 7},
    {"probabilistic": True},
    {"attention_sharpness": 4.0, "quiet_steps": 20},
    {"expert_kind": "clipped_shallow_plrnn", "hidden_units": 5},
]


@pytest.mark.parametrize("sizes", KINDS, ids=str)
@pytest.mark.parametrize("name", ["folder", "a-v1.0.safetensors"])
def test_round_trip(sizes, name, tmp_path):
    model = small_model(**sizes)
    path = model.save_pretrained(tmp_path / name)
    for given in (path, str(path), path.parent):
        again = DynaMix.from_pretrained(given)
        assert again.config == model.config
        for key, value in model.state_dict().items():
            torch.testing.assert_close(again.state_dict()[key], value, rtol=0, atol=0)


def test_a_file_moved_without_its_config_still_knows_it(tmp_path):
    model = small_model(relu_units=5)
    path = model.save_pretrained(tmp_path / "m.safetensors")
    path.with_suffix(".json").unlink()
    assert DynaMix.from_pretrained(path).config == model.config


def test_a_double_model_is_saved_in_single_precision(tmp_path):
    path = small_model().double().save_pretrained(tmp_path)
    assert DynaMix.from_pretrained(path).gate.D.dtype == torch.float32


def test_bundled_checkpoints_load_and_are_small():
    assert "dynamix-3d" in checkpoints.bundled()
    for name, path in checkpoints.bundled().items():
        model = DynaMix.from_pretrained(name)
        assert not model.training
        assert path.stat().st_size < 500_000


def edit_config(folder, **changes):
    path = folder / "model.json"
    config = json.loads(path.read_text())
    config["architecture"] |= changes
    path.write_text(json.dumps(config))


def test_tensors_that_do_not_fit_their_config(tmp_path):
    small_model().save_pretrained(tmp_path)
    edit_config(tmp_path, M=9)
    with pytest.raises(InputError, match=r"'B' should have shape \(3, 9\), found \(3, 7\)"):
        DynaMix.from_pretrained(tmp_path)
    edit_config(tmp_path, M=7, Experts=6)
    with pytest.raises(InputError, match=r"missing tensors.*experts\.4"):
        DynaMix.from_pretrained(tmp_path)
    edit_config(tmp_path, Experts=4, P=40)
    with pytest.raises(InputError, match="relu_units"):
        DynaMix.from_pretrained(tmp_path)
    edit_config(tmp_path, P=2, expert_type="transformer")
    with pytest.raises(InputError, match="unknown expert_kind 'transformer'"):
        DynaMix.from_pretrained(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '{"M": 3}', '{"architecture": {"M": 3}}'])
def test_a_config_that_is_none(text, tmp_path):
    small_model().save_pretrained(tmp_path)
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(InputError, match="architecture"):
        DynaMix.from_pretrained(tmp_path)


@pytest.mark.parametrize("kept", [0, 5, 100, 2000])
def test_truncated(kept, tmp_path):
    path = small_model().save_pretrained(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match="truncated"):
        DynaMix.from_pretrained(path)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_pickles_are_refused_unopened(kind, tmp_path):
    path = tmp_path / "model.safetensors"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    else:
        torch.save(Bomb(), path)
    with pytest.raises(InputError, match="pickle"):
        DynaMix.from_pretrained(path)


def test_values_that_are_not_finite(tmp_path):
    model = small_model()
    with torch.no_grad():
        model.gate.U[0, 0] = np.nan
    path = model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="mlp_layer1"):
        DynaMix.from_pretrained(path)


def test_gate_biases_must_be_zero(tmp_path):
    from safetensors.torch import load_file, save_file

    path = small_model().save_pretrained(tmp_path)
    tensors = load_file(path)
    tensors["gating_network.mlp_layer1.bias"] += 1
    save_file(tensors, path)
    with pytest.raises(InputError, match="must be zero"):
        DynaMix.from_pretrained(path)


def test_a_folder_with_no_or_several_checkpoints(tmp_path):
    with pytest.raises(InputError, match="found none"):
        DynaMix.from_pretrained(tmp_path)
    for name in "ab":
        small_model().save_pretrained(tmp_path / f"{name}.safetensors")
    with pytest.raises(InputError, match=r"a\.safetensors, b\.safetensors"):
        DynaMix.from_pretrained(tmp_path)


def test_hub_names_reach_the_hub(monkeypatch, tmp_path):
    """The name is split, both published files are asked for, and what comes is loaded."""
    import huggingface_hub

    small_model().save_pretrained(tmp_path / "dynamix-3d-alrnn-v1.0.safetensors")
    (tmp_path / "dynamix-3d-alrnn-v1.0.json").rename(tmp_path / "config_3d-alrnn-v1.0.json")
    asked = []

    def download(repository, file):
        asked.append((repository, file))
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    model = DynaMix.from_pretrained("DurstewitzLab/dynamix:dynamix-3d-alrnn-v1.0")
    assert model.config == small_model().config
    assert asked == [
        ("DurstewitzLab/dynamix", "dynamix-3d-alrnn-v1.0.safetensors"),
        ("DurstewitzLab/dynamix", "config_3d-alrnn-v1.0.json"),
    ]


def test_an_unreachable_hub_is_a_clear_error(monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def download(repository, file):
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(InputError, match="Check the name and the network"):
        forecast(wave(60), horizon=2, model="owner/repo:name")


def test_saving_replaces_whole_files_and_leaves_no_others(tmp_path):
    path = small_model().save_pretrained(tmp_path)
    small_model(seed=5).save_pretrained(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    torch.testing.assert_close(
        DynaMix.from_pretrained(path).gate.D, small_model(seed=5).gate.D, rtol=0, atol=0
    )
