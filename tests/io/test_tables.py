"""The one reader: formats by content, text as it comes, and time as the index."""

from __future__ import annotations

import gzip
import io
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from helpers import died_at_every_event
from hypothesis import given, settings
from hypothesis import strategies as st

import dynamix
from dynamix import InputError
from dynamix.io import tables
from dynamix.io.tables import read, read_array, read_series

FRAME = pd.DataFrame(
    {"x": [0.5, 1.5, 2.5], "y": [1.0, 2.0, 4.0]},
    index=pd.date_range("2024-01-01", periods=3, freq="D", name="day"),
)


def write(path, kind: str) -> None:
    values = FRAME.to_numpy()
    if kind == "csv":
        FRAME.to_csv(path)
    elif kind == "tsv":
        FRAME.to_csv(path, sep="\t")
    elif kind == "parquet":
        FRAME.to_parquet(path)
    elif kind == "parquet, time a column":
        FRAME.reset_index()[["x", "y", "day"]].to_parquet(path)
    elif kind == "npy":
        np.save(path, values)
    elif kind == "npz of one":
        np.savez(path, values=values)
    elif kind == "npz of columns":
        np.savez(path, x=values[:, 0], y=values[:, 1])


KINDS = [
    ("csv", "a.csv"),
    ("tsv", "a.tsv"),
    ("parquet", "a.parquet"),
    ("parquet, time a column", "a.parquet"),
    ("npy", "a.npy"),
    ("npz of one", "a.npz"),
    ("npz of columns", "a.npz"),
]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_every_format_gives_the_same_numbers(kind, name, zipped, tmp_path):
    path = tmp_path / name
    write(path, kind)
    if zipped:
        packed = path.with_name(f"{name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    frame = dynamix.read(path)
    np.testing.assert_array_equal(frame.to_numpy(), FRAME)
    np.testing.assert_array_equal(read_array(path), FRAME)
    if name in ("a.csv", "a.tsv", "a.parquet"):
        pd.testing.assert_frame_equal(frame, FRAME, check_freq=False, check_index_type=False)


def test_standard_input_is_a_file_like_any_other(monkeypatch):
    text = FRAME.to_csv().encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(text))))
    pd.testing.assert_frame_equal(read("-"), FRAME, check_freq=False, check_index_type=False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", None, r"no file '.*a\.csv'"),
        ("a.csv", b"", "not a readable CSV file"),
        ("a.npy", b"\x93NUMPY junk", r"not a readable \.npy array"),
        ("a.npz", b"PK\x03\x04 junk", r"not a readable \.npz file"),
        ("a.parquet", b"PAR1 junk", "not a readable Parquet file"),
        ("a.csv.gz", b"\x1f\x8b junk", "not a readable table"),
    ],
)
def test_what_cannot_be_read_is_named(name, content, message, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("kind", [".csv", ".parquet", ".npy"])
@pytest.mark.parametrize(
    "mark",
    # a value that is no reading, however often it stands there
    [-999, -9999, -999.9, -99.99, 9999, 1e20, -8888, -777, 8888, -32768, 32767, -(2.0**31)],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_number_that_stands_for_nothing_is_missing(kind, mark, dtype, tmp_path):
    entries = [1.5, 2.25, mark, 2.5, 3.0, 1.75]
    values = np.array(entries, dtype=dtype)
    frame, path = pd.DataFrame({"v": values}), tmp_path / f"a{kind}"
    if kind == ".csv":
        path.write_text("\n".join(["v", *map(str, entries)]))
    elif kind == ".npy":
        np.save(path, frame.to_numpy())
    else:
        frame.to_parquet(path)
    found = read(path)
    np.testing.assert_array_equal(found.iloc[:, 0], np.where(values == values[2], np.nan, values))
    assert f"1 entry {mark:g} counts as missing" in " ".join(found.attrs["notes"])


@pytest.mark.parametrize(
    ("entries", "missing"),
    [
        ([650, -200, 1200, -200], 2),
        ([650, -200, 1200, 300], 0),
        ([-999, -998, -1500, -700], 0),
        ([-8888, -8700, -9100, -8950], 0),
        ([222, 3000, 1500, 800], 0),
        ([1.5, -1, 2, 3], 0),
    ],
)
def test_only_numbers_far_from_all_others_stand_for_nothing(entries, missing, tmp_path):
    (tmp_path / "a.csv").write_text("".join(f"{text}\n" for text in ["v", *entries]))
    assert read(tmp_path / "a.csv").isna().to_numpy().sum() == missing


@pytest.mark.parametrize("label", ["{:d}", "2024-01-{:02d}"])
@pytest.mark.parametrize("empty", ["", "NA"])
def test_a_row_without_a_time_is_named(label, empty, tmp_path):
    """It may be a row of averages."""
    rows = [f"{label.format(i)},{i % 4}.5" for i in range(1, 21)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["t,v", *rows, f"{empty},2.5", ""]))
    with pytest.raises(InputError, match=r"the time is missing in line 22\b.*--no-time"):
        read(path)
    assert len(read(path, no_time=True)) == 21


@pytest.mark.parametrize("bad", ["<LOD", "#DIV/0!", "1.5*", "Sensor fault"])
def test_numbers_beside_a_text_are_no_dates(bad, tmp_path):
    """2.2026 could be a month."""
    values = [f"{1 + i % 9}.{2000 + i % 40}" for i in range(40)]
    values[20] = bad
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["t,v", *(f"{i},{v}" for i, v in enumerate(values))]))
    with pytest.raises(InputError, match="line 22") as told:
        read(path)
    assert repr(bad) in str(told.value)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".csv.gz", ".parquet", ".npy", ".npz"])
