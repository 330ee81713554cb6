"""The paired comparison of a trained model with its own start."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, script

sys.path.insert(0, str(ROOT / "experiments"))  # where a script finds its neighbours


def table(errors: list[float]) -> pd.DataFrame:
    names = [f"flow {i}" for i in range(len(errors))]
    return pd.DataFrame({"system": names, "start": 0}).assign(
        **dict.fromkeys(("d_stsp", "hellinger", "d_h", "mase"), errors)
    )


def test_ratios_are_paired_and_failures_lose():
    start = table([1.0, 10.0, 4.0, np.nan, 2.0])
    trained = table([2.0, 5.0, 1.0, 1.0, np.nan])
    found = script("trained_against_start").compared(trained, start)["d_stsp"]
    assert found["ratio"] == 0.5  # of 2, 0.5, 0.25, 0 and infinity
    assert found["wins"] == pytest.approx(3 / 5)
    assert found["failures"] == found["start_failures"] == 1
    assert found["ratio_low"] <= 0.5 <= found["ratio_high"]


def test_a_model_that_is_its_start_has_learned_nothing():
    same = table([1.0, 2.0, np.nan])
    found = script("trained_against_start").compared(same, same)["mase"]
    assert (found["ratio_low"], found["ratio"], found["ratio_high"]) == (1.0, 1.0, 1.0)
    assert (found["wins"], found["ties"]) == (0.0, 3)
