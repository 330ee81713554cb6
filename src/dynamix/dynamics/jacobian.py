"""The Jacobian of the whole model along a watched run, in closed form, and its exponents.

``z' = sum_j w_j(z) f_j(z)`` has ``dz'/dz = sum_j w_j df_j/dz + sum_j f_j (dw_j/dz)^T``. The first
sum is the mixture's linear map at fixed weights. The second is the gate's part: moving the state
moves the query, and so the expert weights.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ..errors import InputError, whole_number
from ..io.shapes import Float
from ..model.dynamix import ALRNNExperts
from .expert_use import Watched


def jacobians(watched: Watched, *, gate: bool) -> Float[ndarray, "T M M"]:
    """``dz'/dz`` at every step of a run, ``(T, M, M)``; without ``gate`` the weights are constants.

    Row i, column j of step t is the derivative of ``states[t + 1, i]`` with respect to ``states[t,
    j]``. ``watched`` is what :func:`dynamix.dynamics.expert_use.watch` returns.

    Raises
    ------
    InputError
        If the experts are not almost-linear RNNs.

    Examples
    --------
    >>> from dynamix.dynamics.expert_use import watch
    >>> wave = np.sin(np.arange(60)[:, None] / np.array([5, 7, 9]))
    >>> jacobians(watch(wave, steps=4), gate=True).shape
    (4, 30, 30)
    """
    experts, g = watched.model.experts, watched.model.gate
    if not isinstance(experts, ALRNNExperts):
        raise InputError("jacobians needs AL-RNN experts. Use dynamics.lyapunov_spectrum.")
    assert g.conv.bias is not None
    A, W, h, D, U, V, kernel, bias = (
        p.detach().numpy()
        for p in (experts.A, experts.W, experts.h, g.D, g.U, g.V, g.conv.weight, g.conv.bias)
    )
    z, w, a = watched.states[:-1], watched.weights, watched.attention
    N, M = D.shape
    on = np.ones_like(z)
    on[:, M - experts.relu_units :] = z[:, M - experts.relu_units :] > 0
    result = np.tensordot(w, W, 1) * on[:, None, :]
    result[:, np.arange(M), np.arange(M)] += w @ A
    if not gate:
        return result
    points = watched.context[:-1]
    encodings = points @ kernel[..., 0].T + watched.context[1:] @ kernel[..., 1].T + bias
    # ds/dq = (cov of encodings and signs under the attention) / tau
    ds = np.empty((len(z), N, N))
    for t, query in enumerate(watched.queries):
        signs = np.sign(points - query)
        ds[t] = (a[t, :, None] * encodings).T @ signs - np.outer(a[t] @ encodings, a[t] @ signs)
    ds = ds @ D / abs(g.tau_att.item())
    hidden = np.concatenate([watched.summaries, z], axis=1) @ U.T
    dhidden = (hidden > 0)[..., None] * (U[:, :N] @ ds + U[:, N:])
    dlogits = -(V @ dhidden) / abs(g.tau_gate.item())
    dw = w[..., None] * (dlogits - np.einsum("tj,tjm->tm", w, dlogits)[:, None])
    proposals = A * z[:, None] + np.einsum("jmn,tn->tjm", W, z * on) + h
    return result + np.einsum("tjm,tjn->tmn", proposals, dw)


def spectrum(
    watched: Watched,
    *,
    exponents: int,
    transient: int,
    gate: bool = True,
    time_step: float = 1.0,
) -> Float[ndarray, " k"]:
    """Lyapunov exponents along a watched run, largest first, in nats per ``time_step``.

    The first ``transient`` steps only turn the tangents (Benettin et al. 1980). Without ``gate``,
    the weights of this run count as constants. With gate noise, the exponents compare two runs with
    the same noise. A hundred times faster than :func:`dynamix.dynamics.lyapunov_spectrum`.
    """
    steps, M = len(watched.weights), watched.model.config.latent_dims
    k = whole_number("exponents", exponents)
    transient = whole_number("transient", transient, least=0)
    if not time_step > 0:
        raise InputError(f"time_step must be positive, found {time_step!r}.")
    if k > M or transient >= steps:
        raise InputError(
            f"exponents must be at most {M} and transient less than {steps}, found {k} and "
            f"{transient}."
        )
    tangents = np.linalg.qr(np.random.default_rng(0).standard_normal((M, k)))[0]
    sums = np.zeros(k)
    for t, step in enumerate(jacobians(watched, gate=gate)):
        tangents, r = np.linalg.qr(step @ tangents)
        if t >= transient:
            sums += np.log(np.abs(np.diag(r)) + 1e-300)
    return np.sort(sums / ((steps - transient) * time_step))[::-1].copy()
