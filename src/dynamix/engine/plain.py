"""The NumPy engine: the numbers of :mod:`dynamix.model.rollouts` where neither torch nor numba is.

It computes in float64, as the reference does, and gives float32. Letters as in
:mod:`dynamix.model`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray
from scipy.special import softmax

from ..io.shapes import Float, Int
from ..local.settings import FLOOR, TINY
from ..model.runs import Rollout, Saved, check_series, gate_noise_stream
from ..settings import ModelConfig

State = Float[ndarray, "S M"]
# of a state, the gate's noise (N,) and that of the experts: the next state and expert weights
Step = Callable[[ndarray, ndarray, ndarray], tuple[ndarray, ndarray]]


def rollout(
    model: Saved,
    context: Float[ndarray, "T_C S N"],
    *,
    horizon: int,
    initial_x: Float[ndarray, "S N"] | None = None,
    gate_noise: bool = True,
    seed: int = 0,
    quiet_steps: int = 0,
    return_gates: bool = False,
) -> Rollout:
    """What :func:`dynamix.model.rollouts.rollout` computes of the paper's model."""
    c = model.config
    p = {name: value.astype(np.float64) for name, value in model.values.items()}
    seen, x = exact(context), exact(context[-1] if initial_x is None else initial_x)
    check_series(seen, c.observed_dims)
    z, step = np.hstack([x, x @ p["L"].T]), mixture(p, c, seen)
    kicks, draws = np.zeros((horizon, c.observed_dims)), np.zeros((1, c.experts, c.latent_dims))
    if gate_noise:
        kicks[:] = gate_noise_stream(*kicks.shape, seed=seed, quiet_steps=quiet_steps)
    generator = np.random.Generator(np.random.Philox(key=[seed, 1]))
    observations = np.empty((horizon, len(x), c.observed_dims), np.float32)
    gates = np.empty((horizon if return_gates else 0, len(x), c.experts), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # a run that diverges
        for t in range(horizon):
            if c.probabilistic:
                draws[:] = generator.standard_normal(draws.shape, dtype=np.float32)
            z, weights = step(z, kicks[t], draws)
            observations[t] = z[:, : c.observed_dims]
            if return_gates:
                gates[t] = weights
    return Rollout(observations, gates if return_gates else None)


def exact(values: ndarray) -> ndarray:
    """In float64, through the float32 in which all engines see a series."""
    return values.astype(np.float32).astype(np.float64)


def mixture(p: dict[str, ndarray], config: ModelConfig, context: ndarray) -> Step:
    """The step ``z' = sum_j w_j f_j(z)`` of a model with parameters ``p`` (paper, eqs. 1 to 5)."""
    points = np.ascontiguousarray(context.transpose(1, 0, 2))  # (S, T_C, N)
    kernel = p["gate.conv.weight"]
    encodings = points[:, :-1] @ kernel[..., 0].T + points[:, 1:] @ kernel[..., 1].T
    encodings, points = encodings + p["gate.conv.bias"], points[:, :-1]
    tau_att, tau_gate = abs(p["gate.tau_att"]), abs(p["gate.tau_gate"])
    noise = p.get("sigma_expert", np.zeros(config.experts))[:, None]

    def step(z: State, kick: ndarray, draw: ndarray) -> tuple[ndarray, ndarray]:
        query = z @ p["gate.D"].T + p["gate.sigma"] * kick
        attention = softmax(-np.abs(points - query[:, None]).sum(axis=-1) / tau_att, axis=1)
        summary = np.einsum("sk,skn->sn", attention, encodings)
        hidden = np.maximum(np.hstack([summary, z]) @ p["gate.U"].T, 0.0)
        weights = softmax(-(hidden @ p["gate.V"].T) / tau_gate, axis=1)
        proposals = experts(p, config, z) + noise * draw
        return np.einsum("sj,sjm->sm", weights, proposals), weights

    return step


def experts(p: dict[str, ndarray], config: ModelConfig, z: State) -> Float[ndarray, "S J M"]:
    """Each expert's next state (paper, eq. 2; Hess et al., ICML 2023)."""
    linear = p["experts.A"] * z[:, None]
    if config.expert_kind == "alrnn":
        phi, first = z.copy(), config.latent_dims - config.relu_units
        phi[:, first:] = np.maximum(phi[:, first:], 0.0)
        return linear + np.einsum("jmn,sn->sjm", p["experts.W"], phi) + p["experts.h"]
    drive = np.einsum("jhm,sm->sjh", p["experts.W2"], z)
    clipped = np.maximum(drive + p["experts.h2"], 0.0) - np.maximum(drive, 0.0)
    return linear + np.einsum("jmh,sjh->sjm", p["experts.W1"], clipped) + p["experts.h1"]


def local_rollouts(
    model: Saved,
    context: Float[ndarray, "T_C S N"],
    series: Int[ndarray, " R"],
    candidates: Int[ndarray, " R"],
    *,
    horizon: int,
    initial_x: Float[ndarray, "S N"] | None = None,
    gate_noise: bool = True,
    seed: int = 0,
    quiet_steps: int = 0,
) -> Float[ndarray, "T R N"]:
    """What :func:`dynamix.local.forecaster.rollouts` computes."""
    seen = exact(context)
    check_series(seen, model.config.observed_dims)
    kicks = np.zeros((horizon, seen.shape[2]))
    if gate_noise:
        kicks[:] = gate_noise_stream(*kicks.shape, seed=seed, quiet_steps=quiet_steps)
    kicks *= model.values["sigma"].astype(np.float64)
    c = model.config
    start = seen[-1] if initial_x is None else exact(initial_x)
    observations = np.empty((horizon, len(series), seen.shape[2]), np.float32)
    for r, (s, e) in enumerate(zip(series, candidates, strict=True)):
        x, steps = start[s], np.ascontiguousarray(seen[:, s])
        for t in range(horizon):
            x = observations[t, r] = fitted(
                steps, x, x + kicks[t], c.neighbours[e], c.pulls[e], c.ridge
            )
    return observations


def fitted(
    steps: Float[ndarray, "T_C N"],
    x: Float[ndarray, " N"],
    query: Float[ndarray, " N"],
    count: int,
    pull: float,
    ridge: float,
) -> Float[ndarray, " N"]:
    """The successor of ``x``; the equations are those of :func:`dynamix.local.fits.local_fits`."""
    away = steps[:-1] - query
    squared = np.einsum("kn,kn->k", away, away)
    near = np.argpartition(squared, min(count, len(squared)) - 1)[:count]
    reach = squared[near].max()
    weight = (1.0 - squared[near] / max(reach, TINY)) ** 2 + FLOOR
    weight /= weight.sum()
    u, v = steps[near] - x, steps[near + 1] - x
    v -= pull * u
    u_mean, v_mean = weight @ u, weight @ v
    weighted = weight[:, None] * (u - u_mean)
    moments = weighted.T @ (u - u_mean) + (ridge * reach + TINY) * np.eye(len(x))
    slope = np.linalg.solve(moments, weighted.T @ (v - v_mean))
    return x + v_mean - u_mean @ slope
