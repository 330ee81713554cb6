"""``model="auto"``: what a context's own end chooses, and the report of it."""

import numpy as np
import pandas as pd
import pytest

from dynamix import InputError, forecast
from dynamix.flows import flow
from dynamix.forecasting.automatic import BRIEF, FLOW, FOLLOWED, FORESEEN, ForecastReport

DAY = np.random.default_rng(0).normal(size=24)


def noisy(steps=480, seed=1):
    return np.resize(DAY, steps) + 0.3 * np.random.default_rng(seed).normal(size=steps)


def test_a_seasonal_series_gets_season_and_damping():
    x = pd.Series(noisy(), index=pd.date_range("2024-01-01", periods=480, freq="h"), name="load")
    y, report = forecast(x, horizon=48, return_report=True)
    assert report.settings == {"season": "auto", "damping": "auto"}
    assert report.seasons == ((24,),)
    assert report.foreseen > FORESEEN
    assert str(report) == "dynamix-3d (season=auto, damping=auto); seasons of 24 steps"
    pd.testing.assert_series_equal(
        y, forecast(x, horizon=48, model=report.model, **report.settings)
    )


def test_the_report_has_the_seasons_of_the_whole_context():
    rng = np.random.default_rng(0)
    day, week = np.resize(rng.normal(size=96), 4032), np.resize(rng.normal(size=672), 4032)
    x = day + week + 0.3 * rng.normal(size=4032)  # 2,016 steps show a week three times
    _, report = forecast(x, horizon=1, return_report=True)
    assert report.seasons == ((96, 672),)


@pytest.mark.parametrize(
    ("steps", "channels", "noise", "model"),
    [
        *((1500, 1, 0.0, FLOW), (1500, 2, 0.0, FLOW), (1500, 3, 0.0, FLOW), (1500, 3, 0.1, FLOW)),
        *((1500, 1, 0.01, FLOW), (1500, 2, 0.05, FLOW), (127, 3, 0.0, FLOW), (127, 1, 0.0, BRIEF)),
    ],
)
def test_a_flow_gets_a_model_of_flows(steps, channels, noise, model):
    x = flow(1, n=steps)[:, :channels]
    x = x + noise * x.std(axis=0) * np.random.default_rng(0).normal(size=x.shape)
    y, report = forecast(x, horizon=20, return_report=True)
    assert report.foreseen < FORESEEN or report.followed < FOLLOWED
    assert report.model == model
    assert report.settings == {"denoise": "auto"}
    np.testing.assert_array_equal(y, forecast(x, horizon=20, model=model, denoise="auto"))


def test_noise_that_hides_the_first_steps_of_a_flow_does_not_hide_the_further_ones():
    x = flow(4, n=600)[:, :1]
    x = x + 0.15 * x.std() * np.random.default_rng(0).normal(size=x.shape)
    _, report = forecast(x, horizon=1, return_report=True)
    assert report.foreseen > FORESEEN
    assert report.followed < FOLLOWED
    assert report.model == FLOW


def test_a_season_of_any_shape_is_no_flow():
    rng = np.random.default_rng(0)
    profiles = rng.normal(size=(24, 20))  # rough: smoothing takes them for noise
    x = np.resize(profiles, (480, 20)) + 0.3 * rng.normal(size=(480, 20))
    y, reports = forecast(x[:, :, None], horizon=48, return_report=True)
    assert sum(report.model == FLOW for report in reports) <= 1
    errors = np.abs(y[:, :, 0] - np.resize(profiles, (48, 20))).mean(axis=0)
    assert np.median(errors) < 0.15  # of profiles with a deviation of 1


def test_random_walks_are_hardly_ever_taken_for_flows():
    steps = np.random.default_rng(0).normal(size=(300, 40, 1))
    _, reports = forecast(steps.cumsum(axis=0), horizon=1, return_report=True)
    assert sum(report.model == FLOW for report in reports) <= 2


@pytest.mark.parametrize("steps", [90, 600])
def test_a_memory_that_is_asked_for_is_given(steps):
    x = flow(1, n=steps)[:, :1]
    y, report = forecast(x, horizon=20, embedding="memory", return_report=True)
    assert report.model == FLOW
    given = {**report.settings, "embedding": "memory"}
    np.testing.assert_array_equal(y, forecast(x, horizon=20, model=FLOW, **given))


@pytest.mark.parametrize("make", [np.cumsum, np.asarray])
def test_noise_is_no_flow(make):
    x = make(np.random.default_rng(3).normal(size=600))
    assert forecast(x, horizon=5, return_report=True)[1].settings["damping"] == "auto"


def test_units_change_no_choice():
    for x in (noisy(), flow(1, n=300)):
        reports = [
            forecast(size * x, horizon=1, return_report=True)[1]
            for size in (2.0**-900, 1.0, 2.0**900)
        ]
        assert reports[0] == reports[1] == reports[2]


