"""Input that cannot be used gets one clear error, whichever function meets it first."""

from __future__ import annotations

from importlib import metadata

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from helpers import wave
from matplotlib.figure import Figure

from dynamix import (
    DynaMix,
    InputError,
    TrainingConfig,
    baselines,
    forecast,
    interfaces,
    plotting,
    predict_df,
    preprocessing,
    read,
    report,
    systems,
    training,
)
from dynamix.companion import sweep as sweeps
from dynamix.datasets import loading as datasets
from dynamix.dynamics import invariants, kin
from dynamix.evaluation import RollingConfig, benchmark, failures, rolling, suites
from dynamix.io import tables
from dynamix.io.time_axis import continue_index
from dynamix.local.settings import LocalConfig
from dynamix.metrics import reconstruction as metrics
from dynamix.preprocessing import pecuzal
from dynamix.systems import coupled, windows

ONE, TWO = wave(60, 1), wave(60, 2)
LONG = pd.DataFrame({"item_id": "a", "timestamp": range(60), "target": ONE[:, 0]})
GAP = np.where(np.arange(60)[:, None] == 7, np.nan, ONE)
USE = np.full((2, 3), 1 / 3)
SMALL = RollingConfig(contexts=(20,), horizons=(10,), origins=3)

CASES = {
    "a text for a flag": (
        lambda: forecast(ONE, horizon=3, standardize="no"),
        r"standardize must be True or False, found 'no' \(str\)",
    ),
    "an array for a choice": (lambda: forecast(ONE, horizon=3, engine=ONE), "engine"),
    "a missing value for a choice": (lambda: forecast(ONE, horizon=3, season=pd.NA), "season"),
    "another way with errors": (
        lambda: predict_df(LONG, horizon=3, errors="ignore"),
        "unknown errors 'ignore'",
    ),
    "an array for a model": (lambda: predict_df(LONG, horizon=3, model=ONE), "model must be"),
    "two targets": (
        lambda: predict_df(LONG.assign(x=1.0).rename(columns={"x": "target"}), horizon=3),
        "columns of the same name",
    ),
    "numbers for names of columns": (
        lambda: predict_df(LONG.rename(columns={"item_id": 0}), horizon=3, id_column="0"),
        "unknown column '0'",
    ),
    "lists for names of series": (
        lambda: predict_df(LONG.assign(item_id=[[1]] * 60), horizon=3),
        "names of series",
    ),
    "a text for another flag": (
        lambda: forecast(ONE, horizon=3, return_gates="no"),
        r"return_gates must be True or False, found 'no'",
    ),
    "a flag for a number": (
        lambda: metrics.valid_prediction_time(forecast=ONE, truth=ONE, threshold=True),
        r"threshold must be a number, found True \(bool\)",
    ),
    "a text for levels": (
        lambda: predict_df(pd.DataFrame(), horizon=3, quantile_levels="abc"),
        "quantile_levels must be a list of numbers, found 'abc'",
    ),
    "a text for a seed": (
        lambda: invariants.correlation_dimension(ONE, seed="a"),
        "seed must be a whole number, found 'a'",
    ),
    "a number for a file": (lambda: read(3), "path must be a text or a Path, found 3"),
    "one step to standardise by": (
        lambda: preprocessing.Standardize.fit(ONE[:1]),
        r"at least 2 steps \(time comes first\), found 1",
    ),
    "Box-Cox of a gap": (
        lambda: preprocessing.BoxCox.fit(GAP),
        r"finite, found nan at step 7.*\(1 of 60",
    ),
    "a trend through a gap": (lambda: preprocessing.PowerLawTrend.fit(GAP), "trend must be finite"),
    "a context longer than the origins leave room for": (
        lambda: rolling.evaluate(
            ONE, forecasters={"m": baselines.mean}, config=SMALL, contexts=(30,)
        ),
        r"at most 20 steps.*found \(30,\)",
    ),
    "no context": (
        lambda: rolling.evaluate(ONE, forecasters={"m": baselines.mean}, config=SMALL, contexts=()),
        r"found \(\)",
    ),
    "no forecaster": (lambda: rolling.evaluate(ONE, forecasters={}, config=SMALL), "nothing to"),
    "no stretch to match": (
        lambda: baselines.parrot(ONE, 5, match_length=0),
        "match_length must be an integer of at least 1, found 0",
    ),
    "a short context for SINDy": (
        lambda: baselines.baseline("sindy")(ONE[:6], 5),
        "SINDy needs.*found 6",
    ),
    "a short context for EDMD": (
        lambda: baselines.baseline("edmd")(TWO[:19], 5),
        "EDMD needs.*found 19",
    ),
    "a complex context": (
        lambda: baselines.baseline("mean")(ONE * 1j, 5),
        "real numbers, found dtype complex128",
    ),
    "a context of words": (
        lambda: baselines.baseline("mean")([["a"], ["b"], ["c"]], 5),
        "real numbers, found dtype <U1",
    ),
    "a spectrum of a gap": (lambda: metrics.power_spectrum(GAP), "x must be finite"),
    "a spectrum of several series": (
        lambda: metrics.power_spectrum(np.zeros((9, 2, 1))),
        "one series.*found 2",
    ),
    "a negative smoothing": (
        lambda: metrics.power_spectrum(ONE, smoothing=-1),
        "smoothing must be at least 0, found -1",
    ),
    "channels that would be broadcast, decay": (
        lambda: failures.decay(forecast=ONE, context=TWO),
        "forecast, context must be single series with the same channels, found 1, 2",
    ),
    "channels that would be broadcast, spectrum": (
        lambda: failures.spectral_failure(forecast=ONE, truth=TWO),
        "same channels, found 1, 2",
    ),
    "channels that would be broadcast, range": (
        lambda: failures.outside_share(forecast=ONE, context=TWO, truth=TWO),
        "same channels, found 1, 2, 2",
    ),
    "no window": (
        lambda: failures.decay(forecast=ONE, context=ONE, window=0),
        "window must be an integer of at least 1",
    ),
    "no stretch": (
        lambda: failures.parroting_index(forecast=ONE, context=ONE, truth=ONE, stretch=0),
        "stretch must be an integer of at least 1",
    ),
    "a stretch longer than the series": (
        lambda: failures.copy_distance(forecast=ONE[:9], context=ONE, stretch=10),
        "stretches of 10 steps, found lengths 9 and 60",
    ),
    "no references, divergence": (
        lambda: invariants.divergence_curve(ONE, steps=5, references=0),
        "references must be an integer of at least 1",
    ),
    "no references, dimension": (
        lambda: invariants.correlation_dimension(ONE, references=0),
        "references must be an integer of at least 1",
    ),
    "five steps": (lambda: invariants.largest_exponent(ONE[:5]), "at least 6 steps, found 5"),
    "an expert use of nothing": (
        lambda: kin.use_distances(USE * [[1.0], [0.0]]),
        "positive somewhere in every row",
    ),
    "a constant's autocorrelation": (
        lambda: preprocessing.autocorrelation(np.ones(9)),
        "constant series has no autocorrelation",
    ),
    "an embedding without delays": (
        lambda: preprocessing.find_delays(ONE, count=2, embedding="pos"),
        "unknown embedding with delays 'pos'",
    ),
    "no label to come": (
        lambda: continue_index(pd.RangeIndex(5), 0),
        "steps must be an integer of at least 1, found 0",
    ),
    "no samples": (
        lambda: plotting.time_series(context=ONE, samples=np.zeros((0, 5, 1))),
        r"needs samples.*found the shape \(0, 5, 1\)",
    ),
    "a forecast for samples": (
        lambda: plotting.time_series(context=ONE, samples=np.zeros(5)),
        r"needs samples.*found the shape \(5,\)",
    ),
    "no panels": (lambda: plotting.panels(0, 5.0, 3.0), "nothing to draw"),
    "a pretrained model that nobody knows": (
        lambda: baselines.baseline("chronos-huge"),
        "unknown model 'chronos-huge'. Known: parrot.*chronos",
    ),
    "no workers": (
        lambda: sweeps.run_all([], workers=0),
        "workers must be an integer of at least 1, found 0",
    ),
    "a folder that is not there": (
        lambda: benchmark.run("parrot", names=["Lorenz"], output="not/there/table.csv"),
        "its folder does not exist",
    ),
    "too few points for neighbours": (
        lambda: pecuzal.neighbours(np.zeros((9, 1)), np.arange(9), count=3, theiler=3),
        "need up to 10 points, found 9",
    ),
    "a gap in what is to be embedded": (lambda: pecuzal.pecuzal(GAP[:, 0]), "must be finite"),
    "a cost over no horizon": (
        lambda: pecuzal.costs(ONE[:, 0], lags=[0], points=50, horizon=1, theiler=1),
        "horizon must be an integer of at least 2, found 1",
    ),
    "information of a step": (
        lambda: pecuzal.information_minimum(ONE[:1, 0]),
        "at least 2 steps, found 1",
    ),
    "a series without a file": (lambda: datasets.fetch("co2"), "comes with statsmodels"),
    "a pair too short to judge": (
        lambda: coupled.pair("SprottS", "BurkeShaw", n=100),
        "n must be an integer of at least 150, found 100",
    ),
    "a sampling rate of nothing": (
        lambda: systems.lyapunov_time("Lorenz", points_per_period=0),
        "points_per_period must be an integer of at least 2",
    ),
    "epochs and a half": (
        lambda: TrainingConfig(epochs=1.5),
        r"epochs must be a whole number of at least 1, found 1.5 \(float\)",
    ),
    "epochs of letters": (lambda: TrainingConfig(epochs="x"), "must be a whole number .*'x'"),
    "a list of lengths": (
        lambda: TrainingConfig(longer_contexts=[700]),
        r"longer_contexts must be a tuple of whole numbers, found \[700\]",
    ),
    "negative noise": (
        lambda: TrainingConfig(input_noise=-0.1),
        "input_noise must be a number of at least 0, found -0.1",
    ),
    "infinite noise": (
        lambda: TrainingConfig(input_noise=float("inf")),
        "input_noise must be a number of at least 0, found inf",
    ),
    "a seed of 70 bits": (
        lambda: TrainingConfig(seed=2**70),
        "seed must be a whole number of at least 0 and below 9.22337e",
    ),
    "no trajectory": (
        lambda: TrainingConfig(trajectory_length=0),
        "trajectory_length must be a whole number of at least 1, found 0",
    ),
    "one pull for many": (
        lambda: LocalConfig(pulls=5),
        "pulls must be a tuple of numbers",
    ),
    "no updates": (
        lambda: baselines.baseline("alrnn_stf", updates=0),
        "updates must be a whole number of at least 1, found 0",
    ),
    "a warm-up of a step": (
        lambda: baselines.baseline("lstm_stf", warm_up=1),
        "warm_up must be a whole number of at least 2, found 1",
    ),
    "no eigenfunctions": (lambda: baselines.baseline("edmd", rank=0), "rank must be a whole .*0"),
    "a setting of another rival": (
        lambda: baselines.baseline("dmd", units=3),
        r"unknown settings \['units'\]; DMDConfig knows",
    ),
    "a setting that a parrot lacks": (
        lambda: baselines.baseline("parrot", season=3),
        "unknown setting of 'parrot' 'season'. Known: denoise, match_length",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_input_that_cannot_be_used_is_told(case):
    call, told = CASES[case]
    with pytest.raises(InputError, match=told):
        call()


def test_a_rival_whose_package_is_missing_says_how_to_get_it(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(InputError, match=r"'dmd' needs pydmd.*pip install"):
        _ = baselines.baseline("dmd").versions
    assert baselines.baseline("parrot").versions == {}


def test_what_can_be_used_still_is():
    table = rolling.evaluate(
        ONE,
        forecasters={"m": baselines.mean},
        config=RollingConfig((20, 10), (10,), 3),
        contexts=(10,),
    )
    assert set(table["context"]) == {10}


def test_a_drawing_that_fails_leaves_no_figure_behind():
    before = plt.get_fignums()
    with pytest.raises(ValueError):
        plotting.lines([1, 2, 3], {"short": [1, 2]}, x_label="x", y_label="y")
    assert plt.get_fignums() == before


def test_a_refused_format_makes_no_folder(tmp_path):
    figure = plotting.lines([1, 2], {"y": [1, 2]}, x_label="x", y_label="y")
    with pytest.raises(InputError, match="cannot draw"):
        plotting.save(figure, tmp_path / "new" / "figure.doc")
    assert not (tmp_path / "new").exists()


def test_an_empty_table_of_trajectories_is_refused_and_a_loud_suffix_is_not(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="not a readable CSV file"):
        windows.load_trajectories([tmp_path / "empty.csv"], dims=1)
    (tmp_path / "LOUD.CSV").write_text("x\n1\n2\n3\n")
    (series,) = windows.load_trajectories([tmp_path / "LOUD.CSV"], dims=1)
    assert series.ravel().tolist() == [1.0, 2.0, 3.0]


def test_what_the_catalogue_gives_is_the_callers_own():
    systems.system_facts("Lorenz")["parameters"]["rho"] = 0.0
    assert systems.system_facts("Lorenz")["parameters"]["rho"] != 0.0
    rows = systems.split_table()
    rows[0]["role"] = "nonsense"
    rows.clear()
    assert systems.split_table()[0]["role"] != "nonsense"


TABLE = pd.DataFrame({"item_id": "a", "timestamp": range(60), "target": ONE[:, 0]})
BRIEF = TrainingConfig(epochs=1, batches_per_epoch=1, validate_every=0, engine="torch")
OUTPUTS = {
    "train": lambda path, here: training.train(path, training=BRIEF),
    "train_each": lambda path, here: interfaces.train_each(path, {"a": {"training": BRIEF}}),
    "forecast_dataset": lambda path, here: interfaces.forecast_dataset(
        here / "in.parquet", path, horizon=3
    ),
    "save_pretrained": lambda path, here: DynaMix.from_pretrained("dynamix-3d").save_pretrained(
        path
    ),
    "save": lambda path, here: plotting.save(Figure(), path.with_name(f"{path.name}.png")),
    "write_example": lambda path, here: report.write_example(path),
    "run": lambda path, here: benchmark.run("parrot", output=path.with_suffix(".csv")),
    "suites.run": lambda path, here: suites.run(
        suites.suite("dysts-2023"), "parrot", output=path.with_suffix(".csv")
    ),
    "write": lambda path, here: tables.write(TABLE, path.with_suffix(".csv")),
    "sweep": lambda path, here: sweeps.sweep(
        here / "a.ipynb", {"n": [1]}, output=path.with_suffix(".csv")
    ),
}


@pytest.mark.parametrize("place", ["file", "loop", "long"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(name, place, tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "loop"
    folder.symlink_to(folder)
    folder = tmp_path / {"long": "a" * 300}.get(place, place)
    TABLE.to_parquet(tmp_path / "in.parquet")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "a.ipynb")
    with pytest.raises(InputError, match=r"^(run 'a': )?cannot write "):
        OUTPUTS[name](folder / "out", tmp_path)
