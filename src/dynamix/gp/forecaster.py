"""The Gaussian-process forecaster as a model with ``start`` and ``step``, and its checkpoints."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from ..io.shapes import Float
from ..local.choice import trial_length, unlikeness
from ..model import checkpoints
from ..model.dynamix import check_series
from ..model.rollouts import Rollout
from ..model.shapes import GateNoise, Observation, Query, Series, Weights
from ..settings import ForecastDefaults, from_dict
from .choice import LEAST, Judge, judged
from .regression import OneStepMap, Regression
from .settings import GPConfig

_SIGMA, _JUDGE = "gating_network.sigma", "judge."
_MOST_TRIALS = 12  # candidates that are run before one that leaves the box is taken


class GaussianProcess(nn.Module):
    """A context's one-step map by Gaussian-process regression.

    The state is the observation. The kernel's length and noise are those of the highest marginal
    likelihood whose free run is most like the context, or those that a trained ``judge`` rates best
    (see :func:`chosen_rollout`). Nothing else is trained. A state that leaves the context's range
    by half of it is held there.

    Parameters
    ----------
    config
        The kernels that are compared.
    defaults
        How forecasts use this model unless they are given other settings.
    judge
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
    ) -> None:
        super().__init__()
        self.config = config or GPConfig()
        self.defaults = defaults or ForecastDefaults()
        self.sigma = nn.Parameter(torch.zeros(self.config.observed_dims))
        self.judge = judge

    def save_pretrained(self, path: str | Path) -> Path:
        """Write the model to ``path``, which :meth:`dynamix.DynaMix.from_pretrained` reads."""
        own = {k: v for k, v in dataclasses.asdict(self.config).items() if k != "observed_dims"}
        stored = {"architecture": {"N": self.config.observed_dims}, "gp": own}
        tensors = {_SIGMA: self.sigma.detach()}
        if self.judge is not None:
            tensors |= {_JUDGE + name: value for name, value in self.judge.state_dict().items()}
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
        if n <= self.config.observed_dims:
            return self
        config = dataclasses.replace(self.config, observed_dims=n)
        wide = GaussianProcess(config, defaults=self.defaults, judge=self.judge)
        return wide.eval().to(self.sigma)


def runs(
    maps: Sequence[OneStepMap], first: Float[np.ndarray, "R N"], horizon: int
) -> Float[np.ndarray, "T R N"]:
    """Free runs, each of a map of its own from its own first state."""
    found = np.empty((horizon, *first.shape))
    for r, one in enumerate(maps):
        x = first[r : r + 1]
        for t in range(horizon):
            x = one.step(x)
            found[t, r] = x[0]
    return found


def chosen_rollout(
    run: Callable[..., np.ndarray],
    model: GaussianProcess,
    context: Series,
    *,
    horizon: int,
    initial_x: Tensor | None = None,
    return_gates: bool = False,
    **ignored: Any,
) -> Rollout:
    """Free runs of the candidate that each series' context chooses.

    The best-ranked candidates run freely for twice the length of the context, by ``run``, which is
    :func:`runs` or an engine with its parameters. The one whose run is most like the context wins,
    as for the local forecaster. A run that reaches the box is as unlike as can be; then the next
    ones are tried, up to twelve.

    A model with a judge runs all candidates, and takes the one that it rates best
    (:func:`dynamix.gp.choice.judged`), if the context has at least 128 steps.
    """
    check_series(context, model.config.observed_dims)
    x = context.double().cpu().numpy()
    start = x[-1] if initial_x is None else initial_x.double().cpu().numpy()
    series = [np.ascontiguousarray(x[:, s]) for s in range(x.shape[1])]
    maps = [_choose(run, one, start[s : s + 1], model) for s, one in enumerate(series)]
    found = torch.from_numpy(run(maps, np.ascontiguousarray(start), horizon))
    gates = torch.ones(horizon, len(maps), 1).to(model.sigma) if return_gates else None
    return Rollout(found.to(model.sigma), gates)


def _choose(
    run: Callable[..., np.ndarray], x: np.ndarray, start: np.ndarray, model: GaussianProcess
) -> OneStepMap:
    """The map that suits a context ``(T_C, N)``, by the judge or by likeness."""
    config, regression = model.config, Regression(x, model.config)
    if model.judge is not None and len(x) >= LEAST:
        return judged(run, model.judge, regression, x, start)
    unlike, trial = unlikeness(x), trial_length(len(x))
    best: tuple[float, OneStepMap] | None = None
    for tried, kernel in enumerate(regression.ranked()[:_MOST_TRIALS]):
        if best is not None and tried >= config.tried and np.isfinite(best[0]):
            break
        found = regression.fit(kernel)
        path = run([found], start, trial)[:, 0]
        z = found.scaled(path)
        held = ((z <= found.low) | (z >= found.high)).any()
        score = np.inf if held else unlike(path)
        if best is None or score < best[0]:
            best = score, found
    assert best is not None  # there is a candidate
    return best[1]


def from_checkpoint(
    tensors: dict[str, Tensor],
    stored: dict[str, Any],
    *,
    defaults: ForecastDefaults,
    source: str,
) -> GaussianProcess:
    """The forecaster of a checkpoint file.

    Raises
    ------
    InputError
        If its settings or tensors cannot be used.
    """
    try:
        values = {**stored["gp"], "observed_dims": stored["architecture"]["N"]}
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{source} lacks settings of the Gaussian process, or has others: {error!r}."
        ) from error
    judge = None
    if learned := {k.removeprefix(_JUDGE): v for k, v in tensors.items() if k.startswith(_JUDGE)}:
        judge = Judge()
        try:
            judge.load_state_dict(learned)
        except RuntimeError as error:
            raise InputError(f"{source} holds another judge than this version: {error}") from error
    config = from_dict(GPConfig, values, source=source)
    return GaussianProcess(config, defaults=defaults, judge=judge).eval()
