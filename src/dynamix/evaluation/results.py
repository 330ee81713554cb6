"""Stored results: a table ``results/NAME.csv`` beside a record of how it was made, ``NAME.json``.

A table whose rows take hours grows in a :class:`Journal`, which continues an interrupted run.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__
from ..errors import InputError
from ..io.files import write_text

logger = logging.getLogger(__name__)

_PACKAGES = ("torch", "numpy", "numba", "scipy", "dysts")


def provenance(command: str, settings: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """The record of a result: command, settings, versions, machine, date (UTC) and duration.

    >>> provenance("dynamix benchmark", {"context": 512}, seconds=1.26)["seconds"]
    1.3
    """
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
    """The project's ``results`` folder: in the working directory or the nearest one above it."""
    here = Path.cwd()
    for parent in (here, *here.parents):
        if (parent / "results").is_dir():
            return parent / "results"
    raise InputError(
        "no 'results' folder here or in any folder above. Run this from within the project."
    )


def write(table: pd.DataFrame, path: str | Path, record: dict[str, Any]) -> None:
    """Write a table without its index, and its record beside it as ``.json``."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
    _write_record(path, record)


def table_of(path: str | Path) -> pd.DataFrame:
    """The table in a CSV file, its numbers to the last digit as they were written."""
    return pd.read_csv(path, float_precision="round_trip")


def record_of(path: str | Path) -> dict[str, Any]:
    """The record beside a table."""
    return dict(json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8")))


def _write_record(path: str | Path, record: dict[str, Any]) -> None:
    write_text(Path(path).with_suffix(".json"), json.dumps(record, indent=2) + "\n")


class Journal:
    """A table that grows on disk beside its record, and continues where it was interrupted.

    Rows are appended in whole lines. A line that a crash cut short is dropped when the file is
    opened again. The record says ``"unfinished"`` until :meth:`finish` writes the final table.

    ``columns`` names the columns, each with its type: ``str``, ``int`` or ``float``. An empty text
    is NaN, or None in a column of ``str``. ``record`` is as of :func:`provenance`; its ``seconds``
    are kept up to date. ``resume`` continues the table in ``path``, whose rows are then in
    ``rows``. The keys ``same`` of its record must not have changed.

    Examples
    --------
    >>> import tempfile
    >>> given = {"columns": {"system": str, "d_stsp": float}, "same": ["settings"]}
    >>> given["record"] = provenance("mine", {"seed": 0}, seconds=0.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = Journal(f"{folder}/mine.csv", resume=False, **given)
    ...     journal.append([{"system": "Lorenz", "d_stsp": 1.5}], seconds=60.0)  # breaks off here
    ...     again = Journal(f"{folder}/mine.csv", resume=True, **given)
    ...     print(again.rows, again.record["seconds"])
    [{'system': 'Lorenz', 'd_stsp': 1.5}] 60.0
    """

    def __init__(
        self,
        path: str | Path,
        *,
        columns: Mapping[str, Callable[[str], Any]],
        record: dict[str, Any],
        same: Sequence[str],
        resume: bool,
    ) -> None:
        self.path, self.columns = Path(path), dict(columns)
        if not self.path.parent.is_dir():
            raise InputError(
                f"there is no folder {str(self.path.parent)!r} for {self.path.name!r}."
            )
        self.record = record | {"unfinished": True}
        self.rows: list[dict[str, Any]] = []
        before = self._record_before(resume)
        if resume and before is not None:
            self._check_same(before, same)
            self.rows = self._read_rows()
            self.record["seconds"] += before.get("seconds", 0.0)
        self._seconds_before = self.record["seconds"]
        self._begun = False

    def append(self, rows: Sequence[dict[str, Any]], *, seconds: float) -> None:
        """Add ``rows``, safe on disk when this returns, ``seconds`` after the beginning.

        The first call replaces an older table, so a run that fails at once leaves that table as it
        is.
        """
        if not self._begun:
            # the rows first: an older table's rows must never lie beside this record
            write_text(self.path, self._text([*self.rows, *rows], header=True))
            self._begun = True
        else:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(self._text(rows))
                file.flush()
                os.fsync(file.fileno())
        self.record["seconds"] = round(self._seconds_before + seconds, 1)
        _write_record(self.path, self.record)

    def finish(self, table: pd.DataFrame) -> None:
        """Put the whole ``table`` in the place of the rows, and its record beside it."""
        del self.record["unfinished"]
        write(table, self.path, self.record)

    def _text(self, rows: Sequence[dict[str, Any]], *, header: bool = False) -> str:
        frame = pd.DataFrame(rows, columns=list(self.columns))
        return frame.to_csv(index=False, header=header, lineterminator="\n")

    def _record_before(self, resume: bool) -> dict[str, Any] | None:
        """The record beside the table; None if this table is new or may replace the old one."""
        if not self.path.exists():
            return None
        try:
            before = record_of(self.path)
        except (OSError, ValueError, TypeError) as error:
            if not resume:
                return None
            raise InputError(
                f"cannot resume {self.path.name!r}: its record is missing or damaged, so its "
                f"settings are unknown ({error}). Start anew without resume."
            ) from error
        if before.get("unfinished") and not resume:
            raise InputError(
                f"{self.path.name!r} is the beginning of an unfinished run. Continue it with "
                "resume, or delete it."
            )
        return before

    def _check_same(self, before: dict[str, Any], same: Sequence[str]) -> None:
        now, changes = json.loads(json.dumps(self.record)), []
        for key in same:
            old, new = before.get(key), now.get(key)
            nested = isinstance(old, dict) and isinstance(new, dict)
            a: dict[str, Any] = old if nested else {key: old}  # type: ignore[assignment]
            b: dict[str, Any] = new if nested else {key: new}
            changes += [
                f"{name} {a.get(name)!r} there, {b.get(name)!r} here"
                for name in sorted(a.keys() | b.keys())
                if a.get(name) != b.get(name)
            ]
        if changes:
            raise InputError(
                f"cannot resume {self.path.name!r}, which was made with other settings: "
                f"{'; '.join(changes)}. Use the same ones, or another output."
            )

    def _read_rows(self) -> list[dict[str, Any]]:
        whole = self.path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        if not whole:
            return []
        if whole[0].split(",") != list(self.columns):
            raise InputError(
                f"cannot resume {self.path.name!r}: expected the columns "
                f"{', '.join(self.columns)}, found {whole[0][:200]!r}. Start anew without resume."
            )
        rows, dropped = [], 0
        for line in whole[1:]:
            try:
                (texts,) = csv.reader([line])
                pairs = zip(self.columns.items(), texts, strict=True)
                rows.append({name: _value(kind, text) for (name, kind), text in pairs})
            except (ValueError, csv.Error):
                dropped += 1
        if dropped:
            logger.warning("%d damaged lines of %s are computed again", dropped, self.path.name)
        return rows


def _value(kind: Callable[[str], Any], text: str) -> Any:
    if text == "" and kind is not int:
        return None if kind is str else float("nan")
    return kind(text)


def read(name: str, *, make: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The stored table of that name and its record, from the project's ``results`` folder.

    ``make`` is the command that makes it, for the error message.

    Raises
    ------
    InputError
        If there is no such folder, a file is missing or unreadable, or the table is unfinished.
    """
    path = folder() / f"{name}.csv"
    try:
        record = record_of(path)
        if record.get("unfinished"):
            raise ValueError("the run was interrupted; continue it with --resume")
        return table_of(path), record
    except (OSError, ValueError) as error:
        raise InputError(
            f"the stored result {path.name!r} or its record is missing or damaged ({error}). Make "
            f"it with: {make}"
        ) from error
