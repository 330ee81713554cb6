"""The page of stored results is what the files say, and shows all of them."""

from __future__ import annotations

import fnmatch

import numpy as np
import pandas as pd
import pytest
import yaml

from dynamix.companion import results_page
from dynamix.evaluation import results, statistics


def test_the_page_is_fresh():
    assert results_page.problems() == []


def test_every_stored_result_is_on_the_page_with_a_headline():
    text = results_page.PAGE.read_text(encoding="utf-8")
    for name, record in results_page.stored().items():
        assert text.split("## Made again")[0].count(f"| `{name}` |") == 2
        assert results_page.headline(name, record)
        made = record.get("provenance", record)
        assert {"command", "settings", "versions", "machine", "date", "seconds"} <= set(made)


def test_claims_rest_on_results_that_exist_and_numbers_are_filled_in():
    names = list(results_page.stored())
    for claim in yaml.safe_load(results_page.CLAIMS.read_text(encoding="utf-8")):
        assert claim["verdict"] in ("supported", "in part", "contradicted", "not settled here")
        for pattern in claim["results"]:
            assert fnmatch.filter(names, pattern), pattern
        assert claim["results"] or claim["verdict"] == "not settled here"
    assert "{bench" not in results_page.page()


def test_headlines_are_the_medians_of_the_benchmark():
    name = "benchmark_dynamix-3d_512"
    table, record = results.read(name, make="dynamix benchmark")
    median = statistics.summary(table).loc["d_stsp", "median"]
    found = {name: results_page.headline(name, record)}
    assert found[name]["d_stsp"] == median
    assert results_page.fill(f"a {{{name}:d_stsp:3}}.", found) == f"a {median:,.3f}."
    with pytest.raises(KeyError):
        results_page.fill("{nothing:d_stsp}", found)
    assert results_page.headline("x", {"headline": {"coverage": 0.9}}) == {"coverage": 0.9}


def test_headline_of_measured_series_against_a_loop():
    table, record = results.read("real_world", make="python experiments/real_world.py")
    found = results_page.headline("real_world", record)
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
    assert results_page._noise(table) == {
        "d_stsp a, noise 0.02": np.inf,
        "escaped a, noise 0.02": 1.0,
        "systems": 2.0,
    }
