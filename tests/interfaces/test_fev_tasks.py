"""Tasks of fev: predictions in its format, with the numbers of predict_df."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import wave

pytest.importorskip("pyarrow", reason="pyarrow is not installed here")

import pyarrow as pa

import dynamix
from dynamix import InputError
from dynamix.interfaces import predict_task

H, LEVELS = 4, [0.1, 0.9]
DAYS = pd.date_range("2024-01-01", periods=70)
HOW = {"model": "dynamix-3d", "season": "auto"}


def series() -> dict[str, np.ndarray]:
    return {name: wave(70, 2, seed=s) + s for s, name in enumerate(("b", "a", "c"))}


def expected(given: dict[str, np.ndarray], end: int, column: int) -> dict[str, pd.DataFrame]:
    """What predict_df says of each series and one of its columns."""
    parts = [
        pd.DataFrame({"item_id": name, "timestamp": DAYS[:end], "target": x[:end, column]})
        for name, x in given.items()
    ]
    table = dynamix.predict_df(pd.concat(parts), horizon=H, quantile_levels=LEVELS, **HOW)
    return {
        name: rows[["predictions", "0.1", "0.9"]]
        for name, rows in table.groupby("item_id", sort=False)
    }


class Window:
    """A window of a task, and its rows, as far as they are used."""

    target_columns = ("u", "v")
    timestamp_column = "timestamp"

    def __init__(self, given: dict[str, np.ndarray], cutoff: int) -> None:
        order = sorted(given)
        columns = {
            name: [given[key][:cutoff, i] for key in order]
            for i, name in enumerate(self.target_columns)
        }
        columns["timestamp"] = [DAYS[:cutoff].to_numpy()] * len(order)
        self.table = pa.table(columns | {"id": order})

    def get_input_data(self) -> tuple[Window, None]:
        return self, None

    def with_format(self, kind: str) -> Window:
        assert kind == "arrow"
        return self

    def __getitem__(self, rows: slice) -> pa.Table:
        return self.table.take(list(range(len(self.table))[rows]))


def stand_in(given: dict[str, np.ndarray], cutoffs: list[int]) -> SimpleNamespace:
    """A task, as far as it is used: what fev's own does with these series."""
    windows = [Window(given, cutoff) for cutoff in cutoffs]
    return SimpleNamespace(horizon=H, quantile_levels=LEVELS, iter_windows=lambda: iter(windows))


def check(found: list, given: dict[str, np.ndarray], cutoffs: list[int]) -> None:
    assert len(found) == len(cutoffs)
    for made, cutoff in zip(found, cutoffs, strict=True):
        assert list(made) == ["u", "v"]
        for column, name in enumerate(made):
            wanted = expected(given, cutoff, column)
            for one, rows in zip(made[name], (wanted[key] for key in sorted(given)), strict=True):
                assert list(one) == ["predictions", "0.1", "0.9"]
                np.testing.assert_array_equal(list(one.values()), rows.T)


def test_the_numbers_are_those_of_predict_df():
    cutoffs = [62, 66]
    check(predict_task(stand_in(series(), cutoffs), **HOW), series(), cutoffs)


def test_settings_are_checked():
    task = stand_in(series(), [66])
    with pytest.raises(InputError, match="unknown argument of predict_task 'embeding'"):
        predict_task(task, embeding="zero")
    with pytest.raises(InputError, match="Did you mean 'dynamix-3d'"):
        predict_task(task, model="dynamix-3e")
    with pytest.raises(InputError, match="context_length"):
        predict_task(task, context_length=0)


def file_of(given: dict[str, np.ndarray], folder: Path) -> str:
    parts = [
        pd.DataFrame({"id": name, "timestamp": DAYS, "u": x[:, 0], "v": x[:, 1]})
        for name, x in given.items()
    ]
    pd.concat(parts).to_parquet(folder / "series.parquet")
    return str(folder / "series.parquet")


def test_fev_scores_its_own_tasks(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    fev = pytest.importorskip("fev", reason="fev is not installed here")
    given = series()
    rough = {"eval_metric": "SQL", "extra_metrics": ["MASE", "MAE"], "quantile_levels": LEVELS}
    task = fev.Task(file_of(given, tmp_path), horizon=H, num_windows=2, target=["u", "v"], **rough)
    found = predict_task(task, **HOW)
    check(found, given, [62, 66])
    summary = task.evaluation_summary(found, model_name="dynamix-3d")
    errors = [
        np.abs(np.array(one["predictions"]) - given[name][cutoff : cutoff + H, column]).mean()
        for made, cutoff in zip(found, (62, 66), strict=True)
        for column, ones in enumerate(made.values())
        for name, one in zip(sorted(given), ones, strict=True)
    ]
    assert summary["MAE"] == pytest.approx(np.mean(errors))
    assert np.isfinite(summary["test_error"])


def test_fev_gets_a_prediction_of_every_series(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    fev = pytest.importorskip("fev", reason="fev is not installed here")
    given = series() | {"flat": np.full((70, 2), 2.0)}
    given["a"][10:12, 0] = np.nan
    task = fev.Task(
        file_of(given, tmp_path), horizon=H, target="u", quantile_levels=LEVELS, eval_metric="MAE"
    )
    (found,) = predict_task(task, context_length=60, **HOW)
    assert found["u"][3]["0.9"] == [2.0] * H  # a, b, c, flat
    assert "1 of 4 series keep their last value" in caplog.text
    assert np.isfinite(task.evaluation_summary([found], model_name="x")["test_error"])