def test_a_batch_may_have_several_models():
    wave = np.sin(np.arange(400) / 5.3)
    x = np.stack([noisy(400), wave], axis=1)[:, :, None]
    y, reports = forecast(x, horizon=10, return_report=True)
    assert [report.settings.get("damping") for report in reports] == ["auto", None]
    for s in range(2):
        np.testing.assert_array_equal(y[:, s], forecast(x[:, s], horizon=10))
    starts = x[-1:, :, 0].T
    again = forecast(x, horizon=10, initial_x=starts)
    np.testing.assert_array_equal(again[:, 1], forecast(x[:, 1], horizon=10, initial_x=starts[1]))
    y, one = forecast([x[:, 0]], horizon=10, return_report=True)[0]
    assert one == reports[0]


def test_given_settings_are_kept():
    y, report = forecast(noisy(), horizon=5, return_report=True, season=12, n_samples=2)
    assert y.shape == (2, 5)
    assert report.settings == {"season": "auto", "damping": "auto"}
    made = forecast(noisy(), horizon=5, model="dynamix-3d", season=12, damping="auto", n_samples=2)
    np.testing.assert_array_equal(y, made)


def test_a_skipped_series_is_nan():
    x = np.stack([noisy(), np.ones(480)], axis=1)[:, :, None]
    y, reports = forecast(x, horizon=5, return_report=True, errors="skip")
    assert np.isfinite(y[:, 0]).all()
    assert np.isnan(y[:, 1]).all()
    assert reports[1] is None


@pytest.mark.parametrize("steps", [10, 16, 39, 40, 45, 60, 99, 100, 130])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_any_length_gets_a_forecast(steps, channels):
    moving = flow(1, n=130)[-steps:]
    slow = np.sin(np.arange(steps) / 60.0)[:, None] + np.arange(3) * np.arange(steps)[:, None]
    for x in (moving, slow):
        x = np.concatenate([x, x[:, ::-1]], axis=1)[:, :channels]
        assert np.isfinite(forecast(x, horizon=3)).all()


def test_a_short_context_has_nothing_to_choose():
    y, report = forecast(noisy(12), horizon=3, return_report=True)
    assert report == ForecastReport("dynamix-3d", {})
    np.testing.assert_array_equal(y, forecast(noisy(12), horizon=3, model="dynamix-3d"))


def test_a_named_model_is_reported_as_it_is():
    y, report = forecast(noisy(), horizon=3, model="dynamix-3d", return_report=True)
    assert report == ForecastReport("dynamix-3d", {})
    np.testing.assert_array_equal(y, forecast(noisy(), horizon=3, model="dynamix-3d"))


def test_what_shows_the_papers_equations_takes_the_papers_model():
    x = noisy(60)
    paper = forecast(x, horizon=3, model="dynamix-3d", engine="torch")
    np.testing.assert_array_equal(forecast(x, horizon=3, engine="torch"), paper)
    _, gates = forecast(x, horizon=3, return_gates=True)
    assert gates.shape == (3, 10)
    with pytest.raises(InputError, match="return_gates cannot be combined with model='auto'"):
        forecast(x, horizon=3, model="auto", return_gates=True)


def test_quantiles_of_any_context():
    x = pd.DataFrame({"a": noisy(), "b": noisy(seed=2)})
    table = forecast(x, horizon=4, quantile_levels=[0.1, 0.9])
    assert table.columns.tolist() == [(0.1, "a"), (0.1, "b"), (0.9, "a"), (0.9, "b")]
    assert (table[0.1] < table[0.9]).all(axis=None)
    gate = forecast(
        noisy(60), horizon=4, model="dynamix-3d", odds="gate", n_samples=5, quantile_levels=[0.5]
    )
    samples = forecast(noisy(60), horizon=4, model="dynamix-3d", odds="gate", n_samples=5)
    np.testing.assert_allclose(gate[0], np.median(samples, axis=0))
    for bad in ([], [0.0], [2]):
        with pytest.raises(InputError, match="quantile_levels must lie between 0 and 1"):
            forecast(noisy(60), horizon=4, quantile_levels=bad)


def test_the_command_line_says_what_was_taken(tmp_path, capsys):
    from dynamix.cli import main

    frame = pd.DataFrame({"load": noisy()}, index=pd.RangeIndex(480, name="step"))
    frame.to_csv(tmp_path / "x.csv")
    main(["forecast", str(tmp_path / "x.csv"), "--horizon", "4"])
    told = capsys.readouterr()
    assert "model: dynamix-3d (season=auto, damping=auto); seasons of 24 steps" in told.err
    assert len(told.out.splitlines()) == 5
