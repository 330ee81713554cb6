"""The local linear forecaster as a model with ``start`` and ``step``, and its checkpoints."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn

from ..io.arrays import to_numpy
from ..io.shapes import Float, Int
from ..model import checkpoints
from ..model.rollouts import rollout
from ..model.runs import Saved, check_series
from ..model.shapes import GateNoise, Observation, Query, Series, Weights
from ..settings import ForecastDefaults
from .fits import local_fits
from .settings import LocalConfig


class LocalForecaster(nn.Module):
    """Affine maps, fitted at every step to the context steps near the state.

    The state is the observation. ``sigma (N,)`` is the width of the noise that is added to the
    state before its neighbours are searched for. A forecast uses one candidate for a whole series:
    the one whose free run is most like the context (see :func:`~dynamix.local.choice.choose`).
    Nothing is trained.

    Parameters
    ----------
    config
        The candidates.
    sigma
        The first value of ``sigma``, in deviations of the context.
    defaults
        How forecasts use this model unless they are given other settings.

    Examples
    --------
    A rotation by 0.1 rad a step is linear, so a fit to eight neighbours finds the next point:

    >>> angle = 0.1 * torch.arange(200.0)[:, None]
    >>> circle = torch.stack([angle.cos(), angle.sin()], dim=-1)
    >>> model = LocalForecaster(LocalConfig(observed_dims=2, neighbours=(8,), pulls=(1.0,)))
    >>> context, x = model.start(circle, initial_x=circle[10])
    >>> x_next, weights = model.step(x, context)
    >>> bool((x_next - circle[11]).abs().max() < 1e-3), weights.tolist()
    (True, [[1.0]])
    """

    def __init__(
        self,
        config: LocalConfig | None = None,
        *,
        sigma: float = 0.02,
        defaults: ForecastDefaults | None = None,
    ) -> None:
        super().__init__()
        self.config = config or LocalConfig()
        self.defaults = defaults or ForecastDefaults()
        self.sigma = nn.Parameter(torch.full((self.config.observed_dims,), sigma))

    def save_pretrained(self, path: str | Path) -> Path:
        """Write the model to ``path``, which :meth:`dynamix.DynaMix.from_pretrained` reads."""
        stored = {
            "architecture": {"N": self.config.observed_dims},
            "local": {
                name: value
                for name, value in dataclasses.asdict(self.config).items()
                if name != "observed_dims"
            },
        }
        tensors = {checkpoints.SIGMA: self.sigma.detach()}
        return checkpoints.write(path, tensors, stored, self.defaults)

    def read(self, context: Series) -> Series:
        """The context as :meth:`step` uses it: unchanged."""
        return context

    def initial_state(self, x: Observation) -> Observation:
        """The state of an observation: the observation."""
        return x

    def start(self, context: Tensor, initial_x: Observation | None = None) -> tuple[Tensor, Tensor]:
        """What a free run begins with: the context, and its last step or ``initial_x``."""
        check_series(context, self.config.observed_dims)
        return context, context[-1] if initial_x is None else initial_x

    def step(
        self,
        z: Query,
        context: Series,
        gate_noise: GateNoise | None = None,
        expert_noise: None = None,
        query_state: Query | None = None,
    ) -> tuple[Query, Weights]:
        """Next state, the mean of all candidates' predictions, and their equal weights.

        ``gate_noise`` is standard normal, or None. No gradient flows through the choice of
        neighbours, so ``expert_noise`` and ``query_state``, which :meth:`dynamix.DynaMix.step` has,
        have no effect.
        """
        query = z.detach() if gate_noise is None else z.detach() + self.sigma * gate_noise
        predictions = local_fits(query, z, context, self.config)
        weights = torch.full(predictions.shape[:2], 1.0 / predictions.shape[1]).to(z)
        return (weights[..., None] * predictions).sum(dim=1), weights

    def widened(self, n: int) -> LocalForecaster:
        """The forecaster itself, or for more channels ``n`` than its N one of n dimensions."""
        config, own = self.config.widened(n), self.sigma.detach()
        if config is self.config:
            return self
        wide = LocalForecaster(config, defaults=self.defaults).eval()
        wide.sigma = nn.Parameter(torch.cat([own, own.mean().expand(n - len(own))]))
        return wide

    def candidate(self, e: int) -> LocalForecaster:
        """The forecaster with candidate ``e`` alone, counted from 0, as a new one."""
        one = copy.deepcopy(self)
        c = self.config
        one.config = dataclasses.replace(c, neighbours=(c.neighbours[e],), pulls=(c.pulls[e],))
        return one


def rollouts(
    model: LocalForecaster,
    context: Float[ndarray, "T_C S N"],
    series: Int[ndarray, " R"],
    candidates: Int[ndarray, " R"],
    *,
    horizon: int,
    initial_x: Float[ndarray, "S N"] | None = None,
    **options: Any,
) -> Float[ndarray, "T R N"]:
    """Free runs by torch, each of one candidate after one of the context's series.

    ``options`` are those of :func:`dynamix.model.rollout`.
    """
    found = np.empty((horizon, len(series), context.shape[2]), to_numpy(model.sigma).dtype)
    for e in np.unique(candidates):
        members = np.flatnonzero(candidates == e)
        of = series[members]
        start = None if initial_x is None else torch.from_numpy(initial_x[of])
        shown = torch.from_numpy(context[:, of])
        run = rollout(model.candidate(int(e)), shown, horizon=horizon, initial_x=start, **options)
        found[:, members] = run.observations.cpu().numpy()
    return found


def build(saved: Saved) -> LocalForecaster:
    """The forecaster of a checkpoint, in evaluation mode."""
    model = LocalForecaster(saved.config, defaults=saved.defaults)
    model.load_state_dict({name: torch.from_numpy(v) for name, v in saved.values.items()})
    return model.eval()
