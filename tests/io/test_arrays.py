"""The one gate: every kind of data in, the same kind out, and one message for what is wrong."""

from __future__ import annotations

import contextlib

import numpy as np
import pandas as pd
import pytest
import torch

from dynamix import InputError
from dynamix.io.arrays import as_series, check_values, to_numpy, unpack

X = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    "x",
    [
        X,
        X.tolist(),
        X.astype(np.float32),
        torch.tensor(X),
        torch.tensor(X).bfloat16(),
        pd.DataFrame(X, columns=["a", "b"]),
        pd.DataFrame(X.astype(int), columns=["a", "b"]).astype("Int64"),
        X[:, None],
    ],
)
def test_every_kind_becomes_the_same_series(x):
    np.testing.assert_array_equal(as_series(x), X[:, None])
    values, restore = unpack(x)
    np.testing.assert_array_equal(values, X[:, None])
    back = restore(values)
    assert np.shape(back) == np.shape(x)
    assert isinstance(back, type(x) if not isinstance(x, list) else np.ndarray)
    if isinstance(x, torch.Tensor | np.ndarray):
        assert back.dtype == x.dtype


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X * 1j, "truth must hold real numbers, found dtype complex128"),
        (X > 1, "truth must hold real numbers, found dtype bool"),
        (torch.tensor(X > 1), "truth must hold real numbers, found dtype bool"),
        ([["a"], ["b"]], "truth must hold real numbers"),
        ([[1.0], [1.0, 2.0]], "truth must be a rectangular array"),
        (np.zeros((2, 2, 2, 2)), "truth must have shape .* found 4 dimensions"),
        (np.zeros((0, 2)), "truth is empty"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), "truth must have numeric columns"),
        (X[:2], "truth must have at least 3 steps .* found 2"),
        (np.where(X == 7, np.nan, X), r"truth must be finite, found nan at step 3, channel 1 \(1"),
        (np.full((6, 2), np.inf), "truth has no finite value"),
    ],
)
def test_one_message_for_each_thing_that_is_wrong(x, message):
    with pytest.raises(InputError, match=message):
        as_series(x, name="truth", least=3)


@pytest.mark.parametrize(("dtype", "rounding"), [(np.float32, 1e-7), (np.float64, 2e-16)])
def test_what_does_not_vary_but_for_rounding_is_refused(dtype, rounding):
    values = np.stack([np.arange(9.0), 3.0 * (1 + rounding * (np.arange(9.0) % 3))], axis=1)[
        :, None
    ]
    with pytest.raises(InputError, match="context must vary, but channel 1 is constant at 3"):
        check_values(values, dtype=dtype)
    moving = 3.0 * (1 + 1e3 * rounding * values[:, :, :1])
    for scale in (1e-300, 1.0, 1e300):
        check_values(scale * moving, dtype=dtype)
    check_values(values, moving=False)
    check_values(values * np.nan, finite=False, moving=False)


def test_tables_of_other_libraries_are_read_with_their_times():
    days = pd.date_range("2024-01-01", periods=40)
    x, y = np.sin(np.arange(40) / 3), np.cos(np.arange(40) / 3)
    frame = pd.DataFrame({"x": x, "y": y}, index=days.rename("time"))
    tables = {}
    with contextlib.suppress(ImportError):
        import pyarrow as pa

        tables["arrow"] = pa.Table.from_pandas(frame.reset_index())
    with contextlib.suppress(ImportError):
        import polars as pl

        tables["polars"] = pl.DataFrame({"time": days.to_pydatetime().tolist(), "x": x, "y": y})
    with contextlib.suppress(ImportError):
        import xarray as xr

        tables["xarray"] = xr.Dataset.from_dataframe(frame)
        with pytest.raises(InputError, match="Select one series"):
            unpack(xr.DataArray(np.zeros((9, 2, 2))))
        turned = xr.DataArray(frame.to_numpy().T, dims=("channel", "time"))
        np.testing.assert_array_equal(unpack(turned)[0][:, 0], frame)
        dated = xr.DataArray(frame.to_numpy().T, dims=("q", "d"), coords={"d": days})
        assert len(unpack(dated)[0]) == len(frame)
    for table in tables.values():
        values, restore = unpack(table)
        np.testing.assert_array_equal(values[:, 0], frame)
        assert list(restore(values[:2]).index) == list(pd.date_range("2024-02-10", periods=2))


