"""The facts of each dataset, read from ``registry.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Dataset:
    """A table of ``registry.toml``; without a ``url``, ``file`` is a name of statsmodels."""

    name: str
    description: str
    file: str
    unit: str
    columns: dict[str, str]
    source: str
    licence: str
    step: str | None = None
    url: str = ""
    sha256: str = ""
    time: tuple[str, ...] = ()
    seasons: tuple[int, ...] = ()
    joint: bool = False
    grid: dict[str, Any] = field(default_factory=dict)


def _read() -> dict[str, Dataset]:
    text = Path(__file__).with_name("registry.toml").read_text(encoding="utf-8")
    return {name: Dataset(name, **_tuples(facts)) for name, facts in tomllib.loads(text).items()}


def _tuples(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in facts.items()}


REGISTRY: dict[str, Dataset] = _read()
CARRIED: tuple[str, ...] = tuple(name for name, entry in REGISTRY.items() if not entry.url)
"""Names of the series that come with statsmodels: no network, no file."""
