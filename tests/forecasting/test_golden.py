"""The published weights give the published numbers."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch

import dynamix
from dynamix.engine import rollout as kernels
from dynamix.metrics import reconstruction as metrics
from dynamix.model import rollouts as rollout

OPTIONS = {
    "lorenz63_raw": {"standardize": False},
    "selkov_2d_zero": {"embedding": "zero", "standardize": False, "initial_x": [1.0, -1.0]},
    "selkov_2d_delay": {"embedding": "delay"},
    "sine_1d_delay": {"embedding": "delay"},
    "sine_1d_zero": {"embedding": "zero"},
    "lorenz_x_1d_delay": {"embedding": "delay"},
    "airpassengers_1d_nonstationary": {"detrend": True, "box_cox": True},
}
CASES = [
    "lorenz63_3d",
    "chua_3d",
    "sprottM_3d",
    "batch_3d",
    "lorenz63_raw",
    "lorenz63_initial_x",
    "selkov_2d_zero",
    "selkov_2d_delay",
    "sine_1d_delay",
    "lorenz_x_1d_delay",
    "sine_1d_pos",
    "etth1_1d_pos",
    "cloud_1d_pos",
    "sine_1d_zero",
    "airpassengers_1d_nonstationary",
]


@pytest.mark.parametrize("engine", ["torch", "auto"])
@pytest.mark.parametrize("case", CASES)
def test_forecasts_agree_with_the_reference(case, engine, upstream, published):
    with np.load(upstream / "golden_forecasts.npz") as golden:
        context, expected = golden[f"{case}/context"], golden[f"{case}/forecast"]
    options = dict(OPTIONS.get(case, {}))
    if case == "lorenz63_initial_x":
        options["initial_x"] = np.load(upstream / "lorenz63.npy")[3000]
    forecast = dynamix.forecast(
        context, horizon=len(expected), model=published, gate_noise=False, engine=engine, **options
    )
    assert forecast.shape == expected.shape
    # over 20 steps, in units of the context's deviation: chaos amplifies rounding later
    error = np.abs(forecast - expected)[:20] / context.std(axis=0, ddof=1)
    assert error.max() <= (1e-2 if "nonstationary" in case else 1e-4)


@pytest.mark.parametrize(
    "case",
    ["lorenz63_3d", "chua_3d", "sprottM_3d", "batch_3d", "lorenz63_raw", "lorenz63_initial_x"],
)
def test_both_engines_agree_on_the_golden_contexts(case, upstream, published):
    """To 1e-5 over 50 steps with noise, with each other and with float64 throughout."""
    with np.load(upstream / "golden_forecasts.npz") as golden:
        x = golden[f"{case}/context"].astype(np.float64)
    if case != "lorenz63_raw":
        x = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    context = torch.from_numpy(x.reshape(len(x), -1, 3)).float()
    fine = copy.deepcopy(published).double()
    exact = rollout.rollout(fine, context, horizon=50, seed=1).observations
    readable = rollout.rollout(published, context, horizon=50, seed=1).observations
    compiled = torch.from_numpy(
        kernels.rollout(published, context, horizon=50, seed=1).observations
    )
    assert readable.dtype == compiled.dtype == torch.float32
    for one, other in ((readable, compiled), (readable, exact), (compiled, exact)):
        assert (one - other).abs().max().item() <= 1e-5


def test_every_case_of_the_file_is_tested(upstream):
    with np.load(upstream / "golden_forecasts.npz") as golden:
        assert {key.split("/")[0] for key in golden} == set(CASES)


def test_measures_agree_with_the_reference(upstream):
    golden = list(json.loads((upstream / "golden_metrics.json").read_text()).values())
    lorenz, chua = (np.load(upstream / f"{name}.npy") for name in ("lorenz63", "chua"))
    pairs = [(lorenz[2000:12000], lorenz[:10000]), (chua[:10000], lorenz[:10000])]
    # the reference's D_stsp drops a bin per dimension; all bins give these
    for (forecast, truth), expected in zip(pairs, (0.0589, 11.837), strict=True):
        value = metrics.state_space_divergence(forecast=forecast, truth=truth)
        assert value == pytest.approx(expected, rel=0.01)
    for (forecast, truth), expected in zip(pairs, golden[2:4], strict=True):
        value = metrics.spectral_hellinger(forecast=forecast, truth=truth)
        assert value == pytest.approx(expected, abs=1e-3)
    assert metrics.mase(forecast=pairs[0][0], truth=pairs[0][1]) == pytest.approx(
        golden[4], abs=1e-4
    )


@pytest.mark.parametrize(
    ("name", "context", "low", "high"),
    [("lorenz63", 2000, 0.4, 1.4), ("chua", 1028, 1.2, 3.0), ("sprottM", 512, 2.2, 4.2)],
)
def test_with_noise_the_published_ranges_are_met(name, context, low, high, upstream, published):
    x = np.load(upstream / f"{name}.npy")
    divergences = [
        metrics.state_space_divergence(
            forecast=dynamix.forecast(x[:context], horizon=10_000, model=published, seed=seed),
            truth=x[context : context + 10_000],
        )
        for seed in range(2)
    ]
    assert low <= np.median(divergences) <= high


def test_a_bare_weights_file_and_the_published_layout_round_trip(upstream, published, tmp_path):
    from safetensors.torch import load_file

    original = load_file(upstream / "dynamix-3d-alrnn-v1.0.safetensors")
    path = published.save_pretrained(tmp_path / "copy-v1.0.safetensors")
    assert path.name == "copy-v1.0.safetensors"
    written = load_file(path)
    assert set(written) == set(original)
    N = 3
    for key, value in original.items():
        if key == "B":  # its first N columns are overwritten in use, so they carry nothing
            value, written[key] = value[:, N:], written[key][:, N:]
        np.testing.assert_array_equal(written[key].numpy(), value.numpy())
