"""The written-out Jacobian against automatic differentiation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import small_model, wave

from dynamix import InputError, dynamics
from dynamix.dynamics import expert_use as use
from dynamix.dynamics import jacobian as jac

X = wave(300)


@pytest.mark.parametrize("gate_noise", [True, False])
def test_jacobians_are_those_of_automatic_differentiation(gate_noise):
    model = small_model()
    seen = use.watch(X, steps=12, model=model, gate_noise=gate_noise)
    read = seen.model.gate.read(torch.from_numpy(seen.context)[:, None])
    found, fixed = (jac.jacobians(seen, gate=gate) for gate in (True, False))
    sigma = seen.model.gate.sigma.detach()
    for t in (0, 5, 11):
        z = torch.from_numpy(seen.states[t])
        asked = torch.from_numpy(seen.queries[t])
        eps = ((asked - seen.model.gate.D.detach() @ z) / sigma)[None]

        def step(state, eps=eps):
            return seen.model.step(state[None], read, eps, query_state=state[None])[0][0]

        weights = torch.from_numpy(seen.weights[t])

        def mixture(state, w=weights):
            return w @ seen.model.experts(state[None])[0]

        expected = torch.autograd.functional.jacobian(step, z).numpy()
        np.testing.assert_allclose(found[t], expected, atol=1e-9)
        held = torch.autograd.functional.jacobian(mixture, z).numpy()
        np.testing.assert_allclose(fixed[t], held, atol=1e-12)


def test_the_spectrum_is_that_of_the_metrics():
    model = small_model()
    seen = use.watch(X, steps=140, model=model, gate_noise=False)
    expected = dynamics.lyapunov_spectrum(
        seen.model, seen.context, steps=100, transient=40, exponents=3, time_step=0.1
    )
    found = jac.spectrum(seen, exponents=3, transient=40, time_step=0.1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(InputError, match="exponents must be at most 7"):
        jac.spectrum(seen, exponents=8, transient=0)
