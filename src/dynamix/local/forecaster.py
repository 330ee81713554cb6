"""The local linear forecaster as a model with ``start`` and ``step``, and its checkpoints."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..model import checkpoints
from ..model.dynamix import check_series
from ..model.shapes import GateNoise, Observation, Query, Series, Weights
from ..settings import ForecastDefaults, from_dict
from .fits import local_fits
from .settings import LocalConfig

_SIGMA = "gating_network.sigma"


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
        return checkpoints.write(path, {_SIGMA: self.sigma.detach()}, stored, self.defaults)

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
        """The forecaster itself, or for more channels ``n`` than its N a new one of n dimensions.

        Affine maps need ``n + 2`` neighbours, so smaller numbers are raised to that.
        """
        c = self.config
        if n <= c.observed_dims:
            return self
        more = tuple(max(k, n + 2) for k in c.neighbours)
        config = dataclasses.replace(c, observed_dims=n, neighbours=more)
        wide = LocalForecaster(config, defaults=self.defaults).eval()
        mean = self.sigma.detach().mean().expand(n - c.observed_dims)
        wide.load_state_dict({"sigma": torch.cat([self.sigma.detach(), mean])})
        return wide.to(self.sigma)

    def candidate(self, e: int) -> LocalForecaster:
        """The forecaster with candidate ``e`` alone, counted from 0, as a new one."""
        one = copy.deepcopy(self)
        c = self.config
        one.config = dataclasses.replace(c, neighbours=(c.neighbours[e],), pulls=(c.pulls[e],))
        return one


def from_checkpoint(
    tensors: dict[str, Tensor],
    stored: dict[str, Any],
    *,
    defaults: ForecastDefaults,
    source: str,
) -> LocalForecaster:
    """The forecaster of a checkpoint file; older files carry a model without learned experts too.

    Raises
    ------
    InputError
        If the file mixes learned and local experts, or its settings or tensors cannot be used.
    """
    if stored["architecture"].get("Experts"):
        raise InputError(
            f"{source} mixes learned and local experts, which this version does not compute. Use a "
            "checkpoint of one kind."
        )
    try:
        values = {
            name.removeprefix("local_"): value
            for name, value in stored["local"].items()
            if name != "local_choice"
        }
        pulls = values.pop("pull", None) or values.pop("pulls")
        values["pulls"] = pulls * len(values["neighbours"]) if len(pulls) == 1 else pulls
        values["observed_dims"] = stored["architecture"]["N"]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{source} lacks settings of local experts, or has others: {error!r}."
        ) from error
    config, sigma = from_dict(LocalConfig, values, source=source), tensors.get(_SIGMA)
    if sigma is None or sigma.shape != (config.observed_dims,) or not torch.isfinite(sigma).all():
        raise InputError(
            f"{source} should come with a finite tensor {_SIGMA!r} of shape "
            f"({config.observed_dims},). Save the model again."
        )
    model = LocalForecaster(config, defaults=defaults)
    model.load_state_dict({"sigma": sigma.float()})
    return model.eval()
