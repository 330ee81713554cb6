"""Jobs over many series: the same numbers in any chunks, by any workers, after any interruption."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import died_at_every_event, wave

import dynamix
from dynamix import InputError
from dynamix.interfaces import forecast_dataset, jobs

pytest.importorskip("pyarrow", reason="pyarrow is not installed here")
from pyarrow import parquet

S, H = 7, 5
HOW = {"horizon": H, "model": "dynamix-3d"}
KEY = ["item_id", "timestamp"]


def series(count: int = S, T: int = 60) -> dict[str, np.ndarray]:
    """Series of two lengths."""
    return {f"s{s}": wave(T - s % 2, 1, seed=s)[:, 0] + s for s in range(count)}


def table(given: dict[str, np.ndarray]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "item_id": name,
                "timestamp": pd.date_range("2024-01-01", periods=len(x)),
                "target": x,
            }
        )
        for name, x in given.items()
    ]
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "in.parquet"
    table(series()).to_parquet(path, row_group_size=100)
    return path


def result(folder: Path) -> pd.DataFrame:
    parts = sorted(folder.glob("part-*.parquet"))
    return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)


@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize("levels", [None, [0.1, 0.9]])
def test_the_numbers_are_those_of_the_library(source, tmp_path, chunk, levels):
    done = forecast_dataset(source, tmp_path / "out", chunk=chunk, quantile_levels=levels, **HOW)
    assert done == (tmp_path / "out", S, {})
    found = result(done.output)
    names = ["target"] if levels is None else ["target[0.1]", "target[0.9]"]
    assert found.columns.tolist() == [*KEY, *names]
    assert found["item_id"].unique().tolist() == list(series())
    for name, x in series().items():
        days = pd.date_range("2024-01-01", periods=len(x))
        expected = dynamix.forecast(pd.Series(x, index=days), quantile_levels=levels, **HOW)
        own = found[found["item_id"] == name]
        np.testing.assert_array_equal(own[names], expected.to_numpy().reshape(H, -1))
        assert own["timestamp"].tolist() == expected.index.tolist()


def test_rows_may_lie_anywhere_and_in_several_files(source, tmp_path):
    folder = tmp_path / "many"
    (folder / "deep").mkdir(parents=True)
    mixed = table(series()).sample(frac=1, random_state=0)
    mixed.iloc[:150].to_parquet(folder / "a.parquet", row_group_size=40)
    mixed.iloc[150:].to_parquet(folder / "deep" / "b.parquet")
    forecast_dataset(source, tmp_path / "one", **HOW)
    forecast_dataset(folder, tmp_path / "two", chunk=2, **HOW)
    one, two = (
        result(tmp_path / name).sort_values(KEY, ignore_index=True) for name in ("one", "two")
    )
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_texts_of_dates_are_dates(source, tmp_path):
    texts = table(series()).astype({"timestamp": str})
    texts.to_parquet(tmp_path / "texts.parquet")
    forecast_dataset(tmp_path / "texts.parquet", tmp_path / "texts", **HOW)
    forecast_dataset(source, tmp_path / "dates", **HOW)
    pd.testing.assert_frame_equal(
        result(tmp_path / "texts"), result(tmp_path / "dates"), check_dtype=False
    )


def test_channels_are_forecast_together(tmp_path):
    x = wave(60, 2)
    frame = pd.DataFrame({"id": 3, "step": np.arange(60), "a": x[:, 0], "b": x[:, 1]})
    frame.to_parquet(tmp_path / "x.parquet")
    named = {"id_column": "id", "timestamp_column": "step", "columns": ["a", "b"]}
    forecast_dataset(tmp_path / "x.parquet", tmp_path / "out", **named, **HOW)
    found = result(tmp_path / "out")
    np.testing.assert_array_equal(found[["a", "b"]], dynamix.forecast(x, **HOW))
    assert found["id"].tolist() == [3] * H
    assert found["step"].tolist() == list(range(60, 60 + H))


@pytest.mark.parametrize("turned", [False, True])
def test_a_zarr_group_gives_the_same(source, tmp_path, turned):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "x.zarr"), mode="w")
    values = np.full((S, 60), np.nan)
    for s, x in enumerate(series().values()):
        values[s, : len(x)] = x
    dims = ["timestamp", "item_id"] if turned else ["item_id", "timestamp"]
    values = values.T if turned else values
    array = group.create_array("target", shape=values.shape, dtype="f8", dimension_names=dims)
    array[:] = values
    days = group.create_array("timestamp", shape=(60,), dtype="i8")
    days[:] = np.arange(60)
    days.attrs["units"] = "days since 2024-01-01 00:00:00"
    names = group.create_array("item_id", shape=(S,), dtype="i8")
    names[:] = np.arange(S)
    forecast_dataset(tmp_path / "x.zarr", tmp_path / "zarr", chunk=3, **HOW)
    forecast_dataset(source, tmp_path / "parquet", **HOW)
    found, expected = result(tmp_path / "zarr"), result(tmp_path / "parquet")
    np.testing.assert_array_equal(found["target"], expected["target"])
    assert found["timestamp"].tolist() == expected["timestamp"].tolist()
    assert found["item_id"].unique().tolist() == list(range(S))


def test_what_xarray_writes_can_be_read(tmp_path):
    pytest.importorskip("zarr")
    xarray = pytest.importorskip("xarray")
    values = np.stack(list(series(3, 60).values())[::2])
    coords = {"place": [4, 7], "day": pd.date_range("2024-01-01", periods=60)}
    xarray.Dataset({"load": (("place", "day"), values)}, coords=coords).to_zarr(tmp_path / "x")
    named = {"id_column": "place", "timestamp_column": "day", "columns": ["load"]}
    forecast_dataset(tmp_path / "x", tmp_path / "out", **named, **HOW)
    found = result(tmp_path / "out")
    assert found["place"].tolist() == [4] * H + [7] * H
    assert found["day"].iloc[0] == pd.Timestamp("2024-03-01")
    np.testing.assert_array_equal(found["load"][:H], dynamix.forecast(values[0], **HOW))


def test_a_failing_series_is_named_and_costs_only_itself(tmp_path, caplog):
    whole = series()
    bad = {"flat": np.ones(60), "gap": np.r_[np.nan, wave(59, 1)[:, 0]], "short": np.ones(1)}
    table(whole).to_parquet(tmp_path / "good.parquet")
    table({**bad, **whole}).to_parquet(tmp_path / "bad.parquet")
    forecast_dataset(tmp_path / "good.parquet", tmp_path / "good", **HOW)
    done = forecast_dataset(tmp_path / "bad.parquet", tmp_path / "bad", chunk=3, **HOW)
    assert set(done.left_out) == set(bad)
    assert "must vary" in done.left_out["flat"]
    assert "3 of 10 series were left out" in caplog.text
    pd.testing.assert_frame_equal(result(tmp_path / "bad"), result(tmp_path / "good"))
    first = parquet.read_schema(done.output / "part-00000.parquet")  # without any forecast
    assert json.loads(first.metadata[b"dynamix"])["left_out"] == done.left_out
    assert pd.read_parquet(done.output).shape == (S * H, 3)  # parts of equal schema
    table(bad).to_parquet(tmp_path / "none.parquet")
    with pytest.raises(InputError, match=r"no series of the data set.*'flat'.*must vary"):
        forecast_dataset(tmp_path / "none.parquet", tmp_path / "none", **HOW)


def test_a_job_that_was_interrupted_is_continued(source, tmp_path, monkeypatch):
    how = {"chunk": 2, **HOW}
    forecast_dataset(source, tmp_path / "whole", **how)
    work, worked = jobs._work, []

    def breaks(job, chunk):
        worked.append(chunk.number)
        if len(worked) == 3:
            raise KeyboardInterrupt
        return work(job, chunk)

    monkeypatch.setattr(jobs, "_work", breaks)
    with pytest.raises(KeyboardInterrupt):
        forecast_dataset(source, tmp_path / "out", **how)
    assert len(list((tmp_path / "out").glob("part-*"))) == 2
    with pytest.raises(InputError, match=r"holds a job.*resume=True"):
        forecast_dataset(source, tmp_path / "out", **how)
    for other in ({"horizon": 6}, {"seed": 1}, {"embedding": "zero"}):
        with pytest.raises(InputError, match="holds another job: other settings"):
            forecast_dataset(source, tmp_path / "out", resume=True, **(how | other))
    with pytest.raises(InputError, match="holds another job: other chunk"):
        forecast_dataset(source, tmp_path / "out", resume=True, **(how | {"chunk": 3}))
    (tmp_path / "out" / "part-00001.parquet").write_bytes(b"PAR1")  # damaged: made again
    done = forecast_dataset(source, tmp_path / "out", resume=True, **how)
    assert worked[3:] == [1, 2, 3]
    pd.testing.assert_frame_equal(result(done.output), result(tmp_path / "whole"))
    assert forecast_dataset(source, tmp_path / "out", resume=True, **how) == done
    assert worked[6:] == []
    record = json.loads((done.output / "_job.json").read_text())
    assert record["settings"]["horizon"] == H
    assert record["source"] == {"path": str(source), "series": S}
    table(series(3)).to_parquet(source)
    with pytest.raises(InputError, match="holds another job"):
        forecast_dataset(source, tmp_path / "out", resume=True, **how)


def test_whatever_died_when_a_job_is_continued_and_leaves_nothing_else(tmp_path):
    table(series(3)).to_parquet(tmp_path / "in.parquet")
    folder = tmp_path / "work"
    folder.mkdir()

    def work(place, resume=False):
        how = {"horizon": H, "model": "parrot", "chunk": 2, "resume": resume}
        return forecast_dataset(tmp_path / "in.parquet", place / "out", **how)

    work(tmp_path / "first")  # what is compiled here is there in the children
    *dead, whole = died_at_every_event(folder, work)
    assert len(dead) > 15
    for place in dead:
        work(place, resume=(place / "out" / "_job.json").exists())
        pd.testing.assert_frame_equal(result(place / "out"), result(whole / "out"))
        assert len(list((place / "out").iterdir())) == 3


def test_left_out_series_are_remembered_when_a_job_is_continued(tmp_path):
    table({"flat": np.ones(60), **series(2)}).to_parquet(tmp_path / "x.parquet")
    how = {"chunk": 1, **HOW}
    first = forecast_dataset(tmp_path / "x.parquet", tmp_path / "out", **how)
    assert forecast_dataset(tmp_path / "x.parquet", tmp_path / "out", resume=True, **how) == first


def test_two_processes_give_the_same(source, tmp_path):
    forecast_dataset(source, tmp_path / "one", chunk=2, **HOW)
    forecast_dataset(source, tmp_path / "two", chunk=2, workers=2, **HOW)
    pd.testing.assert_frame_equal(
        result(tmp_path / "one"), result(tmp_path / "two"), check_exact=True
    )


def test_a_dask_cluster_gives_the_same_though_a_worker_dies(tmp_path):
    distributed = pytest.importorskip("distributed")
    table(series(8, 120)).to_parquet(tmp_path / "x.parquet")
    # the torch engine is slow enough for a worker to die within a chunk
    how = {"horizon": 200, "model": "dynamix-3d", "engine": "torch", "chunk": 1}
    forecast_dataset(tmp_path / "x.parquet", tmp_path / "alone", **how)
    out = tmp_path / "out"
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        before = {name: worker.pid for name, worker in cluster.workers.items()}
        parts_then = []

        def kill_one():
            while len(list(out.glob("part-*.parquet"))) < 2:
                time.sleep(0.01)
            os.kill(before[0], signal.SIGKILL)
            parts_then.append(len(list(out.glob("part-*.parquet"))))

        killer = threading.Thread(target=kill_one, daemon=True)
        killer.start()
        forecast_dataset(tmp_path / "x.parquet", out, dask=cluster.scheduler_address, **how)
        killer.join(timeout=10)
        assert parts_then[0] < 8  # it died in mid-run
        cluster.wait_for_workers(2, timeout=30)
        assert cluster.workers[0].pid != before[0]  # and was started again
    pd.testing.assert_frame_equal(result(out), result(tmp_path / "alone"), check_exact=True)
    assert not [file for file in out.iterdir() if file.name.startswith(".dynamix-")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "none.parquet"}, "no file or folder 'none.parquet'"),
        ({"columns": ["sales"]}, "unknown column of in.parquet 'sales'"),
        ({"columns": []}, "at least one channel"),
        ({"columns": ["timestamp"]}, "neither the id nor the time"),
        ({"model": "dynamix-3e"}, "Did you mean 'dynamix-3d'"),
        ({"quantile_levels": [1.0]}, "between 0 and 1"),
        ({"horizon": 0}, "horizon"),
        ({"chunk": 0}, "chunk"),
        ({"workers": 0}, "workers"),
        ({"embeding": "zero"}, "unknown argument of forecast_dataset 'embeding'"),
        ({"embedding": "zer"}, "Did you mean 'zero'"),
        ({"output": "."}, "is not empty"),
    ],
    ids=str,
)
def test_what_cannot_be_used_is_refused_before_the_work(source, tmp_path, options, message):
    given = {"source": source, "output": tmp_path / "out", **HOW} | options
    if given["output"] == ".":
        given["output"] = tmp_path
    with pytest.raises(InputError, match=message):
        forecast_dataset(given.pop("source"), given.pop("output"), **given)
    assert not (tmp_path / "out").exists()


def test_a_rival_forecasts_each_series(source, tmp_path):
    done = forecast_dataset(source, tmp_path / "out", horizon=H, model="parrot", chunk=3)
    assert (done.series, done.left_out) == (S, {})
    found = result(tmp_path / "out").groupby("item_id")["target"]
    for name, x in series().items():
        expected = dynamix.baselines.baseline("parrot")(x, H, seed=0)
        np.testing.assert_allclose(found.get_group(name), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"model": "parot"}, "Did you mean 'parrot'"),
        ({"model": "ceiling"}, "continues the true system"),
        ({"model": "parrot", "season": "auto"}, "season would have no effect"),
        ({"model": "parrot", "quantile_levels": [0.5]}, "quantile_levels would have no effect"),
    ],
)
def test_what_a_rival_cannot_do_is_refused(given, told, source, tmp_path):
    with pytest.raises(InputError, match=told):
        forecast_dataset(source, tmp_path / "out", horizon=H, **given)