def test_whatever_died_when_a_table_is_old_or_new(suffix, tmp_path):
    folder, name = tmp_path / "work", f"a{suffix}"
    folder.mkdir()
    (folder / name).write_bytes(b"old")
    *dead, whole = died_at_every_event(folder, lambda place: tables.write(FRAME, place / name))
    new = (whole / name).read_bytes()
    zipped = suffix in (".csv.gz", ".npz")  # with the time of writing
    for place in dead:
        content = (place / name).read_bytes()
        assert content in (b"old", new) or (zipped and len(content) == len(new))
        tables.write(FRAME, place / name)
        assert [file.name for file in place.iterdir()] == [name]


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="not a readable"):
        read(tmp_path / "a.npy")


def test_several_series_are_an_array_and_no_table(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((5, 2, 3)))
    assert read_array(tmp_path / "a.npy").shape == (5, 2, 3)
    with pytest.raises(InputError, match=r"shape \(5, 2, 3\), expected"):
        read(tmp_path / "a.npy")
    np.savez(tmp_path / "b.npz", x=np.zeros(5), y=np.zeros(4))
    with pytest.raises(InputError, match="several of equal length"):
        read(tmp_path / "b.npz")


def test_columns_time_and_last(tmp_path):
    path = tmp_path / "a.csv"
    FRAME.assign(when=[3, 5, 7]).to_csv(path)
    assert read(path, columns=["y"], last=2)["y"].tolist() == [2.0, 4.0]
    assert read(path, time="when", columns=["x"]).index.tolist() == [3, 5, 7]
    assert read(path, no_time=True).index.tolist() == [0, 1, 2]
    assert list(read(path, no_time=True).columns) == ["x", "y", "when"]
    with pytest.raises(InputError, match="unknown column 'z'"):
        read(path, columns=["z"])
    with pytest.raises(InputError, match="context must be an integer of at least 2"):
        read(path, last=1)


