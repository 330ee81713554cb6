"""Saved models: safetensors and JSON, never a pickle.

The file layout is the published one (``experts.{j}.A``, ``gating_network.D``, ..., and ``B`` for
the transpose of ``[I; L]``): the authors' weights load here, and saved models load there.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError, one_of
from ..io.files import write_text, write_whole
from ..settings import (
    BUNDLED_MODEL,
    CHECKPOINT_KINDS,
    ForecastDefaults,
    ModelConfig,
    declared,
    from_dict,
)
from .dynamix import DynaMix

logger = logging.getLogger(__name__)

_SUFFIX = ".safetensors"
# our config field -> the published key
_PUBLISHED = {
    "observed_dims": "N",
    "latent_dims": "M",
    "experts": "Experts",
    "relu_units": "P",
    "hidden_units": "hidden_dim",
    "expert_kind": "expert_type",
    "probabilistic": "probabilistic_expert",
}
_PUBLISHED_KINDS = {"almost_linear_rnn": "alrnn", "clipped_shallow_plrnn": "clipped_shallow_plrnn"}
# our parameter -> the published tensor, outside the experts
_GATE = {
    "gate.conv.weight": "gating_network.conv.weight",
    "gate.conv.bias": "gating_network.conv.bias",
    "gate.D": "gating_network.D",
    "gate.sigma": "gating_network.sigma",
    "gate.tau_att": "gating_network.softmax_temp1",
    "gate.tau_gate": "gating_network.softmax_temp2",
    "gate.U": "gating_network.mlp_layer1.weight",
    "gate.V": "gating_network.mlp_layer2.weight",
}
# published tensors that this model has no use for; they must be zero
_ZERO = ("gating_network.mlp_layer1.bias", "gating_network.mlp_layer2.bias")


def bundled() -> dict[str, Path]:
    """Names and ``.safetensors`` files of the checkpoints that come with the package.

    Their origin stands in ``data/models/README.md`` of the package.

    Examples
    --------
    >>> sorted(name for name in bundled() if name.startswith("dynamix-3d"))
    ['dynamix-3d', 'dynamix-3d-plus', 'dynamix-3d-scratch']
    """
    folder = Path(str(resources.files("dynamix") / "data" / "models"))
    return {path.name.removesuffix(_SUFFIX): path for path in sorted(folder.glob(f"*{_SUFFIX}"))}


def load(name: str | Path = BUNDLED_MODEL) -> Any:
    """The model of a bundled name, a local file or folder, or a hub name ``owner/repo:checkpoint``.

    Parameters
    ----------
    name
        Tried in this order: a name of :func:`bundled`; a folder with one ``.safetensors`` file;
        such a file; a checkpoint of the Hugging Face hub, for example
        ``"DurstewitzLab/dynamix:dynamix-3d-alrnn-v1.0"``, which needs a network the first time. The
        config is read from the ``.json`` beside the weights, else from their header; without either
        it is told from the tensors' shapes.

    Returns
    -------
    A :class:`dynamix.DynaMix`, or a model of the kind that the config names, on the CPU in float32,
    in evaluation mode.

    Raises
    ------
    InputError
        If nothing of that name exists (the known names are listed), a folder holds none or several,
        the hub cannot be reached or lacks it; or the file is truncated, is a pickle, holds NaN, or
        its tensors do not fit its config, or the config is not to be read.

    Examples
    --------
    >>> model = load("dynamix-3d")
    >>> model.config.observed_dims, model.config.latent_dims, model.training
    (3, 30, False)
    >>> load("dynamix-3b")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown checkpoint 'dynamix-3b'. ... Did you mean 'dynamix-3d'?
    """
    text = os.fspath(name)
    if text in bundled():
        return _read(bundled()[text])
    path = Path(text).expanduser()
    if path.is_dir():
        files = sorted(path.glob(f"*{_SUFFIX}"))
        if len(files) != 1:
            found = ", ".join(file.name for file in files) or "none"
            raise InputError(
                f"the folder {text!r} should hold one {_SUFFIX} file, found {found}. "
                "Name the file itself."
            )
        return _read(files[0])
    if path.is_file():
        return _read(path)
    if ":" in text and "/" in text.split(":")[0]:
        return _read(*_from_hub(text))
    if "/" in text or path.suffix:
        raise InputError(
            f"no checkpoint at {text!r}. Expected a {_SUFFIX} file, a folder that holds one, a hub "
            f"name 'owner/repo:checkpoint', or a bundled name: {', '.join(bundled())}."
        )
    one_of("checkpoint", text, bundled())
    raise AssertionError("unreachable: bundled names were tried first")


def save(model: DynaMix, path: str | Path) -> Path:
    """Write the model in the published layout; returns the ``.safetensors`` file.

    A path without the suffix is a folder, which gets ``model.safetensors``. The config lies beside
    the weights as ``<name>.json`` and, for a file that is moved alone, in its header too. Both are
    written whole or not at all.

    Parameters
    ----------
    model
        Its values are written in float32, whatever its own precision.
    path
        A file ``*.safetensors`` or a folder; missing folders are made, a file of that name is
        replaced.

    Raises
    ------
    OSError
        If the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> model = DynaMix(seed=3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = save(model, folder)
    ...     same = load(folder)
    >>> file.name, torch.equal(same.gate.U, model.gate.U)
    ('model.safetensors', True)
    """
    config = {"architecture": _to_published(model.config)}
    return write(path, to_published(model), config, model.defaults)


def write(
    path: str | Path, tensors: dict[str, Tensor], config: dict[str, Any], defaults: ForecastDefaults
) -> Path:
    """Write a checkpoint of any kind; ``config`` is its JSON without the forecast defaults."""
    path = Path(path)
    if path.suffix != _SUFFIX:  # not with_suffix, which would cut "...-v1.0" to "...-v1"
        path = path / f"model{_SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(config | {"forecast": dataclasses.asdict(defaults)})
    write_tensors(path, tensors, metadata={"config": text})
    write_text(path.with_name(path.name.removesuffix(_SUFFIX) + ".json"), text + "\n")
    return path


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file, whole or not at all."""
    from safetensors.torch import save_file

    with write_whole(path) as temporary:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata=metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header metadata of a safetensors file.

    Raises
    ------
    InputError
        If the file is not a whole safetensors file; a pickle is named as such and never opened.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in list(file.keys())}
            return tensors, dict(file.metadata() or {})
    except (SafetensorError, ValueError, OverflowError) as error:
        with path.open("rb") as raw:
            head = raw.read(9)
        # a zip archive is torch.save's format, 0x80 opens a pickle of protocol 2 and later; the
        # length of a safetensors header can begin with that byte too, but its JSON follows
        if head[:2] == b"PK" or (head[:1] == b"\x80" and head[8:] not in (b"", b"{")):
            raise InputError(
                f"{path.name!r} is not a readable {_SUFFIX} file; it looks like a pickle or a "
                "torch.save file, which can run code when opened and is never loaded here. Convert "
                f"it to {_SUFFIX} where you trust it."
            ) from error
        raise InputError(
            f"{path.name!r} is not a readable {_SUFFIX} file; it may be truncated or another "
            f"format ({error}). Fetch or save it again."
        ) from error


