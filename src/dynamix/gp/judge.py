"""The network that rates the kernels of a context; :mod:`.choice` asks it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..io.shapes import Float
from .choice import COLUMNS


class Judge(nn.Module):
    """A network that rates candidates: the lower, the better a forecast should be.

    Its inputs are the features of :func:`.choice.features`, in the units that its buffers hold.

    Examples
    --------
    >>> judge = Judge()
    >>> judge(torch.zeros(24, len(COLUMNS))).shape
    torch.Size([24])
    """

    def __init__(self, *, first: int = 64, second: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        count = len(COLUMNS)
        self.centre, self.width = nn.Buffer(torch.zeros(count)), nn.Buffer(torch.ones(count))
        self.layers = nn.Sequential(
            *(nn.Linear(count, first), nn.GELU(), nn.Dropout(dropout)),
            *(nn.Linear(first, second), nn.GELU(), nn.Linear(second, 1)),
        )

    @classmethod
    def at_start(cls, *, seed: int) -> Judge:
        """A judge as a training with this seed begins; torch's own random state stays."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls()

    def forward(self, found: Float[Tensor, "*K F"]) -> Float[Tensor, "*K"]:
        """Ratings of candidates with these features."""
        return self.layers(((found - self.centre) / self.width).clamp(-5, 5))[..., 0]
