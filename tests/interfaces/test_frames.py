"""A long table in, a long table out: each series as it would be alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import dynamix
from dynamix import InputError, predict_df


def series(item: str, T: int, period: float, freq: str = "D") -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=T, freq=freq)
    values = 5 + np.sin(2 * np.pi * np.arange(T) / period)
    return pd.DataFrame({"item_id": item, "timestamp": times, "target": values, "other": "x"})


A, B = series("a", 80, 12), series("b", 60, 9, "h")


def test_every_series_is_forecast_as_if_alone_and_the_order_of_rows_does_not_matter():
    both = predict_df(pd.concat([A, B]), horizon=4, n_samples=6, seed=3)
    assert both["item_id"].tolist() == ["a"] * 4 + ["b"] * 4
    alone = predict_df(B, horizon=4, n_samples=6, seed=3)
    pd.testing.assert_frame_equal(both.iloc[4:].reset_index(drop=True), alone)
    mixed = predict_df(
        pd.concat([A, B]).sample(frac=1, random_state=0), horizon=4, n_samples=6, seed=3
    )
    key = ["item_id", "timestamp"]
    pd.testing.assert_frame_equal(
        mixed.sort_values(key, ignore_index=True), both.sort_values(key, ignore_index=True)
    )


def test_the_quantiles_are_those_of_the_ensemble():
    how = {"horizon": 5, "n_samples": 8, "model": "dynamix-3d", "odds": "gate"}
    table = predict_df(A, quantile_levels=[0.05, 0.5], **how)
    samples = dynamix.forecast(A["target"].to_numpy(), seed=0, **how)
    np.testing.assert_allclose(table["predictions"], np.median(samples, axis=0))
    np.testing.assert_allclose(table["0.05"], np.quantile(samples, 0.05, axis=0))
    np.testing.assert_allclose(table["0.5"], table["predictions"])
    assert table["timestamp"].iloc[0] == pd.Timestamp("2024-03-21")


def test_calibrated_quantiles_need_no_ensemble():
    rough = A.assign(target=A["target"] + np.random.default_rng(0).normal(size=len(A)))
    how = {"horizon": 5, "quantile_levels": [0.1, 0.9]}
    table = predict_df(rough, n_samples=2, **how)
    pd.testing.assert_frame_equal(table, predict_df(rough, n_samples=50, **how))
    samples = dynamix.forecast(rough["target"].to_numpy(), horizon=5, n_samples=2000)
    drawn = np.quantile(samples, [0.1, 0.5, 0.9], axis=0)
    np.testing.assert_allclose(table[["0.1", "predictions", "0.9"]].T, drawn, atol=0.4)
    assert (table["0.9"] - table["0.1"] > 1.0).all()


def test_names_texts_and_numbers_as_times():
    renamed = A.rename(columns={"item_id": "shop", "timestamp": "day", "target": "sales"})
    how = {"id_column": "shop", "timestamp_column": "day", "target": "sales", "n_samples": 2}
    table = predict_df(renamed.assign(day=renamed["day"].astype(str)), horizon=2, **how)
    assert table["day"].tolist() == list(pd.to_datetime(["2024-03-21", "2024-03-22"]))
    assert list(table.columns[:3]) == ["shop", "day", "predictions"]
    table = predict_df(renamed.assign(day=np.arange(80) * 2), horizon=2, **how)
    assert table["day"].tolist() == [160, 162]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (B.assign(target=1.0), "series 'b': .*must vary"),
        (B.assign(target=np.nan), "series 'b': .*no finite value"),
        (B.drop(index=30), "series 'b': .*not regular"),
        (B.iloc[:1], "series 'b': .*at least 2 steps"),
        (B.assign(timestamp=pd.NaT), "series 'b': .*lacks times"),
        (B.drop(columns="target"), "series 'b'"),
    ],
)
def test_one_bad_series_is_named(bad, message):
    with pytest.raises(InputError, match=message):
        predict_df(pd.concat([A, bad]), horizon=2, n_samples=2)


@pytest.mark.parametrize(
    ("df", "options", "message"),
    [
        (A, {"target": "sales"}, "unknown column 'sales'"),
        (A, {"quantile_levels": [0.1, 1.0]}, "between 0 and 1"),
        (A.iloc[:0], {}, "empty"),
        (A, {"horizon": 0}, "horizon"),
        (A.assign(target="x"), {}, "series 'a': .*must hold real numbers"),
        (A.assign(target=A["target"] > 0), {}, "series 'a': .*must hold real numbers, found bool"),
        (A.assign(target=1j * A["target"]), {}, "series 'a': .*must hold real numbers"),
        (A, {"target": "item_id"}, "three different columns"),
        (A["target"].to_numpy(), {}, "a pandas DataFrame .* found ndarray"),
        (A, {"sed": 1}, "unknown argument of forecast 'sed'.*Did you mean 'seed'"),
    ],
)
def test_what_cannot_be_used_is_refused(df, options, message):
    with pytest.raises(InputError, match=message):
        predict_df(df, **{"horizon": 2, "n_samples": 2} | options)
