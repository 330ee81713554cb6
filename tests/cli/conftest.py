"""A model file and a table, as a user has them."""

from __future__ import annotations

import pandas as pd
import pytest
from helpers import small_model, wave


@pytest.fixture
def model(tmp_path):
    return str(small_model().save_pretrained(tmp_path / "model"))


@pytest.fixture
def data(tmp_path):
    frame = pd.DataFrame(wave(80, 2), columns=["load", "wind"])
    frame.insert(0, "when", pd.date_range("2024-01-01", periods=80, freq="h"))
    frame.to_csv(tmp_path / "data.csv", index=False)
    return str(tmp_path / "data.csv")
