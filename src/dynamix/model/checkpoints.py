"""Saved models: safetensors and JSON, never a pickle.

The file layout is the published one (``experts.{j}.A``, ``gating_network.D``, ..., and ``B`` for
the transpose of ``[I; L]``): the authors' weights load here, and saved models load there.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from functools import lru_cache
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError, about, one_of, suggestion
from ..io.files import make_folder, read_json, write_bytes, write_text
from ..io.hub import ADDRESS, SUFFIX, fetch
from ..settings import (
    BUNDLED_MODEL,
    CHECKPOINT_KINDS,
    ForecastDefaults,
    ModelConfig,
    declared,
    from_dict,
)
from .runs import Saved, saved

logger = logging.getLogger(__name__)

_LEAST_TEMPERATURE = 1e-30  # a distance divided by it is a float32
# numbers in a safetensors file; NumPy has no bfloat16, which is the upper half of a float32
_DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "u2", "I16": "i2", "U32": "u4", "I32": "i4",
    "U64": "u8", "I64": "i8", "BF16": "<u2", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
# our name -> the published one, of config fields, expert kinds and tensors outside the experts
_PUBLISHED = {
    "observed_dims": "N",
    "latent_dims": "M",
    "experts": "Experts",
    "relu_units": "P",
    "hidden_units": "hidden_dim",
    "expert_kind": "expert_type",
    "probabilistic": "probabilistic_expert",
}
SIGMA = "gating_network.sigma"  # which every kind of model has
_ALRNN = "almost_linear_rnn"  # the published name of our kind "alrnn"
_GATE = {
    "gate.conv.weight": "gating_network.conv.weight",
    "gate.conv.bias": "gating_network.conv.bias",
    "gate.D": "gating_network.D",
    "gate.sigma": SIGMA,
    "gate.tau_att": "gating_network.softmax_temp1",
    "gate.tau_gate": "gating_network.softmax_temp2",
    "gate.U": "gating_network.mlp_layer1.weight",
    "gate.V": "gating_network.mlp_layer2.weight",
}
# published tensors that this model has no use for; they must be zero
_ZERO = ("gating_network.mlp_layer1.bias", "gating_network.mlp_layer2.bias")
# what makes the torch model of a config
_BUILDERS = {
    "ModelConfig": "dynamix.model.dynamix",
    "LocalConfig": "dynamix.local.forecaster",
    "GPConfig": "dynamix.gp.forecaster",
}


@lru_cache(maxsize=1)
def bundled() -> dict[str, Path]:
    """Names and files of the package's checkpoints; ``data/models/README.md`` says their origin."""
    folder = Path(str(resources.files("dynamix") / "data" / "models"))
    return {path.name.removesuffix(SUFFIX): path for path in sorted(folder.glob(f"*{SUFFIX}"))}


def load(name: str | Path = BUNDLED_MODEL) -> Any:
    """The torch model of :func:`find`, on the CPU in float32, in evaluation mode.

    It is a :class:`dynamix.DynaMix`, or a model of the kind that the checkpoint's config names.

    >>> model = load("dynamix-3d")
    >>> model.config.observed_dims, model.config.latent_dims, model.training
    (3, 30, False)
    """
    return build(find(name))


def build(model: Saved) -> Any:
    """The torch model of a checkpoint's settings and arrays."""
    return import_module(_BUILDERS[type(model.config).__name__]).build(model)


