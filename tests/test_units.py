"""Units change nothing: data in other units give the same result in those units.

Every function here is asked about a series, and about the same series in units up to 1e300 times
smaller or larger, up to a few million deviations away from zero, and in different units for
different channels.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import wave

from dynamix import (
    ForecastConfig,
    InputError,
    baselines,
    dynamics,
    forecast,
    forecasting,
    interfaces,
    metrics,
    predict_df,
    preprocessing,
)
from dynamix import report as report_room
from dynamix.dynamics import expert_use, invariants, kin
from dynamix.errors import choices_of
from dynamix.evaluation import failures
from dynamix.forecasting import choose_embedding
from dynamix.metrics import fates
from dynamix.model import checkpoints
from dynamix.preprocessing import pecuzal
from dynamix.report import checks, report

POWERS = [2.0**-996, 2.0**-43, 2.0**40, 2.0**996]
UNITS = [1e-300, 1e-13, 1e6, 1e300]
# multiples of 2^-20: nothing is rounded where a power of two takes them to 1e-300
LONG = np.round(wave(400, 3) * 2**20) / 2**20
OTHER = np.round(np.roll(LONG, 37, axis=0) * 2**19) / 2**20
X = LONG[-150:]
ONE = X[:, :1]
RISING = X[:60] + 0.05 * np.arange(60.0)[:, None]
FAR = 4e6  # deviations


def same(found, wanted, *, exact, tolerance=1e-6):
    """Two results of any kind: equal to the last digit, or up to rounding."""
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        found, wanted = list(found.values()), list(wanted.values())
    if isinstance(wanted, str):
        assert found == wanted
    elif isinstance(wanted, tuple | list):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other, exact=exact, tolerance=tolerance)
    elif exact:
        np.testing.assert_array_equal(found, wanted)
    else:
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def in_other_units(
    ask,
    *series,
    factor=None,
    tolerance=1e-6,
    mixed=True,
    few=False,
    far=None,
    moves=False,
):
    """``ask`` about the series in other units; ``factor`` makes its answer from the units' size.

    ``few`` leaves two units. ``far`` is the tolerance for series far from zero, with which the
    answer ``moves`` or does not.
    """
    wanted = ask(*series)
    n = series[0].shape[1]
    scales = [POWERS[0], UNITS[-1]] if few else [*POWERS, *UNITS]
    if mixed and n > 1:
        scales += [np.array([1e-9, 1.0, 1e200, 1e-200, 1e9, 2.0])[:n]]
    for scale in scales:
        found = ask(*(x * scale for x in series))
        if factor is not None:
            found = found / factor(scale)
        exact = np.ndim(scale) == 0 and scale in POWERS and tolerance < 1e-3
        same(found, wanted, exact=exact, tolerance=tolerance)
    if far is not None:
        found = ask(*(x + FAR for x in series))
        same(found - FAR if moves else found, wanted, exact=False, tolerance=far)


TRANSFORMS = {
    "standardize": {},
    "detrend": {"detrend": True},
    "Box-Cox": {"box_cox": True},
    "both": {"detrend": True, "box_cox": True},
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    how = {"standardize": True, "detrend": False, "box_cox": False} | TRANSFORMS[name]

    def there_and_back(x):
        y, fitted = preprocessing.fit_transforms(x, **how)
        back = preprocessing.invert_transforms(y, fitted, start=1)
        return y, (back - back[0]) / np.ptp(x, axis=0)

    n = 2 if name in ("standardize", "Box-Cox") else 1
    in_other_units(there_and_back, RISING[:, :n], few=True, far=1e-4)


def test_a_trend_without_standardising():
    how = {"standardize": False, "detrend": True, "box_cox": False}
    in_other_units(
        lambda x: preprocessing.fit_transforms(x, **how)[0],
        RISING[:, :1],
        factor=lambda c: c,
        tolerance=1e-4,
        few=True,
    )


EMBEDDINGS = ("pos", "zero", "delay", "delay_random", "pecuzal")


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_embeddings(embedding):
    def ask(x):
        y = preprocessing.embed(x, dims=3, embedding=embedding)
        return y / np.where(np.arange(3) < (1 if embedding in ("pos", "zero") else 3), np.ptp(x), 1)

    in_other_units(ask, ONE, few=embedding == "pecuzal")
    far, near = (ask(x)[:, 1:] for x in (ONE + FAR, ONE))
    same(far - far[0], near - near[0], exact=False, tolerance=1e-4)


PERIODS = {
    "autocorrelation": lambda x: preprocessing.autocorrelation(x[:, 0]),
    "decorrelation": preprocessing.decorrelation_time,
    "period": preprocessing.dominant_period,
    "seasons": lambda x: preprocessing.find_seasons(x[:, 0]),
    "delays": lambda x: preprocessing.find_delays(x[:, :1], count=2, embedding="delay"),
    "period by spectrum": lambda x: preprocessing.dominant_period(x, by="spectrum"),
    "pecuzal": lambda x: pecuzal.pecuzal(x[:, 0], longest=20).lags,
    "pecuzal's statistics": lambda x: pecuzal.pecuzal(x[:, 0], longest=20).decreases,
    "mutual information": lambda x: pecuzal.information_minimum(x[:, 0]),
}
INVARIANTS = {
    "mean oscillation": invariants.mean_oscillation,
    "divergence": lambda x: dynamics.divergence_curve(x, steps=9),
    "exponent": dynamics.largest_exponent,
    "correlation sum": lambda x: invariants.correlation_sum(x, references=50)[1],
    "dimension": lambda x: dynamics.correlation_dimension(x, references=100),
    "recurrences": lambda x: dynamics.recurrence_matrix(x, longest=100).mean(),
    "explained": lambda x: expert_use.explained(x, by=np.roll(LONG, 3, axis=0)),
    "explaining": lambda x: expert_use.explained(np.roll(LONG, 3, axis=0), by=x),
    "closest return": fates.closest_return,
    "watched": lambda x: expert_use.watch(x, steps=4).weights,
}
CHECKS = {
    check.__name__: lambda x, c=check: (c(x[:, 0]).severity, c(x[:, 0]).number)
    for check in checks.CHECKS
}
OF_ONE = PERIODS | INVARIANTS | CHECKS


@pytest.mark.parametrize("name", OF_ONE)
def test_numbers_of_a_series(name):
    slow = "pecuzal" in name
    x = X if slow else LONG
    in_other_units(OF_ONE[name], x, mixed="explained" not in name, few=slow, far=1e-3)


MEASURES = {
    "d_stsp": lambda y, x: metrics.state_space_divergence(forecast=y, truth=x),
    "d_stsp, mixture": lambda y, x: metrics.state_space_divergence(
        forecast=np.hstack([y, y[::-1]]), truth=np.hstack([x, x[::-1]])
    ),
    "hellinger": lambda y, x: metrics.histogram_hellinger(forecast=y, truth=x),
    "d_h": lambda y, x: metrics.spectral_hellinger(forecast=y, truth=x),
    "mase": lambda y, x: metrics.mase(forecast=y, truth=x),
    "vpt": lambda y, x: metrics.valid_prediction_time(forecast=y, truth=x),
    "fate": lambda y, x: metrics.fate(forecast=y, context=x),
    "crps": lambda y, x: metrics.crps(forecast=np.stack([y, x, y[::-1]]), truth=x),
    "coverage": lambda y, x: metrics.coverage(forecast=np.stack([y, x, y[::-1]]), truth=x),
    "spectrum": lambda y, x: metrics.power_spectrum(x),
    "failures": lambda y, x: failures.examine(forecast=y, context=x, truth=x[::-1]),
    "energy distance": lambda y, x: kin.energy_distances([x, y]) / np.sqrt(np.ptp(x[:, 0])),
}


@pytest.mark.parametrize("name", MEASURES)
def test_measures(name):
    slow = name in ("failures", "d_stsp, mixture")
    in_other_units(MEASURES[name], OTHER, LONG, mixed=name != "energy distance", few=slow, far=1e-3)


def continued(x, **how):
    y = np.asarray(forecast(x, horizon=20, **how))
    return y


FORECASTS = {
    "default": {},
    "dynamix-3d": {"model": "dynamix-3d"},
    "plus": {"model": "dynamix-3d-plus", "embedding": "zero"},
    "scratch": {"model": "dynamix-3d-scratch"},
    "flows": {"model": "dynamix-3d-flows"},
    "6d": {"model": "dynamix-6d"},
    "torch": {"engine": "torch"},
    "detrend": {"detrend": True},
    "Box-Cox": {"box_cox": True, "detrend": True},
    "samples": {"n_samples": 3},
    "spacing": {"reference_spacing": 0.1, "attention_sharpness": 2.0},
    "gp": {"model": "dynamix-gp"},
    "NumPy": {"model": "dynamix-3d", "engine": "numpy"},
    "quantiles": {"quantile_levels": [0.1, 0.9]},
    "gate's odds": {"model": "dynamix-3d", "n_samples": 3, "odds": "gate"},
    "quiet": {"model": "dynamix-3d", "gate_noise": False, "quiet_steps": 2},
    "denoise": {"model": "dynamix-gp", "denoise": "auto"},
    "season": {"model": "dynamix-3d", "season": 12},
    "damping": {"model": "dynamix-3d", "damping": "auto"},
}


@pytest.mark.parametrize("name", FORECASTS)
def test_forecasts(name):
    how = FORECASTS[name]
    detrended = "detrend" in how
    in_other_units(
        lambda x: continued(x, **how),
        RISING[:, :1] if detrended else X,
        factor=lambda c: c,
        tolerance=1e-3 if detrended else 1e-5,  # detrending ends where an optimiser stops
        few=True,
        far=1e-2 if detrended or name == "spacing" else 1e-3,
        moves=True,
    )


@pytest.mark.parametrize("embedding", [*EMBEDDINGS, "auto", "memory"])
def test_forecasts_of_one_channel(embedding):
    model = "dynamix-gp-learned" if embedding == "memory" else "dynamix-3d"
    in_other_units(
        lambda x: continued(x, model=model, embedding=embedding),
        ONE,
        factor=lambda c: c,
        tolerance=1e-4,
        few=embedding in ("auto", "pecuzal"),
        far=1e-3,
        moves=True,
    )


def lorenz(T):
    """The Lorenz system by Runge and Kutta's method, at a step of 0.04."""

    def flow(x):
        return np.array([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

    x, h, found = np.array([1.0, 2.0, 20.0]), 0.01, []
    for _ in range(4 * T + 200):
        a = flow(x)
        b = flow(x + h / 2 * a)
        c = flow(x + h / 2 * b)
        x = x + h / 6 * (a + 2 * b + 2 * c + flow(x + h * c))
        found.append(x)
    return np.round(np.array(found[200::4])[:T] * 2**16) / 2**16


@pytest.mark.parametrize("model", ["dynamix-gp", "dynamix-gp-learned"])
@pytest.mark.parametrize("channels", [1, 3])
def test_long_free_runs_of_a_gaussian_process(model, channels):
    """Chaos would enlarge every rounding, also in the runs by which the map is chosen."""
    in_other_units(
        lambda x: np.asarray(forecast(x, horizon=2000, model=model)),
        lorenz(300)[:, :channels],
        factor=lambda c: c,
    )


@pytest.mark.parametrize("model", ["dynamix-3d", "dynamix-gp", "auto"])
@pytest.mark.parametrize("size", [1e-300, 1e-25, 1e25, 1e300])
def test_values_beyond_the_models_numbers_are_refused_without_standardising(model, size):
    with pytest.raises(InputError, match="without standardize"):
        continued(X * size, model=model, standardize=False)


CHANGE_NOTHING_OF_UNITS = ("seed", "errors", "standardize")  # without it the units are the model's
# classes behind `fit_transforms`; what is about dates, models or exponents; files
NO_NUMBERS_OF_DATA = {"BoxCox", "PowerLawTrend", "Season", "Standardize", "FATES"}
NO_NUMBERS_OF_DATA |= {"calendar_seasons", "jacobians", "kaplan_yorke_dimension", "kinship"}
NO_NUMBERS_OF_DATA |= {"lyapunov_spectrum", "sharpened", "Report", "load", "write_example"}


def test_every_model_setting_and_measure_is_asked():
    """The lists above are those of the library: a new model or measure belongs there."""
    models = {how.get("model") for how in FORECASTS.values()} | {"dynamix-gp-learned"}
    assert set(checkpoints.bundled()) <= models
    unset = dataclasses.asdict(ForecastConfig())
    asked = {key for how in FORECASTS.values() for key in how if how[key] != unset.get(key)}
    assert set(unset) - {*CHANGE_NOTHING_OF_UNITS, "embedding"} <= asked
    hints = {field.name: field.type for field in dataclasses.fields(ForecastConfig)}
    assert {*EMBEDDINGS, "auto", "memory"} == set(choices_of(hints["embedding"]))
    engines = {how.get("engine", "auto") for how in FORECASTS.values()}  # auto is compiled
    assert set(choices_of(hints["engine"])) - {"compiled"} == engines
    here = Path(__file__).read_text()
    for room in (metrics, preprocessing, dynamics, report_room, forecasting):
        unknown = [n for n in room.__all__ if not re.search(rf"\b{n}\b", here)]
        assert set(unknown) <= NO_NUMBERS_OF_DATA, room.__name__


def frame_of(x):
    """Two series below each other."""
    times = pd.date_range("2024", periods=len(x))
    parts = [pd.DataFrame({"item_id": s, "timestamp": times, "target": x[:, s]}) for s in (0, 1)]
    return pd.concat(parts)


def by_sktime(x):
    pytest.importorskip("sktime")
    how = {"model": "dynamix-3d"}
    return interfaces.DynaMixForecaster(**how).fit(pd.DataFrame(x)).predict(fh=[1, 2, 3])


LONG_TABLES = {
    "predict_df": lambda x: predict_df(frame_of(x), horizon=5, model="dynamix-3d"),
    "quantiles": lambda x: predict_df(
        frame_of(x), horizon=5, model="dynamix-3d", quantile_levels=[0.2, 0.8]
    ),
    "sktime": by_sktime,
}


@pytest.mark.parametrize("name", LONG_TABLES)
def test_frames_of_many_series(name):
    def ask(x):
        return LONG_TABLES[name](x).select_dtypes("float").to_numpy()

    in_other_units(
        ask, X[:, :2], factor=np.max, tolerance=1e-5, mixed=False, few=True, far=1e-3, moves=True
    )


def test_a_forecast_from_another_start():
    in_other_units(lambda x: continued(x, initial_x=x[20]), X, factor=lambda c: c, tolerance=1e-5)


def test_the_choice_of_an_embedding():
    def ask(x):
        (choice,) = choose_embedding(x)
        return [(str(k), v.error, v.unlikeness) for k, v in choice.scores.items()]

    in_other_units(ask, ONE, tolerance=1e-4, few=True)


TABLE = baselines.table()
RIVALS = [name for name in TABLE.index[TABLE["here"]] if not name.startswith("dynamix")]
RIVALS = [name for name in RIVALS if name not in ("ceiling", "transformer-control-median")]
QUICK = {"alrnn_stf": {"updates": 2}, "lstm_stf": {"updates": 2}, "neural_ode": {"updates": 2}}
NOT_SHIFTED = (
    "sindy",
    "sindy_untuned",
    "auto_arima",
)  # polynomials are about zero; orders are chosen anew


@pytest.mark.parametrize("name", RIVALS)
def test_rivals(name):
    rival = baselines.baseline(name, **QUICK.get(name, {}))
    slow = name in ("auto_arima", "transformer-control", *QUICK)
    x = X[-40:, : 1 if name == "auto_arima" else 2] if slow else X[-120:]
    in_other_units(
        lambda x: rival(x, 3),
        x,
        factor=lambda c: c,
        tolerance=1e-4,
        mixed=not slow,
        few=True,
        far=None if name in NOT_SHIFTED else 1e-2,
        moves=True,
    )


def test_the_report():
    def ask(x):
        frame = pd.DataFrame(x, columns=list("ab"))
        loaded = report.Loaded(frame, "", (), ())
        made = report.make(loaded, horizon=10, n_samples=2)
        numbers = [(f.label, f.severity, f.number) for f in made.findings]
        return numbers, made.backtest.to_numpy(), made.coverage

    in_other_units(ask, X[:, :2], tolerance=1e-4, few=True, far=1e-3)


def test_resampling():
    times = np.delete(np.arange(float(len(X))), [7, 8, 90])

    def ask(x):
        series = pd.DataFrame(np.delete(x, [7, 8, 90], axis=0), index=times)
        return preprocessing.resample(series)[0].to_numpy()

    in_other_units(ask, X, factor=lambda c: c)
