"""Rivals that are trained by gradient descent: on the context, or on DynaMix's corpus.

Their entries stand apart from :mod:`.networks` and :mod:`.transformer`, so that the registry, and a
forecast by another model, does not wait for PyTorch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from numpy import ndarray

from ..io.shapes import Float
from .registry import register
from .settings import ContextTrainingConfig, NeuralODEConfig

CONTROL = "transformer-control"
_trained = partial(register, fitted=True, joint=True)
_STF = "trained on the context by sparse teacher forcing"


@_trained(
    "alrnn_stf",
    f"almost-linear RNN {_STF}",
    "Brenner et al. (2024); Mikhaeil et al. (2022)",
    config=ContextTrainingConfig,
)
def alrnn_stf(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: ContextTrainingConfig
) -> Float[ndarray, "horizon N"]:
    """One expert of DynaMix without a gate."""
    from .networks import SingleALRNN, recurrent

    return recurrent(SingleALRNN, context, horizon, seed=seed, config=config)


@_trained(
    "lstm_stf",
    f"LSTM {_STF}",
    "Hochreiter & Schmidhuber (1997); Mikhaeil et al. (2022)",
    config=ContextTrainingConfig,
)
def lstm_stf(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: ContextTrainingConfig
) -> Float[ndarray, "horizon N"]:
    """An LSTM that takes its own last forecast, or the data, as its next input."""
    from .networks import SingleLSTM, recurrent

    return recurrent(SingleLSTM, context, horizon, seed=seed, config=config)


@_trained(
    "neural_ode",
    "differential equation with a neural right-hand side, trained on the context",
    "Chen et al. (2018)",
    config=NeuralODEConfig,
    packages=("torchdiffeq",),
)
def neural_ode(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: NeuralODEConfig
) -> Float[ndarray, "horizon N"]:
    """Steps of an integrator through a learned right-hand side."""
    from . import networks

    return networks.neural_ode(context, horizon, seed=seed, config=config)


def _control() -> Any:
    from .transformer import TransformerControl

    return TransformerControl.from_pretrained()


def _continue(model: Any, context: ndarray, horizon: int, **given: Any) -> ndarray:
    return model.forecast(context, horizon, **given)


for _name, _what, _samples in (
    (CONTROL, "one sampled path", 1),
    (f"{CONTROL}-median", "median of 20 paths, as in Chronos' pipeline", 20),
):
    register(
        _name,
        f"transformer of Chronos' class on DynaMix's corpus, {_what}",
        "architecture of Ansari et al. (2024)",
        batched=True,
        extra="foundation",
        packages=("chronos",),
        settings={"samples": _samples},
        load=_control,
    )(_continue)
