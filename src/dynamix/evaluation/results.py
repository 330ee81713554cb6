"""Stored results: a table ``results/NAME.csv`` beside a record of how it was made, ``NAME.json``.

The record holds the table's digest: a table without its own record is unfinished. Rows that take
hours are kept in a :class:`Journal`, which continues an interrupted run.
"""

from __future__ import annotations

import csv
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata, resources, util
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__
from ..errors import InputError
from ..io.files import (
    append_record,
    check_output,
    digest,
    plain,
    read_records,
    record_line,
    write_text,
)

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
            **{name: metadata.version(name) for name in _PACKAGES if util.find_spec(name)},
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds, 1),
    }


def given(settings: Mapping[str, Any]) -> list[str]:
    """The words of a command line that pass settings to a forecaster.

    >>> given({"embedding": "delay", "gate_noise": False})
    ['--set', 'embedding=delay', 'gate_noise=false']
    """
    words = (f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in settings.items())
    return ["--set", *words] if settings else []


def folder() -> Path:
    """The project's ``results`` folder: in the working directory or the nearest one above it.

    Outside of the project, the results of the book: of an installed package, or of the checkout
    that this package lies in.
    """
    here, shipped = Path.cwd(), Path(str(resources.files("dynamix") / "data"))
    checkout = [folder for folder in Path(__file__).parents[3:4] if (folder / "_toc.yml").is_file()]
    for parent in (here, *here.parents, shipped, *checkout):
        if (parent / "results").is_dir():
            return parent / "results"
    raise InputError(
        "no 'results' folder here or in any folder above. Run this from within the project."
    )


def write(table: pd.DataFrame, path: str | Path, record: dict[str, Any]) -> None:
    """Write a table without its index, and beside it its record with the table's digest.

    JSON has no infinity: a number of the record that is not finite is null there.
    """
    path = _checked(path)
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
    text = json.dumps(plain(sealed(record, path)), indent=2, allow_nan=False)
    write_text(path.with_suffix(".json"), text + "\n")


def _checked(path: str | Path) -> Path:
    """The path of a table; raise if it is the path of a record."""
    path = Path(path)
    if path.suffix == ".json":
        raise InputError(f"{path.name!r} is the name of a record. Name the table {path.stem}.csv.")
    return path


def sealed(record: dict[str, Any], table: Path) -> dict[str, Any]:
    """The record with the SHA-256 of the table's file: it is the record of no other table."""
    return record | {"table_sha256": digest(table)}


def stored(path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table, its numbers to the last digit as they were written, and its record.

    Raises an OSError or ValueError if one of them is missing or is not the other's.
    """
    path = Path(path)
    if journal_of(path).exists() and not path.exists():
        raise ValueError("its run was interrupted; finish it with --resume")
    record = dict(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
    if record.get("table_sha256") != digest(path):
        raise ValueError(
            f"{path.name!r} is not the table that its record describes: a run was interrupted, or "
            "one of the two was changed"
        )
    return pd.read_csv(path, float_precision="round_trip"), record


def journal_of(path: Path) -> Path:
    """The file that keeps the rows of an unfinished table."""
    return path.with_name(f"{path.name}.journal")


class Journal:
    """The rows of a table that takes hours, kept until the table is whole.

    The rows lie in ``NAME.csv.journal`` beside the table: a line with the record, then a line for
    each :meth:`append`. An older table stays as it is until :meth:`finish` replaces it.

    ``columns`` names the columns, each with its type: ``str``, ``int`` or ``float``. An empty text
    is NaN, or None in a column of ``str``. ``record`` is as of :func:`provenance`; its ``seconds``
    are kept up to date. ``resume`` continues the journal, or a finished table: ``rows`` then holds
    its rows. The keys ``same`` of its record must not have changed.

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
        self.path, self.columns, self.record = _checked(path), dict(columns), dict(record)
        self.journal = journal_of(self.path)
        self.rows: list[dict[str, Any]] = []
        self.before: dict[str, Any] = {}  # the record of the run that is continued
        self._begun = False
        for file in (self.path, self.path.with_suffix(".json")):
            check_output(file)
        if self.journal.exists() and not resume:
            raise InputError(
                f"{self.path.name!r} has an unfinished run. Continue it with resume, or delete "
                f"{self.journal.name!r}."
            )
        if resume and (self.journal.exists() or self.path.exists()):
            self.before = self._read_journal() if self.journal.exists() else self._read_table()
            self._check_same(same)
            self.record["seconds"] += self.before.get("seconds", 0.0)
        self._seconds_before = self.record["seconds"]

    def append(self, rows: Sequence[dict[str, Any]], *, seconds: float) -> None:
        """Add ``rows``, safe on disk when this returns, ``seconds`` after the beginning."""
        seconds = round(self._seconds_before + seconds, 1)
        self.record["seconds"] = seconds
        if not self._begun:
            old = {"rows": self.rows, "seconds": self._seconds_before}
            text = "".join(record_line(line) for line in (self._header(), old))
            write_text(self.journal, text)
            self._begun = True
        append_record(self.journal, {"rows": rows, "seconds": seconds})

    def finish(self, table: pd.DataFrame) -> None:
        """Write the whole ``table`` and its record, and remove the journal."""
        write(table, self.path, self.record)
        self.journal.unlink(missing_ok=True)

    def _header(self) -> dict[str, Any]:
        return {"record": self.record, "columns": list(self.columns)}

    def _read_journal(self) -> dict[str, Any]:
        """The record of an unfinished run, whose rows are taken."""
        header, *lines = read_records(self.journal) or [{}]
        if header.keys() != self._header().keys() or header["columns"] != list(self.columns):
            raise self._cannot_resume(f"{self.journal.name!r} is damaged or has other columns")
        self.rows = [row for line in lines for row in line["rows"]]
        return dict(header["record"]) | {"seconds": lines[-1]["seconds"] if lines else 0.0}

    def _read_table(self) -> dict[str, Any]:
        """The record of a finished table, whose rows are taken."""
        try:
            _, record = stored(self.path)
        except (OSError, ValueError, TypeError) as error:
            raise self._cannot_resume(f"its record is missing or damaged ({error})") from error
        with self.path.open(encoding="utf-8", newline="") as file:
            names, *lines = csv.reader(file)
        if names != list(self.columns):
            raise self._cannot_resume(f"expected other columns than {', '.join(names)[:200]}")
        for texts in lines:
            pairs = zip(self.columns.items(), texts, strict=True)
            self.rows.append({name: _value(kind, text) for (name, kind), text in pairs})
        return record

    def _cannot_resume(self, why: str) -> InputError:
        return InputError(f"cannot resume {self.path.name!r}: {why}. Start anew without resume.")

    def _check_same(self, same: Sequence[str]) -> None:
        now, changes = json.loads(json.dumps(self.record)), []
        for key in same:
            old, new = self.before.get(key), now.get(key)
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
    if Path(name).name != name:
        raise InputError(f"a stored result has a name without a folder, found {name!r}.")
    try:
        return stored(path)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"the stored result {path.name!r} or its record is missing or damaged ({error}). Make "
            f"it with: {make}"
        ) from error
