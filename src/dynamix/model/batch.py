"""One optimiser step's data."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class Batch(NamedTuple):
    """One optimiser step's data: ``x_0 .. x_{T-1}`` with noise, their successors without.

    T is ``window - 1``; data is in deviations of each sequence's channels.

    Fields: ``context (T_C, S, N)``, what the gate attends to; ``inputs (T, S, N)``, with the noise
    of ``input_noise`` added; ``targets (T, S, N)``, what should come out, one step later;
    ``gate_noise (T, S, N)``, standard normal, which the model multiplies by ``sigma``;
    ``expert_noise (T, S, J, M)``, likewise, None unless the experts are probabilistic.

    Examples
    --------
    >>> x = torch.arange(7.0)[:, None, None]  # one series of one channel
    >>> batch = Batch(x[:4], x[3:-1], x[4:], torch.zeros(3, 1, 1), None)
    >>> batch.inputs.flatten().tolist(), batch.targets.flatten().tolist()
    ([3.0, 4.0, 5.0], [4.0, 5.0, 6.0])
    """

    context: Float[Tensor, "T_C S N"]
    inputs: Float[Tensor, "T S N"]
    targets: Float[Tensor, "T S N"]
    gate_noise: Float[Tensor, "T S N"]
    expert_noise: Float[Tensor, "T S J M"] | None
