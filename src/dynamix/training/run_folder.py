"""The folder of a training run: its log, and the checkpoint from which a broken run continues."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..io.files import read_records, record_line, write_text
from ..model.checkpoints import read_tensors, write_tensors

logger = logging.getLogger(__name__)

STATE, LOG, CONFIG = "state.safetensors", "log.jsonl", "config.json"
MODEL, BEST = "model.safetensors", "best.safetensors"


def read_log(output: str | Path) -> Iterator[dict[str, Any]]:
    """The records of the log in the folder ``output``; a line that was cut off is left out.

    One dict per epoch: ``epoch`` from 1; means of ``loss`` and ``gradient_norm`` over the applied
    batches, None where all were skipped; ``learning_rate``; ``skipped`` batches, ``rollbacks`` and
    ``seconds`` so far. Epochs with validation add medians and ``validation_failures``.

    >>> list(read_log("no-such-folder"))
    []
    """
    yield from read_records(Path(output) / LOG)


def cut_log(output: Path, last: int) -> None:
    """Leave out the records of the epochs after ``last``."""
    done = [record for record in read_log(output) if record.get("epoch", last + 1) <= last]
    write_text(output / LOG, "".join(map(record_line, done)))


def refuse_existing(output: Path) -> None:
    """Raise where the folder holds a run or a model, which a new one would overwrite."""
    if any(os.path.exists(output / name) for name in (STATE, LOG, MODEL, BEST)):
        raise InputError(
            f"{str(output)!r} already holds a training run. Use --resume, or choose another folder."
        )


def write_state(output: Path, tensors: dict[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write the checkpoint, whole or not at all."""
    write_tensors(output / STATE, tensors, metadata={"state": json.dumps(header)})


def read_state(output: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and header of the checkpoint; None without one, and then the log is removed."""
    path = output / STATE
    if not path.is_file():
        logger.warning("nothing to resume in %s; starting from the beginning", output)
        (output / LOG).unlink(missing_ok=True)
        return None
    tensors, metadata = read_tensors(path)
    try:
        header = dict(json.loads(metadata["state"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path.name!r} is not a training checkpoint: {error!r}.") from error
    return {name: torch.from_numpy(value) for name, value in tensors.items()}, header


def check_same(
    output: Path, header: Mapping[str, Any], groups: Mapping[str, Any], free: tuple[str, ...]
) -> None:
    """Raise unless the settings are those of the run; ``free`` and newer settings may differ."""
    made: dict[str, Any] = {}
    for group in groups:  # older runs have the defaults in the model's group
        made |= header.get(group, {})
    differ = [
        f"{name} (was {made[name]!r}, now {value!r})"
        for group in json.loads(json.dumps(groups)).values()
        for name, value in group.items()
        if name not in free and made.get(name, value) != value
    ]
    if differ:
        raise InputError(
            f"cannot resume {str(output)!r} with other settings: {', '.join(differ)}. Repeat the "
            "first call's settings, or choose another folder."
        )


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Copies of the tensors, their names after ``prefix``."""
    return {f"{prefix}{key}": value.detach().clone() for key, value in tensors.items()}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Copies of the optimiser's moments and counters, as ``"{parameter}.{name}"``."""
    return {
        f"{i}.{name}": torch.as_tensor(value).detach().clone()
        for i, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Set moments and counters from :func:`optimizer_tensors`."""
    stored: dict[str, Any] = optimizer.state_dict() | {"state": {}}
    for key, value in tensors.items():
        i, name = key.split(".")
        stored["state"].setdefault(int(i), {})[name] = value.clone()
    optimizer.load_state_dict(stored)
