"""Stored results: a table beside a record of how it was made.

``results/NAME.csv`` with ``results/NAME.json``: command, settings, versions, machine, date,
duration. The book reads long results from here and shows the record beside the numbers.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from . import __version__
from .errors import InputError

_PACKAGES = ("torch", "numpy", "numba", "scipy", "dysts")


def provenance(command: str, settings: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """The record of a result: what was run, with what, where, when, for how long."""
    return {
        "command": command,
        "settings": settings,
        "versions": {
            "dynamix": __version__,
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in _PACKAGES},
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds, 1),
    }


def folder() -> Path:
    """The project's ``results`` folder: in the working directory or the nearest one above it.

    A notebook thus finds it wherever papermill was called.

    Raises
    ------
    InputError
        If there is none.
    """
    here = Path.cwd()
    for parent in (here, *here.parents):
        if (parent / "results").is_dir():
            return parent / "results"
    raise InputError(
        "no 'results' folder here or in any folder above. Run this from within the project."
    )


def write(table: pd.DataFrame, path: str | Path, record: dict[str, Any]) -> None:
    """Write a table and its record beside each other."""
    path = Path(path)
    table.to_csv(path, index=False)
    path.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read(name: str, *, make: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The stored table of that name and its record.

    Parameters
    ----------
    name
        Without suffix.
    make
        The command that makes it, for the error message.

    Raises
    ------
    InputError
        If one of the two files is missing or unreadable.
    """
    path = folder() / f"{name}.csv"
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return pd.read_csv(path), record
    except (OSError, ValueError) as error:
        raise InputError(
            f"the stored result {path.name!r} or its record is missing or damaged ({error}). Make "
            f"it with: {make}"
        ) from error
