"""Resampling: what is regular stays, what is linear stays linear, what is missing is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import InputError
from dynamix.preprocessing import resample

STEPS = st.sampled_from(["5min", "30min", "h", "D", "W-SAT", "MS", "YS"])
SEEDS = st.integers(0, 2**32 - 1)


def regular(T: int, step: str, columns: int, seed: int) -> pd.DataFrame:
    """Random numbers on a regular index."""
    index = pd.date_range(
        "1981-01-01 00:04" if step.endswith("min") else "1981-01-01", periods=T, freq=step
    )
    values = np.random.default_rng(seed).normal(size=(T, columns)) * 1e3
    return pd.DataFrame(values, index=index, columns=[f"x{i}" for i in range(columns)])


@given(st.integers(3, 80), STEPS, st.integers(1, 3), SEEDS)
@settings(max_examples=30)
def test_regular_input_is_returned_unchanged(T, step, columns, seed):
    x = regular(T, step, columns, seed)
    x.attrs["unit"] = "m"
    y, report = resample(x)
    pd.testing.assert_frame_equal(y, x)
    assert y.index.freq is not None
    assert report.unchanged
    assert report.steps == report.observations == T
    assert y.attrs == x.attrs
    assert "none missing" in str(report)


@given(st.integers(3, 60), st.sampled_from([np.int64, np.int32, np.float32]), SEEDS)
@settings(max_examples=30)
def test_regular_numbers_keep_index_and_dtype(T, dtype, seed):
    rng = np.random.default_rng(seed)
    x = pd.Series(rng.integers(-9, 9, T).astype(dtype), index=7 + 3 * np.arange(T), name="count")
    y, report = resample(x)
    pd.testing.assert_series_equal(y, x)
    assert report.unchanged


@given(
    st.integers(20, 120),
    st.floats(-50, 50),
    st.floats(-5, 5),
    st.sampled_from([1.0, 0.5, 3.0]),
    SEEDS,
)
@settings(max_examples=30)
def test_straight_lines_are_reproduced_however_they_were_sampled(T, level, slope, step, seed):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.choice(np.arange(T) + rng.uniform(-0.4, 0.4, T), size=T - 4, replace=False))
    x = pd.Series(level + slope * times, index=times)
    y, report = resample(x, step=step, longest_gap=40, most_filled=0.9)
    t = y.index.to_numpy()
    np.testing.assert_allclose(y.to_numpy(), level + slope * t, rtol=0, atol=1e-9 * (1 + T))
    np.testing.assert_allclose(np.diff(t), step)
    assert report.observations == T - 4
    assert report.steps == len(y)
    assert times[0] <= t[0] <= times[0] + step
    assert t[-1] <= times[-1]


@given(st.integers(20, 60), st.data())
@settings(max_examples=30)
def test_only_what_is_missing_is_interpolated(T, data):
    x = regular(T, "h", 1, data.draw(SEEDS))
    inner = st.integers(1, T - 2)
    missing = sorted(data.draw(st.sets(inner, min_size=1, max_size=T // 8)))
    by_nan = data.draw(st.booleans())
    broken = x.copy()
    broken.iloc[missing] = np.nan
    if not by_nan:
        broken = broken.dropna()
    shuffled = broken.sample(frac=1.0, random_state=data.draw(st.integers(0, 99)))
    y, report = resample(shuffled, step="h")
    pd.testing.assert_index_equal(y.index, x.index)
    kept = np.setdiff1d(np.arange(T), missing)
    np.testing.assert_array_equal(y.to_numpy()[kept], x.to_numpy()[kept])
    np.testing.assert_allclose(
        y.iloc[missing, 0], np.interp(missing, kept, x.iloc[kept, 0]), atol=1e-9
    )
    runs = np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1)
    assert (report.filled, report.longest_gap) == (len(missing), max(map(len, runs)))
    assert report.moved == report.repeated == report.cut == 0


def test_repeated_and_shifted_times_are_averaged_and_counted():
    times = pd.to_datetime(
        [
            "2015-09-01 00:00",
            "2015-09-01 00:05",
            "2015-09-01 00:05",
            "2015-09-01 00:09",
            "2015-09-01 00:15",
        ]
    )
    y, report = resample(pd.DataFrame({"x": [0.0, 4.0, 6.0, 9.0, 15.0]}, index=times), step="5min")
    assert y["x"].tolist() == pytest.approx([0.0, 5.0, 10.0, 15.0])
    assert (report.repeated, report.moved, report.filled) == (1, 1, 0)
    assert "1 observation lay off the grid" in str(report)


def test_a_coarser_step_averages_around_its_grid_points():
    x = pd.Series(np.arange(9.0) ** 2, index=pd.RangeIndex(9))
    y, report = resample(x, step=3)
    # the first grid point has the observations 0 and 1 at the mean time 1/2, so 0 lies outside
    np.testing.assert_allclose(y.to_numpy(), [np.mean([4, 9, 16]), np.mean([25, 36, 49])])
    assert y.index.tolist() == [3, 6]
    assert report.cut == 1


def test_a_hole_is_refused_or_cut_away():
    x = regular(200, "5min", 2, 0)
    broken = pd.concat([x.iloc[:60], x.iloc[100:]])
    with pytest.raises(
        InputError, match=r"1 hole is longer than 6 steps, the longest of 40 begins at step 60"
    ):
        resample(broken)
    y, report = resample(broken, holes="cut")
    pd.testing.assert_frame_equal(y, x.iloc[100:], check_freq=False)
    assert (report.cut, report.filled, report.steps) == (100, 0, 100)
    assert "100 steps beyond holes" in str(report)


def test_too_many_small_gaps_are_refused():
    x = regular(100, "h", 1, 0)
    with pytest.raises(InputError, match=r"too much is missing: 33 of 100 steps of hour \(33%\)"):
        resample(x.drop(x.index[1:-1:3]), step="h")


def test_columns_with_gaps_of_their_own():
    x = regular(50, "D", 2, 1)
    broken = x.copy()
    broken.iloc[10, 0] = broken.iloc[20, 1] = broken.iloc[:3, 0] = np.nan
    y, report = resample(broken)
    pd.testing.assert_index_equal(y.index, x.index[3:])
    assert y.isna().sum().sum() == 0
    assert (report.filled, report.longest_gap, report.cut) == (2, 1, 3)
    assert y.iloc[17, 0] == x.iloc[20, 0]


def test_months_with_a_gap_are_recognised():
    x = regular(30, "MS", 1, 2)
    y, report = resample(x.drop(x.index[[4, 9]]))
    pd.testing.assert_index_equal(y.index, x.index)
    assert (report.step, report.filled) == ("month", 2)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_other_units_and_time_zones(zone):
    x = regular(48, "30min", 1, 3)
    x.index = x.index.as_unit("s").tz_localize(zone)
    y, report = resample(x.drop(x.index[5]))
    pd.testing.assert_index_equal(y.index, x.index)
    assert report.filled == 1


@pytest.mark.parametrize(
    ("frame", "options", "told"),
    [
        (pd.DataFrame({"x": ["a", "b"]}), {}, "numeric columns only, found 'x'"),
        (pd.DataFrame(index=[1, 2]), {}, "is empty"),
        (pd.DataFrame({"x": [1.0, np.inf]}), {}, "infinite at 1"),
        (pd.DataFrame({"x": [1.0, np.nan]}), {}, "at least 2 observations, found 1"),
        (pd.DataFrame({"x": [1.0, 2.0]}, index=["u", "v"]), {}, "index of dates or numbers"),
        (pd.DataFrame({"x": [1.0, 2.0]}, index=[0.0, np.nan]), {}, "missing or infinite times"),
        (pd.DataFrame({"x": [1.0, 2.0]}), {"step": -1}, "step must be a positive number"),
        (pd.DataFrame({"x": [1.0, 2.0]}), {"step": "5min"}, "step must be a positive number"),
        (pd.DataFrame({"x": [1.0, 2.0]}), {"holes": "fill"}, "unknown holes 'fill'"),
        (pd.DataFrame({"x": [1.0, 2.0]}), {"longest_gap": -1}, "longest_gap"),
        (pd.DataFrame({"x": [1.0, 2.0]}), {"most_filled": 1.0}, "most_filled"),
        (regular(5, "D", 1, 0), {"step": "5 moons"}, "pandas offset"),
        (regular(5, "D", 1, 0), {"step": "-1D"}, "positive"),
        (regular(5, "D", 1, 0), {"step": "W-SAT"}, "does not lie on a grid"),
    ],
)
def test_bad_input(frame, options, told):
    with pytest.raises(InputError, match=told):
        resample(frame, **options)
