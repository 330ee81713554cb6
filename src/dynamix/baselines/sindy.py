"""SINDy: a sparse polynomial differential equation, identified and integrated.

Its degree, its threshold and the smoothing of its derivatives are chosen by free runs on the
context. It has no memory, so it gets delayed copies of the last of fewer than three channels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from math import comb
from typing import Any

import numpy as np
from numpy import ndarray

from ..io.scale import unit
from ..io.shapes import Float, Int
from ..io.threads import sums_by_one_thread
from ..preprocessing.transforms import Standardize, distant_mean
from .choice import choose, places
from .registry import register
from .regression import long_enough, state_space
from .settings import SINDyConfig

_FAR = 1e7  # context deviations; beyond it an integration ends, and its rest is not a number
_MOST_OFF_CENTRE = 10.0  # deviations that a mean may lie from zero before it is subtracted
_LOCAL_DEGREE = 4  # of the polynomials that smooth; through 5 points they change nothing
_fitted = partial(
    register, fitted=True, joint=True, config=SINDyConfig, packages=("pysindy", "threadpoolctl")
)


@_fitted(
    "sindy",
    "sparse polynomial differential equation, its sparsity chosen by free runs on the context",
    "Brunton, Proctor & Kutz (2016)",
)
@_fitted(
    "sindy_untuned",
    "sparse polynomial differential equation with one threshold for all contexts",
    "Brunton, Proctor & Kutz (2016)",
    settings={"degree": (3,), "threshold": (0.02,), "window": (5,)},
)
def sindy(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: SINDyConfig
) -> Float[ndarray, "horizon N"]:
    """Derivatives of local polynomials, coefficients by sequentially thresholded least squares.

    A unit of time is what the state needs to move by one deviation, so that the threshold means the
    same at every sampling rate.
    """
    long_enough("SINDy", context)
    size = unit(context)
    deviation = np.maximum((context / size).std(axis=0), 1e-12) * size
    scaling = Standardize(distant_mean(context, beyond=_MOST_OFF_CENTRE), deviation)
    x = state_space(scaling.apply(context))
    T, dt = len(x), float(np.sqrt((np.diff(x, axis=0) ** 2).mean())) or 1.0
    candidates = list(product(config.window, config.degree, config.threshold))

    def fit(known: int, c: int) -> Any:
        window, degree, threshold = candidates[c]
        return sindy_model(
            x[:known], dt=dt, degree=degree, threshold=threshold, window=window, config=config
        )

    def free_runs(chosen: ndarray, known: int, origins: ndarray, steps: int) -> ndarray:
        starts = [
            [smoothed(x[:origin], window=candidates[c][0])[-1] for c in chosen]
            for origin in origins
        ]
        if known < T:
            return trials([found[c] for c in chosen], np.array(starts), steps, dt=dt)
        runs = [
            integrate(equation(fit(T, c)), start, steps, dt=dt, config=config)
            for c, start in zip(chosen.tolist(), starts[0], strict=True)
        ]
        return np.stack(runs, axis=1)[:, None]

    with sums_by_one_thread():
        found = []
        if len(candidates) > 1:
            found = [fit(places(T)[0], c) for c in range(len(candidates))]
        chosen = np.array([choose(x, len(candidates), free_runs)])
        forecast = free_runs(chosen, T, np.array([T]), horizon)[:, 0, 0]
    return scaling.invert(forecast[:, : context.shape[1]])


def smoothed(
    x: Float[ndarray, "T N"], *, window: int, derivative: int = 0, dt: float = 1.0
) -> Float[ndarray, "T N"]:
    """Local polynomials of degree 4 at each step, or their derivative (Savitzky & Golay 1964)."""
    from scipy.signal import savgol_filter

    window = min(window, len(x) - 1 + len(x) % 2)
    degree = min(_LOCAL_DEGREE, window - 1)
    return savgol_filter(x, window, degree, deriv=derivative, delta=dt, axis=0)


def sindy_model(
    x: Float[ndarray, "T N"],
    *,
    dt: float,
    degree: int,
    threshold: float,
    window: int,
    config: SINDyConfig,
) -> Any:
    """The fitted ``pysindy.SINDy`` of a series sampled every ``dt``.

    The degree falls until the library is small enough for the series.
    """
    from pysindy import SINDy
    from pysindy.feature_library import PolynomialLibrary
    from pysindy.optimizers import STLSQ

    while degree > 1 and comb(x.shape[1] + degree, degree) > config.terms_per_step * len(x):
        degree -= 1
    model = SINDy(
        optimizer=STLSQ(threshold=threshold, alpha=config.ridge),
        feature_library=PolynomialLibrary(degree=degree),
    )
    slope = smoothed(x, window=window, derivative=1, dt=dt)
    return model.fit(smoothed(x, window=window), t=dt, x_dot=slope)


def equation(fitted: Any) -> Callable[[float, ndarray], ndarray]:
    """The right-hand side of a fitted model."""
    return polynomial(fitted.feature_library.powers_, fitted.coefficients())


def trials(
    models: list[Any], starts: Float[ndarray, "K C N"], steps: int, *, dt: float
) -> Float[ndarray, "steps K C N"]:
    """Solutions of all models from each start, by one Runge-Kutta step per sample."""
    powers = max((model.feature_library.powers_ for model in models), key=len)
    place = {tuple(row): k for k, row in enumerate(powers)}
    weights = np.zeros((len(models), len(powers), starts.shape[2]))  # (C, terms, N)
    for c, model in enumerate(models):
        for row, column in zip(model.feature_library.powers_, model.coefficients().T, strict=True):
            weights[c, place[tuple(row)]] = column
    factors = monomials(powers)

    def rate(x: ndarray) -> ndarray:
        extended = np.concatenate([x, np.ones_like(x[..., :1])], axis=2)
        return extended[..., factors].prod(axis=2) @ weights

    x, found = starts.transpose(1, 0, 2), np.empty((steps, *starts.shape))  # x (C, K, N)
    for t in range(steps):
        a = rate(x)
        b = rate(x + dt / 2 * a)
        half = rate(x + dt / 2 * b)
        x = x + dt / 6 * (a + 2 * b + 2 * half + rate(x + dt * half))
        found[t] = x.transpose(1, 0, 2)
    return found


def monomials(powers: Int[ndarray, "terms N"]) -> Int[ndarray, "degree terms"]:
    """Each monomial as a product of exactly ``degree`` entries of ``[x, 1]``: their indices."""
    degree = int(powers.sum(axis=1).max(initial=0))
    factors = np.full((degree, len(powers)), powers.shape[1])
    for k, exponents in enumerate(powers):
        variables = np.repeat(np.arange(powers.shape[1]), exponents)
        factors[: len(variables), k] = variables
    return factors


def polynomial(
    powers: ndarray, coefficients: Float[ndarray, "N terms"]
) -> Callable[[float, ndarray], ndarray]:
    """``f(t, x)`` with those exponents ``(terms, N)``, as an integrator wants it."""
    kept = np.any(coefficients != 0.0, axis=0)
    powers, coefficients = np.asarray(powers)[kept], coefficients[:, kept]
    factors, extended = monomials(powers), np.ones(powers.shape[1] + 1)

    def f(t: float, x: ndarray) -> ndarray:
        extended[:-1] = x
        return coefficients @ np.multiply.reduce(extended[factors], axis=0)

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
