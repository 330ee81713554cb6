"""The experts: J small recurrent networks that each propose the next latent state."""

from __future__ import annotations

import torch
from torch import nn

from ..settings import ModelConfig
from .shapes import Diagonals, Proposals, State


class ALRNNExperts(nn.Module):
    """J almost-linear RNNs (paper, eq. 2): ``f_j(z) = A_j * z + W_j phi(z) + h_j``.

    ``phi`` applies the ReLU to the last P entries only, so each expert has at most ``2^P`` linear
    regions. Parameters: ``A (J, M)`` diagonals, ``W (J, M, M)``, ``h (J, M)``. At first ``A`` is
    that of :func:`stable_diagonals`, ``W`` is normal with deviation 0.01 and ``h`` is 0.
    """

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        J, M = config.experts, config.latent_dims
        self.relu_units = config.relu_units
        self.A = nn.Parameter(stable_diagonals(J, M, generator))
        self.W = nn.Parameter(0.01 * torch.randn(J, M, M, generator=generator))
        self.h = nn.Parameter(torch.zeros(J, M))

    def forward(self, z: State) -> Proposals:
        """Each expert's next state from the latent state ``z``."""
        J, M, _ = self.W.shape
        # phi(z): the last P entries rectified; not z[:, -P:], which is everything for P = 0
        linear = M - self.relu_units
        phi = torch.cat([z[:, :linear], torch.relu(z[:, linear:])], dim=-1)
        # one matrix product for all experts: (S, M) @ (M, J M) -> (S, J, M)
        mixed = (phi @ self.W.reshape(J * M, M).T).view(len(z), J, M)
        return self.A * z[:, None, :] + mixed + self.h


class ClippedShallowPLRNNExperts(nn.Module):
    """J clipped shallow PLRNNs (Hess et al., ICML 2023), bounded by construction.

    ``f_j(z) = A_j * z + W1_j [relu(W2_j z + h2_j) - relu(W2_j z)] + h1_j``. The bracket lies
    between 0 and ``h2_j`` for every ``z``, so orbits stay bounded while ``|A_j| < 1``.
    Parameters: ``A (J, M)``, ``W1 (J, M, H)``, ``W2 (J, H, M)``, ``h1 (J, M)``, ``h2 (J, H)``.
    """

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        J, M, H = config.experts, config.latent_dims, config.hidden_units
        self.A = nn.Parameter(stable_diagonals(J, M, generator))
        self.W1 = nn.Parameter(0.01 * torch.randn(J, M, H, generator=generator))
        self.W2 = nn.Parameter(0.01 * torch.randn(J, H, M, generator=generator))
        self.h1 = nn.Parameter(torch.zeros(J, M))
        # with h2 = 0 every hidden unit is 0, and so is every gradient of W1 and W2
        self.h2 = nn.Parameter(torch.randn(J, H, generator=generator))

    def forward(self, z: State) -> Proposals:
        """Each expert's next state from the latent state ``z``."""
        J, M, H = self.W1.shape
        drive = (z @ self.W2.reshape(J * H, M).T).view(-1, J, H)
        clipped = torch.relu(drive + self.h2) - torch.relu(drive)
        return self.A * z[:, None, :] + torch.einsum("jmh,sjh->sjm", self.W1, clipped) + self.h1


def stable_diagonals(J: int, M: int, generator: torch.Generator) -> Diagonals:
    """Initial ``A_j``: the diagonal of ``K / lambda_max(K)``, ``K = R^T R / M + I``, R normal.

    The entries lie in (0, 1], so no expert's linear part is expansive.
    """
    R = torch.randn(J, M, M, generator=generator)
    K = R.mT @ R / M + torch.eye(M)
    return K.diagonal(dim1=-2, dim2=-1) / torch.linalg.eigvalsh(K)[:, -1:]