def find(name: str | Path = BUNDLED_MODEL) -> Saved:
    """The checkpoint of ``name``, read without torch.

    A name is tried as a name of :func:`bundled`, then as a folder with one ``.safetensors`` file,
    then as such a file, then as a checkpoint of the Hugging Face hub: ``owner/repo:checkpoint``, or
    ``owner/repo:checkpoint@REVISION`` for a commit, tag or branch. Without a revision it is the
    newest commit of ``main``, as everywhere on the hub, and may change; a warning names the commit
    to add. Weights and config are always of one commit. The config is read from the weights' header
    and the ``.json`` beside them; without either, the tensors' shapes give it. A checkpoint that
    cannot be found, read or used raises InputError.

    >>> find("dynamix-3d").values["gate.D"].shape
    (3, 30)
    """
    if not isinstance(name, str | os.PathLike) or not isinstance(text := os.fspath(name), str):
        raise InputError(f"a checkpoint is named by a text or a path, found {name!r}.")
    if text in bundled():
        return _read(bundled()[text])
    try:
        path = Path(text).expanduser()
        files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() and text else [path]
        if len(files) != 1:
            found = ", ".join(file.name for file in files) or "none"
            raise InputError(f"the folder {text!r} should hold one {SUFFIX} file, found {found}.")
        if files[0].is_file():
            return _read(files[0])
        hub = ADDRESS.fullmatch(text)
        if hub and path.suffix != SUFFIX and not Path(hub["owner"]).exists():
            return _read(*fetch(**hub.groupdict()))
    except (OSError, RuntimeError) as error:  # RuntimeError: an unknown user's home
        raise InputError(f"the checkpoint {text!r} cannot be read: {error}.") from error
    if "/" not in text and not path.suffix:
        one_of("checkpoint", text, bundled())
    raise InputError(
        f"no checkpoint at {text!r}. Give a {SUFFIX} file, its folder, a hub name "
        f"'owner/repo:checkpoint', or a bundled name: {', '.join(bundled())}."
    )


def save(model: Any, path: str | Path) -> Path:
    """Write the model in float32 and the published layout; returns the ``.safetensors`` file.

    A path without the suffix is a folder, which gets ``model.safetensors``. The config lies beside
    the weights as ``<name>.json``, and in their header for a file that is moved alone. Files are
    written whole or not at all.
    """
    config = {"architecture": _to_published(model.config)}
    return write(path, to_published(model), config, model.defaults)


def write(
    path: str | Path, tensors: dict[str, Any], config: dict[str, Any], defaults: ForecastDefaults
) -> Path:
    """Write a checkpoint of any kind; ``config`` is its JSON without the forecast defaults."""
    path = Path(path)
    if path.suffix != SUFFIX:  # not with_suffix, which would cut "...-v1.0" to "...-v1"
        path = path / f"model{SUFFIX}"
    make_folder(path.parent)
    text = json.dumps(config | {"forecast": dataclasses.asdict(defaults)})
    write_tensors(path, tensors, metadata={"config": text})
    write_text(path.with_name(path.name.removesuffix(SUFFIX) + ".json"), text + "\n")
    return path


def write_tensors(path: Path, tensors: dict[str, Any], metadata: dict[str, str]) -> None:
    """Write a safetensors file of tensors or arrays, whole or not at all."""
    from safetensors.numpy import save

    own = {k: v.detach().cpu().numpy() if hasattr(v, "detach") else v for k, v in tensors.items()}
    write_bytes(path, save({k: np.asarray(v, order="C") for k, v in own.items()}, metadata))


def read_tensors(path: Path) -> tuple[dict[str, ndarray], dict[str, str]]:
    """Tensors and header metadata of a safetensors file; a pickle is refused and never opened."""
    from safetensors import SafetensorError, deserialize

    raw = path.read_bytes()
    try:
        found = deserialize(raw)
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    except (SafetensorError, ValueError, OverflowError) as error:
        head = raw[:9]
        # a zip archive is torch.save's format, 0x80 opens a pickle of protocol 2 and later; the
        # length of a safetensors header can begin with that byte too, but its JSON follows
        pickled = head[:2] == b"PK" or (head[:1] == b"\x80" and head[8:] not in (b"", b"{"))
        why = "it looks like a pickle, which can run code and is never loaded"
        raise InputError(
            f"{path.name!r} is not a readable {SUFFIX} file; "
            f"{why if pickled else f'it may be truncated ({error})'}. Fetch or save it again as "
            f"{SUFFIX}."
        ) from error
    named = {key: _array(f"{path.name!r}: tensor {key!r}", **one) for key, one in found}
    return named, header.get("__metadata__") or {}


def _array(name: str, *, dtype: str, shape: list[int], data: Any) -> ndarray:
    """A tensor of a file."""
    if dtype not in _DTYPES:
        raise InputError(f"{name} must hold real numbers, found {dtype.lower()}.")
    values = np.frombuffer(data, _DTYPES[dtype]).reshape(shape)
    return (values.astype("<u4") << 16).view("<f4") if dtype == "BF16" else values


