"""Suites: forecasts in batches, averages among published rows, wins, and interrupted runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dynamix import InputError
from dynamix.evaluation import results, suites
from dynamix.evaluation.suites.framework import average, command

NAMES = ("a", "b", "c", "d", "e")


def tasks(parts: int = 1) -> list[suites.Task]:
    """Ramps of several slopes and lengths; "e" is of another group."""
    found = []
    for i, name in enumerate(NAMES):
        for part in range(parts):
            x = (1.0 + i) * np.arange(40.0 + 2 * (i % 2))[:, None] + part
            group = "far" if name == "e" else "near"
            found.append(suites.Task(name, x[:-4], x[-4:], group, part))
    return found


def score(forecast, task):
    return {"mae": float(np.abs(forecast - task.truth).mean())}


def made(published=None, **options) -> suites.Suite:
    """A suite of ramps; the naive forecast is wrong by 2.5 slopes."""
    table = pd.DataFrame() if published is None else published
    return suites.Suite(
        **{
            "name": "ramps",
            "what": "ramps",
            "source": "nobody",
            "measures": ("mae",),
            "tasks": tasks,
            "score": score,
            "published": lambda: {"mae": table},
            "sections": {"near": ("near",), "all": ("near", "far")},
            **options,
        }
    )


def test_rows_are_those_of_each_task_alone():
    table = suites.run(made(), "naive")
    assert table["task"].tolist() == list(NAMES)
    np.testing.assert_allclose(table["mae"], 2.5 * np.arange(1, 6))
    alone = [suites.run(made(), "naive", tasks=[task])["mae"].item() for task in tasks()]
    assert table["mae"].tolist() == alone


def test_a_value_is_the_mean_of_parts_and_a_failure_is_the_worst():
    table = pd.DataFrame(
        {"task": ["a", "a", "b", "c"], "part": [0, 1, 0, 0], "group": "near", "seconds": 0.0}
    )
    table["mae"] = [1.0, 3.0, np.nan, 5.0]
    found = suites.compare(made(), {"mine": table})["near"].loc["mine"]
    assert found[["median", "tasks", "failures"]].tolist() == [5.0, 3, 1]  # of 2, inf and 5
    assert average(made(average="geometric mean"), np.array([1.0, 4.0])) == pytest.approx(2.0)
    assert average(made(average="mean"), np.array([1.0, np.inf])) == np.inf


def test_published_rows_stand_beside_where_all_have_values():
    published = pd.DataFrame({"good": [1.0, 1.0, 1.0, np.nan, 1.0], "bad": 99.0}, index=NAMES)
    suite = made(published)
    mine = suites.run(suite, "naive")
    table = suites.compare(suite, {"mine": mine})
    assert table.index.tolist() == ["good", "mine", "bad"]
    assert table["by"].tolist() == ["published", "here", "published"]
    assert table["near"]["tasks"].tolist() == [3, 3, 3]  # "d" has no value of "good"
    assert table["near"]["median"].tolist() == [1.0, 5.0, 99.0]
    assert table["all"].loc["mine", "median"] == np.median([2.5, 5.0, 7.5, 12.5])
    rates = suites.wins(suite, mine, "all")
    assert rates.loc["bad", ["share", "wins", "losses"]].tolist() == [1.0, 5, 0]
    assert rates.loc["good", ["share", "wins", "losses"]].tolist() == [0.0, 0, 4]
    assert "published" in suites.report(suite, {"mine": mine})


def test_small_values_keep_their_digits():
    mine = suites.run(made(), "naive").assign(mae=2.484e-5)
    assert "2.5e-05 [2.5e-05, 2.5e-05]" in suites.report(made(), {"mine": mine})
    assert "0.00 [0.00, 0.00]" in suites.report(made(), {"mine": mine.assign(mae=0.0)})


def test_averages_that_were_published_alone_have_no_interval():
    suite = made(pd.DataFrame({"theirs": [6.0]}, index=["all"]))
    mine = suites.run(suite, "naive")
    table = suites.compare(suite, {"mine": mine})
    assert table["all"]["median"].to_dict() == {"theirs": 6.0, "mine": 7.5}
    assert np.isnan(table["all"].loc["theirs", "low"])
    assert np.isnan(table["near"].loc["theirs", "median"])  # of all tasks, so not of these
    assert suites.wins(suite, mine).empty


def test_an_interrupted_run_is_continued(tmp_path, monkeypatch):
    whole, path, asked = suites.run(made(), "naive"), tmp_path / "mine.csv", []

    def breaking(forecast, task):
        asked.append(task.name)
        if task.name == "b":
            raise KeyboardInterrupt
        return score(forecast, task)

    with pytest.raises(KeyboardInterrupt):
        suites.run(made(score=breaking), "naive", output=path)
    with pytest.raises(InputError, match="unfinished run"):
        suites.run(made(), "naive", output=path)
    table = suites.run(made(), "naive", output=path, resume=True)
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), whole.drop(columns="seconds"))
    stored, record = results.stored(path)
    assert stored["task"].tolist() == list(NAMES)
    assert record["command"] == "dynamix benchmark --suite ramps --model naive"
    with pytest.raises(InputError, match="other settings"):
        suites.run(made(), "mean", output=path, resume=True)


def test_commands_repeat_settings():
    settings = {"embedding": "delay", "match_length": 30}
    told = "--suite ramps --model m --set embedding=delay match_length=30 --seed 2"
    assert command(made(), "m", settings, seed=2) == f"dynamix benchmark {told}"


def test_a_series_that_a_forecaster_refuses_is_a_failure():
    short = tasks()
    short[2] = suites.Task("c", short[2].context[:2], short[2].truth, "near")
    table = suites.run(made(), "parrot", tasks=short)
    assert table["mae"].isna().tolist() == [False, False, True, False, False]
