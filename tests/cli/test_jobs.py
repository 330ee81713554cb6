"""``dynamix forecast DATA --id COLUMN``: a data set in chunks, from the command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from helpers import wave

import dynamix
from dynamix import cli

pytest.importorskip("pyarrow", reason="pyarrow is not installed here")


@pytest.fixture
def folder(tmp_path):
    """Five series, one of them constant, in two files."""
    parts = [
        pd.DataFrame({"shop": s, "day": pd.date_range("2024", periods=60), "sales": wave(60)[:, 0]})
        for s in range(4)
    ]
    (tmp_path / "in").mkdir()
    pd.concat(parts[:2]).to_parquet(tmp_path / "in" / "a.parquet")
    pd.concat([*parts[2:], parts[0].assign(shop=9, sales=1.0)]).to_parquet(
        tmp_path / "in" / "b.parquet"
    )
    return tmp_path


def words(folder, *more):
    return [
        *("forecast", str(folder / "in"), "-o", str(folder / "out"), "--id", "shop"),
        *("--time", "day", "--columns", "sales", "-n", "4", "--model", "dynamix-3d", *more),
    ]


def test_a_folder_of_series_becomes_a_folder_of_parts(folder, capsys):
    assert cli.main(words(folder, "--chunk", "2", "--quantiles", "0.1, 0.9", "--json")) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["series"] == 5
    assert list(found["left_out"]) == ["9"]
    assert "1 of 5 series were left out" in told.err
    table = pd.read_parquet(folder / "out")
    assert table.columns.tolist() == ["shop", "day", "sales[0.1]", "sales[0.9]"]
    series = pd.Series(wave(60)[:, 0], index=pd.date_range("2024", periods=60))
    how = {"horizon": 4, "model": "dynamix-3d", "quantile_levels": [0.1, 0.9]}
    expected = dynamix.forecast(series, **how).to_numpy()
    np.testing.assert_array_equal(table.iloc[:4, 2:], expected)
    assert len(list((folder / "out").glob("part-*"))) == 3


def test_a_job_is_resumed_only_if_asked(folder, capsys):
    assert cli.main(words(folder)) == 0
    assert cli.main(words(folder)) == 2
    assert "--resume" in capsys.readouterr().err
    assert cli.main(words(folder, "--resume")) == 0
    assert "1 of 1 parts are there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--plot", "x.png"], "--plot cannot be combined with --id"),
        (["--fill", "--context", "20"], "--fill, --context cannot be combined with --id"),
        (["--n-samples", "3"], "--n-samples cannot be combined with --id. Use --quantiles"),
        (["--columns", "sale"], "unknown column of a.parquet 'sale'"),
        (["--quantiles", "0.1;0.9"], "--quantiles takes levels separated by commas"),
        (["-o", "-"], "--output FOLDER"),
    ],
)
def test_what_has_no_effect_is_refused(folder, more, message, capsys):
    assert cli.main(words(folder, *more)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_flags_of_data_sets_need_the_column_of_names(data, model, capsys):
    assert cli.main(["forecast", data, "-n", "3", "--workers", "2", "--resume"]) == 2
    assert "--workers, --resume would have no effect without --id" in capsys.readouterr().err
