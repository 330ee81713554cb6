"""What the scripts of this folder share: their flags, and a table that grows on disk.

The table lies beside its record. Rows are saved as they are made, so an interrupted run loses
nothing: the same command with ``--resume`` continues it.
"""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynamix.evaluation import results

Row = dict[str, Any]


def flags(description: str | None, output: str) -> argparse.ArgumentParser:
    """A parser with the flags of every experiment; the description is a script's docstring."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(output), help=f"default: {output}")
    parser.add_argument("--resume", action="store_true", help="keep the rows that are there")
    return parser


class Experiment:
    """A table of results that a script fills, and continues with ``resume``.

    ``columns`` maps each column to the type of its values. ``key`` names the columns that identify
    a job, which may make several rows. A run continues only with the same ``settings``. ``command``
    is what the record says after ``python experiments/``; ``record`` holds more entries of it.
    """

    def __init__(
        self,
        output: Path,
        *,
        columns: Mapping[str, Callable[[str], Any]],
        key: Sequence[str],
        settings: dict[str, Any],
        command: Sequence[str],
        resume: bool,
        **record: Any,
    ) -> None:
        self.columns, self.key, self.began = columns, key, time.perf_counter()
        words = shlex.join(["python", f"experiments/{command[0]}", *command[1:]])
        self.journal = results.Journal(
            output,
            columns=columns,
            record=results.provenance(words, settings, seconds=0.0) | record,
            same=("settings",),
            resume=resume,
        )
        self.rows: list[Row] = list(self.journal.rows)

    def drop(self, unwanted: Callable[[Row], bool]) -> None:
        """Leave out stored rows, for instance those of a model that has changed since."""
        self.rows = [row for row in self.rows if not unwanted(row)]
        self.journal.rows = list(self.rows)

    def job(self, row: Row) -> tuple[Any, ...]:
        """The job that made a row: its values of ``key``, with "" for a missing text."""
        return tuple("" if row[name] is None else row[name] for name in self.key)

    def left(self, jobs: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The jobs without rows, in their order."""
        done = set(map(self.job, self.rows))
        return [job for job in jobs if job not in done]

    def add(self, rows: Sequence[Row]) -> None:
        """Save new rows at once."""
        self.journal.append(rows, seconds=time.perf_counter() - self.began)
        self.rows += rows

    def finish(
        self,
        order: Callable[[Row], Any] | None = None,
        *,
        headline: Callable[[pd.DataFrame], dict[str, float]] | None = None,
        **record: Any,
    ) -> pd.DataFrame:
        """Write the whole table, sorted by ``order`` (default: by job), and its record."""
        rows = sorted(self.rows, key=order or self.job)
        table = pd.DataFrame(rows, columns=list(self.columns)).replace({None: np.nan})
        self.journal.record |= record
        if headline is not None:
            self.journal.record["headline"] = headline(table)
        self.journal.finish(table)
        return table
