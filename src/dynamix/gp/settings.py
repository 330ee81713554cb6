"""Settings of the Gaussian-process forecaster, and how a checkpoint holds them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..model.checkpoints import SIGMA
from ..model.runs import Saved
from ..settings import ForecastDefaults, from_dict, setting, settings

JUDGE, MEMORY_JUDGE = "judge.", "memory_judge."
_LAYERS = {  # of the judge: outputs and inputs
    "layers.0": (64, 43),
    "layers.3": (32, 64),
    "layers.5": (1, 32),
}


@settings
class GPConfig:
    """Which kernels a :class:`dynamix.gp.GaussianProcess` compares, and on how many states.

    A candidate is a kernel's length, in deviations of the context, a ridge, which is the noise's
    share of the variance that the kernel explains, and the degree of a polynomial beside it.
    """

    observed_dims: int = setting(3, "observed dimensions N", at_least=1)
    scales: tuple[float, ...] = setting(
        (0.5, 1.0, 2.0, 4.0), "lengths of the kernels", at_least=1e-6
    )
    ridges: tuple[float, ...] = setting(
        (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2), "shares of noise in the increments", at_least=1e-15
    )
    degrees: tuple[int, ...] = setting((1,), "degrees of the polynomial", at_least=1, at_most=5)
    ranked_on: int = setting(300, "context states by which candidates are ranked", at_least=10)
    centres: int = setting(300, "context states that a kernel is centred on, at most", at_least=10)
    tried: int = setting(
        3, "best-ranked candidates that run freely before one is chosen", at_least=1
    )
    judged: int = setting(24, "best-ranked candidates that a judge sees, at most", at_least=1)
    entries: tuple[int, ...] = setting(
        (4, 6, 8), "numbers in a state that delays complete, at least", at_least=1
    )
    spacings: tuple[float, ...] = setting(
        (0.6, 1.0), "delays of such a state, in decorrelation times", at_least=1e-3
    )
    memory_scales: tuple[float, ...] = setting(
        (0.5, 1.0, 2.0), "lengths of the kernels on such states", at_least=1e-6
    )
    memory_ridges: tuple[float, ...] = setting(
        (1e-11, 1e-6, 1e-3, 1e-1), "shares of noise with such states", at_least=1e-15
    )
    memory_centres: int = setting(200, "kernels on such states, at most", at_least=10)
    margin: float = setting(
        0.5, "forecasts are kept in the context's range, widened by so many ranges", at_least=0
    )

    def check(self) -> None:
        """Raise if no kernel is left."""
        for name, value in vars(self).items():
            if value == ():
                raise InputError(f"{name} must hold at least one number, found none. Name some.")

    def widened(self, n: int) -> GPConfig:
        """The settings themselves, or for more channels ``n`` than N those of n dimensions."""
        return self if n <= self.observed_dims else dataclasses.replace(self, observed_dims=n)


def from_checkpoint(
    tensors: dict[str, ndarray],
    stored: dict[str, Any],
    *,
    defaults: ForecastDefaults,
    source: str,
) -> Saved:
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
    config = from_dict(GPConfig, values, source=source)
    shapes: dict[str, tuple[int, ...]]
    shapes = dict.fromkeys(("centre", "width"), (_LAYERS["layers.0"][1],))
    for name, shape in _LAYERS.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    judges: dict[str, ndarray] = {}
    for prefix in (JUDGE, MEMORY_JUDGE):
        judge = layers_of(tensors, prefix)
        found = {name: value.shape for name, value in judge.items()}
        if judge and found != shapes:
            raise InputError(f"{source} holds another judge than this version: {found}.")
        judges |= {prefix + name: value for name, value in judge.items()}
    others, sigma = sorted(tensors.keys() - judges.keys() - {SIGMA}), tensors.get(SIGMA)
    if others or sigma is None or sigma.shape != (config.observed_dims,):
        raise InputError(
            f"{source} should come with a tensor {SIGMA!r} of shape ({config.observed_dims},) and "
            f"no others but those of judges, found {sorted(tensors)[:5]}. Save the model again."
        )
    return Saved(config, defaults, {"sigma": np.zeros(config.observed_dims, np.float32), **judges})


def layers_of(tensors: dict[str, ndarray], prefix: str) -> dict[str, ndarray]:
    """The layers of the judge whose tensors have this prefix."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
