"""The GluonTS predictor: predict_df behind GluonTS's interface, measured by GluonTS itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import wave

pytest.importorskip("gluonts", reason="gluonts is not installed here")

from gluonts.dataset.pandas import PandasDataset
from gluonts.dataset.split import split
from gluonts.ev.metrics import MAE, MASE, MeanWeightedSumQuantileLoss
from gluonts.model import evaluate_model
from gluonts.model.predictor import Predictor

import dynamix
from dynamix import InputError
from dynamix.interfaces import DynaMixPredictor, gaps

H = 6
LEVELS = [0.1, 0.5, 0.9]
START = pd.Period("2024-01-01", "D")


def entries(count: int = 3, T: int = 80) -> list[dict]:
    rough = np.random.default_rng(0).normal(size=(count, T)) / 9
    return [
        {"item_id": f"s{s}", "start": START + s, "target": wave(T, 1, seed=s)[:, 0] + x}
        for s, x in enumerate(rough)
    ]


def predictor(**given) -> DynaMixPredictor:
    return DynaMixPredictor(
        **{"prediction_length": H, "quantile_levels": LEVELS, "model": "dynamix-3d", **given}
    )


@pytest.mark.parametrize("chunk", [1000, 2])
def test_the_numbers_are_those_of_predict_df(monkeypatch, chunk):
    monkeypatch.setattr(gaps, "CHUNK", chunk)
    given = entries()
    found = list(predictor(settings={"season": "auto"}).predict(iter(given), num_samples=7))
    parts = [
        pd.DataFrame(
            {
                "item_id": one["item_id"],
                "timestamp": pd.period_range(one["start"], periods=80).to_timestamp(),
                "target": one["target"],
            }
        )
        for one in given
    ]
    table = dynamix.predict_df(
        pd.concat(parts), horizon=H, quantile_levels=LEVELS, model="dynamix-3d", season="auto"
    )
    for one, forecast in zip(given, found, strict=True):
        own = table[table["item_id"] == one["item_id"]]
        assert forecast.item_id == one["item_id"]
        assert forecast.index.to_timestamp().tolist() == own["timestamp"].tolist()
        for level in LEVELS:
            np.testing.assert_array_equal(forecast.quantile(level), own[str(level)])


def test_channels_are_forecast_alone():
    wide = {"start": START, "target": wave(80, 2).T}
    (found,) = predictor().predict([wide])
    assert found.forecast_array.shape == (3, H, 2)
    for i, channel in enumerate(wide["target"]):
        alone = predictor().predict_item({"start": START, "target": channel})
        np.testing.assert_array_equal(found.copy_dim(i).forecast_array, alone.forecast_array)


@pytest.mark.parametrize("channels", [1, 2])
def test_gluonts_measures_it_as_gift_eval_does(channels):
    steps = 100
    frames = {f"s{s}": wave(steps, channels, seed=s) for s in range(2)}
    if channels == 1:
        whole = [
            {"item_id": name, "start": START, "target": x[:, 0].copy()}
            for name, x in frames.items()
        ]
        whole[0]["target"][3:5] = np.nan  # as in some of its series
        frame = {
            one["item_id"]: pd.Series(
                one["target"], index=pd.period_range(START, periods=steps), name="target"
            )
            for one in whole
        }
        dataset = PandasDataset(frame)
    else:
        dataset = [{"item_id": k, "start": START, "target": x.T} for k, x in frames.items()]
    _, template = split(dataset, offset=-2 * H)
    windows = template.generate_instances(prediction_length=H, windows=2)
    metrics = [MAE("0.5"), MASE(), MeanWeightedSumQuantileLoss(quantile_levels=LEVELS)]
    table = evaluate_model(predictor(), test_data=windows, metrics=metrics, seasonality=1)
    errors = []
    for label, forecast in zip(windows.label, predictor().predict(windows.input), strict=True):
        assert forecast.start_date == label["start"]
        errors.append(np.abs(forecast.quantile(0.5).T - label["target"]).mean())
    assert table["MAE[0.5]"].item() == pytest.approx(np.mean(errors))
    assert np.isfinite(table.to_numpy(dtype=float)).all()


def test_it_is_kept_in_a_folder_and_comes_back(tmp_path):
    first = predictor(context_length=50, settings={"embedding": "delay"})
    first.serialize(tmp_path)
    second = Predictor.deserialize(tmp_path)
    assert second == first
    for one, two in zip(first.predict(entries()), second.predict(entries()), strict=True):
        np.testing.assert_array_equal(one.forecast_array, two.forecast_array)


def test_a_model_may_be_given_and_the_median_is_always_there():
    model = dynamix.DynaMix.from_pretrained("dynamix-3d")
    (found,) = predictor(model=model, quantile_levels=[0.9]).predict(entries(1))
    (named,) = predictor(quantile_levels=[0.5, 0.9]).predict(entries(1))
    np.testing.assert_array_equal(found.forecast_array, named.forecast_array)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"quantile_levels": [0.0]}, "between 0 and 1"),
        ({"prediction_length": 0}, "prediction_length"),
        ({"context_length": 0}, "context_length"),
        ({"model": "dynamix-3e"}, "Did you mean 'dynamix-3d'"),
        ({"settings": {"embeding": "delay"}}, "embeding"),
        ({"settings": {"embedding": "delai"}}, "Did you mean 'delay'"),
        ({"settings": 3}, "settings must be a dictionary"),
        ({"settings": {"horizon": 3}}, "horizon"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        list(predictor(**given).predict(entries(1)))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"target": np.ones(30)}, "lacks 'start'"),
        ({"start": START}, "lacks 'target'"),
        ({"start": "2024-01-01", "target": np.ones(30)}, "start must be a pandas Period"),
        ({"start": START, "target": np.array(["a"] * 30)}, "target must hold real numbers"),
        ({"start": START, "target": 1j * np.arange(30)}, "target must hold real numbers"),
        ({"start": START, "target": np.arange(30) % 2 > 0}, "target must hold real numbers"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused(entry, message):
    with pytest.raises(InputError, match=message):
        list(predictor().predict([entry]))


def test_a_list_of_numbers_is_a_target():
    (given,) = entries(1)
    (one,) = predictor().predict([given])
    (two,) = predictor().predict([given | {"target": given["target"].tolist()}])
    np.testing.assert_array_equal(one.forecast_array, two.forecast_array)
