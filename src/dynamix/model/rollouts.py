"""The torch engine: free-running rollouts, step by step. Other engines must reproduce them.

All noise comes from :func:`gate_noise_stream`, and so from the seed alone.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .runs import Rollout, gate_noise_stream


@torch.no_grad()
def rollout(
    model: Any,
    context: Tensor,
    *,
    horizon: int,
    initial_x: Tensor | None = None,
    gate_noise: bool = True,
    seed: int = 0,
    quiet_steps: int = 0,
    return_gates: bool = False,
) -> Rollout:
    """Let a model run freely for ``horizon`` steps (paper, eq. 1, from its own last state).

    Parameters
    ----------
    model
        A :class:`DynaMix`, or another model with its ``start`` and ``step``. The result has its
        device and precision. A float32 model on the CPU computes in float64, because an expansive
        map amplifies rounding errors, in 50 steps by a factor of about 1000.
    context
        ``(T_C, S, N)``, as the model sees it: scaled and embedded.
    horizon
        Number of steps. A run that diverges is infinite or NaN from there on.
    initial_x
        Observation ``(S, N)`` to start from; None: the context's last.
    gate_noise, seed, quiet_steps
        Whether the gate's noise is drawn, its seed, and the number of first steps without it.
    return_gates
        Also return the expert weights of every step.

    Examples
    --------
    >>> from dynamix import DynaMix
    >>> rollout(DynaMix(), torch.zeros(100, 2, 3), horizon=20, seed=1).observations.shape
    torch.Size([20, 2, 3])
    """
    result = next(model.parameters())
    if result.device.type == "cpu" and result.dtype == torch.float32:
        model = copy.deepcopy(model).double()
    reference = next(model.parameters())
    # through the model's own precision, in which the compiled engine sees the context
    if initial_x is not None:
        initial_x = initial_x.to(result).to(reference)
    seen, z = model.start(context.to(result).to(reference), initial_x)
    N = model.config.observed_dims
    eps = expert_draws = None
    if gate_noise:
        stream = gate_noise_stream(horizon, N, seed=seed, quiet_steps=quiet_steps)
        eps = torch.from_numpy(stream).to(reference)
    if getattr(model.config, "probabilistic", False):
        expert_draws = np.random.Generator(np.random.Philox(key=[seed, 1]))
        shape = (1, model.config.experts, model.config.latent_dims)
    observations = torch.empty(horizon, len(z), N, dtype=result.dtype, device=z.device)
    gates = []
    for t in range(horizon):
        noise = [None if eps is None else eps[t : t + 1]]
        if expert_draws is not None:
            drawn = expert_draws.standard_normal(shape, dtype=np.float32)
            noise.append(torch.from_numpy(drawn).to(reference))
        z, weights = model.step(z, seen, *noise)
        observations[t] = z[:, :N]
        if return_gates:
            gates.append(weights.to(result.dtype))
    return Rollout(observations, torch.stack(gates) if return_gates else None)
