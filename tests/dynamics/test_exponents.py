"""Lyapunov exponents of a model by automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import small_model, wave

from dynamix import DynaMix, ModelConfig, dynamics


def linear_model(diagonal) -> DynaMix:
    """One expert, no nonlinearity: ``z' = A z``."""
    M = len(diagonal)
    config = ModelConfig(observed_dims=2, latent_dims=M, experts=1, relu_units=0)
    model = DynaMix(config).double()
    with torch.no_grad():
        model.experts.A.copy_(torch.tensor([diagonal]))
        model.experts.W.zero_()
    return model


def test_lyapunov_spectrum_of_a_linear_map_is_the_logarithm_of_its_eigenvalues():
    diagonal = [0.9, 0.5, 0.99, 0.7]
    spectrum = dynamics.lyapunov_spectrum(linear_model(diagonal), wave(30, 2), steps=200)
    np.testing.assert_allclose(spectrum, np.sort(np.log(diagonal))[::-1], atol=1e-6)
    (scaled,) = dynamics.lyapunov_spectrum(
        linear_model(diagonal), wave(30, 2), steps=100, exponents=1, time_step=0.1
    )
    assert scaled == pytest.approx(np.log(0.99) / 0.1)


def test_largest_exponent_is_the_rate_at_which_neighbours_part():
    """Against two nearby runs of the full model, gate and query included."""
    model = small_model(seed=1).double()
    series = torch.from_numpy(wave(60))[:, None]
    with torch.no_grad():
        model.gate.tau_att.fill_(0.5)
        read = model.gate.read(series)
        z, logs = model.initial_state(series[-1]), []
        delta = torch.full_like(z, 1e-7 / z.numel() ** 0.5)
        for t in range(500):
            new, near = (model.step(state, read)[0] for state in (z, z + delta))
            size = (near - new).norm()
            if t >= 100:
                logs.append(float(torch.log(size / 1e-7)))
            z, delta = new, (near - new) * (1e-7 / size)
    (exponent,) = dynamics.lyapunov_spectrum(model, wave(60), steps=400, transient=100, exponents=1)
    assert exponent == pytest.approx(np.mean(logs), abs=2e-3)
