"""Saving, loading, and everything that may be wrong with a file."""

from __future__ import annotations

import hashlib
import json
import os
import pickle

import numpy as np
import pytest
import torch
from helpers import edit_config, small_model, wave
from safetensors.torch import load_file, save_file

from dynamix import DynaMix, InputError, forecast
from dynamix.io.files import digest
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


def test_tensors_that_do_not_fit_their_config(tmp_path):
    path = small_model().save_pretrained(tmp_path)
    for change, message in (
        ({"M": 9}, "latent_dims 7, the config 9"),
        ({"M": 10**5, "N": 3}, "latent_dims 7, the config 100000"),  # 400 GB are never asked for
        ({"M": 7, "Experts": 10**9}, "experts 4, the config 1000000000"),
        ({"Experts": 4, "P": 40}, "relu_units"),
        ({"P": 2, "expert_type": "transformer"}, "unknown expert_kind 'transformer'"),
        ({"expert_type": "clipped_shallow_plrnn"}, "expert_kind 'alrnn', the config"),
        ({"expert_type": "alrnn", "probabilistic_expert": "no"}, "True or False"),
        ({"probabilistic_expert": False, "M": "7"}, "latent_dims must be a whole number"),
    ):
        edit_config(path, architecture=change)
        with pytest.raises(InputError, match=message):
            DynaMix.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "[]",
        "3",
        "null",
        '{"M": 3}',
        '{"architecture": {"M": 3}}',
        "[" * 100000,
        '{"architecture": "abc"}',
        '{"architecture": {"N": 3}, "forecast": [1]}',
        '{"architecture": {"N": 3}, "architecture": {"N": 4}}',
        '{"architecture": {"N": 3}, "gp": {}, "local": {}}',
    ],
)
def test_a_config_that_is_none(text, tmp_path):
    path = small_model().save_pretrained(tmp_path)
    edit_config(path)
    path.with_suffix(".json").write_text(text)
    with pytest.raises(InputError, match=r"architecture|JSON|several kinds"):
        DynaMix.from_pretrained(tmp_path)


def test_a_header_may_say_that_it_says_nothing(tmp_path):
    path = small_model().save_pretrained(tmp_path)
    raw = path.read_bytes()
    end = 8 + int.from_bytes(raw[:8], "little")
    text = json.dumps(json.loads(raw[8:end]) | {"__metadata__": None}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[end:])
    assert DynaMix.from_pretrained(path).config == small_model().config


def test_forecast_settings_that_do_not_exist_are_refused(tmp_path):
    edit_config(small_model().save_pretrained(tmp_path), forecast={"quiet_step": 3})
    with pytest.raises(InputError, match="quiet_step"):
        DynaMix.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", sorted(checkpoints.bundled()))
def test_names_in_a_config_that_say_nothing_are_refused(name, tmp_path):
    bundled = checkpoints.bundled()[name]
    path = tmp_path / bundled.name
    save_file(load_file(bundled), path)
    config = json.loads(bundled.with_suffix(".json").read_text())

    def find(**more):
        path.with_suffix(".json").write_text(json.dumps({**config, **more}))
        return checkpoints.find(path)

    beside = {"name": "mine", "version": 2, "training": {"epochs": 9}}
    assert find(**beside).config == checkpoints.find(name).config
    for other in ("forcast", "Forecast", "archtecture", "gpp"):
        with pytest.raises(InputError, match=f"holds '{other}' beside its sections"):
            find(**{other: {"quiet_steps": 1}})
    for other in ("quiet_steps", "hidden_dim", "attention_sharpnes"):
        with pytest.raises(InputError, match=f"{other}.* Did you mean"):
            find(**{other: 1})
    for other in ("n", "hidden", "latent_dims"):
        with pytest.raises(InputError, match=rf"unknown settings \['{other}'\]"):
            find(architecture=config["architecture"] | {other: 3})