@pytest.mark.parametrize(
    "x",
    [
        [1.0, np.ma.masked, 3.0],
        (1, np.ma.masked, 3),
        np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]),
        [np.ma.masked_array(1), np.ma.masked_array(2, mask=True), 3],
    ],
)
@pytest.mark.filterwarnings("error")
def test_masked_entries_are_missing_in_a_list_too(x):
    np.testing.assert_array_equal(to_numpy(x), [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(to_numpy([x, [4, 5, 6]]), [[1.0, np.nan, 3.0], [4, 5, 6]])


def test_a_list_that_holds_itself_is_refused():
    x: list = [1.0]
    x.append(x)
    with pytest.raises(InputError, match="must be a rectangular array of numbers"):
        to_numpy(x)


def test_masked_entries_are_missing_and_rows_are_turned_round():
    masked = np.ma.masked_array(np.arange(5), mask=[0, 0, 1, 0, 0])
    with pytest.raises(InputError, match="found nan at step 2"):
        unpack(masked, check=True)
    days = pd.date_range("2024-01-01", periods=3)
    values, restore = unpack(pd.Series([3.0, 2.0, 1.0], index=days[::-1]))
    assert values.ravel().tolist() == [1, 2, 3]
    assert str(restore(values[:1]).index[0].date()) == "2024-01-04"


def test_sparse_tensors_are_read():
    np.testing.assert_array_equal(as_series(torch.tensor(X).to_sparse())[:, 0], X)


@pytest.mark.parametrize("columns", [["a", "b"], ["a"]])
def test_sparse_columns_are_read(columns):
    table = pd.DataFrame(X[:, : len(columns)], columns=columns)
    sparse = table.assign(a=pd.arrays.SparseArray(table["a"]))
    np.testing.assert_array_equal(unpack(sparse, check=True)[0], unpack(table)[0])


def test_views_of_complex_tensors_are_read():
    turned = (torch.tensor(X) * (1 + 1j)).conj().imag
    np.testing.assert_array_equal(unpack(turned)[0][:, 0], -X)


class Broken:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no data")


@pytest.mark.parametrize(
    "x",
    [torch.zeros(9, device="meta"), torch.nn.Linear(2, 2), Broken(), np.full(9, "1e4000", "g")],
    ids=["without data", "a network", "a broken array", "beyond float64"],
)
def test_what_holds_no_numbers_is_refused_in_words(x):
    with pytest.raises(InputError):
        unpack(x, check=True)


def test_columns_of_one_name_are_refused_where_one_would_be_lost():
    arrow = pytest.importorskip("pyarrow")
    table = arrow.Table.from_arrays([arrow.array(X[:, 0]), arrow.array(X[:, 1])], ["a", "a"])
    with pytest.raises(InputError, match="columns of the same name"):
        unpack(table)


def test_a_data_set_without_a_dimension_is_refused():
    xarray = pytest.importorskip("xarray")
    with pytest.raises(InputError, match="expected time"):
        unpack(xarray.Dataset())


def test_channels_first_is_asked_about():
    with pytest.raises(InputError, match="is time the second axis"):
        unpack(np.random.default_rng(0).standard_normal((19, 3000)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_keep_their_dtype(dtype):
    values, restore = unpack(np.arange(4, dtype=dtype))
    assert restore(1e30 * values).dtype == dtype


def test_tensors_of_short_floats():
    x = torch.arange(4.0, dtype=torch.bfloat16)
    values, restore = unpack(x)
    assert values.ravel().tolist() == [0, 1, 2, 3]
    assert restore(values).dtype == torch.bfloat16


def test_a_channel_of_a_table_is_called_by_its_name():
    table = pd.DataFrame({"load": [1.0, 2.0, 3.0], "flag": [4.0, 4.0, 4.0]})
    with pytest.raises(InputError, match="column 'flag' is constant at 4"):
        unpack(table, check=True)
    with pytest.raises(InputError, match="found nan at step 1, column 'load'"):
        unpack(table.replace(2.0, np.nan), check=True)


def test_the_other_columns_are_given_as_the_command_line_takes_them():
    table = pd.DataFrame({"a": [1.0, 2.0], "quality": ["A", "B"], "b": [3.0, 4.0]})
    with pytest.raises(InputError, match=r"found .quality. .*--columns a,b"):
        unpack(table)
