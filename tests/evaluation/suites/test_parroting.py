"""Zhang & Gilpin's two series: the authors' parrot is made again."""

from __future__ import annotations

import numpy as np
import pytest

from dynamix.evaluation import suites
from dynamix.evaluation.suites import parroting
from dynamix.evaluation.suites.sources import are_here


def test_errors_are_means_over_the_steps():
    task = suites.Task("ECG", np.zeros((9, 1)), np.zeros((2, 1)))
    assert parroting.scored(np.array([[1.0], [-3.0]]), task) == {"mse": 5.0, "mae": 2.0}


def test_the_published_parrot_is_made_again():
    if not are_here("parroting/sciml/oscillator_glass.npy", "parroting/sciml/ecg_train.csv.gz"):
        pytest.skip("the series are not here; name the folder of the benchmarks in DYNAMIX_DATA")
    suite = suites.suite("parroting")
    table = suites.run(suite, "parrot", settings={"match_length": 20})
    found = table.groupby("task")[["mse", "mae"]].mean()
    assert found.loc["Kuramoto", "mse"] == pytest.approx(2.484e-05, rel=0.02)
    assert found.loc["Kuramoto", "mae"] == pytest.approx(0.004487, rel=0.01)
    # 200 starts of a heartbeat: the mean's own error is a twentieth
    assert found.loc["ECG", "mse"] == pytest.approx(0.974, rel=0.15)
    assert found.loc["ECG", "mae"] == pytest.approx(0.656, rel=0.1)
