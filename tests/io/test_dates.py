"""Dates and clock times in the notations of files."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import InputError
from dynamix.io.dates import are_dates, from_parts, to_clock, to_dates


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2024-02-29", "2024-02-29"),
        ("2024/2/9 7:05", "2024-02-09 07:05"),
        ("2024-02-29T23:59:59.250Z", "2024-02-29 23:59:59.250+00:00"),
        ("2024-01-31 24:00", "2024-02-01"),
        ("29.02.2024", "2024-02-29"),
        ("29.02.24 18.30", "2024-02-29 18:30"),
        ("2/29/2024 1:00 PM", "2024-02-29 13:00"),
        ("12/31/2024 12:00 AM", "2024-12-31"),
        ("20240229", "2024-02-29"),
        ("2021-W01", "2021-01-04"),
        ("2020-W53-7", "2021-01-03"),
        ("1960Q3", "1960-07-01"),
        ("Q3 1960", "1960-07-01"),
        ("1960M11", "1960-11-01"),
        ("11/1960", "1960-11-01"),
        ("Nov-60", "1960-11-01"),
        ("Nov 1960", "1960-11-01"),
        ("5 November 1960", "1960-11-05"),
        ("Nov 5, 1960", "1960-11-05"),
        ("Mon, 05 Jan 2020 10:00:00 GMT", "2020-01-05 10:00+00:00"),
        ("1500-01-01", "1500-01-01"),
        ("Mon Jan 05 10:00:00 2020", "2020-01-05 10:00"),
        ("Mär 2020", "2020-03-01"),
        ("déc. 2020", "2020-12-01"),
        ("Mo 06.01.2020", "2020-01-06"),
        ("20200105T103000", "2020-01-05 10:30"),
        ("20200105:1030", "2020-01-05 10:30"),
        ("05/Jan/2020:10:00:00 +0000", "2020-01-05 10:00+00:00"),
        ("2020-01-05 10:00 CET", "2020-01-05 10:00+01:00"),
        ("2020-01-05 10:00:00+00", "2020-01-05 10:00+00:00"),
        ("05.01.2020 10:00 - 05.01.2020 11:00", "2020-01-05 10:00"),
        ("2020-01-06/2020-01-12", "2020-01-06"),
        ("KW 02/2020", "2020-01-06"),
        ("1Q2020", "2020-01-01"),
        ("Jan-49", "1949-01-01"),
        ("3000-01-01", "3000-01-01"),
        ("2024年2月9日", "2024-02-09"),
        ("2024年11月12日 18:30", "2024-11-12 18:30"),
        ("2024年2月", "2024-02-01"),
        ("2024년 2월 9일", "2024-02-09"),
        ("2024. 2. 9.", "2024-02-09"),
        ("2024. 11. 12. 18:30", "2024-11-12 18:30"),
    ],
)
def test_a_notation(text, date):
    found, bad = to_dates(pd.Series([text]))
    assert bad is None
    assert found.iloc[0] == pd.Timestamp(date)
    assert are_dates(pd.Series([text]))


@pytest.mark.parametrize("text", ["2024-02-30", "2024-13-01", "Total", "12.5", "25:00", "7", "a b"])
def test_what_is_no_date(text):
    assert to_dates(pd.Series(["2024-01-01", text]))[1] == 1
    assert not are_dates(pd.Series([text]))


@given(
    st.dates(pd.Timestamp("1700-01-01").date(), pd.Timestamp("2250-01-01").date()),
    st.sampled_from(["D", "h", "7D"]),
    st.sampled_from(["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"]),
)
@settings(max_examples=15, deadline=None)
def test_regular_dates_are_read_in_the_order_that_is_regular(start, step, notation):
    dates = pd.date_range(start, periods=40, freq=step)
    found, bad = to_dates(pd.Series(dates.strftime(notation)))
    assert bad is None
    assert list(found) == list(dates)


def test_long_columns_take_the_same_way():
    dates = pd.date_range("2024-01-01", periods=3000, freq="min")
    texts = pd.Series(dates.strftime("%Y-%m-%d %H:%M"))
    assert list(to_dates(texts)[0]) == list(dates)
    texts.iloc[2000] = "defect"
    assert to_dates(texts)[1] == 2000


def test_months_beyond_the_twelfth_are_weeks():
    weeks = pd.date_range("2019-12-30", periods=60, freq="7D")
    texts = pd.Series([f"{y}-{w:02d}" for y, w, _ in map(pd.Timestamp.isocalendar, weeks)])
    assert list(to_dates(texts)[0]) == list(weeks)
    months = pd.Series(pd.date_range("2019-01-01", periods=60, freq="MS").strftime("%Y-%m"))
    months.iloc[30] = "2021-13"
    assert to_dates(months)[1] == 30


def test_offsets():
    one, _ = to_dates(pd.Series(["2024-03-01T00:00+01:00", "2024-03-01T01:00+01:00"]))
    assert one.iloc[0].utcoffset() == pd.Timedelta("1h")
    two, _ = to_dates(pd.Series(["2024-03-01T00:00+01:00", "2024-06-01T01:00+02:00"]))
    assert str(two.dt.tz) == "UTC"
    days = pd.date_range("2024-03-25", periods=10, tz="Europe/Berlin")  # over a clock change
    local, _ = to_dates(pd.Series([day.isoformat() for day in days]))
    assert list(local) == list(days.tz_localize(None))
    assert to_dates(pd.Series(["2024-03-01T00:00+01:00", "2024-03-01T01:00"]))[1] == 1


@given(st.integers(0, 359_999))
def test_a_clock_is_read_back(seconds):
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    assert to_clock(pd.Series([text])).tolist() == [seconds]


@pytest.mark.parametrize(
    ("texts", "name", "seconds"),
    [
        (["0:00", "0:05"], "Elapsed", [0, 5]),
        (["0:00", "0:05"], "t", [0, 300]),
        (["59:30", "1:00:30"], "t", [3570, 3630]),
        (["59:30.5", "59:31.0"], "t", [3570.5, 3571]),
        (["1 days 00:15:00", "1 day, 0:30:00"], "t", [87300, 88200]),
        (["00:15-00:30", "00:30-00:45"], "t", [900, 1800]),
    ],
)
def test_a_notation_of_clocks(texts, name, seconds):
    assert to_clock(pd.Series(texts, name=name)).tolist() == seconds


def test_days_with_many_rows_each_are_read_as_near_days():
    texts = pd.Series(["02/01/2023", "03/01/2023", "04/01/2023"])
    assert to_dates(texts.repeat(24))[0].iloc[-1] == pd.Timestamp("2023-01-04")
    with pytest.raises(InputError, match="day first and with the month first"):
        to_dates(texts)


def test_what_is_no_clock():
    assert to_clock(pd.Series(["1.50", "2.50"])) is None
    assert to_clock(pd.Series(["10:00", "noon"])) is None


@given(st.dates())
def test_parts_of_a_calendar(date):
    year, week, weekday = date.isocalendar()
    number = lambda value: np.array([float(value)])  # noqa: E731
    as_days = {
        "month": from_parts(number(date.year), month=number(date.month), day=number(date.day)),
        "year": from_parts(number(date.year), day=number(date.timetuple().tm_yday)),
        "week": from_parts(number(year), week=number(week), weekday=number(weekday)),
    }
    for found in as_days.values():
        assert found[0] == np.datetime64(date)
