"""The torch engine: free-running rollouts, step by step. Other engines must reproduce them.

All noise comes from :func:`gate_noise_stream`, and so from the seed alone.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .shapes import Inputs, RunWeights


class Rollout(NamedTuple):
    """Observations ``(T, S, N)`` of a rollout, and expert weights ``(T, S, J)`` if asked for.

    ``observations`` are in the units of the context, without the initial state. ``gates`` is None
    if the weights were not asked for.

    >>> from dynamix import DynaMix
    >>> y, gates = rollout(DynaMix(), torch.zeros(50, 2, 3), horizon=10, return_gates=True)
    >>> tuple(y.shape), tuple(gates.shape)
    ((10, 2, 3), (10, 2, 10))
    """

    observations: Inputs
    gates: RunWeights | None


class Group(NamedTuple):
    """Series that run side by side under one model; contexts are ``(T_C, S, N)``."""

    model: Any
    context: Inputs
    initial_x: Tensor | None = None


def gate_noise_stream(
    horizon: int, observed_dims: int, *, seed: int, quiet_steps: int = 0
) -> np.ndarray:
    """The gate's ``eps``: standard normal, ``(horizon, N)``, float32; it depends on the seed alone.

    All series share the numbers, so a series' forecast depends neither on the series beside it nor
    on the engine. The first ``quiet_steps`` are 0. A longer horizon begins with the same numbers.
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
    noise = generator.standard_normal((horizon, observed_dims), dtype=np.float32)
    noise[:quiet_steps] = 0.0
    return noise


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
