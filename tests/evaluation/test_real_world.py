"""The table of chapter 6 is what its script makes, and its protocol covers every dataset."""

from __future__ import annotations

import os

import numpy as np
import pytest
from helpers import ROOT
from helpers import script as experiment

from dynamix import InputError, baselines
from dynamix.datasets import loading as datasets
from dynamix.datasets.files import FOLDER_VARIABLE
from dynamix.datasets.registry import REGISTRY
from dynamix.evaluation import RollingConfig, results, rolling

pytest.importorskip("statsforecast", reason="the extra 'realworld' is not installed")


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    return experiment("real_world")


def test_the_protocol_covers_every_dataset(script):
    assert set(script.PROTOCOL) == set(REGISTRY)
    for name, (contexts, horizons) in script.PROTOCOL.items():
        config = RollingConfig(contexts=contexts, horizons=horizons)
        if not datasets.REGISTRY[name].url:
            assert len(rolling.origins(len(datasets.load(name)), config)) == 20
        known = script.forecasters(name)
        assert (script.REFERENCE, "", "") in known
        assert len({key for key in known if key[0] == "dynamix-3d"}) >= 2


@pytest.mark.parametrize("name", REGISTRY)
def test_stored_rows_are_reproduced(script, name, monkeypatch):
    stored, record = results.read("real_world", make="python experiments/real_world.py")
    stored = stored[stored["dataset"] == name]
    if not len(stored):
        pytest.skip(f"the stored table has no rows of {name}; its record says so")
    shared = ROOT.parent / "shared" / "data" / "realworld"
    if FOLDER_VARIABLE not in os.environ and shared.is_dir():
        monkeypatch.setenv(FOLDER_VARIABLE, str(shared))
    if not datasets.is_at_hand(name):
        pytest.skip(f"{name} is not here; name its folder in {FOLDER_VARIABLE}")
    contexts, horizons = script.PROTOCOL[name]
    config = RollingConfig(contexts=contexts, horizons=horizons)
    table = rolling.evaluate(
        datasets.target(name),
        forecasters={"context parroting": baselines.parrot, "mean": baselines.mean},
        config=config,
        contexts=contexts[:1],
    )
    for row in rolling.summary(table).to_dict("records"):
        place = (stored["forecaster"] == row["forecaster"]) & (stored["context"] == contexts[0])
        (found,) = stored[place & (stored["horizon"] == row["horizon"])].to_dict("records")
        for error in rolling.ERRORS:
            np.testing.assert_allclose(found[error], row[error], rtol=1e-3)
    assert record["settings"]["protocol"][name]["origins"] == 20


def test_unknown_datasets_have_no_forecasters(script):
    with pytest.raises(InputError, match="unknown dataset"):
        script.forecasters("taxi")
