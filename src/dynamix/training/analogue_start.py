"""First weights that already forecast: the paper's network as an analogue forecaster.

Lorenz (J. Atmos. Sci. 26, 636, 1969) forecast a state from the past of its nearest analogue.
Lguensat et al. (Mon. Weather Rev. 145, 4093, 2017) distinguish three ways: copy the analogue's
successor, add its increment, or fit a regression. The second way is a point in DynaMix's weights:

    ``z' = z + sum_k a_k [(c_{k+1} - c_k) + pull (c_k - z)]``,   ``a`` the gate's attention,

on the N observed entries. The convolution makes ``e_k = c_{k+1} - (1 - pull) c_k``. The gate's
hidden layer splits ``v = s - pull z`` into ``relu(v)`` and ``relu(-v)``. 2 N experts ``z +- R e_i``
are mixed so that their mean is ``z + v``, exactly to third order in the logits ``v J / (2 R)``. The
other experts and latent entries keep random values, have no effect at first, and can be trained.
"""

from __future__ import annotations

import torch

from ..errors import InputError
from ..model.dynamix import ALRNNExperts, DynaMix

REACH = 0.8  # R / J: the mixture is linear in its logits even outside standardised data


def start_as_analogue(model: DynaMix, *, pull: float, temperature: float, noise: float) -> None:
    """Set a model's weights to those of an analogue forecaster.

    Parameters
    ----------
    model
        A new model; parameters that are not set keep their random values.
    pull
        Share of the distance to the analogues that a step closes, in [0, 1].
    temperature
        ``tau_att``: the scale of the distances to analogues, in deviations of the context;
        positive.
    noise
        ``sigma``: width of the gate's noise, in deviations of the context; 0 or more.

    Raises
    ------
    InputError
        If the model has fewer than 2 N experts, experts that are no AL-RNNs, or ReLUs on the
        observed entries; or if a number is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from dynamix import forecast
    >>> phase = 2 * np.pi * np.arange(500)[:, None] / 40
    >>> x = np.sin(phase * [1, 1, 2] + [0, np.pi / 2, 0])
    >>> model = DynaMix()
    >>> start_as_analogue(model, pull=0.05, temperature=0.01, noise=0.05)
    >>> y = forecast(x[:400], horizon=100, model=model, engine="torch")
    >>> bool(np.abs(y - x[400:]).max() < 0.02)  # untrained, it keeps the cycle
    True
    """
    c = model.config
    N, J = c.observed_dims, c.experts
    experts, gate = model.experts, model.gate
    if not isinstance(experts, ALRNNExperts) or J < 2 * N:
        raise InputError(
            f"an analogue start needs {2 * N} or more AL-RNN experts, two for each of "
            f"{N} observed dimensions; found {J} experts of kind {c.expert_kind!r}."
        )
    if c.relu_units > c.latent_dims - N:
        raise InputError(
            f"an analogue start needs linear observed entries: relu_units at most latent_dims - "
            f"observed_dims = {c.latent_dims - N}, found {c.relu_units}."
        )
    if not (0.0 <= pull <= 1.0 and temperature > 0 and noise >= 0):
        raise InputError(
            "pull must lie in [0, 1], temperature be positive and noise not negative, found "
            f"{pull!r}, {temperature!r} and {noise!r}."
        )
    assert gate.conv.bias is not None
    eye = torch.eye(N)
    R = REACH * J
    gain = J / (2.0 * R)  # logits +-gain v make a mean of +-R e_i that is v
    with torch.no_grad():
        experts.A[:, :N] = 1.0
        experts.W[:, :N] = 0.0
        experts.h.zero_()
        gate.conv.weight[:, :, 0] = (pull - 1.0) * eye
        gate.conv.weight[:, :, 1] = eye
        gate.conv.bias.zero_()
        gate.D.copy_(torch.eye(N, c.latent_dims))
        gate.sigma.fill_(noise)
        gate.tau_att.fill_(temperature)
        gate.tau_gate.fill_(1.0)
        gate.U[: 2 * N] = 0.0
        gate.V.zero_()
        for i in range(N):
            for j, sign in ((2 * i, 1.0), (2 * i + 1, -1.0)):
                experts.h[j, i] = sign * R
                gate.U[j, i] = sign  # s
                gate.U[j, N + i] = -sign * pull  # z
                gate.V[2 * i, j] = -sign * gain  # the weights are softmax(-V r)
                gate.V[2 * i + 1, j] = sign * gain
