"""Data sets of very many series, read a chunk of series at a time: Parquet files, Zarr arrays."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError, needs, one_of
from .frames import Columns

_DATES = re.compile(r"(?P<unit>\w+) since (?P<origin>.+)")  # times of netCDF and xarray


@dataclass(frozen=True)
class Chunk:
    """Some of the series: their place in the order of all, and where their rows are.

    ``names`` are empty, and found when the chunk is read, for an array. ``groups`` are the row
    groups of each Parquet file that hold them.
    """

    number: int
    first: int
    last: int
    names: tuple[Any, ...] = ()
    groups: dict[str, list[int]] = field(default_factory=dict)


def find_source(path: str | Path, named: Columns) -> Parquet | Zarr:
    """The data set at a path, whose columns or arrays are checked."""
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"there is no file or folder {str(path)!r}. Name a Parquet file, a folder of Parquet "
            "files, or a Zarr group."
        )
    if any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zarray")):
        return Zarr(path, named)
    return Parquet(path, named)


class Parquet:
    """A long table in a Parquet file or a folder of them: a row per series and time.

    Only the names of the series, and the row groups in which they occur, are kept in memory. The
    rows of a series may lie anywhere; reading is fastest where they follow each other.
    """

    def __init__(self, path: Path, named: Columns) -> None:
        with needs("tables"):
            from pyarrow import ArrowInvalid, parquet

        self.named, self._parquet = named, parquet
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        self.files = [file for file in files if file.is_file()]
        if not self.files:
            raise InputError(f"the folder {str(path)!r} holds no file that ends in .parquet.")
        self.rows = 0
        for file in self.files:
            try:
                known = parquet.read_schema(file).names
            except (ArrowInvalid, OSError) as error:
                raise InputError(
                    f"{file.name!r} is not a Parquet file ({error}). Save the table as one; the "
                    "series of a CSV file are forecast without --id."
                ) from error
            for name in (named.id, named.time, *named.channels):
                one_of(f"column of {file.name}", name, known)

    def chunks(self, size: int) -> tuple[list[Chunk], str]:
        """All chunks, and a digest of the files' names, sizes and series."""
        places: dict[Any, list[tuple[str, int]]] = {}
        seen = hashlib.sha256()
        for file in self.files:
            seen.update(f"{file.name} {file.stat().st_size}\n".encode())
            with self._parquet.ParquetFile(file) as table:
                for group in range(table.num_row_groups):
                    column = table.read_row_group(group, columns=[self.named.id]).column(0)
                    if column.null_count:
                        raise InputError(
                            f"{file.name!r} has rows without {self.named.id!r}. Drop those rows."
                        )
                    for name in column.unique().to_pylist():
                        places.setdefault(name, []).append((str(file), group))
        if not places:
            raise InputError("the data set has no row.")
        names = list(places)
        seen.update("\n".join(map(str, names)).encode())
        found = []
        for number, first in enumerate(range(0, len(names), size)):
            own, groups = names[first : first + size], dict[str, list[int]]()
            for file_name, group in sorted({place for name in own for place in places[name]}):
                groups.setdefault(file_name, []).append(group)
            found.append(Chunk(number, first, first + len(own), tuple(own), groups))
        return found, seen.hexdigest()

    def read(self, chunk: Chunk) -> pd.DataFrame:
        """The rows of a chunk."""
        import pyarrow as pa
        from pyarrow import compute

        columns = list(dict.fromkeys([self.named.id, self.named.time, *self.named.channels]))
        parts = []
        for file, groups in chunk.groups.items():
            with self._parquet.ParquetFile(file) as table:
                for group in groups:
                    rows = table.read_row_group(group, columns=columns)
                    wanted = pa.array(chunk.names, type=rows.schema.field(self.named.id).type)
                    mask = compute.is_in(rows.column(self.named.id), value_set=wanted)
                    parts.append(rows.filter(mask))
        return pa.concat_tables(parts, promote_options="permissive").to_pandas()


class Zarr:
    """Arrays of a Zarr group, as xarray stores them: one a channel, ``(series, time)``.

    The names of an array's dimensions say which one is time; without names it is the second. Arrays
    with the dimensions' names hold the series' names and the times. Values that are NaN before
    and after a series count as no rows.
    """

    def __init__(self, path: Path, named: Columns) -> None:
        with needs("tables"):
            import zarr

        self.path, self.named = path, named
        opened: Any = zarr.open(str(path), mode="r")
        if not isinstance(opened, zarr.Group):
            raise InputError(f"{str(path)!r} should be a Zarr group with an array per channel.")
        for name in named.channels:
            one_of(f"array of {path.name}", name, opened.array_keys())
        self.arrays: dict[str, Any] = {name: opened[name] for name in named.channels}
        self.group: Any = opened
        first = next(iter(self.arrays.values()))
        sizes = {name: array.shape for name, array in self.arrays.items()}
        if len(set(sizes.values())) > 1 or len(first.shape) != 2:
            raise InputError(f"the arrays must all have one shape (series, time), found {sizes}.")
        self.turned = self._dims(first)[:1] == [named.time]
        self.count, self.steps = first.shape[::-1] if self.turned else first.shape

    def _dims(self, array: Any) -> list[str]:
        dims = getattr(array.metadata, "dimension_names", None)
        return list(dims or array.attrs.get("_ARRAY_DIMENSIONS", []))

    def _labels(self, name: str, size: int) -> pd.Index:
        """The labels of a dimension: those of its array, dates where it has a unit of time."""
        if name not in self.group:
            return pd.RangeIndex(size)
        values = np.asarray(self.group[name][:])
        found = _DATES.fullmatch(str(self.group[name].attrs.get("units", "")))
        if found is None:
            return pd.Index(values)
        return pd.Timestamp(found["origin"]) + pd.to_timedelta(values, unit=found["unit"])

    def chunks(self, size: int) -> tuple[list[Chunk], str]:
        """All chunks, and a digest of the shape and the labels."""
        names = self._labels(self.named.id, self.count)
        text = f"{self.count} {self.steps} {self._times()[[0, -1]].tolist()} {names.tolist()}"
        ends = [(i, min(i + size, self.count)) for i in range(0, self.count, size)]
        found = [Chunk(number, *end) for number, end in enumerate(ends)]
        return found, hashlib.sha256(text.encode()).hexdigest()

    def _times(self) -> pd.Index:
        return self._labels(self.named.time, self.steps)

    def read(self, chunk: Chunk) -> pd.DataFrame:
        """The rows of a chunk as a long table."""
        own = slice(chunk.first, chunk.last)
        names, times = self._labels(self.named.id, self.count)[own], self._times()
        values = {
            name: np.asarray(array[:, own]).T if self.turned else np.asarray(array[own])
            for name, array in self.arrays.items()
        }
        known = _from_first_to_last(values.values())
        rows, columns = np.nonzero(known)
        table = {self.named.id: names[rows], self.named.time: times[columns]}
        return pd.DataFrame(table | {name: value[known] for name, value in values.items()})


def _from_first_to_last(channels: Iterable[np.ndarray]) -> np.ndarray:
    """Steps ``(S, T)`` from the first to the last at which a channel is no NaN."""
    known = np.any([~np.isnan(values) for values in channels], axis=0)
    after = np.maximum.accumulate(known, axis=1)
    before = np.maximum.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    # a series without any value keeps its rows, so that it is named among those left out
    return (after & before) | ~known.any(axis=1, keepdims=True)
