"""Every default of the rival forecasters of :mod:`dynamix.baselines`, each in one place.

Chosen at contexts of 512 and 2000 steps and the same for every data set since: on systems of the
training split, but for DMD and EDMD, whose first prototypes were also scored on Lorenz, Rossler,
Chua and SprottM, which the split holds out. What little they may owe to that is theirs.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, of_their_types, whole_number
from ..settings import setting

_LEAST = {"window": 3, "warm_up": 2}
# What may be 0; of all else there must be some. DMD's rank is pydmd's affair.
_MAY_BE_0 = {"spectral_radius", "input_scaling", "bias", "input_noise", "ridge", "washout"}
_MAY_BE_0 |= {"threshold", "evaluations_per_step", "relu_units"}


def _sensible(settings: Any, *, but: str = "") -> None:
    """Raise unless every number has its type and is as large as it must be."""
    of_their_types(settings)
    for name in (field.name for field in dataclasses.fields(settings)):
        value, least = getattr(settings, name), _LEAST.get(name, 0)
        if name != but and (value < least or (value == 0 and name not in _MAY_BE_0)):
            raise InputError(
                f"{name} must be {f'at least {least}' if least else 'positive'}, found {value!r}."
            )


@dataclass(frozen=True)
class EchoStateConfig:
    """Echo-state network: a random recurrent network whose readout alone is fitted.

    Attributes
    ----------
    units
        Of the reservoir.
    spectral_radius
        Largest modulus of an eigenvalue of the reservoir's weights.
    input_scaling
        Size of the input's weights.
    bias
        Of a unit: drawn evenly from minus this to this.
    input_noise
        Deviation of the noise on the inputs while the readout is fitted, in context deviations.
    ridge
        Penalty of the readout's weights.
    washout
        First steps left out of the fit, at most a quarter of the context.

    Examples
    --------
    >>> EchoStateConfig(units=100).spectral_radius
    0.9
    """

    units: int = 500  # of the reservoir
    spectral_radius: float = 0.9
    input_scaling: float = 0.2
    bias: float = 1.0  # uniform in +- this
    input_noise: float = 1e-3  # in deviations, while the readout is fitted: keeps free runs stable
    ridge: float = 1e-6
    washout: int = 50  # first states left out of the fit

    def __post_init__(self) -> None:
        _sensible(self)


@dataclass(frozen=True)
class DMDConfig:
    """Dynamic mode decomposition of delayed copies.

    Attributes
    ----------
    delays
        Steps stacked on each other, at most a third of the context.
    rank
        pydmd's ``svd_rank``: a whole number of modes; below 1 a share of the energy; 0 the optimal
        hard threshold; -1 all modes.

    Examples
    --------
    >>> DMDConfig(delays=2, rank=2)
    DMDConfig(delays=2, rank=2)
    """

    delays: int = 50  # steps stacked on each other, at most a third of the context
    rank: float = 0  # as pydmd's svd_rank: 0 is the optimal hard threshold, below 1 an energy share

    def __post_init__(self) -> None:
        _sensible(self, but="rank")


@dataclass(frozen=True)
class EDMDConfig:
    """Extended dynamic mode decomposition with a polynomial kernel.

    Attributes
    ----------
    degree
        Of the polynomials.
    rank
        Koopman eigenfunctions kept.
    pairs
        Transitions used, spread evenly over the context. The cost is cubic in them.

    Examples
    --------
    >>> EDMDConfig(degree=3)
    EDMDConfig(degree=3, rank=50, pairs=500)
    """

    degree: int = 5  # of the polynomials
    rank: int = 50  # Koopman eigenfunctions kept
    pairs: int = 500  # transitions used, spread evenly over the context: the cost is cubic in them

    def __post_init__(self) -> None:
        _sensible(self)


@dataclass(frozen=True)
class SINDyConfig:
    """Sparse identification of nonlinear dynamics with polynomials.

    Rates are per unit of time of :func:`dynamix.baselines.regression.sindy`, of channels in context
    deviations.

    Attributes
    ----------
    degree
        Of the polynomials, at most.
    terms_per_step
        The degree falls until the library has no more monomials than this times the context's
        steps.
    threshold
        Coefficients smaller than this are set to zero.
    ridge
        Penalty of the coefficients in each least-squares fit.
    order
        Of accuracy of the finite differences.
    tolerance
        Relative and absolute, of the integration.
    evaluations_per_step
        Of the right-hand side, on average; beyond them the integration is given up.

    Examples
    --------
    >>> SINDyConfig().degree, SINDyConfig(threshold=0.1).threshold
    (3, 0.1)
    """

    degree: int = 3
    terms_per_step: float = 0.25  # the degree falls until the terms are at most this times T_C
    threshold: float = 0.02  # smaller coefficients are set to zero
    ridge: float = 1e-3
    order: int = 4  # of the finite differences
    tolerance: float = 1e-6  # relative, of the integration
    evaluations_per_step: int = 30  # on average; beyond it the integration is given up

    def __post_init__(self) -> None:
        _sensible(self)


@dataclass(frozen=True)
class ContextTrainingConfig:
    """Recurrent networks trained on the single context, by gradient descent (Adam).

    Attributes
    ----------
    updates
        Steps of the optimiser.
    batch_size
        Windows drawn for each of them.
    window
        Points of a training window, at most half of the context.
    forcing_interval
        Steps from one forcing to the next in sparse teacher forcing.
    input_noise
        Deviation of the noise on a window's inputs, in context deviations.
    learning_rate, final_learning_rate
        At the first update and at the end, with exponential decay between.
    gradient_clip
        Largest norm of the gradient.
    latent_dims, relu_units
        M and P of the AL-RNN; M is at least twice the channels.
    hidden_units
        Of the LSTM.
    warm_up
        Last steps of the context that set the latent state before the forecast, at least 2.

    Examples
    --------
    >>> quick = ContextTrainingConfig(updates=50)
    >>> quick.updates, quick.forcing_interval
    (50, 10)
    """

    updates: int = 800
    batch_size: int = 64
    window: int = 31  # points of a training window, at most half of the context
    forcing_interval: int = 10  # of sparse teacher forcing; plain teacher forcing is 1
    input_noise: float = 0.02
    learning_rate: float = 1e-2
    final_learning_rate: float = 3e-4
    gradient_clip: float = 1.0
    latent_dims: int = 30  # of the AL-RNN, at least twice the channels
    relu_units: int = 15  # of the AL-RNN
    hidden_units: int = 32  # of the LSTM
    warm_up: int = 100  # context steps before the forecast that set the latent state

    def __post_init__(self) -> None:
        _sensible(self)


@dataclass(frozen=True)
class NeuralODEConfig:
    """A neural ordinary differential equation trained on the single context (Adam).

    Attributes
    ----------
    updates
        Steps of the optimiser.
    batch_size
        Windows drawn for each of them.
    window
        Points of a training window, at most half of the context.
    hidden_units
        Of each of the two hidden layers.
    input_noise
        Deviation of the noise on a window's inputs, in context deviations.
    learning_rate, final_learning_rate
        At the first update and at the end, with exponential decay between.
    gradient_clip
        Largest norm of the gradient.

    Examples
    --------
    >>> NeuralODEConfig(updates=100).window
    11
    """

    updates: int = 600
    batch_size: int = 64
    window: int = 11  # points of a training window
    hidden_units: int = 64  # of each of two hidden layers
    input_noise: float = 0.01
    learning_rate: float = 1e-2
    final_learning_rate: float = 3e-4
    gradient_clip: float = 1.0

    def __post_init__(self) -> None:
        _sensible(self)


@dataclass(frozen=True)
class TransformerConfig:
    """The controlled transformer: Chronos-T5's architecture, small, and its training.

    The corpus is not described here: it is that of a :class:`TrainingConfig`. Chronos-T5 "tiny",
    for comparison: width 256, 4 heads, 4 layers, 4096 tokens, limit 15.
    """

    context_length: int = setting(512, "steps that the encoder sees at most")
    prediction_length: int = setting(64, "steps decoded before they become context")
    tokens: int = setting(1024, "bins of the tokeniser, two special tokens included")
    limit: float = setting(8.0, "outermost bins, in mean absolute values of the context")
    width: int = setting(128, "width of the hidden states")
    heads: int = setting(4, "attention heads")
    layers: int = setting(2, "layers of the encoder, and of the decoder")
    feed_forward: int = setting(256, "width of the feed-forward layers")
    temperature: float = setting(1.0, "temperature of sampling")
    top_k: int = setting(50, "tokens that sampling chooses from")
    ordered_start: bool = setting(
        True, "first weights know which bin lies beside which, and which step"
    )
    loss_decay: float = setting(
        1.0, "the t-th token of the future counts t to minus this in the loss; 0: all alike"
    )
    steps: int = setting(14_000, "optimiser steps")
    stop_after: int = setting(
        0, "stop after so many steps already, the learning rate brought to 0; 0: after all"
    )
    cool_down: int = setting(600, "steps before such a stop over which the rate falls to 0")
    batch_size: int = setting(16, "windows in a batch, one channel of each")
    training_contexts: tuple[int, ...] = setting(
        (128, 128, 128, 128, 128, 128, 256, 512),
        "context lengths of training, one drawn for each batch",
    )
    learning_rate: float = setting(1.5e-3, "highest learning rate, which decays linearly to 0")
    warm_up: int = setting(200, "steps over which it rises")
    gradient_clip: float = setting(1.0, "largest gradient norm applied")
    bfloat16: bool = setting(True, "multiply in bfloat16 while training")
    log_every: int = setting(50, "steps between two lines of the log")
    validate_every: int = setting(3500, "steps between two validations; 0 for never")
    validation_horizon: int = setting(2000, "horizon of a validation forecast")
    checkpoint_every: int = setting(250, "steps between two checkpoints")
    seed: int = setting(0, "seed of initial weights, batches and validation")

    def __post_init__(self) -> None:
        whole = {
            "validate_every": 0,
            "warm_up": 0,
            "seed": 0,
            "stop_after": 0,
            "tokens": 8,
            "context_length": 2,
        }
        for f in dataclasses.fields(self):
            if isinstance(f.default, int) and not isinstance(f.default, bool):
                whole_number(f.name, getattr(self, f.name), least=whole.get(f.name, 1))
        if self.width % self.heads:
            raise InputError(
                f"width must be a multiple of heads, found {self.width} and {self.heads}."
            )
        for name in ("limit", "temperature", "learning_rate", "gradient_clip"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, found {getattr(self, name)!r}.")
        if not 0 <= self.loss_decay < float("inf"):
            raise InputError(f"loss_decay must be finite and at least 0, found {self.loss_decay}.")
        if not self.training_contexts or not all(
            2 <= length <= self.context_length for length in self.training_contexts
        ):
            raise InputError(
                f"training_contexts must lie between 2 and context_length = {self.context_length}, "
                f"found {self.training_contexts}."
            )

    @property
    def last_step(self) -> int:
        """Steps that training takes."""
        return min(self.stop_after or self.steps, self.steps)
