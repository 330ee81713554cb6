"""The compiled largest Lyapunov exponent of :class:`dynamix.DynaMix`: some 50 ms for 2,000 steps.

The same map and the same tangent as :func:`dynamix.dynamics.lyapunov_spectrum` follows with
automatic differentiation, written out, in double precision, and equal to it by test. Plain loops:
the compiler makes vectors of them, and no sum is reordered, so that every machine adds alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ..local.forecaster import LocalForecaster
from ..model.dynamix import DynaMix, check_series
from ..settings import ModelConfig
from . import local as kernels_local
from .runtime import available_cores, call, entry, pool

_SIZES = (
    "observed_dims", "latent_dims", "experts", "relu_units", "hidden_units", "expert_kind",
)  # fmt: skip
CUTOFF = 40.0  # context steps that weigh less than exp(-40) of the nearest are left out


@entry  # which numba compiles anew when this file changes; it calls no helper of another one
def grow(  # type: ignore[no-untyped-def]
    points, encodings, D, tau_att, U, V, tau_gate, A, W, W2, h, h2, linear, kicks, z, v, transient,
    logs,
):  # fmt: skip
    """Follow state ``z`` and unit tangent ``v``, both ``(M,)``; ``logs`` gets log-growths.

    ``points`` and ``encodings`` are ``(N, K)``; ``kicks (steps, N)`` are added to the query.
    Matrices of the experts have their inputs first, so that the inner loops run along the outputs:
    ``W (J, M, M)`` of an AL-RNN, or ``W2 (J, M, H)`` inward and ``W (J, H, M)`` outward of a
    clipped shallow PLRNN. ``linear`` is ``M - P``, or -1 for the latter. Where the state diverges
    it ends, and the rest of ``logs`` is infinite.
    """
    N, K = points.shape
    J, M = A.shape
    H = W2.shape[2]
    distance, slope = np.empty(K), np.empty(K)
    q, dq, s, ds = np.empty(N), np.empty(N), np.empty(N), np.empty(N)
    hidden, dhidden, w, dw = np.empty(J), np.empty(J), np.empty(J), np.empty(J)
    x, dx, new, dnew = np.empty(M), np.empty(M), np.empty(M), np.empty(M)
    y, dy, inner, dinner = np.empty(M), np.empty(M), np.empty(H), np.empty(H)
    logs[:] = np.inf
    for t in range(transient + len(logs)):
        # attention: d |c - q|_1 = -sign(c - q) dq
        distance[:], slope[:] = 0.0, 0.0
        for n in range(N):
            q[n], dq[n] = kicks[t, n], 0.0
            for m in range(M):
                q[n] += D[n, m] * z[m]
                dq[n] += D[n, m] * v[m]
            for k in range(K):
                c = points[n, k] - q[n]
                distance[k] += abs(c)
                slope[k] -= np.sign(c) * dq[n]
        nearest = np.inf
        for k in range(K):
            nearest = min(nearest, distance[k])
        mass, dmass = 0.0, 0.0
        s[:], ds[:] = 0.0, 0.0
        for k in range(K):
            if distance[k] < nearest + CUTOFF * tau_att:
                a = math.exp((nearest - distance[k]) / tau_att)
                da = -a * slope[k] / tau_att
                mass += a
                dmass += da
                for n in range(N):
                    s[n] += a * encodings[n, k]
                    ds[n] += da * encodings[n, k]
        for n in range(N):  # s = sum(a e) / sum(a)
            s[n] /= mass
            ds[n] = (ds[n] - s[n] * dmass) / mass
        # gate: w = softmax(-V relu(U [s; z]) / tau)
        for j in range(J):
            hidden[j], dhidden[j] = 0.0, 0.0
            for n in range(N):
                hidden[j] += U[j, n] * s[n]
                dhidden[j] += U[j, n] * ds[n]
            for m in range(M):
                hidden[j] += U[j, N + m] * z[m]
                dhidden[j] += U[j, N + m] * v[m]
            if hidden[j] <= 0.0:
                hidden[j], dhidden[j] = 0.0, 0.0
        top = -np.inf
        for j in range(J):
            w[j], dw[j] = 0.0, 0.0
            for i in range(J):
                w[j] -= V[j, i] * hidden[i] / tau_gate
                dw[j] -= V[j, i] * dhidden[i] / tau_gate
            top = max(top, w[j])
        mass, dmass = 0.0, 0.0
        for j in range(J):
            w[j] = math.exp(w[j] - top)
            dw[j] *= w[j]
            mass += w[j]
            dmass += dw[j]
        for j in range(J):
            w[j] /= mass
            dw[j] = (dw[j] - w[j] * dmass) / mass
        # experts
        for m in range(M):
            off = linear >= 0 and m >= linear and z[m] <= 0.0
            x[m], dx[m] = (0.0, 0.0) if off else (z[m], v[m])
            new[m], dnew[m] = 0.0, 0.0
        for j in range(J):
            for m in range(M):
                y[m], dy[m] = A[j, m] * z[m] + h[j, m], A[j, m] * v[m]
            if linear >= 0:
                for i in range(M):
                    for m in range(M):
                        y[m] += W[j, i, m] * x[i]
                        dy[m] += W[j, i, m] * dx[i]
            else:
                inner[:], dinner[:] = 0.0, 0.0
                for m in range(M):
                    for i in range(H):
                        inner[i] += W2[j, m, i] * z[m]
                        dinner[i] += W2[j, m, i] * v[m]
                for i in range(H):
                    u, du = inner[i], dinner[i]
                    shifted = u + h2[j, i]
                    on, above = shifted > 0.0, u > 0.0
                    p = (shifted if on else 0.0) - (u if above else 0.0)
                    dp = (du if on else 0.0) - (du if above else 0.0)
                    for m in range(M):
                        y[m] += W[j, i, m] * p
                        dy[m] += W[j, i, m] * dp
            for m in range(M):
                new[m] += w[j] * y[m]
                dnew[m] += dw[j] * y[m] + w[j] * dy[m]
        size = 0.0
        for m in range(M):
            size += dnew[m] * dnew[m]
            z[m] = new[m]
        size = math.sqrt(size)
        if not size < np.inf:  # NaN, too
            return
        for m in range(M):
            v[m] = dnew[m] / max(size, 1e-300)
        if t >= transient:
            logs[t - transient] = math.log(size + 1e-300)


def supports(model: DynaMix | LocalForecaster) -> bool:
    """Whether :func:`largest_exponents` knows every part of this ``model``.

    Examples
    --------
    >>> supports(DynaMix())
    True
    """
    if isinstance(model, LocalForecaster):
        return True
    plain = ModelConfig(
        **{name: getattr(model.config, name) for name in _SIZES},
        probabilistic=model.config.probabilistic,  # the experts' noise is left out
    )
    known = {name: p.shape for name, p in DynaMix(plain).named_parameters()}
    here = {name: p.shape for name, p in model.named_parameters()}
    return known == here


def largest_exponents(
    model: DynaMix | LocalForecaster,
    contexts: Float[Tensor, "T_C S N"],
    *,
    steps: int,
    transient: int,
    noise: Float[ndarray, "_ N"] | None = None,
) -> Float[ndarray, " S"]:
    """Largest Lyapunov exponent behind each context; infinite where the model diverges.

    Benettin's method with one tangent vector, as :func:`dynamix.dynamics.lyapunov_spectrum`.

    Parameters
    ----------
    model
        With AL-RNN or clipped shallow PLRNN experts, or a local forecaster; see :func:`supports`. Probabilistic
        experts' own noise is left out.
    contexts
        ``(T_C, S, N)`` as the model sees them: standardised, embedded. A series' exponent depends
        on its own context alone.
    steps, transient
        Steps averaged over, at least 1, after those left out first, at least 0.
    noise
        The gate's ``eps``, as of :func:`dynamix.model.rollouts.gate_noise_stream`,
        ``(transient + steps, N)``: two copies that feel the same noise part at this rate. None
        leaves it out.

    Returns
    -------
    (S,)
        In nats per step.

    Raises
    ------
    InputError
        If the contexts' shape does not fit the model.
    EngineUnavailable
        If the kernel does not compile on this machine.

    Examples
    --------
    Experts that all halve the state lose ``ln 2`` a step, whatever the gate does:

    >>> import torch
    >>> model = DynaMix()
    >>> with torch.no_grad():
    ...     halved = model.experts.W.zero_(), model.experts.A.fill_(0.5)
    >>> contexts = torch.sin(torch.arange(600.0)).reshape(100, 2, 3)
    >>> largest_exponents(model, contexts, steps=10, transient=0).round(3).tolist()
    [-0.693, -0.693]
    """
    if isinstance(model, LocalForecaster):
        return kernels_local.largest_exponents(
            model, contexts, steps=steps, transient=transient, noise=noise
        )
    check_series(contexts, model.config.observed_dims)
    c = model.config
    value: dict[str, Any] = {
        name: parameter.detach().cpu().double().numpy()
        for name, parameter in model.named_parameters()
    }
    none = np.zeros((1, 1, 1))
    kicks = np.zeros((transient + steps, c.observed_dims))
    if noise is not None:
        kicks += value["gate.sigma"] * noise
    if c.expert_kind == "alrnn":
        linear = c.latent_dims - c.relu_units
        W, W2, h, h2 = value["experts.W"], none, value["experts.h"], none[0]
    else:
        linear = -1
        W, W2 = value["experts.W1"], value["experts.W2"]
        h, h2 = value["experts.h1"], value["experts.h2"]
    series = contexts.detach().cpu().double().numpy()
    kernel, bias = value["gate.conv.weight"], value["gate.conv.bias"]
    # lyapunov_spectrum begins with the same direction
    direction = np.random.default_rng(0).standard_normal((c.latent_dims, 1))[:, 0]
    direction /= np.linalg.norm(direction)

    def work(s: int) -> float:
        x = series[:, s]
        encodings = x[:-1] @ kernel[:, :, 0].T + x[1:] @ kernel[:, :, 1].T + bias
        logs = np.empty(steps)
        call(
            grow, _inputs_first(x[:-1]), _inputs_first(encodings), value["gate.D"],
            abs(float(value["gate.tau_att"][0])), value["gate.U"], value["gate.V"],
            abs(float(value["gate.tau_gate"][0])), value["experts.A"], _inputs_first(W),
            _inputs_first(W2), h, h2, linear, kicks,
            np.concatenate([x[-1], value["L"] @ x[-1]]), direction.copy(), transient, logs,
        )  # fmt: skip
        return float(logs.mean())

    return np.array(list(pool(available_cores()).map(work, range(series.shape[1]))))


def _inputs_first(matrix: ndarray) -> ndarray:
    """The last two axes swapped, contiguous."""
    return np.ascontiguousarray(np.swapaxes(matrix, -1, -2))