def to_published(model: Any) -> dict[str, ndarray]:
    """The model's tensors under their published names, in float32."""
    config, values = model.config, saved(model).values
    own = {key: value.astype(np.float32) for key, value in values.items()}
    tensors = {published: own[ours] for ours, published in _GATE.items()}
    J, N = config.experts, config.observed_dims
    for j in range(J):
        for key in _expert_shapes(config):
            tensors[f"experts.{j}.{key}"] = own[f"experts.{key}"][j]
        if config.probabilistic:
            tensors[f"experts.{j}.sigma"] = own["sigma_expert"][j : j + 1]
    tensors["B"] = np.concatenate([np.eye(N, dtype=np.float32), own["L"]]).T
    return tensors | {name: np.zeros(J, np.float32) for name in _ZERO}


def _expert_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The tensors of an expert."""
    M, H = config.latent_dims, config.hidden_units
    if config.expert_kind == "alrnn":
        return {"A": (M,), "W": (M, M), "h": (M,)}
    return {"A": (M,), "W1": (M, H), "W2": (H, M), "h1": (M,), "h2": (H,)}


def _published_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """All tensors of a file."""
    N, M, J = config.observed_dims, config.latent_dims, config.experts
    gate = ((N, N, 2), (N,), (N, M), (N,), (1,), (1,), (J, N + M), (J, J))
    shapes = dict(zip(_GATE.values(), gate, strict=True)) | dict.fromkeys(_ZERO, (J,))
    expert = _expert_shapes(config) | ({"sigma": (1,)} if config.probabilistic else {})
    of_experts = {f"experts.{j}.{key}": shape for j in range(J) for key, shape in expert.items()}
    return shapes | of_experts | {"B": (N, M)}


def from_published(
    tensors: dict[str, ndarray],
    config: ModelConfig,
    *,
    source: str,
    defaults: ForecastDefaults | None = None,
) -> Saved:
    """A model from published tensors, which are compared with the config."""
    for name, size in _sizes(tensors, source=source).items():
        if getattr(config, name) != size:
            raise InputError(
                f"{source} does not fit its config: the tensors have {name} {size!r}, the config "
                f"{getattr(config, name)!r}."
            )
    N, J, expected = config.observed_dims, config.experts, _published_shapes(config)
    tensors = {name: np.zeros(J, np.float32) for name in _ZERO} | tensors
    for key in sorted(expected.keys() | tensors.keys()):
        shape, found = expected.get(key), tensors[key].shape if key in tensors else None
        if shape != found:
            raise InputError(
                f"{source} does not fit its config ({config}): tensor {key!r} should have shape "
                f"{shape}, found {found}; None stands for no tensor."
            )
    if any(tensors[name].any() for name in _ZERO):
        raise InputError(f"{source}: {_ZERO} must be zero; this model has no gate biases.")
    if not np.array_equal(tensors["B"][:, :N], np.eye(N)):
        raise InputError(f"{source}: the first {N} columns of 'B' must be the identity.")
    for name in ("softmax_temp1", "softmax_temp2"):
        if not abs(tensors[f"gating_network.{name}"]) >= _LEAST_TEMPERATURE:
            raise InputError(f"{source}: the temperature 'gating_network.{name}' must not be zero.")
    own = {ours: tensors[published] for ours, published in _GATE.items()}
    own["L"] = tensors["B"][:, N:].T
    for key in _expert_shapes(config):
        own[f"experts.{key}"] = np.stack([tensors[f"experts.{j}.{key}"] for j in range(J)])
    if config.probabilistic:
        own["sigma_expert"] = np.concatenate([tensors[f"experts.{j}.sigma"] for j in range(J)])
    own = {name: np.ascontiguousarray(value) for name, value in own.items()}
    return Saved(config, defaults or ForecastDefaults(), own)


def _sizes(tensors: dict[str, ndarray], *, source: str) -> dict[str, Any]:
    """The settings of the model that the tensors' shapes show."""
    gate, shallow = tensors.get("gating_network.D"), tensors.get("experts.0.W1")
    if gate is None or gate.ndim != 2 or "experts.0.A" not in tensors:
        raise InputError(
            f"{source} holds no tensors of a DynaMix with its published names; found "
            f"{sorted(tensors)[:5]}."
        )
    sizes = {
        "observed_dims": gate.shape[0],
        "latent_dims": gate.shape[1],
        "experts": sum(key.startswith("experts.") and key.endswith(".A") for key in tensors),
        "expert_kind": "alrnn" if shallow is None else "clipped_shallow_plrnn",
        "probabilistic": "experts.0.sigma" in tensors,
    }
    return sizes if shallow is None else sizes | {"hidden_units": shallow.shape[-1]}


