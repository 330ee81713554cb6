"""Files as instruments, offices and web pages write them: read right, or refused in words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dynamix import InputError, cli, report
from dynamix.io.tables import read, read_series
from dynamix.io.time_axis import continue_index

CASES = Path(__file__).parents[1] / "cases"

# file: rows, channels, first label, next label (None: a hole must be filled first)
READ = {
    "airlike.csv": (240, "S1(CO) T", "2004-03-10 18:00", "2004-03-20 18:00"),
    "annual_year.csv": (240, "SUNACTIVITY", 1700, 1940),
    "dot_thousands.csv": (240, "Umsatz", "2024-01-01", "2024-08-28"),
    "eeg_ms.csv": (240, "Cz", 0.0, 0.9375),
    "elapsed_short.csv": (240, "p", "0s", "4h"),
    "epi_isoweek.csv": (150, "cases", "2021-01-04", "2023-11-20"),
    "hour24.csv": (240, "load", "2024-01-01 01:00", "2024-01-11 01:00"),
    "household.csv": (240, "Power Voltage", "2006-12-16 17:24", "2006-12-16 21:24"),
    "index_then_date.csv": (240, "Close", "2024-01-01", "2024-08-28"),
    "int_header.csv": (240, "0 1 2", 0, 240),
    "lab_t_column.csv": (501, "u v w", 249.8, 299.9),
    "midmonth.csv": (240, "co2", "2000-01-15", "2020-01-15"),
    "mixed_offset.csv": (240, "load", "2024-03-26 00:00+00:00", "2024-04-05 00:00+00:00"),
    "monthly_dmy.csv": (240, "births", "2000-01-01", "2020-01-01"),
    "multi_header.csv": (240, "Close High", "2024-01-01", "2024-08-28"),
    "newest_first.csv": (240, "Close", "2024-01-01", "2024-08-28"),
    "quarters_one_missing.csv": (199, "gdp", "1960-01-01", None),
    "retail_closed_sundays.csv": (1082, "Sales Store", "2021-01-02", None),
    "sep_line.csv": (240, "Last", "2024-01-01", "2024-08-28"),
    "silso.csv": (240, "x4 x5 x6 x7", "2000-01-01", "2020-01-01"),
    "thousands.csv": (240, "sales", "2024-01-01", "2024-08-28"),
    "time_s.csv": (240, "x y z", 0.0, 4.8),
    "trading_days.csv": (240, "Close", "2023-01-02", None),
    "train_no_header.csv": (400, "x1 x2 x3", 0, 400),
    "train_time_column.csv": (1200, "x y", 0.0, 12.0),
    "units_row.csv": (240, "u v", 0.0, 24.0),
    "utf16.csv": (240, "Value", "2024-01-01", "2024-08-28"),
    "wide.csv": (400, "2019 2020 01", 0, 400),
    "years_one_missing.csv": (199, "width", "1800-01-01", None),
}


def label(index: pd.Index, text: object) -> object:
    if isinstance(index, pd.TimedeltaIndex):
        return pd.Timedelta(text)
    return pd.Timestamp(text) if isinstance(text, str) else text


@pytest.mark.parametrize("name", READ)
def test_a_file_is_read_right(name):
    rows, channels, first, following = READ[name]
    frame = read(CASES / name)
    assert len(frame) == rows
    assert list(frame.columns) == channels.split()
    assert frame.index[0] == label(frame.index, first)
    assert np.isfinite(frame.to_numpy()).all() or name in ("household.csv", "airlike.csv")
    if following is None:
        with pytest.raises(InputError, match="have a row"):
            continue_index(frame.index, 1)
    else:
        assert continue_index(frame.index, 3)[0] == label(frame.index, following)


def test_a_semicolon_in_a_name_separates_nothing():
    assert list(read(CASES / "semi_in_header.csv").columns) == ["load (MW; net)"]


def test_thousands_are_thousands():
    assert read(CASES / "thousands.csv")["sales"].iloc[0] == 12020
    assert read(CASES / "dot_thousands.csv")["Umsatz"].iloc[0] == 1203


def test_a_row_of_sums_is_named():
    with pytest.raises(InputError, match=r"found 'Total' in line 242"):
        read(CASES / "total_row.csv")


def test_series_below_each_other_are_told_apart(tmp_path, capsys):
    series = read_series(CASES / "long_format_ts.csv")
    assert {name: len(frame) for name, frame in series.items()} == {"A0": 100, "A1": 100, "A2": 100}
    with pytest.raises(InputError, match="'item_id'"):
        read(CASES / "long_format_ts.csv")
    with pytest.raises(InputError, match="'item_id'"):
        report.load(CASES / "long_format_ts.csv")
    output = tmp_path / "f.csv"
    arguments = ["forecast", str(CASES / "long_format_ts.csv"), "--horizon", "3"]
    assert cli.main([*arguments, "--output", str(output)]) == 0
    table = pd.read_csv(output)
    assert table["item_id"].tolist() == ["A0"] * 3 + ["A1"] * 3 + ["A2"] * 3
    assert table["timestamp"].tolist() == ["2024-04-10", "2024-04-11", "2024-04-12"] * 3
    alone = tmp_path / "a1.csv"
    series["A1"].to_csv(alone)
    assert cli.main(["forecast", str(alone), "--horizon", "3", "--output", str(output)]) == 0
    np.testing.assert_allclose(pd.read_csv(output)["target"], table["target"][3:6])


@pytest.mark.parametrize(
    ("name", "steps", "filled"),
    [
        ("quarters_one_missing.csv", 200, 1),
        ("years_one_missing.csv", 200, 1),
        ("trading_days.csv", 248, 8),
        ("retail_closed_sundays.csv", 1093, 11),
    ],
)
def test_the_report_fills_the_calendar_of_the_file(name, steps, filled):
    loaded = report.load(CASES / name)
    assert len(loaded.frame) == steps
    (gaps,) = (finding for finding in loaded.findings if finding.check == "gaps")
    assert gaps.severity != "serious"
    assert f"{filled} of {steps} steps interpolated" in gaps.found
    assert name != "retail_closed_sundays.csv" or 6 not in loaded.frame.index.dayofweek


def test_the_report_numbers_rows_if_asked():
    loaded = report.load(CASES / "retail_closed_sundays.csv", no_time=True)
    assert loaded.frame.index.tolist() == list(range(1082))


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("silso.csv", "x4"),
        ("time_s.csv", "x"),
        ("lab_t_column.csv", "u"),
        ("airlike.csv", "S1(CO)"),
    ],
)
def test_the_report_chooses_no_clock(name, column):
    assert list(report.load(CASES / name).frame.columns) == [column]


def test_a_column_may_be_named_by_a_number():
    assert list(report.load(CASES / "wide.csv", column=2020).frame.columns) == ["2020"]


def test_the_command_line_tells_what_it_took_and_fills_holes(capsys, caplog):
    caplog.set_level("INFO")
    arguments = ["forecast", str(CASES / "time_s.csv"), "--horizon", "2"]
    assert cli.main(arguments) == 0
    done = capsys.readouterr()
    assert "time: `Time (s)`, step 0.02 s, 240 rows" in caplog.text
    lines = done.out.splitlines()
    assert lines[0] == "Time (s),x,y,z"
    assert [line.split(",")[0] for line in lines[1:]] == ["4.8", "4.82"]
    arguments = ["forecast", str(CASES / "trading_days.csv"), "--horizon", "2"]
    assert cli.main(arguments) == 2
    assert "--fill" in capsys.readouterr().err
    assert cli.main([*arguments, "--fill"]) == 0
    done = capsys.readouterr()
    assert "8 steps (3.2%) had no observation" in done.err
    assert [line.split(",")[0] for line in done.out.splitlines()[1:]] == [
        "2023-12-14",
        "2023-12-15",
    ]


def test_elapsed_times_go_on_as_elapsed_times(capsys):
    assert cli.main(["forecast", str(CASES / "elapsed_short.csv"), "--horizon", "2"]) == 0
    labels = [line.split(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert labels == ["time", "04:00:00", "04:01:00"]


def test_training_reads_files_as_forecasts_do(capsys, tmp_path):
    train = ["train", "--output", str(tmp_path / "run"), "--epochs", "1", "--data"]
    assert cli.main([*train, str(CASES / "train_time_column.csv")]) == 2
    assert re.search(r"\(T, 3\).*found \(1200, 2\)", capsys.readouterr().err)


def test_a_forecast_is_written_in_the_format_of_its_suffix(tmp_path):
    arguments = ["forecast", str(CASES / "lab_t_column.csv"), "--horizon", "40", "--output"]
    frames = {}
    for suffix in (".csv", ".tsv", ".csv.gz", ".parquet", ".npy"):
        path = tmp_path / f"f{suffix}"
        assert cli.main([*arguments, str(path)]) == 0
        frames[suffix] = read(path)
    for suffix, frame in frames.items():
        np.testing.assert_allclose(frame.to_numpy(), frames[".csv"].to_numpy(), rtol=1e-12)
        assert suffix == ".npy" or frame.index.name == "t [s]"
