"""Data sets: every series is in one chunk, and a chunk is read without the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pyarrow", reason="pyarrow is not installed here")

from dynamix import InputError
from dynamix.interfaces.frames import Columns
from dynamix.interfaces.sources import find_source

NAMED = Columns("id", "t", ("x",))


@settings(max_examples=15)
@given(
    ids=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    size=st.integers(1, 4),
    group=st.integers(1, 9),
)
def test_chunks_are_all_rows_once(ids, size, group, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.parquet"
    frame = pd.DataFrame({"id": ids, "t": np.arange(len(ids)), "x": np.arange(len(ids)) / 2})
    frame.to_parquet(path, row_group_size=group)
    source = find_source(path, NAMED)
    chunks, _ = source.chunks(size)
    assert [c.number for c in chunks] == list(range(len(chunks)))
    assert all(len(c.names) == size for c in chunks[:-1])
    read = [source.read(c) for c in chunks]
    for chunk, rows in zip(chunks, read, strict=True):
        assert set(rows["id"]) == set(chunk.names)
    whole = pd.concat(read).sort_values("t", ignore_index=True)
    pd.testing.assert_frame_equal(whole, frame)


def test_a_chunk_reads_only_its_row_groups(tmp_path, monkeypatch):
    frame = pd.DataFrame({"id": np.repeat(np.arange(100), 10), "t": 0, "x": 0.0})
    frame.to_parquet(tmp_path / "x.parquet", row_group_size=50)
    source = find_source(tmp_path / "x.parquet", NAMED)
    chunks, _ = source.chunks(5)
    assert [list(c.groups.values()) for c in chunks] == [[[i]] for i in range(20)]


def test_a_digest_tells_data_apart(tmp_path):
    def written(names, T=3):
        frame = pd.DataFrame({"id": np.repeat(names, T), "t": 0, "x": 0.0})
        frame.to_parquet(tmp_path / "x.parquet")
        return find_source(tmp_path / "x.parquet", NAMED).chunks(2)[1]

    assert written(["a", "b"]) == written(["a", "b"])
    assert len({written(["a", "b"]), written(["a", "c"]), written(["a", "b"], 400)}) == 3


def test_what_is_no_data_set(tmp_path):
    with pytest.raises(InputError, match=r"holds no file that ends in .parquet"):
        find_source(tmp_path, NAMED)
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(InputError, match=r"'x.parquet' is not a Parquet file"):
        find_source(tmp_path, NAMED)
    frame = pd.DataFrame({"id": ["a", None], "t": 0, "x": 0.0})
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="has rows without 'id'"):
        find_source(tmp_path, NAMED).chunks(1)
    frame.iloc[:0].to_parquet(tmp_path / "x.parquet")
    with pytest.raises(InputError, match="no row"):
        find_source(tmp_path, NAMED).chunks(1)


def test_zarr_of_other_shapes(tmp_path):
    zarr = pytest.importorskip("zarr")
    zarr.create_array(str(tmp_path / "a"), shape=(2, 3), dtype="f8")
    with pytest.raises(InputError, match="should be a Zarr group"):
        find_source(tmp_path / "a", NAMED)
    group = zarr.open_group(str(tmp_path / "b"), mode="w")
    group.create_array("x", shape=(2, 3), dtype="f8")
    group.create_array("y", shape=(2, 4), dtype="f8")
    with pytest.raises(InputError, match="must all have one shape"):
        find_source(tmp_path / "b", NAMED._replace(channels=("x", "y")))
    with pytest.raises(InputError, match="unknown array of b 'z'"):
        find_source(tmp_path / "b", NAMED._replace(channels=("z",)))


def test_empty_ends_of_a_series_are_no_rows(tmp_path):
    zarr = pytest.importorskip("zarr")
    nan = np.nan
    values = np.array([[nan, 1.0, nan, 2.0, nan], [nan] * 5])
    zarr.open_group(str(tmp_path / "b"), mode="w").create_array("x", data=values)
    source = find_source(tmp_path / "b", NAMED)
    (chunk,) = source.chunks(9)[0]
    rows = source.read(chunk)
    assert rows["t"].tolist() == [1, 2, 3, 0, 1, 2, 3, 4]
    assert rows["id"].tolist() == [0] * 3 + [1] * 5
