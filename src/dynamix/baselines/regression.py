"""Rivals that are fitted to the context by linear algebra: DMD, EDMD, SINDy.

EDMD and SINDy have no memory, so they get delayed copies of the last of fewer than three channels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import comb
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError
from ..io.scale import unit
from ..preprocessing.embedding import embed
from ..preprocessing.transforms import Standardize, distant_mean
from .registry import register, sums_by_one_thread
from .settings import DMDConfig, EDMDConfig, SINDyConfig

_SHORTEST = 20  # steps: delayed copies and derivatives take some of them
_LEAST_DIMS = 3  # chaos needs three, and a method without memory sees no more than the state
_FAR = 1e7  # context deviations; beyond it an integration ends, and its rest is not a number
_MOST_OFF_CENTRE = 10.0  # deviations that a mean may lie from zero before SINDy subtracts it
_fitted = partial(register, fitted=True, joint=True)


def _long_enough(name: str, context: ndarray) -> None:
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
    _long_enough("EDMD", context)
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


@_fitted(
    "sindy",
    "sparse polynomial differential equation, identified and integrated",
    "Brunton, Proctor & Kutz (2016)",
    config=SINDyConfig,
    packages=("pysindy",),
)
def sindy(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: SINDyConfig
) -> Float[ndarray, "horizon N"]:
    """Derivatives by finite differences, coefficients by sequentially thresholded least squares.

    A unit of time is what the state needs to move by one deviation, so that the threshold means the
    same at every sampling rate.
    """
    _long_enough("SINDy", context)
    size = unit(context)
    deviation = np.maximum((context / size).std(axis=0), 1e-12) * size
    scaling = Standardize(distant_mean(context, beyond=_MOST_OFF_CENTRE), deviation)
    x = state_space(scaling.apply(context))
    dt = float(np.sqrt((np.diff(x, axis=0) ** 2).mean())) or 1.0
    fitted = sindy_model(x, dt=dt, config=config)
    rate = polynomial(fitted.feature_library.powers_, fitted.coefficients())
    forecast = integrate(rate, x[-1], horizon, dt=dt, config=config)
    return scaling.invert(forecast[:, : context.shape[1]])


def sindy_model(x: Float[ndarray, "T N"], *, dt: float, config: SINDyConfig) -> Any:
    """The fitted ``pysindy.SINDy`` of a series sampled every ``dt``.

    The degree falls until the library is small enough for the series.
    """
    from pysindy import SINDy
    from pysindy.differentiation import FiniteDifference
    from pysindy.feature_library import PolynomialLibrary
    from pysindy.optimizers import STLSQ

    degree = config.degree
    while degree > 1 and comb(x.shape[1] + degree, degree) > config.terms_per_step * len(x):
        degree -= 1
    model = SINDy(
        optimizer=STLSQ(threshold=config.threshold, alpha=config.ridge),
        feature_library=PolynomialLibrary(degree=degree),
        differentiation_method=FiniteDifference(order=config.order),
    )
    return model.fit(x, t=dt)


def polynomial(
    powers: ndarray, coefficients: Float[ndarray, "N terms"]
) -> Callable[[float, ndarray], ndarray]:
    """``f(t, x)`` with those exponents ``(terms, N)``, as an integrator wants it."""
    kept = np.any(coefficients != 0.0, axis=0)
    powers, coefficients = np.asarray(powers)[kept], coefficients[:, kept]
    degree = int(powers.sum(axis=1).max(initial=0))
    # each monomial as a product of exactly `degree` entries of [x, 1]
    factors = np.full((degree, len(powers)), powers.shape[1])
    for k, exponents in enumerate(powers):
        variables = np.repeat(np.arange(powers.shape[1]), exponents)
        factors[: len(variables), k] = variables

    def f(t: float, x: ndarray) -> ndarray:
        extended = np.append(x, 1.0)
        return coefficients @ extended[factors].prod(axis=0)

    return f


def integrate(
    rate: Callable[[float, ndarray], ndarray],
    start: Float[ndarray, " N"],
    horizon: int,
    *,
    dt: float,
    config: SINDyConfig,
) -> Float[ndarray, "horizon N"]:
    """Samples of the solution; NaN after its blow-up or the limit of evaluations."""
    from scipy.integrate import DOP853

    solver = DOP853(rate, 0.0, start, horizon * dt, rtol=config.tolerance, atol=config.tolerance)
    forecast = np.full((horizon, len(start)), np.nan)
    times = dt * np.arange(1.0, horizon + 1.0)
    done, limit = 0, config.evaluations_per_step * horizon + 10_000
    while done < horizon and solver.status == "running" and solver.nfev < limit:
        solver.step()
        if solver.status == "failed" or not np.abs(solver.y).max() < _FAR:
            break
        reached = horizon if solver.status == "finished" else int(np.searchsorted(times, solver.t))
        if reached > done:
            forecast[done:reached] = solver.dense_output()(times[done:reached]).T
            done = reached
    return forecast


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
