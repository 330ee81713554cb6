"""The headlines of stored results come from their tables."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, script

from dynamix.evaluation import results

sys.path.insert(0, str(ROOT / "experiments"))  # where a script finds its neighbours


def test_headline_of_measured_series_against_a_loop():
    table, record = results.read("real_world", make="python experiments/real_world.py")
    found = script("real_world").headline(table)
    # a processor sums in its own order
    assert found == pytest.approx(record["headline"], rel=1e-12)
    plain = table.fillna({"embedding": "", "transforms": ""})
    plain = plain[plain["transforms"].eq("") & plain["embedding"].isin(["", "pos", "none"])]
    quotients, ahead, smaller = [], 0, 0
    for _, series in plain.groupby("dataset"):
        longest = series.loc[series["forecaster"] == "AutoARIMA", "context"].max()
        series = series[series["context"] == longest]
        far = series[series["horizon"] == series["horizon"].max()].set_index("forecaster")
        mase, d_stsp = far["mase"], far["d_stsp"]
        best = min(mase[k] for k in ("AutoARIMA", "AutoETS", "AutoTheta", "seasonal naive"))
        quotients.append(mase["dynamix-3d-plus"] / best)
        ahead += mase["dynamix-3d-plus"] < best
        smaller += d_stsp["dynamix-3d"] < d_stsp["context parroting"]
    assert found["series"] == len(quotients) == 16
    mean = np.prod(quotients) ** (1 / len(quotients))
    assert found["mase dynamix-3d-plus / best classic, long"] == pytest.approx(mean)
    assert found["dynamix-3d-plus ahead of best classic, long"] == ahead
    assert found["d_stsp dynamix-3d below context parroting"] == smaller


def test_headline_of_noise_counts_what_is_no_number_as_worst():
    table = pd.DataFrame(
        {
            "model": ["a", "a", "a", "b"],
            "varied": ["noise", "noise", "context", "noise"],
            "value": [0.02, 0.02, 512, 0.1],
            "system": ["x", "y", "x", "x"],
            "d_stsp": [1.0, np.nan, 3.0, 4.0],
            "fate": ["cycle", "escape", "escape", "escape"],
        }
    )
    assert script("failure_rates").headline(table) == {
        "d_stsp a, noise 0.02": np.inf,
        "escaped a, noise 0.02": 1.0,
        "systems": 2.0,
    }


def test_stored_headlines_are_those_of_their_tables():
    for name, experiment in (
        ("adapters", "adapters"),
        ("bench_times", "bench_times"),
        ("environments", "environments"),
        ("sensitivity", "failure_rates"),
    ):
        table, record = results.read(name, make=f"python experiments/{experiment}.py")
        assert script(experiment).headline(table) == record["headline"]