def to_published(model: DynaMix) -> dict[str, Tensor]:
    """The model's tensors under their published names."""
    own = {key: value.detach().cpu() for key, value in model.state_dict().items()}
    tensors = {published: own[ours] for ours, published in _GATE.items()}
    J, N = model.config.experts, model.config.observed_dims
    for key, value in own.items():
        if key.startswith("experts."):
            for j in range(J):
                tensors[f"experts.{j}.{key.removeprefix('experts.')}"] = value[j]
    if model.config.probabilistic:
        for j in range(J):
            tensors[f"experts.{j}.sigma"] = own["sigma_expert"][j : j + 1]
    tensors["B"] = torch.cat([torch.eye(N), own["L"].float()], dim=0).T
    for name in _ZERO:
        tensors[name] = torch.zeros(J)
    return {key: value.float() for key, value in tensors.items()}


def from_published(
    tensors: dict[str, Tensor],
    config: ModelConfig,
    *,
    source: str,
    defaults: ForecastDefaults | None = None,
) -> DynaMix:
    """A model from published tensors; every tensor is checked against what the config implies."""
    model = DynaMix(config, defaults=defaults)
    expected = {key: value.shape for key, value in to_published(model).items()}
    missing = sorted(set(expected) - set(tensors) - set(_ZERO))
    unknown = sorted(set(tensors) - set(expected))
    if missing or unknown:
        raise InputError(
            f"{source} does not fit its config ({config}): missing tensors {missing[:5]}, "
            f"unknown tensors {unknown[:5]}."
        )
    for key, value in tensors.items():
        if value.shape != expected[key]:
            raise InputError(
                f"{source} does not fit its config ({config}): tensor {key!r} should have shape "
                f"{tuple(expected[key])}, found {tuple(value.shape)}."
            )
        if not torch.isfinite(value).all():
            raise InputError(f"{source}: tensor {key!r} holds NaN or infinity.")
    for name in _ZERO:
        if name in tensors and tensors[name].any():
            raise InputError(f"{source}: {name!r} must be zero; this model has no gate biases.")
    own = {ours: tensors[published] for ours, published in _GATE.items()}
    for key in model.experts.state_dict():
        each = [tensors[f"experts.{j}.{key}"] for j in range(config.experts)]
        own[f"experts.{key}"] = torch.stack(each)
    if config.probabilistic:
        own["sigma_expert"] = torch.cat(
            [tensors[f"experts.{j}.sigma"] for j in range(config.experts)]
        )
    own["L"] = tensors["B"][:, config.observed_dims :].T
    model.load_state_dict(own)
    return model.eval()