def _to_published(config: ModelConfig) -> dict[str, Any]:
    values = {theirs: getattr(config, ours) for ours, theirs in _PUBLISHED.items()}
    return values | ({"expert_type": _ALRNN} if config.expert_kind == "alrnn" else {})


def _from_published(architecture: dict[str, Any], *, source: str) -> ModelConfig:
    if missing := sorted({"M", "N", "Experts", "P"} - set(architecture)):
        raise InputError(f"{source}: the config's 'architecture' lacks {missing}.")
    given = {k: v for k, v in architecture.items() if v is not None}
    values = {ours: given[theirs] for ours, theirs in _PUBLISHED.items() if theirs in given}
    kind = str(values.get("expert_kind", _ALRNN)).lower()
    values["expert_kind"] = "alrnn" if kind == _ALRNN else kind
    with about(f"{source}: the config is not usable"):
        return ModelConfig(**values)


def _read(path: Path, config_path: Path | None = None) -> Saved:
    tensors, metadata = read_tensors(path)
    source = repr(path.name)
    for key, value in tensors.items():
        if value.dtype.kind != "f":
            found = value.dtype
            raise InputError(f"{source}: tensor {key!r} must hold real numbers, found {found}.")
        with np.errstate(over="ignore"):
            tensors[key] = value.astype(np.float32)
        if not np.isfinite(tensors[key]).all():
            raise InputError(f"{source}: tensor {key!r} holds NaN, infinity or more than float32.")
    texts: dict[str, str | bytes] = {}
    if "config" in metadata:
        texts[f"the header of {source}"] = metadata["config"]
    beside = config_path or path.with_name(path.name.removesuffix(SUFFIX) + ".json")
    if beside.is_file():
        texts[repr(beside.name)] = beside.read_bytes()
    if not texts:
        sizes = _sizes(tensors, source=source)
        config = ModelConfig(**sizes, relu_units=min(ModelConfig.relu_units, sizes["latent_dims"]))
        logger.info("%s has no config beside it; assuming %s", source, config)
        return from_published(tensors, config, source=source)
    stored = {origin: read_json(text, source=origin) for origin, text in texts.items()}
    origin, own = stored.popitem()
    if any(other != own for other in stored.values()):
        raise InputError(
            f"the header of {source} and {origin} hold different configs. Delete {origin} if the "
            "weights are newer."
        )
    parts = {key: own.get(key, {}) for key in ("architecture", "forecast", *CHECKPOINT_KINDS)}
    if not parts["architecture"] or not all(isinstance(part, dict) for part in parts.values()):
        raise InputError(f"{origin} should be JSON with a key 'architecture'; found {own!r:.200}.")
    _check_names(own, parts, origin=origin)
    defaults = from_dict(ForecastDefaults, parts["forecast"], source=origin)
    kinds = sorted(CHECKPOINT_KINDS.keys() & own.keys())
    if len(kinds) > 1:
        raise InputError(f"{origin} names several kinds of model, {kinds}. Keep the one it is.")
    for kind in kinds:
        read = import_module(CHECKPOINT_KINDS[kind]).from_checkpoint
        return read(tensors, own, defaults=defaults, source=origin)
    model = _from_published(parts["architecture"], source=origin)
    return from_published(tensors, model, source=source, defaults=defaults)


def _check_names(own: dict[str, Any], parts: dict[str, Any], *, origin: str) -> None:
    """Raise for a misspelt section, and for a setting that is unknown or stands beside them.

    What others write beside the sections, such as a name or a version, says nothing here.
    """
    if unknown := sorted(parts["architecture"].keys() - _PUBLISHED.values()):
        raise InputError(
            f"{origin} holds unknown settings {unknown} of the architecture. Known: "
            f"{', '.join(_PUBLISHED.values())}."
        )
    settings = {*_PUBLISHED.values(), *declared(ForecastDefaults), *parts["forecast"]}
    settings |= {name for kind in CHECKPOINT_KINDS for name in parts[kind]}
    for name in own.keys() - parts.keys():
        if near := suggestion(name, [*parts, *settings], cutoff=0.75):
            raise InputError(
                f"{origin} holds {name!r} beside its sections {', '.join(parts)}, which alone hold "
                f"settings.{near}"
            )
