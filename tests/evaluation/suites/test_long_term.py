"""The long-term suite: its distance by brute force, its tasks, its place among published means."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from dynamix.evaluation import suites
from dynamix.evaluation.suites import long_term
from dynamix.systems import corpus


def test_wasserstein_is_the_cheapest_matching():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5, 2))
    apart = np.linalg.norm((x[:, None] - y[None]) / y.std(axis=0), axis=-1)
    cheapest = min(apart[range(5), list(p)].mean() for p in permutations(range(5)))
    assert long_term.wasserstein(x, y) == pytest.approx(cheapest)
    assert long_term.wasserstein(1e9 * x, 1e9 * y) == pytest.approx(cheapest)
    assert np.isnan(long_term.wasserstein(np.full((5, 2), np.inf), y))


def test_a_perfect_forecast_has_no_error_and_an_escape_fails():
    rng = np.random.default_rng(0)
    truth = np.cumsum(rng.normal(size=(600, 3)), axis=0)
    task = suites.Task("x", truth[:9], truth)
    assert long_term.scored(truth, task) == dict.fromkeys(long_term.MEASURES, 0.0)
    assert np.isnan(list(long_term.scored(np.full_like(truth, np.nan), task).values())).all()


def test_published_means_stand_where_all_systems_are(monkeypatch):
    monkeypatch.setattr(corpus, "everyone", lambda: ["Lorenz", "Rossler"])
    monkeypatch.setattr(corpus, "catalogue", lambda dims: [])
    suite = suites.suite("long-term")
    tasks = suite.tasks()
    assert [(task.name, task.part) for task in tasks] == [
        (name, part) for name in ("Lorenz", "Rossler") for part in range(2)
    ]
    assert tasks[0].context.shape == (512, 3)
    assert tasks[0].truth.shape == (4096, 3)
    tables = {name: suites.run(suite, name, tasks=tasks) for name in ("ceiling", "parrot")}
    table = suites.compare(suite, tables)
    assert table["all"].loc["PathFM-Chaotic", "mean"] == 0.251
    assert np.isnan(table["held out"].loc["PathFM-Chaotic", "mean"])
    assert table["all"].loc["ceiling", "mean"] < table["all"].loc["parrot", "mean"]
