"""The bundled model is the first of the stored comparison, in which H has no vote."""

from __future__ import annotations

import pandas as pd
import pytest
from helpers import script

from dynamix import baselines
from dynamix.evaluation import results


def test_the_bundled_model_is_what_the_table_chooses():
    made = script("make_plus")
    table, _ = results.read("choice_dynamix-3d-plus", make="python experiments/make_plus.py")
    ranked = [f"{key}_{context}" for key in made.RANKED for context in made.CONTEXTS]
    assert {f"hellinger_{context}" for context in made.CONTEXTS} < set(table) - set(ranked)
    ranks = sum((table[column].rank() for column in ranked), pd.Series(0.0, index=table.index))
    # the table is rounded to four digits, in which two rows may be level
    assert (ranks - table["rank_sum"]).abs().max() <= 1
    with_h = ranks + sum(table[f"hellinger_{context}"].rank() for context in made.CONTEXTS)
    assert with_h.idxmin() == table["rank_sum"].idxmin()
    best = table.loc[table["rank_sum"].idxmin()]
    model = baselines.baseline("dynamix-3d-plus").model
    assert model.config.ridge == pytest.approx(best["local_ridge"])
    assert model.sigma.tolist() == pytest.approx([best["gate_noise"]] * 3)
