"""Generated flows: autonomous differential equations with random coefficients, by the thousand.

Systems of no catalogue, to train and to validate on. A seed fixes a flow: it draws a family (see
:mod:`dynamix.systems.families`) and, within the family, candidates until one moves as it should: it is
bounded and keeps moving, has a rhythm and a shape, and is chaotic or not, as asked for. One flow in
three is seen through bent coordinates. All decisions depend on the seed, ``dims`` and ``kind``
alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from tqdm import tqdm

from ..errors import InputError, one_of, whole_number
from .families import FAMILIES, LEAST_DIMS, MOST_DIMS, NAMES, candidate
from .integrator import TOLERANCE, UNITS, Escaped, Tables, Walk

Kind = Literal["any", "chaotic", "cyclic"]
CHAOTIC_SHARE = 0.75  # of the seeds of kind "any"
BENT_SHARE = 1 / 3  # of the flows: seen through bent coordinates
RICH_SHARE = 0.7  # of the cyclic flows: a channel turns more than twice a period
LARGEST_STEP = 0.3  # from one of 50 samples a period to the next, as a share of a channel's range
CHAOS = 0.05  # largest Lyapunov exponent of a chaotic flow, per dominant period: at least
CYCLE = 0.015  # and of a cyclic (or quasi-periodic) one, in absolute value: at most
CHECKED, POINTS = 10_000, 50  # samples, and those per period, of the path that flows are judged by

_TRIES = 4000  # candidates of a family before another one has its turn


# --- judging: does a candidate move as it should? -----------------------------------------------


class _Unfit(Exception):  # noqa: N818
    """A candidate that does not move as it should, and why."""


def _exponent(
    walk: Walk,
    period: float,
    drop: int,
    use: int,
    *,
    tolerance: float,
    kind: str,
    slack: float = 1.0,
) -> float:
    """The largest exponent per period, of which some are dropped; raise unless of the kind.

    ``slack`` widens the bounds.
    """
    *_, growth = walk.path(period / 6, 6 * (drop + use), tolerance=tolerance, pair=True)
    parts = 6 * growth[6 * drop :].reshape(6, -1).mean(axis=1)
    mean, error = float(parts.mean()), float(parts.std()) / math.sqrt(6)
    chaotic, cyclic = mean > max(CHAOS / slack, 3 * error), abs(mean) < CYCLE * slack
    if not (chaotic if kind == "chaotic" else cyclic):
        raise _Unfit("of the other kind")
    return mean


@dataclass(frozen=True)
class _Flow:
    """A flow that was accepted."""

    family: str
    kind: str
    tables: Tables
    start: Float[ndarray, " n_and_1"]  # on its attractor
    centre: Float[ndarray, " n"]
    scale: Float[ndarray, " n"]  # deviations
    period: float
    exponent: float  # the largest, per period
    bend: Float[ndarray, " dims"]
    mix: Float[ndarray, "dims dims"]
    path: Float[ndarray, "_ dims"] | None = None

    def seen(self, walk: Walk, n: int, points: int) -> Float[ndarray, "n dims"]:
        """The path of a ``walk``, in the coordinates that the flow is seen in."""
        walk.scale, dims = self.scale, len(self.bend)
        dt, steps = self.period / points, 20 + 1000 // points
        path, *_ = walk.path(dt, n, tolerance=TOLERANCE, steps=steps)
        s = ((path - self.centre) / self.scale)[:, :dims]
        return path[:, :dims] + self.scale[:dims] * self.bend * np.tanh(s @ self.mix.T)


def dominant_period(x: Float[ndarray, "T N"], *, guess: float) -> float:
    """The dominant period of a series, in samples, as near as may be to dysts' ``period``.

    That is: the highest peak of each channel's spectrum (Blackman-Harris window) over some 32
    periods, and the channels' median. Unlike dysts', spectra of overlapping stretches are averaged,
    and weighted by the root of the frequency: else a flow that changes sides now and then has but
    the longest period there is. Their length is adapted, from 32 times the ``guess`` on.

    Parameters
    ----------
    x
        ``(T, N)``.
    guess
        The period roughly, in samples: more than 2, and at most a quarter of the series.

    Returns
    -------
    Samples; NaN if six rounds find no end, or the guess leaves that range.

    Examples
    --------
    >>> phase = 2 * np.pi * np.arange(5000)[:, None] / 40
    >>> dominant_period(np.sin(phase + [0.0, 1.0]), guess=50.0)
    40.0
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
    """Raise unless every channel moves about as much in each part as in the others."""
    spread = x[: len(x) // parts * parts].reshape(parts, -1, x.shape[1]).std(axis=1)
    if spread.min() < 3e-3 or (spread.max(axis=0) > most * spread.min(axis=0)).any():
        raise _Unfit("settles or drifts")


def _check_shape(x: Float[ndarray, "T N"], *, points: float, turns: float) -> None:
    """Raise if a path with so many ``points`` a period jumps, is flat, or is too plain.

    Plain: every channel is close to a sine, or has fewer than so many ``turns`` a period.
    """
    steps = np.diff(x, axis=0)
    if (np.abs(steps).max(axis=0) * points / POINTS > LARGEST_STEP * np.ptp(x, axis=0)).any():
        raise _Unfit("jumps")
    if np.linalg.eigvalsh(np.corrcoef(x.T))[0] < 1e-3:
        raise _Unfit("flat")
    lag = round(points / 6)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    middle, ends = x[lag:-lag], x[2 * lag :] + x[: -2 * lag]  # of a sine: in proportion
    rest = ends - middle * (ends * middle).mean(axis=0) / (middle**2).mean(axis=0)
    turned = (steps[1:] * steps[:-1] < 0).sum(axis=0) * points / len(x)
    if (rest.std(axis=0) < 0.35).all() or turned.max() < turns:
        raise _Unfit("plain")


def _judged(
    tables: Tables, x: ndarray, *, family: str, kind: str, bend: ndarray, mix: ndarray, turns: float
) -> _Flow:
    """The flow of a candidate that starts at ``x``; raise where it fails, as early as may be."""
    walk, dims = Walk(tables, x), len(bend)
    # a glance: does it stay bounded and keep moving, and may it be of the kind?
    path, *_ = walk.path(0.4, 100, tolerance=1e-4, steps=10)
    if np.ptp(path[75:], axis=0).min() < 1e-2:
        raise _Unfit("settles or drifts")
    path, speed, _ = walk.path(0.4, 150, tolerance=1e-4, steps=10)
    _check_motion(path, parts=2, most=4.0)
    walk.scale = path.std(axis=0)
    wave = 2 * np.pi * float(np.median(walk.scale / np.sqrt(speed)))  # Rice's mean period
    if not 0.1 < wave < 40:
        raise _Unfit("no rhythm")
    _exponent(walk, wave, 8, 18, tolerance=1e-4, kind=kind, slack=10.0)
    # its rhythm, shape and exponent
    path, *_ = walk.path(wave / 24, 3072, tolerance=1e-5)
    _check_motion(path, parts=3, most=2.5)
    points = dominant_period(path[:, :dims], guess=24.0)
    if not 12 < points < 144:
        raise _Unfit("no rhythm")
    _check_shape(path[:, :dims], points=points, turns=turns)
    walk.scale, centre, period = path.std(axis=0), path.mean(axis=0), wave * points / 24
    exponent = _exponent(walk, period, 40, 120, tolerance=1e-6, kind=kind)
    # the path to be given out; and that it has not changed its ways after it
    start, scale = walk.x.copy(), walk.scale
    flow = _Flow(family, kind, tables, start, centre, scale, period, exponent, bend, mix)
    seen = flow.seen(walk, CHECKED, POINTS)
    _check_motion(seen, parts=3, most=2.0 if kind == "chaotic" else 1.25)
    _check_shape(seen, points=float(POINTS), turns=0.0)
    if not 0.7 < dominant_period(seen, guess=float(POINTS)) / POINTS < 1.4:
        raise _Unfit("no rhythm")
    _exponent(walk, period, 20, 60, tolerance=1e-6, kind=kind, slack=2.0)
    return replace(flow, path=seen)


@lru_cache(maxsize=8)
def _search(seed: int, dims: int, kind: str) -> _Flow:
    if kind == "any":
        chaotic = np.random.default_rng([seed, dims]).random() < CHAOTIC_SHARE
        return _search(seed, dims, "chaotic" if chaotic else "cyclic")
    rng = np.random.default_rng([seed, dims, len(kind)])  # not 0, which would be passed over
    families = {name: f for name, f in FAMILIES.items() if dims <= f.most_dims}
    shares = np.cumsum([f.chaotic if kind == "chaotic" else f.cyclic for f in families.values()])
    # s + bend tanh(mix s) is invertible: rows of |bend mix| sum up to less than 1
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
            x = np.append(0.5 * rng.normal(size=n), 1.0)
            with suppress(_Unfit, Escaped):
                return _judged(tables, x, family=family, kind=kind, bend=bend, mix=mix, turns=turns)


# --- what users call ------------------------------------------------------------------------------


def _flow_of(seed: object, dims: object, kind: object) -> _Flow:
    one_of("kind", kind, ("any", "chaotic", "cyclic"))
    dims = whole_number("dims", dims, least=LEAST_DIMS)
    if dims > MOST_DIMS:
        raise InputError(f"dims must be {LEAST_DIMS} to {MOST_DIMS}, found {dims}.")
    return _search(whole_number("seed", seed, least=0), dims, str(kind))


def flow(
    seed: int, *, n: int = 10_000, points_per_period: int = 50, dims: int = 3, kind: Kind = "any"
) -> Float[ndarray, "n dims"]:
    """A trajectory ``(n, dims)``, float64, on the attractor of the generated flow of a seed.

    It is the same on every machine up to rounding, which chaos amplifies, and which may tip the
    verdict on a candidate that is just about chaotic. :func:`describe` tells the equations.

    Parameters
    ----------
    seed
        Which flow, 0 or more.
    n
        Samples. Flows are judged by 10,000 at 50 a period and a little more: far longer paths may
        come to rest, since chaos is transient at times.
    points_per_period
        Samples per dominant period, 2 or more.
    dims
        Channels, 3 to 6.
    kind
        ``"chaotic"``: the largest Lyapunov exponent is at least 0.05 per period. ``"cyclic"``: it
        is zero, on a cycle or a torus. ``"any"``: three seeds in four are chaotic.

    Returns
    -------
    ``(n, dims)``, in the variables of the equations, or in bent coordinates for one flow in three.
    A shorter one is the beginning of a longer.

    Raises
    ------
    InputError
        If a number is out of range, ``kind`` unknown, or a path of over 10,000 samples leaves all
        bounds.

    Examples
    --------
    >>> x = flow(0, n=100)
    >>> x.shape, np.array_equal(flow(0, n=50), x[:50])
    ((100, 3), True)
    >>> flow(0, n=100, dims=7)
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: dims must be 3 to 6, found 7.
    """
    n, points = whole_number("n", n), whole_number("points_per_period", points_per_period, least=2)
    found = _flow_of(seed, dims, kind)
    if found.path is not None and points == POINTS and n <= CHECKED:
        return found.path[:n].copy()
    try:
        return found.seen(Walk(found.tables, found.start), n, points)
    except Escaped as error:
        raise InputError(
            f"the flow of seed {seed} leaves all bounds within {n} samples at {points} a period. "
            "Ask for fewer samples, or take another seed."
        ) from error


def flows(
    count: int,
    *,
    first_seed: int = 0,
    n: int = 10_000,
    points_per_period: int = 50,
    dims: int = 3,
    kind: Kind = "any",
) -> list[Float[ndarray, "n dims"]]:
    """The trajectories of ``count`` seeds from ``first_seed`` on, as :func:`flow` makes them.

    Parameters
    ----------
    count
        How many flows, 1 or more.
    first_seed
        Seed of the first one, 0 or more.
    n, points_per_period, dims, kind
        As in :func:`flow`, the same for all.

    Returns
    -------
    A list of arrays ``(n, dims)``, float64.

    Raises
    ------
    InputError
        As :func:`flow`.

    Examples
    --------
    >>> found = flows(2, n=100, kind="chaotic")
    >>> [x.shape for x in found], np.array_equal(found[1], flow(1, n=100, kind="chaotic"))
    ([(100, 3), (100, 3)], True)
    """
    first_seed = whole_number("first_seed", first_seed, least=0)
    seeds = range(first_seed, first_seed + whole_number("count", count))
    options: dict[str, Any] = {"n": n, "points_per_period": points_per_period}
    bar = tqdm(seeds, desc="flows", unit="flow", delay=2, disable=None)
    return [flow(seed, dims=dims, kind=kind, **options) for seed in bar]


def describe(seed: int, *, dims: int = 3, kind: Kind = "any") -> str:
    r"""Family, rhythm and equations of a seed's flow, to read.

    Parameters
    ----------
    seed, dims, kind
        Of the flow, as in :func:`flow`.

    Returns
    -------
    Several lines: the family, the period in the equations' own time, the largest Lyapunov exponent
    per period; an equation for each variable; and, where there are any, the hidden variables and
    the bent coordinates that the flow is seen in.

    Raises
    ------
    InputError
        If a number is out of range, or ``kind`` unknown.

    Examples
    --------
    >>> print(*describe(0, kind="chaotic").splitlines()[1:], sep="\n")
    x' = 1 y
    y' = 1 z
    z' = - 0.5042 x - 0.5673 y - 0.4224 z + 0.9329 tanh(3.439 x - 0.4982)
    """
    found = _flow_of(seed, dims, kind)
    t, n = found.tables, len(found.tables.ends)

    def summed(terms: Sequence[tuple[float, str]]) -> str:
        text = " ".join(
            f"{'-' if c < 0 else '+'} {abs(c):.4g} {what}".rstrip() for c, what in terms if c
        )
        return text.removeprefix("+ ")

    units = [
        f"{UNITS[kind]}({summed([*zip(row[:n], NAMES, strict=False), (row[n], '')])})"
        for kind, row in zip(t.kinds, t.units, strict=True)
    ]
    lines = [
        f"{found.family}, {found.kind}: period {found.period:.4g}, largest Lyapunov exponent "
        f"{found.exponent:.2g} per period"
    ]
    products = ["".join(NAMES[j] for j in f if j < n) for f in t.factors]
    for i, (first, end) in enumerate(zip([0, *t.ends], t.ends, strict=False)):
        terms = [*zip(t.coefficient[first:end], products[first:end], strict=True)]
        terms += zip(t.units[:, n + 1 + i], units, strict=True)
        lines.append(f"{NAMES[i]}' = {summed(terms)}")
    if n > dims:
        lines.append(f"{NAMES[dims:n]} is hidden")
    if found.bend.any():
        lines.append(
            "seen as s + b tanh(M s) of the standardised variables s, "
            f"b = {found.bend.round(3).tolist()}, M = {found.mix.round(3).tolist()}"
        )
    return "\n".join(lines)
