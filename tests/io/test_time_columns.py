"""The columns of time are found by what they hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import InputError
from dynamix.io.time_columns import take_time

T = 48
X = np.sin(np.arange(T) / 6)
DAYS = pd.date_range("2024-01-01", periods=T)
HOURS = pd.date_range("2024-01-01", periods=T, freq="h")
MONTHS = pd.date_range("2000-01-01", periods=T, freq="MS")
WEEKS = pd.date_range("2015-12-28", periods=T, freq="W-MON")
CLOCK = 0.1 * np.arange(T)


HALVES = pd.date_range("2024-01-01", periods=T, freq="30min")
QUARTERS = pd.date_range("2000-01-01", periods=T, freq="QS")
QUARTER = {"01": "1", "04": "2", "07": "3", "10": "4"}


def text(dates, notation):
    return pd.Series(dates.strftime(notation))


FOUND = {
    "seconds since 1970": ({"unix": 1_700_000_000 + 60 * np.arange(T), "x": X}, "unix", "60"),
    "milliseconds": ({"stamp": 1_700_000_000_000 + 40 * np.arange(T), "x": X}, "stamp", "40"),
    "a clock without a name": ({"q": CLOCK, "x": X, "y": X**2}, "q", "0.1"),
    "a clock at the end": ({"x": X, "y": X**2, "elapsed (s)": CLOCK}, "elapsed (s)", "0.1 s"),
    "MATLAB's days": ({"datenum": 738000 + np.arange(T) / 24, "x": X}, "datenum", "0.0416666667"),
    "year and month": ({"Year": MONTHS.year, "Month": MONTHS.month, "x": X}, "time", "month"),
    "year and name": ({"yr": MONTHS.year, "mon": text(MONTHS, "%b"), "x": X}, "time", "month"),
    "year and week": (
        {"year": WEEKS.isocalendar().year, "week": WEEKS.isocalendar().week, "x": X},
        "time",
        "week",
    ),
    "year and day": ({"year": DAYS.year, "doy": DAYS.dayofyear, "x": X}, "time", "day"),
    "date and hour": ({"Date": text(DAYS[:2].repeat(24), "%Y-%m-%d"), "Hour": HOURS.hour, "x": X},
                      "time", "hour"),
    "date and 1530": ({"D": text(HOURS, "%d.%m.%Y"), "T": text(HOURS, "%H%M").astype(int), "x": X},
                      "time", "hour"),
    "half hours from 1 to 48": (
        {"date": text(HALVES, "%Y-%m-%d"), "period": np.arange(T) % 48 + 1, "x": X},
        "time", "30 min",
    ),
    "year and quarter in words": (
        {"Year": QUARTERS.year, "Quarter": "Q" + text(QUARTERS, "%m").map(QUARTER), "x": X},
        "time", "quarter",
    ),
    "2024.01": ({"Date": np.round(MONTHS.year + MONTHS.month / 100, 2), "x": X}, "Date", "month"),
    "one time each day": (
        {"Date": text(DAYS, "%d.%m.%Y"), "Time": ["07:00"] * T, "x": X}, "time", "day",
    ),
    "begin and end": (
        {"a": text(DAYS, "%Y-%m-%d"), "b": text(DAYS + pd.Timedelta("1D"), "%Y-%m-%d"), "x": X},
        "a", "day",
    ),
    "hours from 1 to 24": (
        {"Date": text(DAYS[:2].repeat(24), "%Y-%m-%d"), "Hour": HOURS.hour + 1, "x": X},
        "time", "hour",
    ),
    "date and time": ({"Date": text(HOURS, "%d.%m.%Y"), "Time": text(HOURS, "%H:%M"), "x": X},
                      "time", "hour"),
    "numbers of days": ({"day": text(DAYS, "%Y%m%d").astype(int), "x": X}, "day", "day"),
    "numbers of months": ({"p": text(MONTHS, "%Y%m").astype(int), "x": X}, "p", "month"),
    "a clock past midnight": ({"clock": text(HOURS, "%H:%M"), "x": X}, "clock", "hour"),
    "a counter and dates": (
        {"": np.arange(T), "day": text(DAYS, "%Y-%m-%d"), "x": X}, "day", "day",
    ),
    "dates and their parts": (
        {"day": DAYS, "year": DAYS.year, "month": DAYS.month, "dow": DAYS.dayofweek, "x": X},
        "day", "day",
    ),
    "numbers of weeks": (
        {"w": 100 * WEEKS.isocalendar().year + WEEKS.isocalendar().week, "x": X}, "w", "week",
    ),
    "letters": ({"Y": DAYS.year, "M": DAYS.month, "D": DAYS.day, "x": X}, "time", "day"),
    "dates and their names": (
        {"day": DAYS, "Wochentag": np.array(list("SMDWTFA"))[DAYS.dayofweek], "x": X},
        "day", "day",
    ),
    "years with a hole": ({"YEAR": np.delete(np.arange(1900, 1901 + T), 9), "x": X}, "YEAR", "1"),
    "a shuffled clock": (
        {"time": np.random.default_rng(0).permutation(CLOCK), "x": X}, "time", "0.1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOUND)
def test_a_kind_of_time(kind):
    columns, name, step = FOUND[kind]
    rest, index, notes = take_time(pd.DataFrame({k: np.asarray(v) for k, v in columns.items()}))
    assert index is not None
    assert index.name == name
    assert "x" in rest.columns
    assert "b" not in rest.columns
    assert set(rest.columns) <= {"x", "y"}
    assert f"step {step}," in notes[0]


@pytest.mark.parametrize(
    "columns",
    [
        {"T": 20 + X, "p": X**2},  # temperature
        {"Y": np.round(9 + 5 * X), "M": np.round(3 + 2 * X), "x": X},
        {"cumulative": np.cumsum(1 + 0.9 * np.abs(X)), "x": X},
        {"day": np.round(5 * X), "x": X},
        {"x": np.arange(T, dtype=float)},  # nothing else would be left
    ],
)
def test_data_are_no_clock(columns):
    frame = pd.DataFrame(columns)
    rest, index, notes = take_time(frame)
    assert index is None
    assert notes == []
    pd.testing.assert_frame_equal(rest, frame)


def test_a_counter_that_restarts_is_no_channel():
    rest, index, notes = take_time(pd.DataFrame({"step": np.arange(T) % 12, "x": X}))
    assert index is None
    assert list(rest.columns) == ["x"]
    assert "`step`" in notes[0]


def test_a_channel_that_is_named_stays():
    frame = pd.DataFrame({"t": CLOCK, "x": X})
    assert take_time(frame, channels=("t", "x"))[1] is None
    rest, index, _ = take_time(frame, time="x")
    assert index.name == "x"
    assert list(rest.columns) == ["t"]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(8, 60),
    st.floats(1e-6, 1e6),
    st.floats(-1e6, 1e6),
    st.integers(0, 2**32 - 1),
    st.text(alphabet="abqz [](s)_", min_size=1, max_size=8),
    st.booleans(),
)
def test_no_regular_first_column_becomes_a_channel(rows, step, start, seed, name, falls):
    rng = np.random.default_rng(seed)
    times = start + step * (np.arange(rows) + 0.2 * rng.uniform(-1, 1, rows))
    frame = pd.DataFrame({name: times[::-1] if falls else times, "x!": rng.standard_normal(rows)})
    rest, index, _ = take_time(frame)
    assert list(rest.columns) == ["x!"]
    np.testing.assert_array_equal(index, frame[name])


def test_a_clock_without_an_entry_is_named_by_its_row():
    frame = pd.DataFrame({"clock": ["00:00", None, "00:20", "00:30"], "x": [1.0, 2.0, 4.0, 3.0]})
    with pytest.raises(InputError, match="should hold times, found nothing in row 2"):
        take_time(frame, time="clock")
