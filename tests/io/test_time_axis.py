"""How a time axis goes on: dates, periods, numbers, and what cannot go on."""

from __future__ import annotations

import pandas as pd
import pytest

from dynamix import InputError
from dynamix.io.time_axis import continue_index


@pytest.mark.parametrize(
    ("index", "following"),
    [
        (pd.date_range("2024-01-31", periods=3, freq="ME"), ["2024-04-30", "2024-05-31"]),
        (pd.period_range("2024Q1", periods=1, freq="Q"), ["2024Q2", "2024Q3"]),
        (pd.to_timedelta(["0s", "2s", "4s"]), ["0 days 00:00:06", "0 days 00:00:08"]),
        (pd.Index([2, 4, 6]), ["8", "10"]),
        (pd.Index([0.0, 0.1, 0.2, 0.30000000000000004]), ["0.4", "0.5"]),
    ],
)
def test_regular_labels_go_on(index, following):
    index = index.rename("when")
    found = continue_index(index, 2)
    assert found.name == "when"
    assert type(found) is type(index)
    if index.dtype == float:
        assert found.tolist() == pytest.approx([float(label) for label in following])
    else:
        wanted = [pd.Index([label], dtype=object).astype(index.dtype)[0] for label in following]
        assert found.tolist() == wanted


@pytest.mark.parametrize(
    "index",
    [
        pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04"]),
        pd.to_datetime(["2024-01-03", "2024-01-02", "2024-01-01"]),
        pd.to_datetime(["2024-01-03", "2024-01-02"]),
        pd.Index([0, 1, 3]),
        pd.Index([1.0, 1.0]),
        pd.Index(["a", "b", "c"]),
        pd.to_datetime(["2024-01-01"]),
    ],
)
def test_labels_that_cannot_go_on_are_refused(index):
    with pytest.raises(InputError, match=r"not regular and ascending|cannot be continued"):
        continue_index(index, 2)
