"""``model="auto"``: what a context's own end chooses, and the report of it."""

import numpy as np
import pandas as pd
import pytest

import dynamix
from dynamix import InputError, forecast
from dynamix.flows import flow
from dynamix.forecasting.automatic import ForecastReport

DAY = np.random.default_rng(0).normal(size=24)


def noisy(steps=480, seed=1):
    return np.resize(DAY, steps) + 0.3 * np.random.default_rng(seed).normal(size=steps)


def test_a_seasonal_series_gets_season_and_damping():
    x = pd.Series(noisy(), index=pd.date_range("2024-01-01", periods=480, freq="h"), name="load")
    y, report = forecast(x, horizon=48, model="auto", return_report=True)
    assert report.settings == {"season": "auto", "damping": "auto"}
    assert report.seasons == ((24,),)
    assert report.foreseen > 0.5
    assert str(report) == "dynamix-3d (season=auto, damping=auto); seasons of 24 steps"
    pd.testing.assert_series_equal(
        y, forecast(x, horizon=48, model=report.model, **report.settings)
    )


def test_a_flow_gets_the_model_of_the_smallest_score():
    x = flow(1, n=400)
    y, report = forecast(x, horizon=20, model="auto", return_report=True)
    assert report.foreseen < 0.5
    assert set(report.scores) == {"dynamix-3d", "dynamix-3d-plus", "dynamix-gp"}
    assert report.model == min(report.scores, key=report.scores.get)
    assert report.seasons == ()
    assert "damping" not in report.settings
    np.testing.assert_array_equal(y, forecast(x, horizon=20, model=report.model, **report.settings))


def test_a_batch_may_have_several_models():
    wave = np.sin(np.arange(400) / 5.3)
    x = np.stack([noisy(400), wave], axis=1)[:, :, None]
    y, reports = forecast(x, horizon=10, model="auto", return_report=True)
    assert [report.settings.get("damping") for report in reports] == ["auto", None]
    for s in range(2):
        np.testing.assert_array_equal(y[:, s], forecast(x[:, s], horizon=10, model="auto"))
    y, one = forecast([x[:, 0]], horizon=10, model="auto", return_report=True)[0]
    assert one == reports[0]


def test_given_settings_are_kept():
    y, report = forecast(
        noisy(), horizon=5, model="auto", return_report=True, season=12, n_samples=2
    )
    assert y.shape == (2, 5)
    assert report.settings == {"season": "auto", "damping": "auto"}
    made = forecast(noisy(), horizon=5, season=12, damping="auto", n_samples=2)
    np.testing.assert_array_equal(y, made)


def test_a_skipped_series_is_nan():
    x = np.stack([noisy(), np.ones(480)], axis=1)[:, :, None]
    y, reports = forecast(x, horizon=5, model="auto", return_report=True, errors="skip")
    assert np.isfinite(y[:, 0]).all()
    assert np.isnan(y[:, 1]).all()
    assert reports[1] is None


def test_a_short_context_has_nothing_to_choose():
    y, report = forecast(noisy(12), horizon=3, model="auto", return_report=True)
    assert report == ForecastReport("dynamix-3d", {})
    np.testing.assert_array_equal(y, forecast(noisy(12), horizon=3))


def test_a_report_needs_a_choice():
    with pytest.raises(InputError, match="return_report needs model='auto'"):
        forecast(noisy(), horizon=3, return_report=True)


def test_the_command_line_says_what_was_taken(tmp_path, capsys):
    from dynamix.cli import main

    frame = pd.DataFrame({"load": noisy()}, index=pd.RangeIndex(480, name="step"))
    frame.to_csv(tmp_path / "x.csv")
    main(["forecast", str(tmp_path / "x.csv"), "--horizon", "4", "--model", "auto"])
    told = capsys.readouterr()
    assert "model: dynamix-3d (season=auto, damping=auto); seasons of 24 steps" in told.err
    assert len(told.out.splitlines()) == 5
    assert dynamix.forecast(noisy(), horizon=4, season=(24,)).shape == (4,)
