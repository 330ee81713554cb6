"""Rivals that are trained on the single context by gradient descent: AL-RNN, LSTM, neural ODE.

The two recurrent networks are trained with sparse teacher forcing (the data overwrites the state
every tenth step, so that gradients reach over the steps between, Mikhaeil et al. 2022) and with
plain teacher forcing (at every step), all else equal. The budget is fixed and small, some ten
seconds on one core: what a network can learn from a context alone while a user waits.

Channels are standardised by the context. A network's weights, its training windows and their noise
depend on the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from tqdm import tqdm

from ..errors import InputError
from ..model.dynamix import ALRNNExperts
from ..preprocessing.transforms import Standardize
from ..settings import ModelConfig
from .regression import state_space
from .settings import ContextTrainingConfig, NeuralODEConfig

_DEFAULTS = ContextTrainingConfig()
_NEURAL_ODE = NeuralODEConfig()
_CHUNK = 500  # steps integrated between two looks at whether the solution still exists
_FAR = 1e7  # deviations: a free run that gets there is over
_SHORTEST_WINDOW = 3


class SingleALRNN(nn.Module):
    """One expert of DynaMix on its own: an almost-linear RNN, without a context to look at.

    The state is ``z (S, M)``, its first N entries the observation; ``z_0 = [x_0; L x_0]``. Called
    with a state, it returns the next one. Brenner et al. (2024).

    Parameters
    ----------
    N
        Channels.
    config
        ``latent_dims`` M, raised to ``2 N`` where it is smaller, and ``relu_units``, at most
        ``M - N``.
    generator
        Of the first weights.

    Raises
    ------
    InputError
        If a size is not a whole number of at least 1.

    Examples
    --------
    >>> net = SingleALRNN(2, ContextTrainingConfig(), torch.Generator().manual_seed(0))
    >>> x = torch.ones(4, 2)
    >>> z = net.first(x)
    >>> tuple(z.shape), bool((z[:, :2] == x).all()), tuple(net(z).shape)
    ((4, 30), True, (4, 30))
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
        """The state that an observation starts from."""
        return torch.cat([x, x @ self.L.T], dim=-1)

    def forward(self, z: Float[Tensor, "S M"]) -> Float[Tensor, "S M"]:
        """The next state."""
        return self.experts(z)[:, 0]


