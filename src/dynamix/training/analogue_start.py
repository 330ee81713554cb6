"""First weights that already forecast: the paper's network as an analogue forecaster.

Lguensat et al. (Mon. Weather Rev. 145, 4093, 2017) add the increment of the nearest analogues. The
weights of a DynaMix can do the same on the N observed entries, with the gate's attention ``a``:

    ``z' = z + sum_k a_k [(c_{k+1} - c_k) + pull (c_k - z)]``.

The convolution makes ``e_k = c_{k+1} - (1 - pull) c_k``. The gate's hidden layer splits
``v = s - pull z`` into ``relu(v)`` and ``relu(-v)``. 2 N experts ``z +- R e_i`` are mixed so that
their mean is ``z + v``, exactly to third order in the logits ``v J / (2 R)``.
"""

from __future__ import annotations

import torch

from ..errors import InputError
from ..model.dynamix import ALRNNExperts, DynaMix

REACH = 0.8  # R / J: the mixture is linear in its logits even outside standardised data


def start_as_analogue(model: DynaMix, *, pull: float, temperature: float, noise: float) -> None:
    """Set weights of ``model``, in place, to those of an analogue forecaster.

    ``pull``, in [0, 1], is the share of the distance to the analogues that a step closes.
    ``temperature``, positive, is ``tau_att``: the scale of these distances. ``noise``, 0 or more,
    is ``sigma``. Both are in deviations of the context. It raises InputError if the model has no
    such gate or experts, or a number is out of range.

    >>> model = DynaMix()
    >>> start_as_analogue(model, pull=0.05, temperature=0.01, noise=0.05)
    >>> round(model.gate.tau_att.item(), 4)
    0.01
    """
    c = model.config
    N, J = c.observed_dims, c.experts
    experts, gate = model.experts, model.gate
    if not isinstance(experts, ALRNNExperts) or J < 2 * N:
        raise InputError(
            f"an analogue start needs {2 * N} or more AL-RNN experts, two for each observed "
            f"dimension; found {J} experts of kind {c.expert_kind!r}."
        )
    if c.relu_units > c.latent_dims - N:
        raise InputError(
            f"an analogue start needs linear observed entries: relu_units at most latent_dims - "
            f"observed_dims = {c.latent_dims - N}, found {c.relu_units}."
        )
    if not (0.0 <= pull <= 1.0 and temperature > 0 and noise >= 0):
        raise InputError(
            "pull must be from 0 to 1, temperature above 0 and noise at least 0, found "
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
