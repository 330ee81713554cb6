"""The benchmarks of Gilpin: published rows reproduced from their stored forecasts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dynamix.evaluation import suites
from dynamix.evaluation.suites import dysts
from dynamix.evaluation.suites.sources import are_here, sources


def needs(*paths: str) -> None:
    """Skip without these files."""
    if not are_here(*paths):
        pytest.skip(f"{paths[0]} is not here; name the folder of the benchmarks in DYNAMIX_DATA")


@pytest.fixture(params=["dysts-2021", "dysts-2021-noisy", "dysts-2021-coarse"])
def univariate(request) -> suites.Suite:
    suite = suites.suite(request.param)
    needs(*suite.tasks.args, *suite.published.args, *dysts.SUITES[0].tasks.args)
    return suite


def test_smape_is_the_mean_of_ratios_and_bounded():
    rng = np.random.default_rng(0)
    y, f = rng.standard_normal((2, 30, 3))
    by_hand = [200 * abs(a - b) / (abs(a) + abs(b)) for a, b in zip(y.flat, f.flat, strict=True)]
    assert dysts.smape(f, y) == pytest.approx(np.mean(by_hand))
    assert dysts.smape(y, f) == dysts.smape(f, y)
    assert dysts.smape(-y, y) == 200
    assert dysts.smape(0 * y, 0 * y) == 0
    assert np.isnan(dysts.smape(np.full_like(y, np.nan), y))


def test_every_file_has_an_address_at_a_fixed_commit_and_a_digest():
    for path, source in sources().items():
        assert len(source.sha256) == 64, path
        assert source.url.startswith("https://"), path


@pytest.mark.parametrize("model", ["ESN", "nVAR", "NODE"])
def test_published_errors_of_2023_are_recomputed_exactly(model):
    suite = suites.suite("dysts-2023")
    stored = f"dysts-2023/published/results_{dysts._FITTED[model]}_multivariate.json.gz"
    needs(*suite.tasks.args, stored, dysts._SWEEP)
    published, found = suite.published()["smape"][model], dysts.fitted(model)
    tasks = {task.name: task for task in suite.tasks()}
    assert len(tasks) == 131
    assert sum(task.context.shape[1] > 3 for task in tasks.values()) == 31
    checked = 0
    for name in tasks.keys() & found.keys():
        task, entry = tasks[name], found[name]
        np.testing.assert_array_equal(task.truth, entry["traj_true"])
        assert suite.score(np.array(entry["traj_pred"]), task)["smape"] == published[name]
        checked += 1
    assert checked >= 130


def test_published_errors_of_2021_are_recomputed_from_their_forecasts(univariate):
    published = univariate.published()["smape"]
    stored = dysts._json(*univariate.published.args)
    recomputed = pd.DataFrame(np.nan, index=published.index, columns=published.columns)
    for task in univariate.tasks():
        np.testing.assert_array_equal(task.facts["scored"][:, 0], stored[task.name]["values"])
        for model in ("NBEATSModel", "NaiveMean", "ARIMA"):
            y = np.array(stored[task.name][model]["prediction"])[:, None]
            error = univariate.score(y, task)["smape"]
            recomputed.loc[task.name, dysts._label(model)] = error
    recomputed = recomputed.dropna(axis=1)
    off = (recomputed / published[recomputed.columns] - 1).abs() > 1e-12
    if univariate.name != "dysts-2021-noisy":
        assert not off.to_numpy().any()
        return
    # the authors' run was continued after 38 systems: their rows were stored with noise drawn anew
    again = published.index < "Hadley"
    assert again.sum() == 38
    assert off[again].to_numpy().all()
    assert off[~again].sum().to_dict() == {"N-BEATS": 0, "NaiveMean": 0, "ARIMA": 2}
    differences = (recomputed - published[recomputed.columns])[again].abs()
    assert (differences < 5).to_numpy().mean() > 0.85


def test_naive_rows_of_2021_are_made_again(univariate):
    """The mean, and the line through the first and last value."""
    stored, noisy = dysts._json(*univariate.published.args), "noisy" in univariate.name
    table = suites.run(univariate, "mean").set_index("task")["smape"]
    for task in univariate.tasks():
        x, scale = task.context[:, 0], task.context.std()
        entry = stored[task.name]
        drift = x[-1] + (x[-1] - x[0]) / (len(x) - 1) * np.arange(1, len(task.truth) + 1)
        for model, ours in (("NaiveMean", x.mean()), ("NaiveDrift", drift)):
            difference = np.abs(np.array(entry[model]["prediction"]) - ours).max() / scale
            # the noise of the context is our own: a mean of 1000 steps, or two steps and a line
            noise = {"NaiveMean": 0.04, "NaiveDrift": 2.0}[model]
            assert difference < (noise if noisy else 1e-12), (task.name, model)
        if not noisy:
            assert table[task.name] == pytest.approx(entry["NaiveMean"]["smape"], rel=1e-12)