def test_new_weights_beside_an_old_config_are_refused(tmp_path):
    """A death between the two files must not give a model of both."""
    small_model(relu_units=5).save_pretrained(tmp_path)
    old = (tmp_path / "model.json").read_text()
    small_model(relu_units=3).save_pretrained(tmp_path)
    (tmp_path / "model.json").write_text(old)
    with pytest.raises(InputError, match="different configs"):
        DynaMix.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.to(torch.complex64), "found c64"),
        (lambda v: v.to(torch.int32), "found int32"),
        (lambda v: v.bool(), "found bool"),
        (lambda v: v.to(torch.float8_e4m3fn), "found f8"),
        (lambda v: v.double() + 1e300, "more than float32"),
        (lambda v: v / 0, "NaN, infinity"),
        (lambda v: v * 0, "temperature .* must not be zero"),
        (lambda v: v * 0 + 1e-44, "temperature .* must not be zero"),
    ],
)
def test_values_that_are_no_weights(change, message, tmp_path):
    path = small_model().save_pretrained(tmp_path)
    for name in ("softmax_temp1", "softmax_temp2"):
        tensors = load_file(path)
        key = f"gating_network.{name}"
        save_file(tensors | {key: change(tensors[key])}, tmp_path / "bad.safetensors")
        with pytest.raises(InputError, match=message):
            DynaMix.from_pretrained(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_weights_of_other_precision_become_float32(dtype, tmp_path):
    path = small_model().save_pretrained(tmp_path)
    save_file({k: v.to(dtype) for k, v in load_file(path).items()}, path)
    model = DynaMix.from_pretrained(path)
    assert model.gate.D.dtype == torch.float32
    torch.testing.assert_close(model.gate.D, small_model().gate.D, rtol=0.01, atol=0.01)


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


@pytest.mark.parametrize(
    ("key", "message"),
    [("gating_network.mlp_layer1.bias", "must be zero"), ("B", "must be the identity")],
)
def test_tensors_with_a_fixed_value(key, message, tmp_path):
    path = small_model().save_pretrained(tmp_path)
    tensors = load_file(path)
    save_file(tensors | {key: tensors[key] + 1}, path)
    with pytest.raises(InputError, match=message):
        DynaMix.from_pretrained(path)


def test_a_folder_with_no_or_several_checkpoints(tmp_path):
    with pytest.raises(InputError, match="found none"):
        DynaMix.from_pretrained(tmp_path)
    for name in "ab":
        small_model().save_pretrained(tmp_path / f"{name}.safetensors")
    with pytest.raises(InputError, match=r"a\.safetensors, b\.safetensors"):
        DynaMix.from_pretrained(tmp_path)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A cache of the hub that holds one checkpoint, and the files that were asked for."""
    import huggingface_hub

    folder, blobs = tmp_path / "snapshots" / COMMIT, tmp_path / "blobs"
    small_model().save_pretrained(folder / f"{NAME}.safetensors")
    (folder / f"{NAME}.json").rename(folder / "config_3d-alrnn-v1.0.json")
    blobs.mkdir()
    weights, asked = folder / f"{NAME}.safetensors", []
    whole = weights.read_bytes()
    blob = blobs / digest(weights)
    weights.unlink()
    weights.symlink_to(blob)

    def download(repository, file, **options):
        asked.append((repository, file, options["revision"]))
        if not blob.exists():
            blob.write_bytes(whole)
        return str(folder / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    asked_and_blob = asked, blob
    blob.write_bytes(whole)
    return asked_and_blob


COMMIT, NAME = "0123456789abcdef" * 2 + "01234567", "dynamix-3d-alrnn-v1.0"


@pytest.mark.parametrize("revision", ["", f"@{COMMIT}", "@v1"])
def test_both_files_come_from_one_commit_of_the_hub(revision, hub, caplog):
    asked, _ = hub
    model = DynaMix.from_pretrained(f"DurstewitzLab/dynamix:{NAME}{revision}")
    assert model.config == small_model().config
    assert asked == [
        ("DurstewitzLab/dynamix", f"{NAME}.safetensors", revision[1:] or "main"),
        ("DurstewitzLab/dynamix", "config_3d-alrnn-v1.0.json", COMMIT),
    ]
    assert (f"@{COMMIT}" in caplog.text) == (not revision)


def test_flipped_bits_in_the_hubs_cache_are_fetched_again(hub, caplog):
    _, blob = hub
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    model = DynaMix.from_pretrained(f"a/b:{NAME}")
    torch.testing.assert_close(model.gate.V, small_model().gate.V, rtol=0, atol=0)
    assert "was damaged" in caplog.text


@pytest.mark.parametrize("damage", [b"", b"{", b"flipped"])
@pytest.mark.parametrize("locked", [False, True])
def test_a_damaged_cache_of_the_hub_costs_time_alone(damage, locked, tmp_path, monkeypatch):
    import huggingface_hub

    small_model().save_pretrained(tmp_path / f"{NAME}.safetensors")
    (tmp_path / f"{NAME}.json").rename(tmp_path / "config_3d-alrnn-v1.0.json")

    def download(repository, file, *, revision, cache_dir=tmp_path / "cache"):
        whole = (tmp_path / file).read_bytes()
        name = hashlib.sha256(whole).hexdigest()
        if file.endswith(".json"):  # small files are named as git names them
            name = hashlib.sha1(b"blob %d\0" % len(whole) + whole).hexdigest()
        blob = cache_dir / "blobs" / name
        path = cache_dir / "snapshots" / COMMIT / file
        if not path.is_symlink():
            for folder in (blob.parent, path.parent):
                folder.mkdir(parents=True, exist_ok=True)
            path.symlink_to(blob)
            blob.write_bytes(damage if cache_dir == tmp_path / "cache" else whole)
        if not blob.exists():
            blob.write_bytes(whole)
        return str(path)

    def unlink(path, *, missing_ok):
        if locked:
            raise PermissionError
        os.unlink(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr("pathlib.Path.unlink", unlink)
    monkeypatch.setattr("dynamix.io.hub.scratch", lambda: tmp_path / "scratch")
    model = DynaMix.from_pretrained(f"a/b:{NAME}")
    torch.testing.assert_close(model.gate.V, small_model().gate.V, rtol=0, atol=0)


@pytest.mark.parametrize(
    "name",
    [
        "./runs/a:b",
        "/tmp/none/a:b",
        "~/a:b",
        "runs/mine:v2",
        "o/r:v2.safetensors",
        "C:/models/x",
        "a/b/c:d",
        "a/b:../../x",
        "../b:x",
        "a/b:c@../d",
        "",
        "a\x00b",
        "a" * 5000,
    ],
)
def test_what_is_no_name_never_goes_to_the_hub(name, monkeypatch, tmp_path):
    import huggingface_hub

    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("hub"))
    with pytest.raises(InputError):
        DynaMix.from_pretrained(name)


def test_an_unreachable_hub_is_a_clear_error(monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def download(repository, file, **_):
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
