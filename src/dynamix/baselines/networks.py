"""The networks of :mod:`.trained`, in PyTorch: AL-RNN, LSTM, neural ODE, and their training.

The recurrent networks are trained by sparse teacher forcing (Mikhaeil et al. 2022); with
``forcing_interval=1`` that is plain teacher forcing. Weights, windows and noise depend on the seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn

from ..engine.machine import one_thread
from ..errors import InputError
from ..io.progress import tqdm
from ..io.shapes import Float
from ..model.dynamix import ALRNNExperts
from ..preprocessing.transforms import Standardize
from ..settings import ModelConfig
from .regression import state_space
from .settings import ContextTrainingConfig, NeuralODEConfig

_CHUNK = 500  # steps of the ODE integrated at once; then the state is checked
_FAR = 1e7  # deviations: a free run that gets there is over
_SHORTEST_WINDOW = 3


class SingleALRNN(nn.Module):
    """One expert of DynaMix without a context: an almost-linear RNN (Brenner et al. 2024).

    The state is ``z (S, M)``, its first N entries the observation; ``z_0 = [x_0; L x_0]``.
    """

    def __init__(self, N: int, config: ContextTrainingConfig, generator: torch.Generator) -> None:
        super().__init__()
        M = max(config.latent_dims, 2 * N)
        sizes = ModelConfig(
            observed_dims=N, latent_dims=M, experts=1, relu_units=min(config.relu_units, M - N)
        )
        self.experts = ALRNNExperts(sizes, generator)
        self.L = nn.Parameter(torch.randn(M - N, N, generator=generator) * N**-0.5)

    def first(self, x: Float[Tensor, "S N"]) -> Float[Tensor, "S M"]:
        """The state after one observation."""
        return torch.cat([x, x @ self.L.T], dim=-1)

    def forward(self, z: Float[Tensor, "S M"]) -> Float[Tensor, "S M"]:
        """The next state."""
        return self.experts(z)[:, 0]


class SingleLSTM(nn.Module):
    """An LSTM that predicts the next observation and takes it, or the data, as its next input.

    The state is ``[x; h; c]``: last observation, hidden and cell state, ``(S, N + 2 H)``.
    """

    def __init__(self, N: int, config: ContextTrainingConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.H = H = config.hidden_units
        with torch.random.fork_rng(devices=[]):  # layers draw first values, which are not used
            self.cell, self.readout = nn.LSTMCell(N, H), nn.Linear(H, N)
        _draw_weights(self, H, generator)

    def first(self, x: Float[Tensor, "S N"]) -> Float[Tensor, "S _"]:
        """The state that an observation starts from, without any memory."""
        return torch.cat([x, x.new_zeros(len(x), 2 * self.H)], dim=-1)

    def forward(self, z: Float[Tensor, "S M"]) -> Float[Tensor, "S M"]:
        """The next state."""
        x, h, c = z.split([z.shape[1] - 2 * self.H, self.H, self.H], dim=-1)
        h, c = self.cell(x, (h, c))
        # the readout corrects the last observation, which at fine sampling is near the next one
        return torch.cat([x + self.readout(h), h, c], dim=-1)


def recurrent(
    kind: type[SingleALRNN] | type[SingleLSTM],
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int,
    config: ContextTrainingConfig,
) -> Float[ndarray, "horizon N"]:
    """Train, read the context's end under forcing, and run freely from its last state."""
    interval, scaling = config.forcing_interval, Standardize.fit(context)
    x = scaling.apply(context)
    N = x.shape[1]
    net = kind(N, config, torch.Generator().manual_seed(seed))
    with one_thread():
        _train(
            net,
            x,
            lambda inputs: run(net, inputs, interval=config.forcing_interval)[0],
            seed=seed,
            config=config,
        )
        forecast = np.full((horizon, N), np.nan)
        with torch.no_grad():
            recent = torch.tensor(x[-config.warm_up :, None], dtype=torch.float32)
            _, z = run(net, recent[:-1], interval)
            z = torch.cat([recent[-1], z[:, N:]], dim=-1)
            for t in range(horizon):
                z = net(z)
                forecast[t] = z[0, :N].numpy()
                if not np.abs(forecast[t]).max() < _FAR:
                    break
    return scaling.invert(forecast)


