"""What tests share: small random models, waves, and the project's folder."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from dynamix import DynaMix, ModelConfig, TrainingConfig
from dynamix.settings import ForecastDefaults, declared

ROOT = Path(__file__).parents[1]


def script(name: str) -> ModuleType:
    """A file of experiments/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def small_model(seed: int = 0, **sizes: object) -> DynaMix:
    """A random model whose every parameter matters (fresh ones have zeros and near-zeros)."""
    defaults = {"observed_dims": 3, "latent_dims": 7, "experts": 4, "relu_units": 2}
    given = defaults | sizes
    own = {name: given.pop(name) for name in declared(ForecastDefaults) if name in given}
    model = DynaMix(ModelConfig(**given), seed=seed, defaults=ForecastDefaults(**own))
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("experts.") or name == "gate.D":
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def edit_config(path: Path, **parts: object) -> None:
    """Change parts of a checkpoint's JSON; the header of the weights is emptied."""
    save_file(load_file(path), path)
    beside = path.with_suffix(".json")
    config = json.loads(beside.read_text())
    for part, values in parts.items():
        merge = isinstance(values, dict) and isinstance(config.get(part), dict)
        config[part] = config[part] | values if merge else values
    beside.write_text(json.dumps(config))


def wave(T: int, n: int = 3, seed: int = 0) -> np.ndarray:
    """A smooth quasi-periodic series ``(T, n)``."""
    rng = np.random.default_rng(seed)
    t = np.arange(T)[:, None]
    periods, phases = rng.uniform(15, 40, size=(2, n)), rng.uniform(0, 6, size=(2, n))
    return sum(np.sin(2 * np.pi * t / p + f) for p, f in zip(periods, phases, strict=True))


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
WAVES = [wave(300, seed=s).astype(np.float32) for s in range(2)]


def quick(**changes: object) -> TrainingConfig:
    """A training of a second, with some settings changed."""
    return dataclasses.replace(QUICK, **changes)


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of a model's weights."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def died_at_every_event(folder: Path, work: Callable[[Path], None]) -> Iterator[Path]:
    """Copies of a folder in which a process died while it did ``work``: one for each file event.

    The process ends before its n-th audited event (open, rename, remove, mkdir, ...) in the folder,
    without any clean-up. The last copy is of a process that came to its end.
    """
    events = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate")
    for n in itertools.count(1):
        place = folder.with_name(f"{folder.name}-{n}")
        shutil.copytree(folder, place)
        if (child := os.fork()) == 0:
            left = n

            def hook(event: str, arguments: tuple, place: str = str(place)) -> None:
                nonlocal left
                if event in events and place in str(arguments[0]):
                    left -= 1
                    if not left:
                        os._exit(9)

            sys.addaudithook(hook)
            try:
                work(place)
            except BaseException:
                os._exit(1)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, 9)
        yield place
        if code == 0:
            return
