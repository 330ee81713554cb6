"""Series side by side: each is forecast, digit for digit, as it would be alone."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from helpers import small_model, wave
from hypothesis import given, settings
from hypothesis import strategies as st

import dynamix
from dynamix import InputError, predict_df
from dynamix.forecasting import batches
from dynamix.forecasting.batches import Context, LeftOut, side_by_side


def kinds(T: int) -> dict[str, np.ndarray]:
    """A flow, a season with noise, a walk, and noise: they choose different models."""
    t, rng = np.arange(T), np.random.default_rng(0)
    return {
        "flow": np.sin(0.21 * t) + np.sin(0.047 * t + 1),
        "season": np.resize(rng.normal(size=12), T) + 0.1 * rng.normal(size=T),
        "walk": np.cumsum(rng.normal(size=T)),
        "noise": rng.normal(size=T),
    }


def table(series: dict[str, np.ndarray], freq: str = "MS") -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "item_id": name,
                "timestamp": pd.date_range("2001-01-01", periods=len(x), freq=freq),
                "target": x,
            }
        )
        for name, x in series.items()
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    "how",
    [{}, {"model": "dynamix-3d"}, {"odds": "gate", "n_samples": 4}, {"detrend": True}],
    ids=str,
)
def test_no_digit_of_a_series_depends_on_the_others(how):
    series = kinds(90) | {f"{name}-long": x for name, x in kinds(101).items()}
    df, how = table(series), {"horizon": 7} | how
    together = predict_df(df, **how)
    assert together["item_id"].unique().tolist() == list(series)
    for name in series:
        alone = predict_df(df[df["item_id"] == name], **how)
        same = together[together["item_id"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(same, alone, check_exact=True)


def test_several_models_are_chosen_in_one_batch(caplog):
    caplog.set_level(logging.DEBUG)
    found = side_by_side(
        {name: Context(x[:, None]) for name, x in kinds(300).items()}, LeftOut(), horizon=3
    )
    models = {name: one.report.model for name, one in found.items()}
    assert models["flow"] == "dynamix-gp-learned"
    assert models["season"] == models["walk"] == "dynamix-3d"


def test_many_series_cost_few_calls(monkeypatch):
    runs = []
    engine = dynamix.forecasting.pipeline.run_engine

    def counted(*args, **more):
        runs.append(args)
        return engine(*args, **more)

    monkeypatch.setattr("dynamix.forecasting.pipeline.run_engine", counted)
    series = {str(s): wave(60, 1, seed=s)[:, 0] for s in range(8)}
    predict_df(table(dict(list(series.items())[:1])), horizon=3, model="dynamix-3d")
    one = len(runs)
    predict_df(table(series), horizon=3, model="dynamix-3d")
    assert len(runs) == 2 * one


def test_a_bad_series_is_skipped_and_the_others_do_not_notice(caplog):
    series = kinds(60)
    whole = predict_df(table(series), horizon=3)
    bad = {"flat": np.ones(60), "gap": np.r_[np.nan, wave(59, 1)[:, 0]], "short": np.array([1.0])}
    found = predict_df(table({**bad, **series}), horizon=3, errors="skip")
    pd.testing.assert_frame_equal(found, whole, check_exact=True)
    for name in bad:
        assert f"series '{name}' was left out: " in caplog.text
    with pytest.raises(InputError, match="no series of the table can be forecast"):
        predict_df(table(bad), horizon=3, errors="skip")


def test_an_error_in_a_batch_is_that_of_its_series(monkeypatch):
    """An error that no check beforehand sees: the batch is taken apart."""
    forecast = batches.forecast

    def fails(context, **how):
        if (np.asarray(context) == 7.25).any():
            raise InputError("an odd number")
        return forecast(context, **how)

    monkeypatch.setattr(batches, "forecast", fails)
    series = kinds(50)
    odd = series | {"odd": np.where(np.arange(50) == 9, 7.25, series["walk"])}
    contexts = {name: Context(x[:, None]) for name, x in odd.items()}
    how = {"horizon": 3, "model": "dynamix-3d"}
    with pytest.raises(InputError, match="series 'odd': an odd number"):
        side_by_side(contexts, LeftOut(), **how)
    left_out = LeftOut("skip")
    found = side_by_side(contexts, left_out, **how)
    assert left_out.why == {"odd": "an odd number"}
    assert list(found) == list(series)
    for name, x in series.items():
        np.testing.assert_array_equal(found[name].values[:, 0], dynamix.forecast(x, **how))


@settings(max_examples=8)
@given(
    lengths=st.lists(st.integers(20, 24), min_size=2, max_size=5),
    channels=st.integers(1, 5),
    most=st.integers(1, 3),
)
def test_a_list_of_any_series(lengths, channels, most):
    model = small_model()
    contexts = [wave(T, channels, seed=s) for s, T in enumerate(lengths)]
    before, batches._MOST = batches._MOST, most
    try:
        found = dynamix.forecast(contexts, horizon=4, model=model)
    finally:
        batches._MOST = before
    for context, y in zip(contexts, found, strict=True):
        np.testing.assert_array_equal(y, dynamix.forecast(context, horizon=4, model=model))


def test_starts_gates_reports_and_samples_of_a_list():
    model, contexts = small_model(), [wave(50), wave(50, seed=1), wave(40, 2)]
    how = {"horizon": 4, "model": model}
    starts = [contexts[0][3], None, contexts[2][5]]
    found = dynamix.forecast(contexts, initial_x=starts, **how)
    for context, start, y in zip(contexts, starts, found, strict=True):
        np.testing.assert_array_equal(y, dynamix.forecast(context, initial_x=start, **how))
    for more in ({"return_gates": True}, {"return_report": True}):
        y, other = dynamix.forecast(contexts, **how, **more)[0]
        y_alone, other_alone = dynamix.forecast(contexts[0], **how, **more)
        np.testing.assert_array_equal(y, y_alone)
        assert np.all(other == other_alone)
    for more in ({"n_samples": 3}, {"quantile_levels": [0.1, 0.9]}):
        for context, y in zip(contexts, dynamix.forecast(contexts, **how, **more), strict=True):
            np.testing.assert_array_equal(y, dynamix.forecast(context, **how, **more))


@pytest.mark.parametrize("double", [False, True])
def test_torch_takes_one_series_at_a_time(double):
    model = small_model().double() if double else small_model()
    contexts = [wave(50, seed=s) for s in range(3)]
    how = {"horizon": 30, "model": model, "engine": "auto" if double else "torch"}
    for context, y in zip(contexts, dynamix.forecast(contexts, **how), strict=True):
        np.testing.assert_array_equal(y, dynamix.forecast(context, **how))


def test_dates_that_suggest_other_seasons_are_other_batches():
    T, rng = 120, np.random.default_rng(0)
    x = np.resize(rng.normal(size=12), T) + 0.2 * rng.normal(size=T)
    days, months = table({"days": x}, "D"), table({"months": x}, "MS")
    both = predict_df(pd.concat([days, months]), horizon=12)
    for df in (days, months):
        name = df["item_id"].iloc[0]
        alone = predict_df(df, horizon=12)
        same = both[both["item_id"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(same, alone, check_exact=True)
    assert not np.allclose(both["predictions"][:12], both["predictions"][12:])
