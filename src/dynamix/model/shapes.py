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

from jaxtyping import Float
from torch import Tensor

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
RunWeights = Float[Tensor, "T S J"]
GateNoise = Float[Tensor, "#S N"]
ExpertNoise = Float[Tensor, "#S J M"]
GateNoiseRun = Float[Tensor, "T #S N"]
ExpertNoiseRun = Float[Tensor, "T #S J M"]
BatchExpertNoise = Float[Tensor, "T S J M"]
Diagonals = Float[Tensor, "J M"]
