"""Generated flows: autonomous differential equations with random coefficients.

A seed draws a family of :mod:`dynamix.flows.families` and candidates of that family. The first
candidate that is bounded, keeps moving, has a rhythm and a shape and is of the kind is the flow.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy import ndarray

from ..errors import InputError, one_of, whole_number
from ..io.shapes import Float
from .families import FAMILIES, LEAST_DIMS, MOST_DIMS, candidate
from .integrator import TOLERANCE, Tables, Unfit, Walk

Kind = Literal["any", "chaotic", "cyclic"]
CHAOTIC_SHARE = 0.75  # of the seeds of kind "any"
BENT_SHARE = 1 / 3  # of the flows: seen through bent coordinates
RICH_SHARE = 0.7  # of the cyclic flows: a channel turns more than twice a period
LARGEST_STEP = 0.3  # from one of 50 samples a period to the next, as a share of a channel's range
CHAOS = 0.05  # smallest largest Lyapunov exponent of a chaotic flow, per dominant period
CYCLE = 0.015  # and the largest absolute one of a cyclic or quasi-periodic flow
CHECKED, POINTS = 10_000, 50  # samples of the path that is judged, and samples per period

_TRIES = 4000  # candidates of a family before another family is drawn


def _require(condition: bool | np.bool_, otherwise: str) -> None:
    if not condition:
        raise Unfit(otherwise)


def _check_exponent(
    walk: Walk, period: float, drop: int, use: int, *, tolerance: float, kind: str, slack: float
) -> None:
    """Raise if the largest exponent over ``use`` periods is not of the kind, within a slack."""
    *_, growth = walk.path(period / 6, 6 * (drop + use), tolerance=tolerance, pair=True)
    parts = 6 * growth[6 * drop :].reshape(6, -1).mean(axis=1)
    mean, error = float(parts.mean()), float(parts.std()) / math.sqrt(6)
    chaotic, cyclic = mean > max(CHAOS / slack, 3 * error), abs(mean) < CYCLE * slack
    _require(chaotic if kind == "chaotic" else cyclic, "of the other kind")


@dataclass
class _Flow:
    """A candidate. Once accepted, ``start`` is a state on its attractor, followed by a 1.

    The returned coordinates are ``s + bend tanh(mix s)`` of the standardised variables ``s``.
    """

    family: str
    kind: str
    tables: Tables
    start: Float[ndarray, " n_and_1"]
    bend: Float[ndarray, " dims"]
    mix: Float[ndarray, "dims dims"]
    centre: Float[ndarray, " n"] | float = 0.0
    scale: Float[ndarray, " n"] | float = 1.0  # deviations
    period: float = 1.0
    path: Float[ndarray, "_ dims"] | None = None

    def seen(self, walk: Walk, n: int, points: int) -> Float[ndarray, "n dims"]:
        """The path of a ``walk`` in the returned coordinates."""
        walk.scale, dims = np.asarray(self.scale), len(self.bend)
        dt, steps = self.period / points, 20 + 1000 // points
        path, *_ = walk.path(dt, n, tolerance=TOLERANCE, steps=steps)
        s = ((path - self.centre) / walk.scale)[:, :dims]
        return path[:, :dims] + walk.scale[:dims] * self.bend * np.tanh(s @ self.mix.T)


def rhythm(x: Float[ndarray, "T N"], *, guess: float) -> float:
    """The period in samples that sets a flow's sampling: the median over channels.

    A channel's period is the highest peak of its spectrum, averaged over parts of some 32 periods
    and weighted by the root of the frequency. Without parts, weight and median, which
    :func:`dynamix.preprocessing.dominant_period` does not have, rare changes of sides would count
    as the period. The result is NaN after six rounds, or if the ``guess`` does not fit the series.
    """
    from scipy.signal.windows import blackmanharris

    for _ in range(6):
        if not 2 < guess <= len(x) / 4:
            break
        length = int(min(32 * guess, len(x)))
        parts = np.stack([x[s : s + length] for s in range(0, len(x) - length + 1, length // 2)])
        parts = (parts - parts.mean(axis=1, keepdims=True)) * blackmanharris(length)[:, None]
        power = (np.abs(np.fft.rfft(parts, axis=1)[:, 2:]) ** 2).mean(axis=0)
        power *= np.sqrt(np.arange(2, 2 + len(power)))[:, None]
        found = float(np.median(length / (2 + np.argmax(power, axis=0))))
        if abs(found / guess - 1) < 0.1:
            return found
        guess = found
    return float("nan")


def _check_motion(x: Float[ndarray, "T N"], *, parts: int, most: float) -> None:
    """Raise unless the deviation of each channel is similar in all parts."""
    spread = x[: len(x) // parts * parts].reshape(parts, -1, x.shape[1]).std(axis=1)
    uneven = (spread.max(axis=0) > most * spread.min(axis=0)).any()
    _require(not (spread.min() < 3e-3 or uneven), "settles or drifts")


def _check_shape(x: Float[ndarray, "T N"], *, points: float, turns: float) -> None:
    """Raise if a path with ``points`` samples a period jumps, is flat, or is too plain.

    Plain: every channel is close to a sine, or has fewer than ``turns`` turns a period.
    """
    steps = np.diff(x, axis=0)
    largest = np.abs(steps).max(axis=0) * points / POINTS
    _require(not (largest > LARGEST_STEP * np.ptp(x, axis=0)).any(), "jumps")
    _require(not np.linalg.eigvalsh(np.corrcoef(x.T))[0] < 1e-3, "flat")
    lag = round(points / 6)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    middle, ends = x[lag:-lag], x[2 * lag :] + x[: -2 * lag]  # of a sine: in proportion
    rest = ends - middle * (ends * middle).mean(axis=0) / (middle**2).mean(axis=0)
    turned = (steps[1:] * steps[:-1] < 0).sum(axis=0) * points / len(x)
    _require(not ((rest.std(axis=0) < 0.35).all() or turned.max() < turns), "plain")


def _judge(flow: _Flow, *, turns: float) -> None:
    """Complete a candidate; raise where it fails, the cheapest checks first."""
    kind, dims = flow.kind, len(flow.bend)
    walk = Walk(flow.tables, flow.start)
    # quick checks: is it bounded, does it keep moving, can it be of the kind?
    path, *_ = walk.path(0.4, 100, tolerance=1e-4, steps=10)
    _require(not np.ptp(path[75:], axis=0).min() < 1e-2, "settles or drifts")
    path, speed, _ = walk.path(0.4, 150, tolerance=1e-4, steps=10)
    _check_motion(path, parts=2, most=4.0)
    walk.scale = path.std(axis=0)
    wave = 2 * np.pi * float(np.median(walk.scale / np.sqrt(speed)))  # Rice's mean period
    _require(0.1 < wave < 40, "no rhythm")
    _check_exponent(walk, wave, 8, 18, tolerance=1e-4, kind=kind, slack=10.0)
    # its rhythm, shape and exponent
    path, *_ = walk.path(wave / 24, 3072, tolerance=1e-5)
    _check_motion(path, parts=3, most=2.5)
    points = float(rhythm(path[:, :dims], guess=24.0))
    _require(12 < points < 144, "no rhythm")
    _check_shape(path[:, :dims], points=points, turns=turns)
    walk.scale, flow.centre, flow.period = path.std(axis=0), path.mean(axis=0), wave * points / 24
    flow.scale = walk.scale
    _check_exponent(walk, flow.period, 40, 120, tolerance=1e-6, kind=kind, slack=1.0)
    # the path to be returned, and that the flow moves alike after it
    flow.start = walk.x.copy()
    seen = flow.path = flow.seen(walk, CHECKED, POINTS)
    _check_motion(seen, parts=3, most=2.0 if kind == "chaotic" else 1.25)
    _check_shape(seen, points=float(POINTS), turns=0.0)
    _require(0.7 < rhythm(seen, guess=float(POINTS)) / POINTS < 1.4, "no rhythm")
    _check_exponent(walk, flow.period, 20, 60, tolerance=1e-6, kind=kind, slack=2.0)


@lru_cache(maxsize=8)
def _search(seed: int, dims: int, kind: str) -> _Flow:
    """The first candidate of a seed that is accepted."""
    if kind == "any":
        chaotic = np.random.default_rng([seed, dims]).random() < CHAOTIC_SHARE
        return _search(seed, dims, "chaotic" if chaotic else "cyclic")
    rng = np.random.default_rng([seed, dims, len(kind)])  # a 0 at the end would have no effect
    families = {name: f for name, f in FAMILIES.items() if dims <= f.most_dims}
    shares = np.cumsum([f.chaotic if kind == "chaotic" else f.cyclic for f in families.values()])
    # invertible, since the rows of |bend mix| sum up to less than 1
    mix = 1.5 * rng.normal(size=(dims, dims))
    bend = rng.uniform(0.3, 0.8, size=dims) / np.abs(mix).sum(axis=1)
    bend *= rng.random() < BENT_SHARE
    turns = 2.5 if kind == "cyclic" and rng.random() < RICH_SHARE else 0.0
    while True:
        drawn = int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))
        family = list(families)[drawn]
        n = max(dims, 4) if family == "skew" else dims
        for _ in range(_TRIES):
            tables = candidate(family, n, rng)
            flow = _Flow(family, kind, tables, np.append(0.5 * rng.normal(size=n), 1.0), bend, mix)
            with suppress(Unfit):
                _judge(flow, turns=turns)
                return flow


def flow(
    seed: int, *, n: int = 10_000, points_per_period: int = 50, dims: int = 3, kind: Kind = "any"
) -> Float[ndarray, "n dims"]:
    """A trajectory on the attractor of the generated flow of a seed.

    The flow is the same on every machine up to rounding, which chaos amplifies.

    Parameters
    ----------
    seed
        Of the flow, 0 or more.
    n
        Number of samples. A path far longer than 10,000 may settle, since chaos may be transient.
    points_per_period
        Samples per dominant period, 2 or more.
    dims
        Channels, 3 to 6.
    kind
        ``"chaotic"``: the largest Lyapunov exponent is at least 0.05 per period. ``"cyclic"``: it
        is zero, on a cycle or a torus. ``"any"``: three seeds in four are chaotic.

    Returns
    -------
    ``(n, dims)``, float64, in the variables of the equations, or in bent coordinates for one flow
    in three. A shorter trajectory is the beginning of a longer one.

    Raises
    ------
    InputError
        If an argument is out of range, or if a path of over 10,000 samples is unbounded.

    Examples
    --------
    >>> flow(0, n=100).shape
    (100, 3)
    """
    one_of("kind", kind, ("any", "chaotic", "cyclic"))
    n, points = whole_number("n", n), whole_number("points_per_period", points_per_period, least=2)
    dims = whole_number("dims", dims, least=LEAST_DIMS)
    if dims > MOST_DIMS:
        raise InputError(f"dims must be {LEAST_DIMS} to {MOST_DIMS}, found {dims}.")
    found = _search(whole_number("seed", seed, least=0), dims, kind)
    if found.path is not None and points == POINTS and n <= CHECKED:
        return found.path[:n].copy()
    try:
        return found.seen(Walk(found.tables, found.start), n, points)
    except Unfit as error:
        raise InputError(
            f"the flow of seed {seed} leaves all bounds within {n} samples at {points} a period. "
            "Ask for fewer samples, or take another seed."
        ) from error
