"""The Gaussian-process forecaster as a model with ``start`` and ``step``, and its checkpoints."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..model import checkpoints
from ..model.runs import Saved, check_series
from ..model.shapes import GateNoise, Observation, Query, Weights
from ..settings import ForecastDefaults
from .judge import Judge
from .regression import OneStepMap, Regression
from .settings import JUDGE, MEMORY_JUDGE, GPConfig


class GaussianProcess(nn.Module):
    """A context's one-step map by Gaussian-process regression.

    The state is the observation. The kernel's length and noise are those of the highest marginal
    likelihood whose free run is most like the context, or those that a trained ``judge`` rates best
    (see :func:`~dynamix.gp.rollouts.chosen_rollout`). Nothing else is trained. A state that leaves
    the context's range by half of it is held there. Forecasts of fewer channels than N with
    ``embedding="memory"`` are runs of a map with a memory (:mod:`dynamix.gp.memory`), which
    ``memory_judge`` rates.

    Parameters
    ----------
    config
        The kernels that are compared.
    defaults
        How forecasts use this model unless they are given other settings.
    judge, memory_judge
        What rates the kernels; None: their likelihood and their likeness to the context.

    Examples
    --------
    >>> angle = 0.1 * torch.arange(200.0)[:, None]
    >>> circle = torch.stack([angle.cos(), angle.sin()], dim=-1)
    >>> model = GaussianProcess(GPConfig(observed_dims=2))
    >>> maps, x = model.start(circle, initial_x=circle[10])
    >>> x_next, _ = model.step(x, maps)
    >>> bool((x_next - circle[11]).abs().max() < 1e-3)
    True
    """

    def __init__(
        self,
        config: GPConfig | None = None,
        *,
        defaults: ForecastDefaults | None = None,
        judge: Judge | None = None,
        memory_judge: Judge | None = None,
    ) -> None:
        super().__init__()
        self.config = config or GPConfig()
        self.defaults = defaults or ForecastDefaults()
        self.sigma = nn.Parameter(torch.zeros(self.config.observed_dims))
        self.judge, self.memory_judge = judge, memory_judge

    def save_pretrained(self, path: str | Path) -> Path:
        """Write the model to ``path``, which :meth:`dynamix.DynaMix.from_pretrained` reads."""
        own = {k: v for k, v in dataclasses.asdict(self.config).items() if k != "observed_dims"}
        stored = {"architecture": {"N": self.config.observed_dims}, "gp": own}
        tensors = {checkpoints.SIGMA: self.sigma.detach()}
        for prefix, judge in ((JUDGE, self.judge), (MEMORY_JUDGE, self.memory_judge)):
            if judge is not None:
                tensors |= {prefix + name: value for name, value in judge.state_dict().items()}
        return checkpoints.write(path, tensors, stored, self.defaults)

    def initial_state(self, x: Observation) -> Observation:
        """The state of an observation: the observation."""
        return x

    def start(
        self, context: Tensor, initial_x: Observation | None = None
    ) -> tuple[list[OneStepMap], Tensor]:
        """What a free run begins with: the likeliest map of each series, and its first state."""
        check_series(context, self.config.observed_dims)
        x = context.double().cpu().numpy()
        series = [np.ascontiguousarray(x[:, s]) for s in range(x.shape[1])]
        maps = [Regression(one, self.config).likeliest() for one in series]
        return maps, context[-1] if initial_x is None else initial_x

    def step(
        self,
        z: Query,
        maps: Sequence[OneStepMap],
        gate_noise: GateNoise | None = None,
        expert_noise: None = None,
        query_state: Query | None = None,
    ) -> tuple[Query, Weights]:
        """Next state and weights of 1. The noise that a gate has, and a map has not, is ignored."""
        x = z.detach().double().cpu().numpy()
        ahead = [one.step(x[s : s + 1]) for s, one in enumerate(maps)]
        return torch.from_numpy(np.concatenate(ahead)).to(z), torch.ones(len(z), 1).to(z)

    def widened(self, n: int) -> GaussianProcess:
        """The forecaster itself, or for more channels ``n`` than its N one of n dimensions."""
        if (config := self.config.widened(n)) is self.config:
            return self
        judges = {"judge": self.judge, "memory_judge": self.memory_judge}
        wide = GaussianProcess(config, defaults=self.defaults, **judges)
        return wide.eval().to(self.sigma)


def build(saved: Saved) -> GaussianProcess:
    """The forecaster of a checkpoint, in evaluation mode."""
    judge, memory_judge = (
        Judge() if any(name.startswith(prefix) for name in saved.values) else None
        for prefix in (JUDGE, MEMORY_JUDGE)
    )
    judges = {"judge": judge, "memory_judge": memory_judge}
    model = GaussianProcess(saved.config, defaults=saved.defaults, **judges)
    model.load_state_dict({name: torch.from_numpy(v) for name, v in saved.values.items()})
    return model.eval()
