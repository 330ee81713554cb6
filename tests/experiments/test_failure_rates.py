"""Sensitivity to one condition at a time."""

from __future__ import annotations

import sys

import numpy as np
from helpers import ROOT, script

from dynamix import BenchmarkConfig

sys.path.insert(0, str(ROOT / "experiments"))  # where a script finds its neighbours


def test_sensitivity_varies_one_condition_at_a_time():
    seen = []

    def watching(contexts, horizon, *, seed):
        seen.append(contexts[:, 0])
        return np.repeat(contexts.mean(axis=0, keepdims=True), horizon, axis=0)

    rows = script("failure_rates").sensitivity(
        watching,
        names=["Lorenz"],
        config=BenchmarkConfig(context=200, horizon=300, starts=1),
        varied={"points_per_period": (25, 50), "context": (100, 400), "noise": (0.0, 0.1)},
    )
    assert [row["varied"] for row in rows[::2]] == ["points per period", "context", "noise"]
    assert [len(c) for c in seen] == [200, 200, 100, 400, 200, 200]
    np.testing.assert_array_equal(seen[2], seen[3][-100:])  # the truth begins at the same place
    noise = (seen[5] - seen[4]).astype(np.float64)
    np.testing.assert_allclose(noise.std(axis=0), 0.1 * seen[4].std(axis=0), rtol=0.15)
    assert all(np.isfinite(row["d_h"]) for row in rows)