class SingleLSTM(nn.Module):
    """An LSTM that predicts the next observation and takes it, or the data, as its next input.

    The state is ``[x; h; c]``: last observation, hidden and cell state, ``(S, N + 2 H)``. Called
    with a state, it returns the next one. Hochreiter & Schmidhuber (1997).

    Parameters
    ----------
    N
        Channels.
    config
        ``hidden_units`` H.
    generator
        Of the first weights.

    Examples
    --------
    >>> net = SingleLSTM(2, ContextTrainingConfig(), torch.Generator().manual_seed(0))
    >>> z = net.first(torch.ones(4, 2))
    >>> tuple(z.shape), bool((z[:, 2:] == 0).all()), tuple(net(z).shape)
    ((4, 66), True, (4, 66))
    """

    def __init__(self, N: int, config: ContextTrainingConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.H = H = config.hidden_units
        with torch.random.fork_rng(devices=[]):  # layers draw first values, which go unused
            self.cell, self.readout = nn.LSTMCell(N, H), nn.Linear(H, N)
        for parameter in self.parameters():  # PyTorch's own default, from an explicit generator
            nn.init.uniform_(parameter, -(H**-0.5), H**-0.5, generator=generator)

    def first(self, x: Float[Tensor, "S N"]) -> Float[Tensor, "S _"]:
        """The state that an observation starts from: nothing is remembered yet."""
        return torch.cat([x, x.new_zeros(len(x), 2 * self.H)], dim=-1)

    def forward(self, z: Float[Tensor, "S M"]) -> Float[Tensor, "S M"]:
        """The next state."""
        x, h, c = z.split([z.shape[1] - 2 * self.H, self.H, self.H], dim=-1)
        h, c = self.cell(x, (h, c))
        # the readout corrects the last observation, which at fine sampling is near the next one
        return torch.cat([x + self.readout(h), h, c], dim=-1)


def alrnn_stf(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    config: ContextTrainingConfig | None = None,
) -> Float[ndarray, "horizon N"]:
    """AL-RNN (Brenner et al. 2024) trained on the context by sparse teacher forcing.

    The data overwrites the state every ``config.forcing_interval`` steps (Mikhaeil et al. 2022).

    Parameters
    ----------
    context
        ``(T_C, N)``, of at least 6 steps, in any units.
    horizon
        Steps to forecast, at least 1.
    seed
        Of the first weights, the training windows and their noise.
    config
        Sizes and budget; None: :class:`dynamix.baselines.settings.ContextTrainingConfig`.

    Returns
    -------
    ``(horizon, N)``, in the units of the context; NaN behind the step at which it lies ten million
    deviations away.

    Raises
    ------
    InputError
        If the context is shorter.

    Examples
    --------
    The seed fixes the forecast:

    >>> x = np.sin(np.arange(100) / 5)[:, None]
    >>> quick = ContextTrainingConfig(updates=5)
    >>> y = alrnn_stf(x, 20, seed=1, config=quick)
    >>> y.shape, bool((y == alrnn_stf(x, 20, seed=1, config=quick)).all())
    ((20, 1), True)
    """
    return _recurrent(SingleALRNN, context, horizon, seed=seed, config=config, sparse=True)


def alrnn_tf(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    config: ContextTrainingConfig | None = None,
) -> Float[ndarray, "horizon N"]:
    """The same AL-RNN as in :func:`alrnn_stf`, trained by teacher forcing at every step.

    ``context`` ``(T_C, N)``, of at least 6 steps, ``horizon``, ``seed``, ``config``, the forecast
    ``(horizon, N)`` and the errors are as for :func:`alrnn_stf`.

    Examples
    --------
    It is sparse teacher forcing at an interval of one step:

    >>> x = np.sin(np.arange(100) / 5)[:, None]
    >>> plain = alrnn_tf(x, 20, config=ContextTrainingConfig(updates=5))
    >>> often = ContextTrainingConfig(updates=5, forcing_interval=1)
    >>> bool((plain == alrnn_stf(x, 20, config=often)).all())
    True
    """
    return _recurrent(SingleALRNN, context, horizon, seed=seed, config=config, sparse=False)


def lstm_stf(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    config: ContextTrainingConfig | None = None,
) -> Float[ndarray, "horizon N"]:
    """LSTM (Hochreiter & Schmidhuber 1997) trained on the context by sparse teacher forcing.

    The data overwrites the last observation every ``config.forcing_interval`` steps (Mikhaeil et
    al. 2022); the hidden and the cell state are kept.

    ``context`` ``(T_C, N)``, of at least 6 steps, ``horizon``, ``seed``, ``config``, the forecast
    ``(horizon, N)`` and the errors are as for :func:`alrnn_stf`.

    Examples
    --------
    Units play no part, since each channel is standardised by the context:

    >>> x = np.sin(np.arange(100) / 5)[:, None]
    >>> quick = ContextTrainingConfig(updates=5)
    >>> y, scaled = lstm_stf(x, 20, config=quick), lstm_stf(9 * x + 7, 20, config=quick)
    >>> bool(np.allclose(scaled, 9 * y + 7, atol=0.01))
    True
    """
    return _recurrent(SingleLSTM, context, horizon, seed=seed, config=config, sparse=True)


def lstm_tf(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    config: ContextTrainingConfig | None = None,
) -> Float[ndarray, "horizon N"]:
    """The same LSTM as in :func:`lstm_stf`, trained by teacher forcing at every step.

    ``context`` ``(T_C, N)``, of at least 6 steps, ``horizon``, ``seed``, ``config``, the forecast
    ``(horizon, N)`` and the errors are as for :func:`alrnn_stf`.

    Examples
    --------
    >>> x = np.sin(np.arange(100) / 5)[:, None]
    >>> lstm_tf(x, 20, config=ContextTrainingConfig(updates=5)).shape
    (20, 1)
    >>> lstm_tf(x[:5], 20)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: training on the context needs one of at least 6 steps, found 5.
    """
    return _recurrent(SingleLSTM, context, horizon, seed=seed, config=config, sparse=False)


def neural_ode(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    config: NeuralODEConfig | None = None,
) -> Float[ndarray, "horizon N"]:
    """Neural ODE (Chen et al. 2018; torchdiffeq) trained on short windows of the context.

    ``x' = r W_3 tanh(W_2 tanh(W_1 x))`` (with biases), Runge-Kutta of fourth order with the
    sampling step, gradients through the integrator; ``r`` is the context's root mean square change
    in a step. It sees the present state alone, so that contexts of fewer than three channels are
    completed by delayed copies of the last.

    Parameters
    ----------
    context
        ``(T_C, N)``, of at least 6 steps besides those that the delays take, in any units.
    horizon
        Steps to forecast, at least 1.
    seed
        Of the first weights, the training windows and their noise.
    config
        Sizes and budget; None: :class:`dynamix.baselines.settings.NeuralODEConfig`.

    Returns
    -------
    ``(horizon, N)``, in the units of the context; NaN behind a piece of 500 steps that ends more
    than ten million deviations away.

    Raises
    ------
    InputError
        If the context is shorter, or too short for its delayed copies.

    Examples
    --------
    >>> x = np.sin(2 * np.pi * np.arange(120) / 20)[:, None]
    >>> y = neural_ode(x[:100], 20, config=NeuralODEConfig(updates=60, batch_size=16))
    >>> y.shape, bool(np.abs(y - x[100:]).max() < 0.2)
    ((20, 1), True)
    """
    from torchdiffeq import odeint

    config = config or _NEURAL_ODE
    scaling = Standardize.fit(context)
    x = state_space(scaling.apply(context))
    generator = torch.Generator().manual_seed(seed)
    H, N = config.hidden_units, x.shape[1]
    with torch.random.fork_rng(devices=[]):  # layers draw first values, which go unused
        net = nn.Sequential(nn.Linear(N, H), nn.Tanh(), nn.Linear(H, H), nn.Tanh(), nn.Linear(H, N))
    for parameter in net.parameters():  # uniform within 1 / sqrt(width), the biases too
        nn.init.uniform_(parameter, -(H**-0.5), H**-0.5, generator=generator)
    rate = float(np.sqrt((np.diff(x, axis=0) ** 2).mean()))

    def solve(start: Tensor, steps: int) -> Tensor:
        times = torch.arange(steps + 1, dtype=start.dtype)
        return odeint(lambda t, y: rate * net(y), start, times, method="rk4")[1:]

    with _one_thread():
        _train(net, x, lambda inputs: solve(inputs[0], len(inputs)), seed=seed, config=config)
        state, forecast = torch.tensor(x[-1:], dtype=torch.float32), []
        with torch.no_grad():
            for first in range(0, horizon, _CHUNK):
                piece = solve(state, min(_CHUNK, horizon - first))
                forecast.append(piece[:, 0])
                state = piece[-1]
                if not state.abs().max() < _FAR:
                    break
    return scaling.invert(_filled(torch.cat(forecast).numpy(), horizon)[:, : context.shape[1]])


def _recurrent(
    kind: type[SingleALRNN] | type[SingleLSTM],
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int,
    config: ContextTrainingConfig | None,
    sparse: bool,
) -> Float[ndarray, "horizon N"]:
    """Train, read the context's end under forcing, and run freely from its last state."""
    config = config or _DEFAULTS
    interval = config.forcing_interval if sparse else 1
    scaling = Standardize.fit(context)
    x = scaling.apply(context)
    N = x.shape[1]
    net = kind(N, config, torch.Generator().manual_seed(seed))
    with _one_thread():
        _train(
            net, x, lambda inputs: run(net, inputs, interval=interval)[0], seed=seed, config=config
        )
        forecast = np.full((horizon, N), np.nan)
        with torch.no_grad():
            recent = torch.tensor(x[-config.warm_up :, None], dtype=torch.float32)
            _, z = run(net, recent[:-1], interval=interval)
            z = torch.cat([recent[-1], z[:, N:]], dim=-1)
            for t in range(horizon):
                z = net(z)
                forecast[t] = z[0, :N].numpy()
                if not np.abs(forecast[t]).max() < _FAR:
                    break
    return scaling.invert(forecast)


def run(
    net: SingleALRNN | SingleLSTM, inputs: Float[Tensor, "T S N"], *, interval: int
) -> tuple[Float[Tensor, "T S N"], Float[Tensor, "S M"]]:
    """Predictions ``x_1 .. x_T`` from ``x_0``, the data written over each ``interval``-th state.

    Parameters
    ----------
    net
        :class:`SingleALRNN` or :class:`SingleLSTM`.
    inputs
        ``x_0 .. x_{T-1}``, ``(T, S, N)``: S windows of T steps, standardised.
    interval
        Steps from one forcing to the next, at least 1; from T on the network runs freely from
        ``x_0``.

    Returns
    -------
    The predictions ``(T, S, N)``, and the last state ``(S, M)``, from which the network runs on.

    Examples
    --------
    Between forcings the network reads nothing of the data:

    >>> generator = torch.Generator().manual_seed(0)
    >>> net = SingleALRNN(2, ContextTrainingConfig(), generator)
    >>> x = torch.randn(5, 1, 2, generator=generator)
    >>> other = torch.cat([x[:1], -x[1:]])
    >>> [torch.equal(run(net, x, interval=k)[0], run(net, other, interval=k)[0]) for k in (5, 1)]
    [True, False]
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


def _filled(forecast: Float[ndarray, "T N"], horizon: int) -> Float[ndarray, "horizon N"]:
    """The forecast, with NaN for the steps that were not computed."""
    missing = np.full((horizon - len(forecast), forecast.shape[1]), np.nan)
    return np.concatenate([forecast.astype(np.float64), missing])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from more, and a sum must not depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
