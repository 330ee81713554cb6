"""Every default of the rival forecasters of :mod:`dynamix.baselines`, each in one place.

Chosen at contexts of 512 and 2000 steps and the same for every data set since: on systems of the
training split, but for DMD and EDMD, whose first prototypes were also scored on Lorenz, Rossler,
Chua and SprottM, which the split holds out. What little they may owe to that is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EchoStateConfig:
    """Echo-state network: a random recurrent network whose readout alone is fitted."""

    units: int = 500  # of the reservoir
    spectral_radius: float = 0.9
    input_scaling: float = 0.2
    bias: float = 1.0  # uniform in +- this
    input_noise: float = 1e-3  # in deviations, while the readout is fitted: keeps free runs stable
    ridge: float = 1e-6
    washout: int = 50  # first states left out of the fit


@dataclass(frozen=True)
class DMDConfig:
    """Dynamic mode decomposition of delayed copies."""

    delays: int = 50  # steps stacked on each other, at most a third of the context
    rank: float = 0  # as pydmd's svd_rank: 0 is the optimal hard threshold, below 1 an energy share


@dataclass(frozen=True)
class EDMDConfig:
    """Extended dynamic mode decomposition with a polynomial kernel."""

    degree: int = 5  # of the polynomials
    rank: int = 50  # Koopman eigenfunctions kept
    pairs: int = 500  # transitions used, spread evenly over the context: the cost is cubic in them


@dataclass(frozen=True)
class SINDyConfig:
    """Sparse identification of nonlinear dynamics with polynomials."""

    degree: int = 3
    terms_per_step: float = (
        0.25  # the degree falls until the library is smaller than this times T_C
    )
    threshold: float = 0.02  # smaller coefficients are set to zero
    ridge: float = 1e-3
    order: int = 4  # of the finite differences
    tolerance: float = 1e-6  # relative, of the integration
    evaluations_per_step: int = 30  # on average; beyond it the integration is given up


@dataclass(frozen=True)
class ContextTrainingConfig:
    """Recurrent networks trained on the single context, by gradient descent (Adam)."""

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


@dataclass(frozen=True)
class NeuralODEConfig:
    """A neural ordinary differential equation trained on the single context (Adam)."""

    updates: int = 600
    batch_size: int = 64
    window: int = 11  # points of a training window
    hidden_units: int = 64  # of each of two hidden layers
    input_noise: float = 0.01
    learning_rate: float = 1e-2
    final_learning_rate: float = 3e-4
    gradient_clip: float = 1.0
