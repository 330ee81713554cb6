"""The torch engine: free-running rollouts of :class:`dynamix.DynaMix`, step by step.

It defines what every other engine must reproduce, the noise included: all of it comes from
:func:`gate_noise_stream`, and so from the seed alone.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .dynamix import DynaMix, check_series


class Rollout(NamedTuple):
    """What a rollout computed: observations ``(T, S, N)``, and gates ``(T, S, J)`` if asked for.

    ``observations`` are in the units of the context, without the initial state. ``gates`` are the
    expert weights, which sum to 1 over the J experts (local ones included); None if not asked for.

    Examples
    --------
    >>> from dynamix import DynaMix
    >>> y, gates = rollout(DynaMix(), torch.zeros(50, 2, 3), horizon=10, return_gates=True)
    >>> tuple(y.shape), tuple(gates.shape)
    ((10, 2, 3), (10, 2, 10))
    """

    observations: Float[Tensor, "T S N"]
    gates: Float[Tensor, "T S J"] | None


def gate_noise_stream(
    horizon: int, observed_dims: int, *, seed: int, quiet_steps: int = 0
) -> np.ndarray:
    """The gate's ``eps``: standard normal, ``(horizon, N)``, float32; it depends on the seed alone.

    Every series sees the same numbers: a series' forecast then does not depend on what is forecast
    beside it, nor on the engine. A longer horizon begins with the shorter one's numbers.

    Parameters
    ----------
    horizon
        Steps.
    observed_dims
        The model's N.
    seed
        Whole number, 0 or more.
    quiet_steps
        First steps whose numbers are 0.

    Examples
    --------
    >>> short, long = (gate_noise_stream(T, 3, seed=7, quiet_steps=2) for T in (5, 100))
    >>> short.shape, bool((short == long[:5]).all())
    ((5, 3), True)
    >>> bool(short[:2].any()), bool(short[2:].all())
    (False, True)
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
    noise = generator.standard_normal((horizon, observed_dims), dtype=np.float32)
    noise[:quiet_steps] = 0.0
    return noise


@torch.no_grad()
def rollout(
    model: DynaMix,
    context: Float[Tensor, "T_C S N"],
    *,
    horizon: int,
    initial_x: Float[Tensor, "S N"] | None = None,
    gate_noise: bool = True,
    seed: int = 0,
    quiet_steps: int = 0,
    return_gates: bool = False,
) -> Rollout:
    """Let the model run freely for ``horizon`` steps (paper, eq. 1, from its own last state).

    Parameters
    ----------
    model
        Its device is the computation's, and its precision the result's. A model in float32 on the
        CPU is computed with in float64: where its map is expansive it enlarges rounding, in 50
        steps some thousandfold.
    context
        ``(T_C, S, N)``, as the model sees it: scaled and embedded.
    horizon
        Steps.
    initial_x
        Observation that ``z_0`` is made from, ``(S, N)``; None: the context's last.
    gate_noise
        Whether the gate's noise is drawn.
    seed
        Of that noise, and of probabilistic experts' own.
    quiet_steps
        First steps without the gate's noise.
    return_gates
        Also return the expert weights of every step.

    Returns
    -------
    Observations ``(horizon, S, N)`` in the context's units, and the expert weights or None.
    Infinite or NaN from where a run diverges.

    Raises
    ------
    InputError
        If the context has other than three axes, fewer than two steps, or other than N channels.

    Examples
    --------
    A series is continued alike whatever runs beside it:

    >>> model = DynaMix()
    >>> context = torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(0))
    >>> both = rollout(model, context, horizon=20, seed=1).observations
    >>> alone = rollout(model, context[:, :1], horizon=20, seed=1).observations
    >>> tuple(both.shape), torch.allclose(both[:, :1], alone, atol=1e-6)
    ((20, 2, 3), True)
    >>> rollout(model, context[..., :2], horizon=20)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the model expects a context of shape (T_C >= 2, series, 3), found ...
    """
    check_series(context, model.config)
    result = model.gate.D
    context = context.to(result)
    if result.device.type == "cpu" and result.dtype == torch.float32:
        model = copy.deepcopy(model).double()
    reference = model.gate.D
    context = context.to(reference)
    N, M, J = model.config.observed_dims, model.config.latent_dims, model.config.experts
    eps = None
    if gate_noise:
        eps = torch.from_numpy(
            gate_noise_stream(horizon, N, seed=seed, quiet_steps=quiet_steps)
        ).to(reference)
    expert_draws = (
        np.random.Generator(np.random.Philox(key=[seed, 1])) if model.config.probabilistic else None
    )
    read = model.gate.read(context)
    z = model.initial_state(
        context[-1] if initial_x is None else initial_x.to(result).to(reference)
    )
    observations = torch.empty(horizon, *z.shape[:1], N, dtype=result.dtype, device=z.device)
    gates = (
        torch.empty(
            horizon, z.shape[0], model.config.all_experts, dtype=result.dtype, device=z.device
        )
        if return_gates
        else None
    )
    for t in range(horizon):
        expert_noise = None
        if expert_draws is not None:
            draws = expert_draws.standard_normal((1, J, M), dtype=np.float32)
            expert_noise = torch.from_numpy(draws).to(reference)
        z, weights = model.step(z, read, None if eps is None else eps[t : t + 1], expert_noise)
        observations[t] = z[:, :N]
        if gates is not None:
            gates[t] = weights
    return Rollout(observations, gates)
