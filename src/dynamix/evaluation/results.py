"""Stored results: a table beside a record of how it was made.

``results/NAME.csv`` with ``results/NAME.json``: command, settings, versions, machine, date,
duration. The book reads long results from here and shows the record beside the numbers. A table
whose rows come in over hours grows in a :class:`Journal`, which an interrupted run goes on with.
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
    """The record of a result: what was run, with what, where, when, for how long.

    Parameters
    ----------
    command
        The command line that repeats it.
    settings
        The settings by name; plain values, which JSON can hold.
    seconds
        How long it took; rounded to a tenth.

    Returns
    -------
    ``command``, ``settings``, ``versions`` of this library, Python and the packages that numbers
    depend on, ``machine`` (processor and number of cores), ``date`` (UTC) and ``seconds``.

    Examples
    --------
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
    """The project's ``results`` folder: in the working directory or the nearest one above it.

    A notebook thus finds it wherever papermill was called.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> import contextlib, tempfile
    >>> with tempfile.TemporaryDirectory() as project, contextlib.chdir(project):
    ...     Path("results").mkdir()
    ...     Path("book").mkdir()
    ...     with contextlib.chdir("book"):
    ...         print(folder() == Path.cwd().parent / "results")
    True
    """
    here = Path.cwd()
    for parent in (here, *here.parents):
        if (parent / "results").is_dir():
            return parent / "results"
    raise InputError(
        "no 'results' folder here or in any folder above. Run this from within the project."
    )


def write(table: pd.DataFrame, path: str | Path, record: dict[str, Any]) -> None:
    """Write a table and its record beside each other, each whole or not at all.

    Parameters
    ----------
    table
        The table, whose index is left out.
    path
        The CSV file, whose folder has to exist; the record gets its name with ``.json``. Files that
        lie there are replaced.
    record
        As of :func:`provenance`.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(pd.DataFrame({"x": [1, 2]}), f"{folder}/mine.csv", {"seconds": 0.5})
    ...     print({path.name: path.read_text().split() for path in sorted(Path(folder).iterdir())})
    {'mine.csv': ['x', '1', '2'], 'mine.json': ['{', '"seconds":', '0.5', '}']}
    """
    path = Path(path)
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
    write_text(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")


class Journal:
    """A table that grows on disk beside its record, and goes on where it was interrupted.

    Rows are appended a whole line at a time, in the order in which they come in; a line that a
    crash cut short is dropped when the file is opened again. The record says ``"unfinished"`` until
    :meth:`finish` puts the sorted table in the place of the rows.

    Parameters
    ----------
    path
        The CSV file, whose folder has to exist; the record lies beside it as ``.json``.
    columns
        Names of the columns, and what makes a value of each from its text: ``str``, ``int``,
        ``float``. An empty text is a missing number (NaN), or None in a column of ``str``.
    record
        The result's record, as of :func:`provenance`; its ``seconds`` are kept up to date.
    same
        Keys of the record that must not have changed for a run to go on.
    resume
        Go on with what lies there, if anything does.

    Attributes
    ----------
    rows
        What was there already, a dict per row.

    Raises
    ------
    InputError
        If there is no folder for it; if an unfinished table lies there and ``resume`` is off; or if
        ``resume`` is on and what lies there has no readable record, other columns, or was made with
        other settings.

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
        if not self.path.parent.is_dir():  # told before the first result is made, not behind it
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

        What lay there before is replaced by the first of these, not earlier: a run that fails at
        once costs nobody an older table. Raises ``OSError`` if they cannot be written.
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
        self._keep_record()

    def finish(self, table: pd.DataFrame) -> None:
        """Put the whole ``table`` in the place of the rows, and its record beside it."""
        del self.record["unfinished"]
        write(table, self.path, self.record)

    def _text(self, rows: Sequence[dict[str, Any]], *, header: bool = False) -> str:
        frame = pd.DataFrame(rows, columns=list(self.columns))
        return frame.to_csv(index=False, header=header, lineterminator="\n")

    def _keep_record(self) -> None:
        write_text(self.path.with_suffix(".json"), json.dumps(self.record, indent=2) + "\n")

    def _record_before(self, resume: bool) -> dict[str, Any] | None:
        """The record that lies there; None where this is a new table or may replace the old one."""
        beside = self.path.with_suffix(".json")
        if not self.path.exists():
            return None
        try:
            before = dict(json.loads(beside.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            if not resume:
                return None
            raise InputError(
                f"cannot resume {self.path.name!r}: its record {beside.name!r} is missing or "
                f"damaged, so nobody can tell what made it ({error}). Start anew without resume."
            ) from error
        if before.get("unfinished") and not resume:
            raise InputError(
                f"{self.path.name!r} is the beginning of an unfinished run. Go on with it by "
                "resume, or delete it."
            )
        return before

    def _check_same(self, before: dict[str, Any], same: Sequence[str]) -> None:
        changes = []
        for key in same:
            old, new = before.get(key), json.loads(json.dumps(self.record.get(key)))
            if isinstance(old, dict) and isinstance(new, dict):
                changes += [
                    f"{name} {old.get(name)!r} there, {new.get(name)!r} here"
                    for name in sorted(old.keys() | new.keys())
                    if old.get(name) != new.get(name)
                ]
            elif old != new:
                changes.append(f"{key} {old!r} there, {new!r} here")
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
                rows.append(
                    {
                        name: _value(kind, text)
                        for (name, kind), text in zip(self.columns.items(), texts, strict=True)
                    }
                )
            except (ValueError, csv.Error):
                dropped += 1
        if dropped:
            logger.warning(
                "%d damaged lines of %s are left out and made anew", dropped, self.path.name
            )
        return rows


def _value(kind: Callable[[str], Any], text: str) -> Any:
    if text == "" and kind is not int:
        return None if kind is str else float("nan")
    return kind(text)


def read(name: str, *, make: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The stored table of that name and its record, from :func:`folder`.

    Parameters
    ----------
    name
        Without suffix.
    make
        The command that makes it, for the error message.

    Returns
    -------
    The table, its numbers to the last digit as they were written, and the record that lies
    beside it.

    Raises
    ------
    InputError
        If there is no folder of results, one of the two files is missing or unreadable, or the
        table unfinished.

    Examples
    --------
    >>> import contextlib, tempfile
    >>> with tempfile.TemporaryDirectory() as project, contextlib.chdir(project):
    ...     Path("results").mkdir()
    ...     write(pd.DataFrame({"x": [0.1, 0.2]}), "results/mine.csv", {"seconds": 0.5})
    ...     table, record = read("mine", make="dynamix benchmark")
    >>> table["x"].tolist(), record
    ([0.1, 0.2], {'seconds': 0.5})
    """
    path = folder() / f"{name}.csv"
    try:
        record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        if record.get("unfinished"):
            raise ValueError("the run was interrupted; go on with --resume")
        return pd.read_csv(path, float_precision="round_trip"), record
    except (OSError, ValueError) as error:
        raise InputError(
            f"the stored result {path.name!r} or its record is missing or damaged ({error}). Make "
            f"it with: {make}"
        ) from error
