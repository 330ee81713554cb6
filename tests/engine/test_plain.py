"""The NumPy engine equals the reference, and a forecast by it needs neither torch nor numba."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from engine.cases import SIZES, TEMPERATURES, make_context, make_model
from helpers import ROOT, small_model, wave

from dynamix import forecast
from dynamix.engine import run_engine
from dynamix.local import LocalForecaster
from dynamix.local.settings import LocalConfig
from dynamix.model.checkpoints import bundled, find, load
from dynamix.model.runs import Group

KINDS = [{}, {"probabilistic": True}, {"relu_units": 0}, {"observed_dims": 6}]
KINDS += [{"expert_kind": "clipped_shallow_plrnn", "hidden_units": 5}]


def both(model, context, **options):
    """The rollouts of torch and of NumPy."""
    return [run_engine(e, [Group(model, context)], **options)[0] for e in ("torch", "numpy")]


@pytest.mark.parametrize("sizes", KINDS, ids=str)
@pytest.mark.parametrize("double", [False, True])
def test_every_kind_of_model_rolls_out_as_the_reference(sizes, double):
    model = small_model(**sizes)
    model = model.double() if double else model
    context = np.stack([wave(80, model.config.observed_dims, seed=s) for s in (0, 1)], axis=1)
    context = context.astype(np.float32).astype(float)
    options = {"horizon": 30, "seed": 3, "quiet_steps": 5, "return_gates": True}
    for more in ({}, {"gate_noise": False}):
        expected, found = both(model, context, **options | more)
        assert found.observations.dtype == found.gates.dtype == np.float32
        np.testing.assert_allclose(found.observations, expected.observations, atol=1e-6)
        np.testing.assert_allclose(found.gates, expected.gates, atol=1e-6)


@pytest.mark.parametrize("tau", [*TEMPERATURES, -0.1])
@pytest.mark.parametrize("sizes", SIZES)
def test_sharp_attentions_do_not_matter(sizes, tau):
    model, context = make_model(*sizes, tau=tau), make_context(257, 3, sizes[0], smooth=True)
    start = np.stack([context[7, s].numpy() for s in range(3)])
    group = Group(model, context.numpy(), start)
    expected, found = (run_engine(e, [group], horizon=5)[0] for e in ("torch", "numpy"))
    np.testing.assert_allclose(found.observations, expected.observations, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dims", [1, 3, 5])
def test_the_local_forecaster_chooses_and_runs_as_the_reference(dims):
    config = LocalConfig(observed_dims=dims, neighbours=(8, 20), pulls=(1.0, 0.9))
    model = LocalForecaster(config)
    context = np.stack([wave(90, dims, seed=s) for s in (2, 3)], axis=1)
    steps = 20 if dims > 1 else 3  # one channel is no state
    expected, found = both(model, context, horizon=steps, return_gates=True)
    np.testing.assert_array_equal(found.gates, expected.gates)
    np.testing.assert_allclose(found.observations, expected.observations, atol=2e-5)


def test_a_diverging_rollout_does_no_harm():
    model = small_model()
    with torch.no_grad():
        model.experts.A += 50.0
    _, found = both(model, wave(80)[:, None], horizon=300)
    assert not np.isfinite(found.observations).all()


def test_a_checkpoint_and_its_torch_model_are_the_same():
    context = wave(80)[:, None]
    for name in bundled():
        model = find(name)
        shown = np.tile(context, 2)[..., : model.config.observed_dims]
        ours = run_engine("numpy", [Group(model, shown)], horizon=5)[0]
        again = run_engine("numpy", [Group(load(name), shown)], horizon=5)[0]
        np.testing.assert_array_equal(ours.observations, again.observations)


SCRIPT = """
import json, sys

BLOCKED = {"torch", "numba", "llvmlite", "seaborn", "matplotlib", "jaxtyping", "pyarrow", "dysts"}

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
import numpy as np
import dynamix

def made(engine, model, n, **how):
    return dynamix.forecast(series(n), horizon=20, engine=engine, model=model, **how)

def series(n):
    t = np.arange(150)[:, None]
    return np.sin(t / [5, 8, 13, 6])[:, :n] + np.cos(t / [9, 4, 7, 6])[:, :n]

asked = json.loads(sys.argv[1])
print(json.dumps([made(e, m, n, **how).tolist() for e, m, n, how in asked]))
assert not BLOCKED & {name.partition(".")[0] for name, found in sys.modules.items() if found}
"""
ASKED = [("numpy", name, 3, {}) for name in bundled()]
ASKED += [
    ("auto", None, 1, {}),
    ("numpy", "dynamix-3d-plus", 4, {}),
    ("numpy", "dynamix-6d", 4, {}),
]
ASKED += [("numpy", "dynamix-3d", 1, {"quantile_levels": [0.1, 0.9]})]
ASKED += [("numpy", "dynamix-3d", 3, {"n_samples": 3, "odds": "gate"})]


def test_a_forecast_needs_neither_torch_nor_numba():
    """The numbers of a process that cannot import them are those of the compiled engine."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(ASKED)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    t = np.arange(150)[:, None]
    for (_, model, n, how), found in zip(ASKED, json.loads(done.stdout), strict=True):
        x = np.sin(t / [5, 8, 13, 6])[:, :n] + np.cos(t / [9, 4, 7, 6])[:, :n]
        expected = forecast(x, horizon=20, engine="compiled", model=model, **how)
        np.testing.assert_allclose(found, expected, atol=1e-3, err_msg=f"{model}, {n} channels")
