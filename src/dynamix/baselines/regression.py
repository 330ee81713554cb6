"""Linear rivals that are fitted to the context: DMD and EDMD.

EDMD has no memory, so it gets delayed copies of the last of fewer than three channels.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..io.shapes import Float
from ..io.threads import sums_by_one_thread
from ..preprocessing.embedding import embed
from ..preprocessing.transforms import Standardize
from .registry import register
from .settings import DMDConfig, EDMDConfig

_SHORTEST = 20  # steps: delayed copies and derivatives take some of them
_LEAST_DIMS = 3  # chaos needs three, and a method without memory sees no more than the state
_fitted = partial(register, fitted=True, joint=True)


def long_enough(name: str, context: ndarray) -> None:
    """Raise for a context of fewer than 20 steps."""
    if len(context) < _SHORTEST:
        raise InputError(
            f"{name} needs a context of at least {_SHORTEST} steps, found {len(context)}."
        )


@_fitted(
    "dmd",
    "dynamic mode decomposition of delayed copies: one linear map",
    "Schmid (2010); Arbabi & Mezic (2017)",
    config=DMDConfig,
    packages=("pydmd", "threadpoolctl"),
)
def dmd(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: DMDConfig
) -> Float[ndarray, "horizon N"]:
    """The best linear map from each stack of ``delays`` steps to the next."""
    scaling = Standardize.fit(context)
    with sums_by_one_thread():
        fitted = dmd_model(scaling.apply(context), config=config)
        newest = fitted.modes[-context.shape[1] :]
        forecast = sum_of_modes(fitted.eigs, newest, amplitudes(fitted), horizon)
    return scaling.invert(forecast)


def dmd_model(x: Float[ndarray, "T N"], *, config: DMDConfig) -> Any:
    """The fitted ``pydmd.DMD`` of a series' stacks, the newest step last."""
    from pydmd import DMD

    depth = max(1, min(config.delays, len(x) // 3))
    stacks = np.lib.stride_tricks.sliding_window_view(x, depth, axis=0)  # (T - depth + 1, N, depth)
    stacks = stacks.transpose(2, 1, 0).reshape(depth * x.shape[1], -1)
    return DMD(svd_rank=config.rank).fit(stacks)


@_fitted(
    "edmd",
    "Koopman operator on polynomials of the state (extended DMD)",
    "Williams, Kevrekidis & Rowley (2015)",
    config=EDMDConfig,
    packages=("pydmd", "threadpoolctl"),
)
def edmd(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: EDMDConfig
) -> Float[ndarray, "horizon N"]:
    """The Koopman operator on polynomials: ``x_h = Re sum_i v_i lambda_i^h phi_i(x_0)``.

    The forecast is not lifted again at each step: that would be a nonlinear regression. Kernel:
    Williams, Rowley & Kevrekidis (2015).
    """
    long_enough("EDMD", context)
    scaling = Standardize.fit(context)
    x = state_space(scaling.apply(context))
    with sums_by_one_thread():
        fitted = edmd_model(x[:-1], x[1:], config=config)
        values = fitted.eigenfunctions(x[-1]).ravel()
        forecast = sum_of_modes(fitted.eigs, fitted.modes, values, horizon)
    return scaling.invert(forecast[:, : context.shape[1]])


def edmd_model(
    before: Float[ndarray, "K N"], after: Float[ndarray, "K N"], *, config: EDMDConfig
) -> Any:
    """The fitted ``pydmd.EDMD`` of transitions ``before -> after``."""
    from pydmd import EDMD

    chosen = np.unique(np.linspace(0, len(before) - 1, config.pairs).astype(int))
    kernel = {"degree": config.degree, "coef0": 1.0}
    operator = EDMD(svd_rank=config.rank, kernel_metric="poly", kernel_params=kernel)
    return operator.fit(before[chosen].T, after[chosen].T)


def state_space(x: Float[ndarray, "T N"]) -> Float[ndarray, "_ M"]:
    """The series, with delayed copies of its last channel where it has fewer than three."""
    return embed(x, dims=max(x.shape[1], _LEAST_DIMS), embedding="delay")


def amplitudes(fitted: Any) -> ndarray:
    """The coefficient of each mode in the last stack, by least squares."""
    last = fitted.snapshots[:, -1].astype(complex)
    return np.linalg.lstsq(fitted.modes, last, rcond=None)[0]


def sum_of_modes(
    eigenvalues: ndarray, modes: ndarray, amplitudes: ndarray, horizon: int
) -> Float[ndarray, "horizon _"]:
    """``Re sum_i phi_i lambda_i^h b_i`` for ``h = 1 .. horizon``."""
    steps = np.arange(1, horizon + 1)[:, None]
    return ((eigenvalues[None] ** steps * amplitudes) @ modes.T).real