def test_text_is_left_out_of_an_array_and_named(tmp_path, caplog):
    FRAME.assign(place=["here", "there", "here"]).to_csv(tmp_path / "a.csv")
    assert read_array(tmp_path / "a.csv").shape == (3, 2)
    assert "place" in caplog.text


@settings(max_examples=12)
@given(
    values=st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=8),
    separator=st.sampled_from([",", ";", "\t"]),
    comma=st.booleans(),
    mark=st.booleans(),
)
def test_any_separator_and_decimal_sign_gives_the_same_numbers(
    tmp_path_factory, values, separator, comma, mark
):
    times = pd.date_range("2023-03-01", periods=len(values), freq="h", name="when")
    frame = pd.DataFrame({"a": values, "b": np.cos(np.arange(len(values))) + 0.25}, index=times)
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    decimal = "," if comma and separator != "," else "."
    encoding = "utf-8-sig" if mark else "utf-8"
    frame.to_csv(path, sep=separator, decimal=decimal, encoding=encoding)
    back = read(path)
    assert back.index.name == "when"  # the mark is no part of the name
    pd.testing.assert_frame_equal(back, frame, check_freq=False, check_index_type=False)


def test_days_first_thousands_and_latin_letters(tmp_path):
    path = tmp_path / "a.csv"
    text = "Datum;Höhe\n01.02.2024;1.234,5\n02.02.2024;1.235,5\n13.02.2024;-0,5\n"
    path.write_bytes(text.encode("cp1252"))
    frame = read(path)
    assert list(frame.index) == list(pd.to_datetime(["2024-02-01", "2024-02-02", "2024-02-13"]))
    assert frame["Höhe"].tolist() == [1234.5, 1235.5, -0.5]


def test_a_file_without_names_loses_no_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1.5,2\n2.5,3\n3.5,5\n")
    assert read(path)["x1"].tolist() == [1.5, 2.5, 3.5]
    assert read(path)["x2"].tolist() == [2, 3, 5]


def test_year_month_day_become_times(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("No,year,month,day,hour,y\n1,2024,2,28,23,5\n2,2024,2,29,0,6\n")
    frame = read(path)
    assert list(frame.index) == list(pd.to_datetime(["2024-02-28 23:00", "2024-02-29 00:00"]))
    assert list(frame.columns) == ["No", "y"]


def test_series_are_told_apart_by_two_columns_or_by_their_times(tmp_path):
    path = tmp_path / "a.csv"
    days = pd.date_range("2024-01-01", periods=30)
    rows = pd.MultiIndex.from_product([[1, 2], ["a", "b"], days], names=["shop", "item", "day"])
    frame = pd.DataFrame({"y": np.random.default_rng(0).random(120), "kind": "z"}, index=rows)
    frame.to_csv(path)
    series = read_series(path)
    assert {name: part.shape for name, part in series.items()} == dict.fromkeys(
        [(1, "a"), (1, "b"), (2, "a"), (2, "b")], (30, 1)
    )
    late = [f"{day:%Y-%m-%d} 07:00" for day in days]
    early = [f"{day:%Y-%m-%d} 00:00" for day in days]
    one = {
        "sensor": ["a", "b"] * 30,
        "time": [t for pair in zip(early, late, strict=True) for t in pair],
    }
    pd.DataFrame(one | {"y": np.arange(60) % 7}).to_csv(path, index=False)
    assert [len(part) for part in read_series(path).values()] == [30, 30]


@pytest.mark.parametrize(
    ("inside", "name"),
    [
        ("xl/workbook.xml", "an Excel workbook"),
        ("mimetype", "an OpenDocument file"),
        ("data.csv", "a zip archive"),
    ],
)
def test_an_archive_is_named(inside, name, tmp_path):
    with zipfile.ZipFile(tmp_path / "data.csv", "w") as archive:
        archive.writestr(inside, "x,y\n1,2\n")
    with pytest.raises(InputError, match=f"is {name}. Save the table as CSV"):
        read(tmp_path / "data.csv")
