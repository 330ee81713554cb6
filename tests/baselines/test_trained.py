"""Rivals that need PyTorch stand in the registry without it, and nobody else waits for it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT

from dynamix import baselines
from dynamix.baselines import trained

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("no torch here", name="torch")

sys.meta_path.insert(0, Missing())
from dynamix.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "more",
    [[], ["--model", "dynamix-3d", "--quantiles", "0.1,0.9"], ["--model", "parrot"]],
    ids=str,
)
def test_the_command_forecasts_without_torch(more, tmp_path):
    table = np.sin(np.arange(300)[:, None] / [5, 7])
    np.savetxt(tmp_path / "wave.csv", table, delimiter=",", header="a,b", comments="")
    words = [sys.executable, "-c", WITHOUT, "forecast", "wave.csv", "-n", "3", *more]
    here = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        words, cwd=tmp_path, env=here, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 4


def test_every_entry_has_its_settings_and_no_network_yet():
    names = ["alrnn_stf", "lstm_stf", "neural_ode", trained.CONTROL, f"{trained.CONTROL}-median"]
    listed = baselines.table()
    assert set(names) <= set(listed.index)
    assert list(listed.loc[names[:3], "fitted"]) == ["yes"] * 3
    assert baselines.baseline("lstm_stf", updates=3).settings == {"updates": 3}
