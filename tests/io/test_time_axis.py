"""How a time axis goes on: dates, periods, numbers, and what cannot go on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import InputError
from dynamix.io.time_axis import continue_index, fit, in_units, is_regular


def unmarked(start: str, periods: int, freq: str, **zone: str) -> pd.DatetimeIndex:
    """Dates as a file has them: without their frequency."""
    return pd.DatetimeIndex(list(pd.date_range(start, periods=periods, freq=freq, **zone)))


@pytest.mark.parametrize(
    ("index", "following"),
    [
        (pd.date_range("2024-01-31", periods=3, freq="ME"), ["2024-04-30", "2024-05-31"]),
        (pd.period_range("2024Q1", periods=1, freq="Q"), ["2024Q2", "2024Q3"]),
        (pd.to_timedelta(["0s", "2s", "4s"]), ["0 days 00:00:06", "0 days 00:00:08"]),
        (pd.Index([2, 4, 6]), ["8", "10"]),
        (pd.Index([0.0, 0.1, 0.2, 0.30000000000000004]), ["0.4", "0.5"]),
        (pd.Index(np.round(np.arange(240) / 256, 3)), ["0.9375", "0.94140625"]),
        (pd.Index(1.7e9 + 0.01 * np.arange(600)), ["1700000006", "1700000006.01"]),
        (
            pd.Index(1_700_000_000_000_000_000 + 10**7 * np.arange(3)),
            ["1700000000030000000", "1700000000040000000"],
        ),
        (pd.to_datetime(["2024-01-15", "2024-02-15", "2024-03-15"]), ["2024-04-15", "2024-05-15"]),
        (pd.to_datetime(["2023-12-30", "2024-01-30", "2024-02-29"]), ["2024-03-30", "2024-04-30"]),
        (pd.to_datetime(["2000-01-01", "2001-01-01"]), ["2002-01-01", "2003-01-01"]),
        (unmarked("2024-01-01", 12, "B"), ["2024-01-17", "2024-01-18"]),
        (unmarked("2024-01-01", 9, "BME"), ["2024-10-31", "2024-11-29"]),
        (unmarked("2024-01-01", 9, "WOM-3FRI"), ["2024-10-18", "2024-11-15"]),
        (unmarked("1700-01-01", 562, "YS"), ["2262-01-01", "2263-01-01"]),
        (
            unmarked("2024-03-29", 2, "D", tz="Europe/Berlin"),
            ["2024-03-31 00:00+01:00", "2024-04-01 00:00+02:00"],
        ),
        (
            unmarked("2024-03-31 00:00", 2, "h", tz="Europe/Berlin"),
            ["2024-03-31 03:00+02:00", "2024-03-31 04:00+02:00"],
        ),
    ],
)
def test_regular_labels_go_on(index, following):
    index = index.rename("when")
    found = continue_index(index, 2)
    assert found.name == "when"
    assert type(found) is type(index)
    if index.dtype == float:
        assert found.tolist() == pytest.approx([float(label) for label in following])
    else:
        wanted = pd.Index(following)
        if isinstance(index, pd.DatetimeIndex):  # perhaps in a unit that reaches further
            assert found.tolist() == [pd.Timestamp(label) for label in following]
            return
        assert found.tolist() == wanted.astype(found.dtype).tolist()


@pytest.mark.parametrize(
    "index",
    [
        pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04"]),
        pd.to_datetime(["2024-01-03", "2024-01-02", "2024-01-01"]),
        pd.to_datetime(["2024-01-03", "2024-01-02"]),
        pd.Index([0, 1, 3]),
        pd.Index([1.0, 1.0]),
        pd.Index(["a", "b", "c"]),
        pd.to_datetime(["2024-01-01"]),
    ],
)
def test_labels_that_cannot_go_on_are_refused(index):
    with pytest.raises(InputError, match=r"not regular and ascending|cannot be continued"):
        continue_index(index, 2)


def test_dates_beyond_the_calendar_are_refused_in_words():
    with pytest.raises(InputError, match="leave the calendar"):
        continue_index(pd.date_range("2024-01-01", periods=3, freq="D"), 10**9)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(24, 200),
    st.floats(1e-9, 1e9),
    st.floats(-1e3, 1e3),
    st.floats(0, 0.45),
    st.integers(0, 2**32 - 1),
)
def test_times_displaced_by_less_than_half_a_step_are_regular(rows, step, start, away, seed):
    moved = away * np.random.default_rng(seed).uniform(-1, 1, rows)
    index = pd.Index(step * (start + np.arange(rows) + moved))
    assert is_regular(index)
    later = continue_index(index, 2).to_numpy()
    np.testing.assert_allclose(np.diff(later), step, rtol=0.05)
    np.testing.assert_allclose(later[0], step * (start + rows), atol=1.1 * step)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["h", "15min", "D", "B", "W-WED", "MS", "ME", "QS", "YS", "C"]),
    st.integers(40, 90),
    st.sets(st.integers(1, 38), max_size=4),
)
def test_a_calendar_is_recognised_with_rows_missing(freq, rows, missing):
    if freq == "C":
        freq = pd.offsets.CustomBusinessDay(weekmask="Mon Tue Wed Thu Fri Sat")
    whole = pd.date_range("2023-05-01", periods=rows, freq=freq)
    index = pd.DatetimeIndex(list(whole.delete(list(missing))))
    axis = fit(index)
    np.testing.assert_array_equal(axis.place(index), np.delete(np.arange(rows), list(missing)))
    assert list(axis.labels(np.arange(rows))) == list(whole)


def test_durations_in_words():
    assert [in_units(x) for x in (86400, 1800, 0.02, 1 / 256, 604800)] == [
        "day",
        "30 min",
        "20 ms",
        "3.90625 ms",
        "7 day",
    ]


def test_a_few_saturdays_make_no_week_of_six_days():
    days = pd.bdate_range("2024-01-01", periods=100).union(pd.to_datetime(["2024-03-02"]))
    assert fit(days).step == "business day"
    assert continue_index(days, 2)[0] == pd.Timestamp("2024-05-20")


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint64])
def test_whole_numbers_of_any_width_are_continued(dtype):
    first = -100 if np.iinfo(dtype).min else 0
    index = pd.Index(np.arange(first, first + 220).astype(dtype))
    assert continue_index(index, 300)[-1] == int(index[-1]) + 300


@pytest.mark.parametrize("last", [2**63 - 2, 2**64 - 2])
def test_whole_numbers_do_not_wrap_round(last):
    index = pd.Index(np.array([last - 2, last - 1, last], np.uint64))
    index = index.astype(np.int64) if last < 2**63 else index
    with pytest.raises(InputError, match="64 bits"):
        continue_index(index, 5)
