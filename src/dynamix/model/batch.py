"""One optimiser step's data."""

from __future__ import annotations

from typing import NamedTuple

from .shapes import BatchExpertNoise, Inputs, Series


class Batch(NamedTuple):
    """One optimiser step's data: ``x_0 .. x_{T-1}`` with noise, their successors without.

    ``context (T_C, S, N)`` is what the gate compares with. ``inputs (T, S, N)`` carry the noise of
    ``input_noise``; ``targets (T, S, N)`` are one step later, without noise. ``gate_noise (T, S,
    N)`` and ``expert_noise (T, S, J, M)`` are standard normal; the latter is None unless the
    experts are probabilistic. All are in deviations of each sequence's channels.
    """

    context: Series
    inputs: Inputs
    targets: Inputs
    gate_noise: Inputs
    expert_noise: BatchExpertNoise | None
