"""A row of the ablations: medians and intervals of every measure, in which an escape is worst."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, script

sys.path.insert(0, str(ROOT / "experiments"))  # where a script finds its neighbours


@pytest.fixture
def table():
    """Three systems, three starts; one start of the last system escapes."""
    places = {"system": np.repeat(["a", "b", "c"], 3), "start": [0, 1, 2] * 3}
    values = np.repeat([1.0, 2.0, 3.0], 3) + np.tile([0.0, 0.1, 0.2], 3)
    fates = ["cycle"] * 8 + ["escape"]
    errors = {"d_stsp": values, "hellinger": values / 10, "d_h": values / 20, "mase": values / 5}
    return pd.DataFrame({**places, **errors, "fate": fates})


def test_every_measure_has_its_median_and_interval(table):
    made = script("ablations")
    row = made.measured(table)
    for measure, scale in (("d_stsp", 1.0), ("hellinger", 0.1), ("d_h", 0.05), ("mase", 0.2)):
        assert row[measure] == pytest.approx(2.1 * scale, abs=1e-4)
        low, high = row[f"{measure}_low"], row[f"{measure}_high"]
        assert scale <= low <= row[measure] <= high
    for name in ("ablations", "ablations_analogue"):
        assert set(row) < set(script(name).COLUMNS)


def test_an_escape_is_the_worst_in_what_lasts_and_is_counted(table):
    made = script("ablations")
    assert made.measured(table)["failures"] == 1
    lost = table.assign(fate=["cycle"] * 3 + ["escape"] * 6)
    row = made.measured(lost)
    assert row["failures"] == 6
    for measure in ("d_stsp", "hellinger", "d_h"):
        assert row[measure] == row[f"{measure}_high"] == np.inf
    assert row["mase_high"] < np.inf  # the first steps were forecast
