"""The compiled largest Lyapunov exponent: some 50 ms for 2,000 steps.

The kernel follows a state and one tangent in float64. Tests hold it equal to
:func:`dynamix.dynamics.lyapunov_spectrum`. The loops are plain, so that the order of each sum is
the same on every machine.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from ..local.choice import choose
from ..local.forecaster import LocalForecaster
from ..model.dynamix import DynaMix, check_series
from . import local
from .runtime import VERSION, available_cores, call, entry, piece, spread

CUTOFF = 40.0  # context steps that weigh less than exp(-40) of the nearest are left out


# The model in float64; matrices have their inputs first, and run along their outputs. W is W_j of
# an AL-RNN or W1_j of a clipped shallow PLRNN, and linear is M - P or -1
Weights = namedtuple("Weights", "D U V tau_att tau_gate A W W2 h h2 linear")


@piece
def add(out, W, x):  # type: ignore[no-untyped-def]
    """``out += W x``, value and derivative."""
    for i in range(len(W)):
        for m in range(W.shape[1]):
            out[0, m] += W[i, m] * x[0, i]
            out[1, m] += W[i, m] * x[1, i]


@piece
def divide(x, mass, dmass):  # type: ignore[no-untyped-def]
    """``x / mass``, value and derivative."""
    for i in range(x.shape[1]):
        x[0, i] /= mass
        x[1, i] = (x[1, i] - x[0, i] * dmass) / mass


@entry
def grow(points, encodings, weights, kicks, z, transient, logs, version):  # type: ignore[no-untyped-def]
    """Follow the state ``z[0]`` and the unit tangent ``z[1]``; ``logs`` gets log-growths.

    Arrays of two rows hold a value and its derivative along the tangent. ``points`` and
    ``encodings`` are ``(N, K)``. ``kicks (steps, N)`` are added to the query. After divergence
    ``logs`` is infinite.
    """
    D, U, V, tau_att, tau_gate, A, W, W2, h, h2, linear = weights
    N, K = points.shape
    J, M = A.shape
    H = W2.shape[2]
    distance, q, s = np.empty((2, K)), np.empty((2, N)), np.empty((2, N))
    r, w, inner = np.empty((2, J)), np.empty((2, J)), np.empty((2, H))
    x, y, new = np.empty((2, M)), np.empty((2, M)), np.empty((2, M))
    logs[:] = np.inf
    for t in range(transient + len(logs)):
        # q = D z + kick
        q[0], q[1] = kicks[t], 0.0
        add(q, D, z)
        # d |c - q|_1 = -sign(c - q) dq
        distance[:] = 0.0
        for n in range(N):
            for k in range(K):
                c = points[n, k] - q[0, n]
                distance[0, k] += abs(c)
                distance[1, k] -= np.sign(c) * q[1, n]
        nearest = distance[0].min()
        # s = sum_k a_k e_k / sum_k a_k
        mass, dmass = 0.0, 0.0
        s[:] = 0.0
        for k in range(K):
            if distance[0, k] < nearest + CUTOFF * tau_att:
                a = math.exp((nearest - distance[0, k]) / tau_att)
                da = -a * distance[1, k] / tau_att
                mass += a
                dmass += da
                for n in range(N):
                    s[0, n] += a * encodings[n, k]
                    s[1, n] += da * encodings[n, k]
        divide(s, mass, dmass)
        # r = relu(U [s; z])
        r[:] = 0.0
        add(r, U[:N], s)
        add(r, U[N:], z)
        for j in range(J):
            if r[0, j] <= 0.0:
                r[0, j], r[1, j] = 0.0, 0.0
        # w = softmax(-V r / |tau_gate|)
        w[:] = 0.0
        for i in range(J):
            for j in range(J):
                w[0, j] -= V[i, j] * r[0, i] / tau_gate
                w[1, j] -= V[i, j] * r[1, i] / tau_gate
        top = w[0].max()
        for j in range(J):
            w[0, j] = math.exp(w[0, j] - top)
            w[1, j] *= w[0, j]
        divide(w, w[0].sum(), w[1].sum())
        # phi(z)
        for m in range(M):
            off = linear >= 0 and m >= linear and z[0, m] <= 0.0
            x[0, m], x[1, m] = (0.0, 0.0) if off else (z[0, m], z[1, m])
        # z' = sum_j w_j f_j(z)
        new[:] = 0.0
        for j in range(J):
            for m in range(M):
                y[0, m], y[1, m] = A[j, m] * z[0, m] + h[j, m], A[j, m] * z[1, m]
            if linear >= 0:
                add(y, W[j], x)
            else:  # relu(W2_j z + h2_j) - relu(W2_j z)
                inner[:] = 0.0
                add(inner, W2[j], z)
                for i in range(H):
                    u, du = inner[0, i], inner[1, i]
                    on, above = u + h2[j, i] > 0.0, u > 0.0
                    inner[0, i] = (u + h2[j, i] if on else 0.0) - (u if above else 0.0)
                    inner[1, i] = (du if on else 0.0) - (du if above else 0.0)
                add(y, W[j], inner)
            for m in range(M):
                new[0, m] += w[0, j] * y[0, m]
                new[1, m] += w[1, j] * y[0, m] + w[0, j] * y[1, m]
        size = math.sqrt((new[1] ** 2).sum())
        if not size < np.inf:  # NaN, too
            return
        z[0], z[1] = new[0], new[1] / max(size, 1e-300)
        if t >= transient:
            logs[t - transient] = math.log(size + 1e-300)


def largest_exponents(
    model: DynaMix | LocalForecaster,
    contexts: Float[Tensor, "T_C S N"],
    *,
    steps: int,
    transient: int,
    noise: Float[ndarray, "_ N"] | None = None,
) -> Float[ndarray, " S"]:
    """Largest Lyapunov exponent after each context, in nats per step; infinite after divergence.

    Benettin's method with one tangent vector, over ``steps`` steps after ``transient`` others.
    ``contexts`` are as the model sees them. ``noise`` is the gate's ``eps``, of shape
    ``(transient + steps, N)``; None means no noise. Noise of probabilistic experts is left out.
    Raises EngineUnavailable if the kernel does not compile.

    If all experts halve the state, the exponent is ``-ln 2``:

    >>> import torch
    >>> model = DynaMix()
    >>> with torch.no_grad():
    ...     halved = model.experts.W.zero_(), model.experts.A.fill_(0.5)
    >>> contexts = torch.sin(torch.arange(600.0)).reshape(100, 2, 3)
    >>> largest_exponents(model, contexts, steps=10, transient=0).round(3).tolist()
    [-0.693, -0.693]
    """
    kicks = np.zeros((transient + steps, contexts.shape[2])) if noise is None else noise
    if isinstance(model, LocalForecaster):
        return _of_local(model, contexts, kicks, transient)
    check_series(contexts, model.config.observed_dims)
    c = model.config
    value = {name: p.detach().cpu().double().numpy() for name, p in model.named_parameters()}
    linear, names = c.latent_dims - c.relu_units, ("W", "W", "h", "h")  # W2 and h2 are not used
    if c.expert_kind != "alrnn":
        linear, names = -1, ("W1", "W2", "h1", "h2")
    W, W2, h, h2 = (value[f"experts.{name}"] for name in names)
    tau_att, tau_gate = (abs(float(value[f"gate.tau_{name}"][0])) for name in ("att", "gate"))
    D, U, V, W, W2 = map(_inputs_first, (value["gate.D"], value["gate.U"], value["gate.V"], W, W2))
    weights = Weights(D, U, V, tau_att, tau_gate, value["experts.A"], W, W2, h, h2, linear)
    kicks = value["gate.sigma"] * kicks
    series = contexts.detach().cpu().double().numpy()
    kernel, bias = value["gate.conv.weight"], value["gate.conv.bias"]
    # lyapunov_spectrum begins with the same direction
    direction = np.random.default_rng(0).standard_normal((c.latent_dims, 1))[:, 0]
    direction /= np.linalg.norm(direction)

    def work(s: int) -> float:
        x = series[:, s]
        encodings = x[:-1] @ kernel[:, :, 0].T + x[1:] @ kernel[:, :, 1].T + bias
        logs = np.empty(steps)
        z = np.stack([np.concatenate([x[-1], value["L"] @ x[-1]]), direction])
        points = _inputs_first(x[:-1]), _inputs_first(encodings)
        call(grow, *points, weights, kicks, z, transient, logs, VERSION)
        return float(logs.mean())

    return np.array(spread(work, range(series.shape[1]), available_cores()))


def _of_local(
    model: LocalForecaster,
    contexts: Float[Tensor, "T_C S N"],
    noise: Float[ndarray, "T N"],
    transient: int,
) -> Float[ndarray, " S"]:
    """Exponents of the chosen candidates, by differences of two states (Benettin et al. 1980).

    There is no tangent, since the steps that are near depend on the state as well.
    """
    check_series(contexts, model.config.observed_dims)
    chosen = choose(local.rollouts, model, contexts, quiet_steps=model.defaults.quiet_steps)
    found = local.growth(model, contexts, chosen, noise)[transient:].mean(axis=0)
    return np.where(np.isfinite(found), found, np.inf)


def _inputs_first(matrix: ndarray) -> ndarray:
    """The last two axes swapped, contiguous."""
    return np.ascontiguousarray(np.swapaxes(matrix, -1, -2))
