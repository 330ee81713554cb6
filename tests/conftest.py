"""Shared fixtures: a private cache, small random models, and the published files where present."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import matplotlib as mpl
import numpy as np
import pytest
import torch
from demo_page import address, browser, visit  # noqa: F401 - fixtures
from hypothesis import settings

from dynamix import DynaMix, ModelConfig

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("DYNAMIX_UPSTREAM", ROOT.parent / "shared" / "data" / "upstream"))

mpl.use("Agg")
# the same examples on every run: a merge must not hang on a draw; explore with --hypothesis-seed
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
torch.set_num_threads(1)  # two test workers on two cores


def script(name: str) -> ModuleType:
    """A file of scripts/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty trajectory cache."""
    monkeypatch.setenv("DYNAMIX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def upstream() -> Path:
    """The published weights and the reference's forecasts."""
    if not (UPSTREAM / "golden_forecasts.npz").is_file():
        pytest.skip(
            "the published weights and golden forecasts are not here; name their folder in "
            "DYNAMIX_UPSTREAM"
        )
    return UPSTREAM


@pytest.fixture(scope="session")
def published(upstream) -> DynaMix:
    """The published model."""
    return DynaMix.from_pretrained(upstream / "dynamix-3d-alrnn-v1.0.safetensors")


def small_model(seed: int = 0, **sizes: object) -> DynaMix:
    """A random model whose every parameter matters (fresh ones have zeros and near-zeros)."""
    defaults = {"observed_dims": 3, "latent_dims": 7, "experts": 4, "relu_units": 2}
    model = DynaMix(ModelConfig(**(defaults | sizes)), seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("experts.") or name == "gate.D":
                parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def wave(T: int, n: int = 3, seed: int = 0) -> np.ndarray:
    """A smooth quasi-periodic series ``(T, n)``."""
    rng = np.random.default_rng(seed)
    t = np.arange(T)[:, None]
    periods, phases = rng.uniform(15, 40, size=(2, n)), rng.uniform(0, 6, size=(2, n))
    return sum(np.sin(2 * np.pi * t / p + f) for p, f in zip(periods, phases, strict=True))
