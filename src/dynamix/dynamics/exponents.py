"""Lyapunov exponents of a model by automatic differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch.func import jvp, vmap

from ..errors import InputError, whole_number
from ..io.arrays import as_series
from ..io.shapes import Float
from ..model.dynamix import DynaMix
from ..settings import checked


@checked
def lyapunov_spectrum(
    model: DynaMix,
    context: Any,
    *,
    steps: int = 2000,
    exponents: int | None = None,
    transient: int = 200,
    time_step: float = 1.0,
) -> Float[ndarray, " k"]:
    """Lyapunov exponents of a model's free run after a context, largest first.

    Tangent vectors follow the Jacobian ``dz'/dz`` of the full step, and QR orthonormalises them at
    every step (Benettin et al. 1980). The gate draws no noise.

    Parameters
    ----------
    context
        ``(T_C, N)`` as the model sees it: standardised and embedded.
    steps, transient
        Steps averaged over, and steps before them.
    exponents
        Number of exponents, from 1 to M; None: all M.
    time_step
        Duration of one step; the exponents are in nats per unit of time.

    Raises
    ------
    InputError
        If the context does not fit the model, a number is out of range, or the run diverges.

    Examples
    --------
    Experts that all halve the state halve every distance, whatever the gate does:

    >>> from dynamix import DynaMix
    >>> model, context = DynaMix(), np.sin(np.arange(60)[:, None] / np.array([5, 7, 9]))
    >>> with torch.no_grad():
    ...     halved = model.experts.W.zero_(), model.experts.A.fill_(0.5)
    >>> spectrum = lyapunov_spectrum(model, context, steps=10, transient=0, exponents=2)
    >>> np.exp(spectrum).round(3).tolist()
    [0.5, 0.5]
    """
    steps = whole_number("steps", steps)
    transient = whole_number("transient", transient, least=0)
    series = torch.as_tensor(as_series(context)[:, :1]).to(next(model.parameters()))
    with torch.no_grad():
        read, z = model.start(series)
        M = z.shape[1]
        k = M if exponents is None else whole_number("exponents", exponents)
        if not time_step > 0:
            raise InputError(f"time_step must be positive, found {time_step!r}.")
        if k > M:
            raise InputError(f"exponents must be at most the latent dimension {M}, found {k}.")
        sums = np.zeros(k)
        # (k, M); random, because growth along an axis may miss the fastest direction
        directions = np.random.default_rng(0).standard_normal((M, k))
        tangents = torch.from_numpy(np.linalg.qr(directions)[0].T.copy()).to(z)

        def flow(state: torch.Tensor) -> torch.Tensor:
            return model.step(state[None], read, query_state=state[None])[0][0]

        for t in range(transient + steps):
            state = z[0]
            pushed = vmap(lambda v, at=state: jvp(flow, (at,), (v,))[1])(tangents)
            z = flow(state)[None]
            q, r = torch.linalg.qr(pushed.double().T)
            tangents = q.T.to(z)
            if not torch.isfinite(z).all():
                raise InputError(f"the model diverged after {t} steps; it has no exponents there.")
            if t >= transient:
                sums += np.log(np.abs(r.diagonal().numpy()) + 1e-300)
    return np.sort(sums / (steps * time_step))[::-1].copy()
