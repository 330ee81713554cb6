"""Shapes of the model's arrays, by name. Time comes first, as in PyTorch's recurrent networks.

======  ====================================  ======  ==========================================
letter  meaning                               letter  meaning
======  ====================================  ======  ==========================================
``N``   observed dimensions                   ``T_C`` steps of the context
``M``   latent dimensions                     ``K``   context steps attended to, ``T_C - 1``
``J``   experts                               ``T``   horizon: steps computed
``P``   ReLU units of an AL-RNN expert        ``S``   series, computed side by side
``H``   hidden units of a clipped PLRNN       ``z``   latent state; it begins with the observation
======  ====================================  ======  ==========================================

A ``#`` before a letter allows the size 1 as well, for noise that all series share.
"""

from typing import NamedTuple

from torch import Tensor

from ..io.shapes import Float

State = Float[Tensor, "S M"]
Proposals = Float[Tensor, "S J M"]
Weights = Float[Tensor, "S J"]
Query = Float[Tensor, "S N"]
Observation = Float[Tensor, "*S N"]
FirstState = Float[Tensor, "*S M"]
Series = Float[Tensor, "T_C S N"]
Points = Float[Tensor, "K S N"]
Attention = Float[Tensor, "K S"]
Inputs = Float[Tensor, "T S N"]
GateNoise = Float[Tensor, "#S N"]
ExpertNoise = Float[Tensor, "#S J M"]
GateNoiseRun = Float[Tensor, "T #S N"]
ExpertNoiseRun = Float[Tensor, "T #S J M"]
BatchExpertNoise = Float[Tensor, "T S J M"]
Diagonals = Float[Tensor, "J M"]


class Batch(NamedTuple):
    """One optimiser step's data: ``x_0 .. x_{T-1}`` with noise, their successors without.

    ``context (T_C, S, N)`` is what the gate compares with. ``inputs (T, S, N)`` carry the noise of
    ``input_noise``; ``targets (T, S, N)`` are one step later, without noise. ``gate_noise (T, S,
    N)`` and ``expert_noise (T, S, J, M)`` are standard normal; ``expert_noise`` is None unless
    the experts are probabilistic. All are in deviations of each sequence's channels.
    """

    context: Series
    inputs: Inputs
    targets: Inputs
    gate_noise: Inputs
    expert_noise: BatchExpertNoise | None
