"""Rivals that are fitted to the context by linear algebra: ESN, DMD, EDMD, SINDy.

Each reads the context alone, scales its channels by the context's deviation and continues from its
last state. Methods without a memory of their own (EDMD, SINDy) get delayed copies of the last
channel where the context has fewer than three. The work is done by well-kept packages, imported
when first called; :mod:`dynamix.baselines` says which, and cuts off what diverges.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError
from ..preprocessing.transforms import Standardize, embed
from .settings import DMDConfig, EchoStateConfig, EDMDConfig, SINDyConfig

_SHORTEST = 20
_LEAST_DIMS = 3  # chaos needs three, and a method without memory sees no more than the state
_FAR = 1e7  # context deviations; beyond it an integration ends, and its rest is not a number
_MOST_OFF_CENTRE = 10.0  # deviations that a mean may lie from zero before SINDy subtracts it


def _long_enough(name: str, context: ndarray) -> None:
    if len(context) < _SHORTEST:  # its delayed copies and derivatives take some, and a fit the rest
        raise InputError(
            f"{name} needs a context of at least {_SHORTEST} steps, found {len(context)}."
        )


def echo_state(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    config: EchoStateConfig = EchoStateConfig(),  # noqa: B008  (frozen)
) -> Float[ndarray, "horizon N"]:
    """Echo-state network (reservoirpy): a fixed random reservoir with a ridge-regression readout.

    ``s' = tanh(W s + V x + b)``, ``x' = R s' + r``; only ``R, r`` are fitted, to one-step
    predictions of the context with a little noise on its inputs. The forecast feeds each prediction
    back. Jaeger & Haas (2004), Pathak et al. (2018). The readout sees the bounded reservoir alone,
    so a forecast cannot run away.

    Parameters
    ----------
    context
        ``(T_C, N)``, of at least 3 steps, in any units.
    horizon
        Steps to forecast.
    seed
        Of the reservoir, its bias and the inputs' noise.
    config
        Sizes and strengths; see :class:`dynamix.baselines.settings.EchoStateConfig`.

    Returns
    -------
    ``(horizon, N)``, in the units of the context.

    Examples
    --------
    >>> x = np.sin(2 * np.pi * np.arange(400) / 20)[:, None]
    >>> y = echo_state(x[:300], 100, config=EchoStateConfig(units=100))
    >>> y.shape, bool(np.abs(y - x[300:]).max() < 0.1)
    ((100, 1), True)
    """
    scaling = Standardize.fit(context)
    with _one_thread():
        forecast = _echoes(scaling.apply(context), horizon, seed=seed, config=config)
    return scaling.invert(forecast)


def _one_thread() -> Any:
    """Sums that threads share depend on their number, and a free run magnifies the last digit."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def _echoes(
    x: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: EchoStateConfig
) -> Float[ndarray, "horizon N"]:
    from reservoirpy.nodes import Reservoir, Ridge

    rng = np.random.default_rng(seed)
    reservoir = Reservoir(
        config.units,
        sr=config.spectral_radius,
        input_scaling=config.input_scaling,
        input_connectivity=1.0,
        bias=rng.uniform(-config.bias, config.bias, config.units),
        seed=seed,
    )
    states = reservoir.run(x + config.input_noise * rng.standard_normal(x.shape))
    first = min(config.washout, len(x) // 4)
    readout = Ridge(config.ridge)
    readout.fit(states[first:-1], x[first + 1 :])
    forecast = np.empty((horizon, x.shape[1]))
    state = states[-1]
    for t in range(horizon):
        forecast[t] = readout.step(state)
        state = reservoir.step(forecast[t])
    return forecast


def dmd(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    config: DMDConfig = DMDConfig(),  # noqa: B008
) -> Float[ndarray, "horizon N"]:
    """Dynamic mode decomposition (pydmd) of the delay-embedded context, continued from its end.

    The best linear map from each stack of ``delays`` steps to the next one, and the sum of its
    modes' exponentials: ``x_h = Re sum_i phi_i lambda_i^h b_i``. A linear model, so it ends in a
    fixed point, on a torus, or nowhere. Schmid (2010); with delays Arbabi & Mezic (2017).

    Parameters
    ----------
    context
        ``(T_C, N)``, of at least 3 steps, in any units.
    horizon
        Steps to forecast.
    seed
        Taken for the sake of the signature; nothing is drawn.
    config
        Delays and rank; see :class:`dynamix.baselines.settings.DMDConfig`.

    Returns
    -------
    ``(horizon, N)``, in the units of the context. A growing mode can make it
    infinite or NaN.

    Examples
    --------
    Two steps of a sine determine the next one, by a linear map:

    >>> x = np.sin(2 * np.pi * np.arange(400) / 20)[:, None]
    >>> y = dmd(x[:300], 100, config=DMDConfig(delays=2, rank=2))
    >>> y.shape, bool(np.abs(y - x[300:]).max() < 1e-6)
    ((100, 1), True)
    """
    scaling = Standardize.fit(context)
    with _one_thread():
        fitted = dmd_model(scaling.apply(context), config=config)
        newest = fitted.modes[-context.shape[1] :]
        forecast = _sum_of_modes(fitted.eigs, newest, _amplitudes(fitted), horizon)
    return scaling.invert(forecast)


def dmd_model(x: Float[ndarray, "T N"], *, config: DMDConfig) -> Any:
    """The fitted ``pydmd.DMD`` of a series' stacks, the newest step last.

    ``x`` is ``(T, N)``, its channels scaled alike; ``config`` holds the delays, of which at most a
    third of the steps are used, and the rank. The model's ``eigs`` are the factors that its modes
    are multiplied by in a step, its ``modes`` have ``delays * N`` rows.

    Examples
    --------
    A sine of 20 steps has two modes that turn by a twentieth of a circle in a step, either way:

    >>> x = np.sin(2 * np.pi * np.arange(400) / 20)[:, None]
    >>> eigenvalues = dmd_model(x, config=DMDConfig(delays=2, rank=2)).eigs
    >>> np.sort(np.angle(eigenvalues) / (2 * np.pi)).round(3)
    array([-0.05,  0.05])
    >>> np.abs(eigenvalues).round(3)
    array([1., 1.])
    """
    from pydmd import DMD

    depth = max(1, min(config.delays, len(x) // 3))
    stacks = np.lib.stride_tricks.sliding_window_view(x, depth, axis=0)  # (T - depth + 1, N, depth)
    stacks = stacks.transpose(2, 1, 0).reshape(depth * x.shape[1], -1)
    return DMD(svd_rank=config.rank).fit(stacks)


def edmd(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    config: EDMDConfig = EDMDConfig(),  # noqa: B008
) -> Float[ndarray, "horizon N"]:
    """Extended DMD (pydmd): the Koopman operator on polynomials of the state, by the kernel trick.

    Eigenfunctions of the fitted operator are evaluated at the last state and grow or decay as its
    eigenvalues say: ``x_h = Re sum_i v_i lambda_i^h phi_i(x_0)``. It is never lifted again from its
    own forecast, which would make it a nonlinear regression instead of a Koopman model. Williams,
    Kevrekidis & Rowley (2015); Williams, Rowley & Kevrekidis (2015) for the kernel.

    Parameters
    ----------
    context
        ``(T_C, N)``, of at least 20 steps, in any units.
    horizon
        Steps to forecast.
    seed
        Taken for the sake of the signature; nothing is drawn.
    config
        Degree, rank and transitions; see :class:`dynamix.baselines.settings.EDMDConfig`.

    Returns
    -------
    ``(horizon, N)``, in the units of the context. A growing
    eigenvalue can make it infinite or NaN.

    Raises
    ------
    InputError
        If the context has fewer than 20 steps.

    Examples
    --------
    >>> angle = 2 * np.pi * np.arange(400) / 20
    >>> x = np.stack([np.sin(angle), np.cos(angle), np.sin(2 * angle)], axis=1)
    >>> y = edmd(x[:300], 100)
    >>> y.shape, bool(np.abs(y - x[300:]).max() < 1e-3)
    ((100, 3), True)
    """
    _long_enough("EDMD", context)
    scaling = Standardize.fit(context)
    x = state_space(scaling.apply(context))
    with _one_thread():
        fitted = edmd_model(x[:-1], x[1:], config=config)
        values = fitted.eigenfunctions(x[-1]).ravel()
        forecast = _sum_of_modes(fitted.eigs, fitted.modes, values, horizon)
    return scaling.invert(forecast[:, : context.shape[1]])


def edmd_model(
    before: Float[ndarray, "K N"], after: Float[ndarray, "K N"], *, config: EDMDConfig
) -> Any:
    """The fitted ``pydmd.EDMD`` of transitions ``before -> after``.

    ``before`` and ``after`` are ``(K, N)``, scaled alike, each row of ``after`` one step later than
    that of ``before``; ``config`` holds the polynomials' degree, the rank (from 1 to the number of
    transitions) and how many transitions are used. The model's ``eigs`` are the Koopman
    eigenvalues per step.

    Examples
    --------
    If a step multiplies x by 0.9, it multiplies 1 by 1 and x^2 by 0.81:

    >>> x = 0.9 ** np.arange(30)[:, None]
    >>> model = edmd_model(x[:-1], x[1:], config=EDMDConfig(degree=2, rank=3))
    >>> np.sort(model.eigs.real).round(3)
    array([0.81, 0.9 , 1.  ])
    """
    from pydmd import EDMD

    chosen = np.unique(np.linspace(0, len(before) - 1, config.pairs).astype(int))
    kernel = {"degree": config.degree, "coef0": 1.0}
    operator = EDMD(svd_rank=config.rank, kernel_metric="poly", kernel_params=kernel)
    return operator.fit(before[chosen].T, after[chosen].T)


def sindy(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    config: SINDyConfig = SINDyConfig(),  # noqa: B008
) -> Float[ndarray, "horizon N"]:
    """SINDy (pysindy): a sparse polynomial differential equation, fitted and integrated.

    Derivatives by finite differences, coefficients by sequentially thresholded least squares
    (Brunton, Proctor & Kutz 2016). Channels are divided by their deviation and, unless a mean is
    ten deviations from zero, not centred, which leaves a system the monomials it has. A unit of
    time is what the state needs to move by one deviation (root mean square over the context), so
    that the threshold means the same at every sampling rate.

    Parameters
    ----------
    context
        ``(T_C, N)``, of at least 20 steps, in any units.
    horizon
        Steps to forecast.
    seed
        Taken for the sake of the signature; nothing is drawn.
    config
        Library, fit and integration; see :class:`dynamix.baselines.settings.SINDyConfig`.

    Returns
    -------
    ``(horizon, N)``, in the units of the context. NaN from where the
    solution blows up or the integration is given up.

    Raises
    ------
    InputError
        If the context has fewer than 20 steps.

    Examples
    --------
    >>> x = np.sin(2 * np.pi * np.arange(400) / 20)[:, None]
    >>> y = sindy(x[:300], 100)
    >>> y.shape, bool(np.abs(y - x[300:]).max() < 0.1)
    ((100, 1), True)
    """
    _long_enough("SINDy", context)
    deviation = np.maximum(context.std(axis=0), 1e-12)
    middle = context.mean(axis=0)
    middle = np.where(np.abs(middle) > _MOST_OFF_CENTRE * deviation, middle, 0.0)
    scaling = Standardize(middle, deviation)
    x = state_space(scaling.apply(context))
    dt = float(np.sqrt((np.diff(x, axis=0) ** 2).mean())) or 1.0
    fitted = sindy_model(x, dt=dt, config=config)
    rate = polynomial(fitted.feature_library.powers_, fitted.coefficients())
    forecast = _integrate(rate, x[-1], horizon, dt=dt, config=config)
    return scaling.invert(forecast[:, : context.shape[1]])


def sindy_model(x: Float[ndarray, "T N"], *, dt: float, config: SINDyConfig) -> Any:
    """The fitted ``pysindy.SINDy`` of a series sampled every ``dt``.

    ``x`` is ``(T, N)``; ``dt`` in the unit of time that the rates are to have; ``config`` as for
    :func:`sindy`, whose degree falls until the library is small enough for the series. The model's
    ``coefficients()`` are ``(N, terms)``, in the order of ``get_feature_names()``.

    Examples
    --------
    A circle solves ``x' = y, y' = -x``; no other term is found:

    >>> t = np.arange(0, 20, 0.05)
    >>> circle = np.stack([np.sin(t), np.cos(t)], axis=1)
    >>> model = sindy_model(circle, dt=0.05, config=SINDyConfig(degree=2))
    >>> model.get_feature_names()
    ['1', 'x0', 'x1', 'x0^2', 'x0 x1', 'x1^2']
    >>> model.coefficients().round(2) + 0.0
    array([[ 0.,  0.,  1.,  0.,  0.,  0.],
           [ 0., -1.,  0.,  0.,  0.,  0.]])
    """
    from math import comb

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
    """``f(t, x)`` of monomials with those exponents, as an integrator wants it.

    ``powers`` is ``(terms, N)``, the exponent of each variable in each monomial, whole and not
    negative; ``coefficients`` is ``(N, terms)``, those of each variable's rate. The function takes
    a time, which plays no part, and a state ``(N,)``, and returns the rates ``(N,)``.

    Examples
    --------
    >>> f = polynomial(np.array([[1, 0], [1, 2]]), np.array([[0.0, 1.0], [2.0, 0.0]]))
    >>> f(0.0, np.array([2.0, 3.0]))  # x y^2 and 2 x
    array([18.,  4.])
    """
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


def _integrate(
    rate: Callable[[float, ndarray], ndarray],
    start: Float[ndarray, " N"],
    horizon: int,
    *,
    dt: float,
    config: SINDyConfig,
) -> Float[ndarray, "horizon N"]:
    """Samples of the solution; not a number behind its blow-up or the limit of evaluations."""
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
    """The series, with delayed copies of its last channel where it has fewer than three.

    Parameters
    ----------
    x
        ``(T, N)``, scaled or not.

    Returns
    -------
    ``x`` itself for three channels and more; else ``(T', 3)``, the channels of ``x`` first, without
    the first steps, whose past is not known. The delays are multiples of the last channel's
    decorrelation time; see :func:`dynamix.preprocessing.embed`.

    Raises
    ------
    InputError
        If the series is too short for the delays.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * np.arange(400) / 20)[:, None]
    >>> state_space(wave).shape, state_space(np.ones((400, 5))).shape
    ((392, 3), (400, 5))
    """
    return embed(x, dims=max(x.shape[1], _LEAST_DIMS), embedding="delay")


def _amplitudes(fitted: Any) -> ndarray:
    """What of each mode the last stack holds, by least squares."""
    last = fitted.snapshots[:, -1].astype(complex)
    return np.linalg.lstsq(fitted.modes, last, rcond=None)[0]


def _sum_of_modes(
    eigenvalues: ndarray, modes: ndarray, amplitudes: ndarray, horizon: int
) -> Float[ndarray, "horizon _"]:
    """``Re sum_i phi_i lambda_i^h b_i`` for ``h = 1 .. horizon``."""
    steps = np.arange(1, horizon + 1)[:, None]
    return ((eigenvalues[None] ** steps * amplitudes) @ modes.T).real
