"""The gate: it compares the state with the context and weighs the experts."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from ..settings import ModelConfig
from .shapes import Attention, GateNoise, Points, Query, Series, State, Weights


class Context(NamedTuple):
    """A context as the gate uses it; :meth:`Gate.read` makes it once per sequence.

    A query is compared with ``points``, the context steps ``c_1 .. c_K``. The comparison selects
    from ``encodings``, the values ``e_1 .. e_K``. Both are ``(K, S, N)`` with ``K = T_C - 1``,
    because the last step has no successor to encode.
    """

    points: Points
    encodings: Points


class Gate(nn.Module):
    """Expert weights from the state and what the context did near it (paper, eqs. 3 to 5).

    * query ``q = D z + sigma * eps``, with ``eps ~ N(0, I_N)`` drawn at every step;
    * attention ``a = softmax_k(-|c_k - q|_1 / |tau_att|)`` over the context steps;
    * summary ``s = sum_k a_k e_k`` of the encodings, a convolution of ``(c_k, c_{k+1})``;
    * weights ``w = softmax(-V relu(U [s; z]) / |tau_gate|)``.

    Parameters: ``D (N, M)``, ``sigma (N,)``, ``tau_att (1,)``, ``tau_gate (1,)``, ``U (J, N + M)``,
    ``V (J, J)``, ``conv`` with kernel 2. At first ``D = [I 0]``, ``sigma`` is 0.05 and both
    temperatures are 0.1; the others are uniform within ``1 / sqrt(fan_in)``.
    """

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        N, M, J = config.observed_dims, config.latent_dims, config.experts
        self.conv = nn.Conv1d(N, N, kernel_size=2)
        self.D = nn.Parameter(torch.eye(N, M))
        self.sigma = nn.Parameter(torch.full((N,), 0.05))
        self.tau_att = nn.Parameter(torch.tensor([0.1]))
        self.tau_gate = nn.Parameter(torch.tensor([0.1]))
        self.U = nn.Parameter(torch.empty(J, N + M))
        self.V = nn.Parameter(torch.empty(J, J))
        # PyTorch's own defaults for these layers, but from the model's generator
        for parameter, fan_in in (
            (self.conv.weight, 2 * N),
            (self.conv.bias, 2 * N),
            (self.U, N + M),
            (self.V, J),
        ):
            assert parameter is not None
            nn.init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5, generator=generator)

    def read(self, context: Series) -> Context:
        """Encode a context once for all steps that will use it."""
        encodings = self.conv(context.permute(1, 2, 0)).permute(2, 0, 1)  # conv wants (S, N, T_C)
        return Context(points=context[:-1], encodings=encodings)

    def attention(self, query: Query, points: Points) -> Attention:
        """The weight of each context step for a ``query``; the weights sum to 1."""
        distance = (points - query).abs().sum(dim=-1)
        return torch.softmax(-distance / self.tau_att.abs(), dim=0)

    def query(
        self, z: State, noise: GateNoise | None = None, query_state: State | None = None
    ) -> Query:
        """The point of the context's space that latent state ``z`` asks for.

        ``noise`` is ``eps``. In training no gradient flows through ``z`` here. Pass
        ``query_state=z`` to differentiate through the query, for the model's true Jacobian.
        """
        query = (z.detach() if query_state is None else query_state) @ self.D.T
        return query if noise is None else query + self.sigma * noise

    def forward(
        self,
        z: State,
        context: Context,
        noise: GateNoise | None = None,
        query_state: State | None = None,
    ) -> Weights:
        """Expert weights at latent state ``z``; they sum to 1."""
        query = self.query(z, noise, query_state)
        attention = self.attention(query, context.points)
        summary = (attention[..., None] * context.encodings).sum(dim=0)
        hidden = torch.relu(torch.cat([summary, z], dim=-1) @ self.U.T)
        return torch.softmax(-(hidden @ self.V.T) / self.tau_gate.abs(), dim=-1)
