"""The sktime forecaster: dynamix.forecast behind sktime's interface, in sktime's own tools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import small_model, wave

pytest.importorskip("sktime", reason="sktime is not installed here")

from sktime.forecasting.base import ForecastingHorizon
from sktime.forecasting.compose import TransformedTargetForecaster
from sktime.forecasting.model_evaluation import evaluate
from sktime.performance_metrics.forecasting import MeanAbsoluteScaledError
from sktime.performance_metrics.forecasting.probabilistic import PinballLoss
from sktime.split import ExpandingWindowSplitter
from sktime.transformations.series.detrend import Detrender
from sktime.utils import check_estimator

import dynamix
from dynamix import InputError
from dynamix.interfaces import DynaMixForecaster

DAYS = pd.period_range("2024-01-01", periods=90, freq="D")
Y = pd.Series(wave(90, 1)[:, 0], index=DAYS, name="load")
WIDE = pd.DataFrame(wave(90, 3), index=DAYS, columns=["a", "b", "c"])
QUICK = [
    "test_predict_quantiles",
    "test_update_predict_single",
    "test_clone",
    "test_constructor",
    "test_fit_idempotent",
    "test_doctest_examples",
]


def test_the_forecast_is_that_of_the_library():
    fh = [1, 4, 9]
    for y in (Y, WIDE, WIDE[["a", "b"]]):
        forecaster = DynaMixForecaster(model="dynamix-3d", seed=2).fit(y)
        expected = dynamix.forecast(y, horizon=9, model="dynamix-3d", seed=2)
        found = forecaster.predict(fh=fh)
        assert found.index.equals(expected.index[[0, 3, 8]])
        np.testing.assert_array_equal(found.to_numpy(), expected.iloc[[0, 3, 8]].to_numpy())
    later = forecaster.predict(fh=ForecastingHorizon(expected.index[4:6], is_relative=False))
    np.testing.assert_array_equal(later, expected.iloc[4:6])


def test_quantiles_are_the_calibrated_ones():
    levels = [0.1, 0.5, 0.9]
    rough = WIDE + np.random.default_rng(0).normal(size=WIDE.shape)
    forecaster = DynaMixForecaster(model=small_model()).fit(rough)
    found = forecaster.predict_quantiles(fh=[2, 5], alpha=levels)
    expected = dynamix.forecast(
        rough, horizon=5, model=forecaster.model, quantile_levels=levels
    ).iloc[[1, 4]]
    for name in rough:
        for level in levels:
            np.testing.assert_array_equal(found[name, level], expected[level, name])
    assert (found["a", 0.1] < found["a", 0.9]).all()
    interval = forecaster.predict_interval(fh=[2, 5], coverage=0.8)
    np.testing.assert_allclose(interval["b", 0.8, "lower"], expected[0.1, "b"])
    assert (forecaster.predict_var(fh=[2, 5]) > 0).all(axis=None)


def test_settings_and_models_are_passed_on():
    settings = {"embedding": "zero", "gate_noise": False}
    forecaster = DynaMixForecaster(model=small_model(), settings=settings).fit(Y)
    expected = dynamix.forecast(Y, horizon=3, model=forecaster.model, **settings)
    np.testing.assert_array_equal(forecaster.predict(fh=[1, 2, 3]), expected)


def test_exogenous_series_have_no_effect():
    X = pd.DataFrame({"x": np.arange(95.0)}, index=DAYS[0] + np.arange(95))
    forecaster = DynaMixForecaster(model="dynamix-3d")
    plain = forecaster.fit(Y).predict(fh=[1, 2, 3, 4, 5])
    given = forecaster.fit(Y, X=X.iloc[:90]).predict(fh=[1, 2, 3, 4, 5], X=X.iloc[90:])
    pd.testing.assert_series_equal(plain, given)


@pytest.mark.parametrize("remember", [True, False])
def test_new_data_lengthen_the_context(remember):
    forecaster = DynaMixForecaster(model="dynamix-3d").set_config(remember_data=remember)
    forecaster.fit(Y.iloc[:70])
    found = forecaster.update(Y.iloc[70:]).predict(fh=[1, 2])
    whole = DynaMixForecaster(model="dynamix-3d").fit(Y).predict(fh=[1, 2])
    pd.testing.assert_series_equal(found, whole)


def test_in_a_pipeline_and_in_evaluate():
    trend = Y + 0.5 * np.arange(90)
    pipeline = TransformedTargetForecaster([Detrender(), DynaMixForecaster(model="dynamix-3d")])
    found = pipeline.fit(trend.iloc[:80]).predict(fh=[1, 2, 3])
    line = Detrender().fit(trend.iloc[:80])
    rest = dynamix.forecast(line.transform(trend.iloc[:80]), horizon=3, model="dynamix-3d")
    pd.testing.assert_series_equal(found, line.inverse_transform(rest), check_names=False)
    splits = ExpandingWindowSplitter(initial_window=70, step_length=10, fh=[1, 2, 3])
    scoring = [MeanAbsoluteScaledError(), PinballLoss(alpha=[0.1, 0.9])]
    result = evaluate(pipeline, splits, trend, scoring=scoring, error_score="raise")
    assert len(result) == 2
    assert np.isfinite(result["test_MeanAbsoluteScaledError"]).all()
    assert (result["test_PinballLoss"] > 0).all()


@pytest.mark.parametrize(
    ("y", "settings", "message"),
    [
        (Y, 3, "settings must be a dictionary"),
        (Y, {"horizon": 4}, "horizon"),
        (Y, {"embeding": "delay"}, "embeding"),
        (Y.drop(DAYS[40]), None, "of 90 steps of D, 89 have a row"),
    ],
)
def test_what_cannot_be_used_is_refused_in_fit(y, settings, message):
    with pytest.raises(InputError, match=message):
        DynaMixForecaster(settings=settings).fit(y)


@pytest.mark.parametrize("name", QUICK)
def test_some_of_sktimes_own_checks(name):
    """``experiments/check_sktime.py`` runs all of them."""
    results = check_estimator(
        DynaMixForecaster, raise_exceptions=True, tests_to_run=name, verbose=False
    )
    assert results
    assert set(results.values()) == {"PASSED"}
