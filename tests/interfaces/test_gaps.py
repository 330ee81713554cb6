"""Series of benchmarks: the numbers of predict_df, and a forecast of every series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import wave
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import dynamix
from dynamix import InputError
from dynamix.interfaces.gaps import filled, quantiles_of_all

LEVELS = [0.5, 0.1, 0.9]
HOW = {"horizon": 5, "model": "dynamix-3d"}
DAYS = pd.date_range("2024-01-01", periods=60)


def series(count: int) -> list[np.ndarray]:
    return [wave(60, 1, seed=s)[:, 0] + s for s in range(count)]


def quantiles(given, levels=LEVELS, **how) -> list[np.ndarray]:
    return list(quantiles_of_all(given, levels, **(HOW | how)))


@pytest.mark.parametrize("more", [{"season": "auto"}, {"odds": "gate"}], ids=str)
def test_the_numbers_are_those_of_predict_df(more):
    how = {**HOW, **more}
    found = quantiles([(x, DAYS) for x in series(3)], **how)
    parts = [
        pd.DataFrame({"item_id": s, "timestamp": DAYS, "target": x})
        for s, x in enumerate(series(3))
    ]
    table = dynamix.predict_df(pd.concat(parts), quantile_levels=[0.1, 0.9], **how)
    for s, values in enumerate(found):
        own = table[table["item_id"] == s]
        np.testing.assert_array_equal(values.T, own[["predictions", "0.1", "0.9"]])


def test_only_the_end_of_a_series_is_used():
    (x,) = series(1)
    whole = quantiles([(x[20:], DAYS[20:])])
    cut = quantiles([(x, DAYS)], context_length=40)
    np.testing.assert_array_equal(whole, cut)
    longer = quantiles([(x, DAYS)], context_length=1000)
    np.testing.assert_array_equal(longer, quantiles([(x, DAYS)]))
    with pytest.raises(InputError, match="context_length"):
        quantiles([(x, DAYS)], context_length=0)


def test_what_cannot_be_forecast_keeps_its_last_value(caplog):
    x, y = series(2)
    hole = x.copy()
    hole[7:9] = np.nan
    bad = [np.full(60, 3.0), np.full(60, np.nan), np.array([2.0]), np.array([])]
    given = [(one, DAYS[: len(one)]) for one in (x, bad[0], hole, *bad[1:], y)]
    found = quantiles(given)
    assert "4 of 7 series keep their last value" in caplog.text
    assert "must vary" in caplog.text
    alone = quantiles([given[0]])[0]
    np.testing.assert_array_equal(found[0], alone)  # the others do not matter
    for i, value in ((1, 3.0), (3, 0.0), (4, 2.0), (5, 0.0)):
        np.testing.assert_array_equal(found[i], np.full((3, 5), value))
    assert np.isfinite(found[2]).all()
    assert not np.array_equal(found[2], found[0])
    assert np.ptp(found[6]) > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"embeding": "zero"}, "unknown settings"),
        ({"embedding": "zer"}, "Did you mean 'zero'"),
        ({"model": "dynamix-3e"}, "Did you mean 'dynamix-3d'"),
        ({"engine": "torc"}, "Did you mean 'torch'"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_no_error_of_the_series(given, message):
    with pytest.raises(InputError, match=message):
        quantiles([(x, DAYS) for x in series(2)], **given)


def test_a_data_set_without_any_forecast_is_an_error():
    with pytest.raises(InputError, match=r"2 of 2 series cannot be forecast.*must vary"):
        quantiles([(np.ones(60), DAYS)] * 2)


def test_a_calendar_that_ends_costs_the_seasons_alone():
    (x,) = series(1)
    late = pd.period_range("3024-01-01", periods=60, freq="D")
    (found,) = quantiles([(x, late)], season="auto")
    np.testing.assert_array_equal(found, quantiles([(x, range(60))])[0])


@given(arrays.arrays(float, st.integers(0, 12), elements=st.sampled_from([np.nan, 0.0, 1.0, 5.0])))
def test_filling_changes_no_known_value_and_leaves_no_hole(x):
    found = filled(x)
    assert np.isfinite(found).all()
    rest = x[len(x) - len(found) :]
    known = np.isfinite(rest)
    np.testing.assert_array_equal(found[known], rest[known])
    assert not np.isfinite(x[: len(x) - len(found)]).any()