def _to_published(config: ModelConfig) -> dict[str, Any]:
    kinds = {ours: theirs for theirs, ours in _PUBLISHED_KINDS.items()}
    values = {theirs: getattr(config, ours) for ours, theirs in _PUBLISHED.items()}
    return values | {"expert_type": kinds[config.expert_kind]}


def _from_published(architecture: dict[str, Any], *, source: str) -> ModelConfig:
    missing = sorted({"M", "N", "Experts", "P"} - set(architecture))
    if missing:
        raise InputError(f"{source}: the config's 'architecture' lacks {missing}.")
    values = {
        ours: architecture[theirs]
        for ours, theirs in _PUBLISHED.items()
        if architecture.get(theirs) is not None
    }
    kind = str(values.get("expert_kind", ModelConfig.expert_kind)).lower()
    values["expert_kind"] = _PUBLISHED_KINDS.get(kind, kind)
    values["probabilistic"] = bool(values.get("probabilistic", ModelConfig.probabilistic))
    try:
        return ModelConfig(**values)
    except InputError as error:
        raise InputError(f"{source}: the config is not usable: {error}") from error


def _read(path: Path, config_path: Path | None = None) -> Any:
    tensors, metadata = read_tensors(path)
    source = repr(path.name)
    beside = config_path or path.with_name(path.name.removesuffix(_SUFFIX) + ".json")
    if beside.is_file():
        text, origin = beside.read_bytes(), repr(beside.name)
    else:
        text, origin = metadata.get("config", "").encode(), f"the header of {source}"
    if not text:
        return from_published(tensors, _guess_config(tensors, source=source), source=source)
    try:
        stored = json.loads(text)
        architecture, forecast = dict(stored["architecture"]), dict(stored.get("forecast", {}))
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{origin} should be JSON with a key 'architecture', found {error!r}."
        ) from error
    known = {k: v for k, v in forecast.items() if k in declared(ForecastDefaults)}
    defaults = from_dict(ForecastDefaults, known, source=origin)
    for kind in CHECKPOINT_KINDS.keys() & stored.keys():
        build = import_module(CHECKPOINT_KINDS[kind]).from_checkpoint
        return build(tensors, stored, defaults=defaults, source=origin)
    config = _from_published(architecture, source=origin)
    return from_published(tensors, config, source=source, defaults=defaults)


def _guess_config(tensors: dict[str, Tensor], *, source: str) -> ModelConfig:
    """The config of a bare weights file: all but P shows in the shapes, and P takes its default."""
    if "gating_network.D" not in tensors or "experts.0.A" not in tensors:
        raise InputError(
            f"{source} has no config beside it and no tensors of a DynaMix in it; found "
            f"{sorted(tensors)[:5]}."
        )
    N, M = tensors["gating_network.D"].shape
    shallow = tensors.get("experts.0.W1")
    config = ModelConfig(
        observed_dims=N,
        latent_dims=M,
        experts=sum(key.startswith("experts.") and key.endswith(".A") for key in tensors),
        relu_units=min(ModelConfig.relu_units, M),
        hidden_units=ModelConfig.hidden_units if shallow is None else shallow.shape[1],
        expert_kind="alrnn" if shallow is None else "clipped_shallow_plrnn",
        probabilistic="experts.0.sigma" in tensors,
    )
    logger.info("%s has no config beside it; assuming %s", source, config)
    return config


def _from_hub(name: str) -> tuple[Path, Path]:
    """Weights and config of ``owner/repo:checkpoint``; the hub's cache keeps them."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository, checkpoint = name.split(":", 1)
    # the published naming: dynamix-3d-alrnn-v1.0.safetensors and config_3d-alrnn-v1.0.json
    files = (
        f"{checkpoint}{_SUFFIX}",
        f"config_{checkpoint.removeprefix('dynamix-')}.json",
    )
    try:
        weights, config = (Path(hf_hub_download(repository, file)) for file in files)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise InputError(
            f"could not fetch {files[0]!r} and {files[1]!r} of {repository!r} from the hub "
            f"({type(error).__name__}: {error}). Check the name and the network, or give a local "
            f"file, or a bundled name: {', '.join(bundled())}."
        ) from error
    return weights, config
