"""Coupled pairs of catalogue systems: flows of twice the dimensions.

Each half is written in its own standard deviations ``u``, ``v`` and its own dominant period:

    ``u' = P_1 f_1(u) + k (v - u)``,   ``v' = r P_2 f_2(v) + k (u - v)``.

This is diffusive coupling of unlike oscillators (Pikovsky, Rosenblum & Kurths, 2001, chapter 4).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray

from ..errors import InputError, needs, whole_number
from ..io.shapes import Float
from .corpus import SETTLING, keeps_moving, solve, system_facts, trajectory

_MOST_TRIES = 5  # halvings of the coupling
_RATIOS = (0.5, 2.0)
_COUPLINGS = (0.05, 1.0)  # per period

_Half = tuple[Callable[[ndarray], ndarray], ndarray]  # right-hand side, state on the attractor


def pair(
    first: str, second: str, *, n: int, points_per_period: int = 50, seed: int = 0
) -> Float[ndarray, "n N"]:
    """A trajectory of two coupled systems, on the attractor of the pair: ``(n, N)``, float32.

    The channels are the first system's variables, then the second's, in deviations of each variable
    in the system on its own. ``seed`` draws the coupling and the ratio of the two rhythms. Where
    the pair comes to rest or escapes, the coupling is halved. ``n`` must cover three dominant
    periods of the first system, of ``points_per_period`` steps each.

    It raises InputError if a system is driven by time, or ``n`` is too small.

    >>> pair("Lorenz", "Rossler", n=300).shape
    (300, 6)
    """
    points_per_period = whole_number("points_per_period", points_per_period, least=2)
    n = whole_number("n", n, least=3 * points_per_period)  # a period in each third
    halves = [_normalised(name) for name in (first, second)]
    rng = np.random.default_rng([seed, *first.encode(), *second.encode()])
    ratio, coupling = (float(np.exp(rng.uniform(*np.log(b)))) for b in (_RATIOS, _COUPLINGS))
    start = np.concatenate([state for _, state in halves])
    for _ in range(_MOST_TRIES):
        try:
            x = _integrate(halves, start, n + SETTLING, points_per_period, ratio, coupling)
        except InputError:
            x = np.zeros((n + SETTLING, len(start)))
        if keeps_moving(x[SETTLING:], 1.0):
            return x[SETTLING:].astype(np.float32)
        coupling /= 2
    raise InputError(f"{first} and {second} come to rest or escape. Take another pair or seed.")


def _normalised(name: str) -> _Half:
    """The right-hand side in units of deviation and period, and a state on the attractor."""
    with needs("systems"):
        import dysts.flows

    facts = system_facts(name)
    system = getattr(dysts.flows, name)()
    if facts.get("nonautonomous") or getattr(system, "_postprocessing", None) is not None:
        raise InputError(f"{name} is driven by time, or has angles that grow. Take another system.")
    x = trajectory(name, n=2000).astype(np.float64)
    centre, scale, period = x.mean(axis=0), x.std(axis=0), float(system.period)

    def slope(u: ndarray) -> ndarray:
        return np.asarray(system.rhs(centre + scale * u, 0.0)) * (period / scale)

    return slope, (x[-1] - centre) / scale


def _integrate(
    halves: list[_Half], start: ndarray, n: int, points: int, ratio: float, coupling: float
) -> Float[ndarray, "n N"]:
    (f, u), (g, v) = halves
    size, shared = len(u), min(len(u), len(v))

    def slope(state: ndarray, t: float) -> ndarray:
        u, v = state[:size], state[size:]
        du, dv = f(u), ratio * g(v)
        pull = coupling * (v[:shared] - u[:shared])
        du[:shared] += pull
        dv[:shared] -= pull
        return np.concatenate([du, dv])

    return solve(slope, start, np.arange(n) / points, 1e-8, 5000, what="the pair")
