"""Both measures of geometry compare the same delay embeddings."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from helpers import ROOT, script

from dynamix import metrics, preprocessing, systems

sys.path.insert(0, str(ROOT / "experiments"))  # where a script finds its neighbours


def test_geometry_is_measured_in_the_embedding_of_the_truth(monkeypatch):
    made = script("embedding_auto")
    monkeypatch.setattr(made, "EMBEDDINGS", ("delay", "zero"))
    asked = []
    run = made.Pipeline.run
    monkeypatch.setattr(
        made.Pipeline, "run", lambda *a, **k: asked.append(run(*a, **k)) or asked[-1]
    )
    x = systems.trajectory("Lorenz", n=600)[:, :1].astype(np.float64)
    context, truth = x[:300], x[300:]
    rows = list(made.measured(context, truth, bins=10))
    assert [row["embedding"] for row in rows] == ["delay", "zero"]
    delay = preprocessing.decorrelation_time(context)
    for row, answer in zip(rows, asked, strict=True):
        parts = {
            key: np.column_stack([v[2 * delay :], v[delay:-delay], v[: -2 * delay]])
            for key, v in (("forecast", answer[0][:, 0]), ("truth", truth))
        }
        assert row["d_stsp"] == pytest.approx(metrics.state_space_divergence(**parts, bins=10))
        assert row["hellinger"] == pytest.approx(metrics.histogram_hellinger(**parts, bins=10))
        assert set(row) < set(made.COLUMNS)
