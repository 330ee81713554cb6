"""DynaMix as the paper writes it (Hemmer & Durstewitz, NeurIPS 2025, arXiv:2505.13192).

One step is :meth:`DynaMix.step`: ``z' = sum_j w_j f_j(z)``, with expert weights ``w`` from the
gate. :mod:`dynamix.model.shapes` lists the letters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..settings import BUNDLED_MODEL, ForecastDefaults, ModelConfig, checked
from .experts import ALRNNExperts, ClippedShallowPLRNNExperts
from .gate import Context, Gate
from .runs import Saved, check_series
from .shapes import (
    ExpertNoise,
    ExpertNoiseRun,
    FirstState,
    GateNoise,
    GateNoiseRun,
    Inputs,
    Observation,
    Series,
    State,
    Weights,
)


class DynaMix(nn.Module):
    """The mixture (paper, eq. 1): experts, gate and the map from an observation to a latent state.

    Parts: ``experts``, ``gate``, ``L (M - N, N)`` with ``z_0 = [x_0; L x_0]``, and ``sigma_expert
    (J,)`` if the experts are probabilistic. The model expects standardised data; training and
    :func:`dynamix.forecast` standardise.

    Parameters
    ----------
    config
        Sizes and kinds; the defaults are the paper's, with 10,227 parameters.
    seed
        Seed of the initial weights.
    defaults
        How forecasts use this model unless they are given other settings; stored with it.

    Examples
    --------
    An untrained model predicts the step after each of the last ten of two series:

    >>> model = DynaMix()
    >>> context = torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(0))
    >>> tuple(model(context, inputs=context[-10:], forcing_interval=5).shape)
    (10, 2, 3)
    >>> seen, z = model.start(context)
    >>> z_next, weights = model.step(z, seen)
    >>> tuple(z_next.shape), tuple(weights.shape)
    ((2, 30), (2, 10))
    """

    @checked
    def __init__(
        self,
        config: ModelConfig | None = None,
        *,
        seed: int = 0,
        defaults: ForecastDefaults | None = None,
    ) -> None:
        super().__init__()
        self.config = config = config or ModelConfig()
        self.defaults = defaults or ForecastDefaults()
        generator = torch.Generator().manual_seed(seed)
        kinds = {"alrnn": ALRNNExperts, "clipped_shallow_plrnn": ClippedShallowPLRNNExperts}
        self.experts = kinds[config.expert_kind](config, generator)
        self.gate = Gate(config, generator)
        N, M = config.observed_dims, config.latent_dims
        self.L = nn.Parameter(torch.empty(M - N, N))
        if M > N:
            nn.init.uniform_(self.L, -(N**-0.5), N**-0.5, generator=generator)
        if config.probabilistic:
            self.sigma_expert = nn.Parameter(torch.full((config.experts,), 0.01))

    @classmethod
    def from_pretrained(cls, name: str | Path = BUNDLED_MODEL) -> Any:
        """Load a bundled name, a local file or folder, or ``"owner/repo:checkpoint"`` of the hub.

        A hub name without ``@REVISION`` is the newest version, which may change; add the commit to
        get the same forecasts later. Returns a :class:`DynaMix`, or a
        :class:`dynamix.local.LocalForecaster` for a checkpoint of that kind, such as
        ``"dynamix-3d-plus"``. See :func:`dynamix.model.checkpoints.load`.

        >>> DynaMix.from_pretrained("dynamix-6d").config.observed_dims
        6
        """
        from .checkpoints import load

        return load(name)

    def save_pretrained(self, path: str | Path) -> Path:
        """Write the model to ``path``; see :func:`dynamix.model.checkpoints.save`."""
        from .checkpoints import save

        return save(self, path)

    def push_to_hub(self, address: str, **options: Any) -> str:
        """Upload the model to the Hugging Face hub; see :func:`dynamix.io.push_to_hub`."""
        from ..io.hub import push_to_hub

        return push_to_hub(self, address, **options)

    def read(self, context: Series) -> Context:
        """The context as :meth:`step` uses it."""
        return self.gate.read(context)

    def initial_state(self, x: Observation) -> FirstState:
        """``z_0 = [x_0; L x_0]`` for observations ``x``."""
        return torch.cat([x, x @ self.L.T], dim=-1)

    def start(self, context: Tensor, initial_x: Observation | None = None) -> tuple[Context, State]:
        """What a free run begins with: the context, and the state of its end or ``initial_x``."""
        check_series(context, self.config.observed_dims)
        return self.gate.read(context), self.initial_state(
            context[-1] if initial_x is None else initial_x
        )

    def step(
        self,
        z: State,
        context: Context,
        gate_noise: GateNoise | None = None,
        expert_noise: ExpertNoise | None = None,
        query_state: State | None = None,
    ) -> tuple[State, Weights]:
        """Next state, and the expert weights that made it (paper, eq. 1).

        ``gate_noise`` is the gate's ``eps`` and ``expert_noise`` that of probabilistic experts,
        both standard normal; None leaves them out. ``query_state`` is that of :meth:`Gate.query`.
        """
        proposals = self.experts(z)
        if expert_noise is not None and self.config.probabilistic:
            proposals = proposals + self.sigma_expert[:, None] * expert_noise
        weights = self.gate(z, context, gate_noise, query_state)
        return (weights[..., None] * proposals).sum(dim=1), weights

    def forward(
        self,
        context: Series,
        inputs: Inputs,
        forcing_interval: int | None = None,
        forcing_strength: float | None = None,
        gate_noise: GateNoiseRun | None = None,
        expert_noise: ExpertNoiseRun | None = None,
    ) -> Inputs:
        """Predict ``x_1 .. x_T`` from ``inputs``, ``x_0 .. x_{T-1}``, under teacher forcing.

        ``forcing_interval`` (tau; sparse): every tau-th state's first N entries are replaced by the
        data. ``forcing_strength`` (alpha; generalised): every state's first N entries become
        ``alpha x + (1 - alpha) z``. With neither, the model runs freely from ``x_0``.
        """
        N = self.config.observed_dims
        read = self.read(context)
        z = self.initial_state(inputs[0])
        predictions = []
        for t, x in enumerate(inputs):
            if t > 0 and forcing_interval is not None and t % forcing_interval == 0:
                z = torch.cat([x, z[:, N:]], dim=-1)
            elif t > 0 and forcing_strength is not None:
                forced = forcing_strength * x + (1.0 - forcing_strength) * z[:, :N]
                z = torch.cat([forced, z[:, N:]], dim=-1)
            noise = (None if draws is None else draws[t] for draws in (gate_noise, expert_noise))
            z, _ = self.step(z, read, *noise)
            predictions.append(z[:, :N])
        return torch.stack(predictions)


def count_parameters(model: nn.Module) -> int:
    """Number of trained values of a ``model``.

    >>> count_parameters(DynaMix())
    10227
    """
    return sum(parameter.numel() for parameter in model.parameters())


def build(saved: Saved) -> DynaMix:
    """The model of a checkpoint, in evaluation mode."""
    model = DynaMix(saved.config, defaults=saved.defaults)
    model.load_state_dict({name: torch.from_numpy(v) for name, v in saved.values.items()})
    return model.eval()
