"""Shared fixtures: a private cache, small random models, and the published files where present."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from helpers import ROOT
from hypothesis import settings

from dynamix import DynaMix

UPSTREAM = Path(os.environ.get("DYNAMIX_UPSTREAM", ROOT.parent / "shared" / "data" / "upstream"))

pytest_plugins = ["companion.demo_page"]
mpl.use("Agg")
# the same examples on every run: a merge must not hang on a draw; explore with --hypothesis-seed
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
torch.set_num_threads(1)  # two test workers on two cores


# a worker begins at the beginning, another in the middle: in a fresh clone one of them compiles the
# kernels while the other reads tables, and finds them on disk afterwards
COMPILES = (
    "baselines",
    "dynamics",
    "engine",
    "evaluation",
    "flows",
    "forecasting",
    "gp",
    "local",
    "training",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the rooms that compile come first; otherwise the order stays."""
    items.sort(key=lambda item: item.path.parent.name not in COMPILES)


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