def neural_ode(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: NeuralODEConfig
) -> Float[ndarray, "horizon N"]:
    """``x' = r W_3 tanh(W_2 tanh(W_1 x))`` with biases, by Runge-Kutta steps of the sampling time.

    Gradients pass through the integrator; ``r`` is the context's root mean square change in a step.
    """
    from torchdiffeq import odeint

    scaling = Standardize.fit(context)
    x = state_space(scaling.apply(context))
    H, N = config.hidden_units, x.shape[1]
    with torch.random.fork_rng(devices=[]):  # layers draw first values, which are not used
        net = nn.Sequential(nn.Linear(N, H), nn.Tanh(), nn.Linear(H, H), nn.Tanh(), nn.Linear(H, N))
    _draw_weights(net, H, torch.Generator().manual_seed(seed))
    rate = float(np.sqrt((np.diff(x, axis=0) ** 2).mean()))

    def solve(start: Tensor, steps: int) -> Tensor:
        times = torch.arange(steps + 1, dtype=start.dtype)
        return odeint(lambda t, y: rate * net(y), start, times, method="rk4")[1:]

    forecast = np.full((horizon, N), np.nan)
    with one_thread():
        _train(net, x, lambda inputs: solve(inputs[0], len(inputs)), seed=seed, config=config)
        state = torch.tensor(x[-1:], dtype=torch.float32)
        with torch.no_grad():
            for first in range(0, horizon, _CHUNK):
                piece = solve(state, min(_CHUNK, horizon - first))
                forecast[first : first + len(piece)] = piece[:, 0].numpy()
                state = piece[-1]
                if not state.abs().max() < _FAR:
                    break
    return scaling.invert(forecast[:, : context.shape[1]])


def run(
    net: SingleALRNN | SingleLSTM, inputs: Float[Tensor, "T S N"], interval: int
) -> tuple[Float[Tensor, "T S N"], Float[Tensor, "S M"]]:
    """Predictions ``x_1 .. x_T`` from ``x_0 .. x_{T-1}``, and the last state.

    The data overwrites the first N entries of each ``interval``-th state.
    """
    N = inputs.shape[2]
    z = net.first(inputs[0])
    predictions = []
    for t, x in enumerate(inputs):
        if t > 0 and t % interval == 0:
            z = torch.cat([x, z[:, N:]], dim=-1)
        z = net(z)
        predictions.append(z[:, :N])
    return torch.stack(predictions), z


def _train(
    net: nn.Module,
    x: Float[ndarray, "T N"],
    predict: Callable[[Tensor], Tensor],
    *,
    seed: int,
    config: ContextTrainingConfig | NeuralODEConfig,
) -> None:
    """Fit ``predict(x_0 .. x_{W-2}) = x_1 .. x_{W-1}`` on random windows of the series."""
    length = min(config.window, len(x) // 2)
    if length < _SHORTEST_WINDOW:
        raise InputError(
            f"training on the context needs one of at least {2 * _SHORTEST_WINDOW} steps, found "
            f"{len(x)}."
        )
    rng = np.random.default_rng(seed)
    series = x.astype(np.float32)
    optimiser = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    decay = (config.final_learning_rate / config.learning_rate) ** (1.0 / config.updates)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, decay)
    for _ in tqdm(range(config.updates), desc="training", leave=False, disable=None):
        starts = rng.integers(0, len(x) - length + 1, config.batch_size)
        windows = series[starts[None] + np.arange(length)[:, None]]  # (W, S, N)
        noise = config.input_noise * rng.standard_normal(windows[:-1].shape, dtype=np.float32)
        predictions = predict(torch.from_numpy(windows[:-1] + noise))
        loss = ((predictions - torch.from_numpy(windows[1:])) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), config.gradient_clip)
        if torch.isfinite(norm):  # one exploding window must not spoil the weights
            optimiser.step()
        schedule.step()


def _draw_weights(net: nn.Module, width: int, generator: torch.Generator) -> None:
    """PyTorch's own first weights, biases included, from an explicit generator."""
    for parameter in net.parameters():
        nn.init.uniform_(parameter, -(width**-0.5), width**-0.5, generator=generator)
