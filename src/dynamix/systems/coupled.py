"""Pairs of catalogue systems, coupled: flows of twice the dimensions that no catalogue holds.

Each half is written in deviations from its own mean, in units of its own standard deviation and
dominant period, and then tied to the other, variable by variable:

    ``u' = P_1 f_1(u) + k (v - u)``,   ``v' = r P_2 f_2(v) + k (u - v)``,

diffusive coupling of unlike oscillators (Pikovsky, Rosenblum & Kurths, *Synchronization*, 2001,
chapter 4), with ``k`` the coupling per period and ``r`` the ratio of the two rhythms.
"""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError, whole_number
from . import corpus as systems

_MOST_TRIES = 5  # halvings of the coupling before the halves run side by side
_SETTLING = 1000  # samples dropped before the pair counts as on its attractor
_RATIOS = (0.5, 2.0)  # of the halves' rhythms
_COUPLINGS = (0.05, 1.0)  # per period


def pair(
    first: str, second: str, *, n: int, points_per_period: int = 50, seed: int = 0
) -> Float[ndarray, "n N"]:
    """A trajectory ``(n, N)``, float32, of two coupled systems on the attractor that results.

    Coupling and ratio of rhythms are drawn, evenly in their logarithms. Where the pair comes to
    rest or escapes, the coupling is halved.

    Parameters
    ----------
    first, second
        Names of :func:`dynamix.systems.catalogue`; not of systems driven by time itself.
    n
        Samples, some hundreds or more: whether the pair keeps moving is judged by them.
    points_per_period
        Samples per dominant period of the first one.
    seed
        Of the draws, 0 or more.

    Returns
    -------
    ``(n, N)``: the first system's variables, then the second's, in deviations that each variable
    has in the system on its own. A thousand samples are dropped before.

    Raises
    ------
    InputError
        If a name is unknown, a system is driven, ``n`` is no integer of at least three
        periods, or nothing but rest or escape is found.

    Examples
    --------
    >>> pair("Lorenz", "Rossler", n=300).shape
    (300, 6)
    >>> pair("Lorenz", "Duffing", n=300)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: Duffing is driven by time, or has angles that grow; a pair needs ...
    """
    points_per_period = whole_number("points_per_period", points_per_period, least=2)
    n = whole_number("n", n, least=3 * points_per_period)  # to judge by thirds, a period each
    flows = [_normalised(name) for name in (first, second)]
    rng = np.random.default_rng([seed, *first.encode(), *second.encode()])
    ratio, coupling = (
        float(np.exp(rng.uniform(*np.log(bounds)))) for bounds in (_RATIOS, _COUPLINGS)
    )
    starts = [flow[1] for flow in flows]
    for _ in range(_MOST_TRIES):
        values = _integrate(
            flows, np.concatenate(starts), n + _SETTLING, points_per_period, ratio, coupling
        )
        if values is not None and _alive(values[_SETTLING:]):
            return values[_SETTLING:].astype(np.float32)
        coupling /= 2
    raise InputError(
        f"{first} and {second} come to rest or escape with every coupling that was tried. Take "
        "another pair or another seed."
    )


def _normalised(name: str):  # type: ignore[no-untyped-def]
    """The right-hand side in units of deviation and period, and a state on the attractor."""
    import dysts.flows

    facts = systems.system_facts(name)
    system = getattr(dysts.flows, name)()
    if facts.get("nonautonomous") or getattr(system, "_postprocessing", None) is not None:
        raise InputError(
            f"{name} is driven by time, or has angles that grow; a pair needs autonomous systems "
            "with bounded states."
        )
    x = systems.trajectory(name, n=2000).astype(np.float64)
    centre, scale, period = x.mean(axis=0), x.std(axis=0), float(system.period)

    def flow(u: ndarray) -> ndarray:
        return np.asarray(system.rhs(centre + scale * u, 0.0)) * (period / scale)

    return flow, (x[-1] - centre) / scale


def _integrate(flows, start, n, points, ratio, coupling):  # type: ignore[no-untyped-def]
    """Samples ``(n, N)``, or None where the integrator gives up."""
    from scipy.integrate import ODEintWarning, odeint

    (f, u), (g, _) = flows
    size = len(u)
    shared = min(size, len(start) - size)

    def slope(state: ndarray, t: float) -> ndarray:
        u, v = state[:size], state[size:]
        du, dv = f(u), ratio * g(v)
        pull = coupling * (v[:shared] - u[:shared])
        du[:shared] += pull
        dv[:shared] -= pull
        return np.concatenate([du, dv])

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", ODEintWarning)
        values, report = odeint(
            slope, start, np.arange(n) / points, rtol=1e-8, atol=1e-8, mxstep=5000, full_output=True
        )
    good = report["message"] == "Integration successful." and np.isfinite(values).all()
    return values if good else None


def _alive(x: Float[ndarray, "n N"]) -> bool:
    """Whether every channel keeps moving, by about as much throughout; in deviations."""
    spread = np.stack([part.std(axis=0) for part in np.array_split(x, 3)])
    return bool((spread > 0.1).all() and (spread < 10).all())
