"""The stored tables are what the bundled checkpoints really do: three systems are run again."""

from __future__ import annotations

import pandas as pd
import pytest

from dynamix import BenchmarkConfig
from dynamix.evaluation import benchmark, results
from dynamix.model import checkpoints

SYSTEMS = ["Lorenz", "Rossler", "SprottM"]


@pytest.mark.parametrize("context", [512, 2000])
@pytest.mark.parametrize("name", checkpoints.bundled())
def test_stored_rows_are_reproduced(name: str, context: int) -> None:
    stored, record = results.read(f"benchmark_{name}_{context}", make=f"dynamix benchmark {name}")
    config = BenchmarkConfig(context=context, starts=1)
    again = benchmark.run(name, config=config, names=SYSTEMS).set_index("system")
    stored = stored[stored["start"] == 0].set_index("system")
    for system in SYSTEMS:
        # ten steps are the same everywhere; ten thousand part by rounding, as chaos does
        expected = pytest.approx(stored.loc[system, "mase"], rel=0.01, abs=2e-4)
        assert again.loc[system, "mase"] == expected
        for measure, room in (("d_stsp", 0.5), ("d_h", 0.05)):
            assert again.loc[system, measure] == pytest.approx(
                stored.loc[system, measure], rel=0.5, abs=room
            )
    assert record["settings"]
    assert record["date"]


def test_a_stored_row_of_a_rival_is_reproduced_to_the_last_digits() -> None:
    stored, record = results.read("benchmark_parrot_512", make="dynamix benchmark --model parrot")
    config = BenchmarkConfig(**record["settings"] | {"starts": 2})
    again = benchmark.run("parrot", config=config, names=["Rossler"])
    rows = stored[(stored["system"] == "Rossler") & (stored["start"] < 2)].reset_index(drop=True)
    errors = ["d_stsp", "d_h", "mase", "vpt"]
    pd.testing.assert_frame_equal(again[errors], rows[errors], rtol=0, atol=1e-8)
    assert list(again["fate"]) == list(rows["fate"])
