"""The stored tables are what the bundled checkpoints really do: three systems are run again."""

from __future__ import annotations

import pytest

from dynamix import BenchmarkConfig
from dynamix.evaluation import benchmark, results
from dynamix.model import checkpoints

SYSTEMS = ["Lorenz", "Rossler", "SprottM"]


@pytest.mark.parametrize("context", [512, 2000])
@pytest.mark.parametrize("name", sorted(checkpoints.bundled()))
def test_stored_rows_are_reproduced(name: str, context: int) -> None:
    stored, record = results.read(f"benchmark_{name}_{context}", make=f"dynamix benchmark {name}")
    config = BenchmarkConfig(context=context, starts=1, lyapunov_steps=0)
    again = benchmark.run(name, config=config, names=SYSTEMS).set_index("system")
    stored = stored[stored["start"] == 0].set_index("system")
    for system in SYSTEMS:
        # ten steps are the same everywhere; ten thousand part by rounding, as chaos does
        assert again.loc[system, "mase"] == pytest.approx(stored.loc[system, "mase"], rel=0.01)
        for measure, room in (("d_stsp", 0.5), ("d_h", 0.05)):
            assert again.loc[system, measure] == pytest.approx(
                stored.loc[system, measure], rel=0.5, abs=room
            )
    assert record["settings"]
    assert record["date"]
