"""The settings of the fitted rivals, the same for all data sets.

They were chosen at contexts of 512 and 2000 steps on systems of the training split. First
prototypes of DMD and EDMD were also scored on held-out Lorenz, Rossler, Chua and SprottM.
"""

from __future__ import annotations

from ..settings import setting, settings


@settings
class EchoStateConfig:
    """Echo-state network: a random recurrent network of which the readout alone is fitted.

    Free runs on the context choose among all pairs of ``input_noise`` and ``ridge``.
    """

    units: int = setting(500, "units of the reservoir", at_least=1)
    spectral_radius: float = setting(0.9, "of the reservoir's weights", at_least=0)
    input_scaling: float = setting(0.2, "size of the input weights", at_least=0)
    bias: float = setting(1.0, "largest bias of a unit, either way", at_least=0)
    input_noise: tuple[float, ...] = setting(
        (1e-3, 3e-2), "noise of the fit's inputs, in deviations; stabilises runs", at_least=0
    )
    ridge: tuple[float, ...] = setting(
        (1e-6, 1e-4, 1e-2, 1.0), "penalty of the readout's weights", at_least=0
    )
    washout: int = setting(50, "first steps not fitted, at most a quarter", at_least=0)


@settings
class DMDConfig:
    """Dynamic mode decomposition of delayed copies."""

    delays: int = setting(50, "steps in a stack, at most a third of the context", at_least=1)
    rank: int | float = setting(0, "pydmd's svd_rank: modes; 0 the optimum; -1 all modes")


@settings
class EDMDConfig:
    """Extended dynamic mode decomposition with a polynomial kernel."""

    degree: int = setting(5, "degree of the polynomials", at_least=1)
    rank: int = setting(50, "Koopman eigenfunctions kept", at_least=1)
    pairs: int = setting(500, "transitions used; the cost is cubic", at_least=1)


@settings
class SINDyConfig:
    """Sparse identification of nonlinear dynamics with polynomials, channels in deviations.

    Free runs on the context choose among all combinations of ``degree``, ``threshold`` and
    ``window``.
    """

    degree: tuple[int, ...] = setting((3, 2), "largest degree of the polynomials", at_least=1)
    terms_per_step: float = setting(0.25, "most monomials per context step", above=0)
    threshold: tuple[float, ...] = setting(
        (0.005, 0.02, 0.1), "smaller coefficients are set to zero", at_least=0
    )
    ridge: float = setting(1e-3, "penalty of the coefficients in each fit", at_least=0)
    window: tuple[int, ...] = setting((5, 15), "points of a local polynomial, odd", at_least=1)
    tolerance: float = setting(1e-6, "relative and absolute, of the integration", above=0)
    evaluations_per_step: int = setting(30, "the integration stops beyond them", at_least=0)


@settings
class NeuralODEConfig:
    """A differential equation with a neural right-hand side, trained on the context (Adam)."""

    updates: int = setting(600, "steps of the optimiser", at_least=1)
    batch_size: int = setting(64, "windows of a step", at_least=1)
    window: int = setting(11, "points of a window, at most half of the context", at_least=3)
    hidden_units: int = setting(64, "width of each of the two hidden layers", at_least=1)
    input_noise: float = setting(0.01, "noise of a window's inputs, in deviations", at_least=0)
    learning_rate: float = setting(1e-2, "learning rate of the first step", above=0)
    final_learning_rate: float = setting(3e-4, "learning rate of the last step", above=0)
    gradient_clip: float = setting(1.0, "largest norm of the gradient", above=0)


@settings
class ContextTrainingConfig:
    """Recurrent networks trained on the context (Adam)."""

    updates: int = setting(800, "steps of the optimiser", at_least=1)
    batch_size: int = setting(64, "windows of a step", at_least=1)
    window: int = setting(31, "points of a window, at most half of the context", at_least=3)
    forcing_interval: int = setting(10, "steps between two forcings; 1 forces always", at_least=1)
    input_noise: float = setting(0.02, "noise of a window's inputs, in deviations", at_least=0)
    learning_rate: float = setting(1e-2, "learning rate of the first step", above=0)
    final_learning_rate: float = setting(3e-4, "learning rate of the last step", above=0)
    gradient_clip: float = setting(1.0, "largest norm of the gradient", above=0)
    latent_dims: int = setting(30, "latent dimensions M, at least twice the channels", at_least=1)
    relu_units: int = setting(15, "ReLU units P of the AL-RNN", at_least=0)
    hidden_units: int = setting(32, "hidden units of the LSTM", at_least=1)
    warm_up: int = setting(100, "last context steps that set the latent state", at_least=2)
