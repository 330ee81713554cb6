"""Generated flows: autonomous differential equations with random coefficients, by the thousand.

Systems of no catalogue, to train and to validate on. A seed fixes a flow: it draws a family and,
within the family, candidates until one moves as it should. The families:

* ``quadratic``: a saddle focus and a few, or all, second-order terms, as in Sprott's searches
  (Phys. Rev. E 50, R647, 1994; Elegant Chaos, 2010);
* ``convective``: the same with second-order terms that conserve energy, as in Lorenz's models;
* ``jerk``: one variable's highest derivative as a bent function of the lower ones (Sprott 2010);
* ``well``: an oscillator in a well that further variables bend and push;
* ``network``: ``x' = -d x + W g(V x + b)`` with g a tanh, a sine, a smoothed absolute value;
* ``relaxation``: a fast variable on a folded curve, a slow one, slower ones: cycles and bursts;
* ``skew``: a flow that drives another one. In three dimensions the drive is an oscillator of which
  one coordinate is hidden, as the phase is in dysts' forced systems.

Every coefficient left open is drawn from a continuous distribution, so that a given system of a
catalogue, whose coefficients are fixed numbers, has probability zero. One flow in three is seen
through bent coordinates. All decisions depend on the seed, ``dims`` and ``kind`` alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from tqdm import tqdm

from .errors import InputError, one_of, whole_number
from .kernels_runtime import entry, piece

Kind = Literal["any", "chaotic", "cyclic"]
LEAST_DIMS, MOST_DIMS = 3, 6
CHAOTIC_SHARE = 0.75  # of the seeds of kind "any"
BENT_SHARE = 1 / 3  # of the flows: seen through bent coordinates
RICH_SHARE = 0.7  # of the cyclic flows: a channel turns more than twice a period
TOLERANCE = 1e-10  # of the final path: local error, in deviations of each variable
LARGEST_STEP = 0.3  # from one of 50 samples a period to the next, as a share of a channel's range
CHAOS = 0.05  # largest Lyapunov exponent of a chaotic flow, per dominant period: at least
CYCLE = 0.015  # and of a cyclic (or quasi-periodic) one, in absolute value: at most
CHECKED, POINTS = 10_000, 50  # samples, and those per period, of the path that flows are judged by

_FAR = 100.0  # variables beyond it count as unbounded
_SOFT = 0.01  # softabs(u) = sqrt(u² + _SOFT): a kink would spoil the integrator's order
_UNITS = ("tanh", "sin", "softabs")
_NAMES = "xyzuvw"
_TRIES = 4000  # candidates of a family before another one has its turn

# Dormand and Prince's fifth-order method and its error (J. Comput. Appl. Math. 6, 19, 1980); the
# last stage is the step itself
_STAGES = np.zeros((7, 6))
_STAGES[1, :1] = 1 / 5
_STAGES[2, :2] = 3 / 40, 9 / 40
_STAGES[3, :3] = 44 / 45, -56 / 15, 32 / 9
_STAGES[4, :4] = 19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729
_STAGES[5, :5] = 9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656
_STAGES[6] = 35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84
_ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


class Tables(NamedTuple):
    """The right-hand side of a flow of ``n`` variables: products of variables, and units.

    ``x_i' = sum_t coefficient_t x_j x_k x_l + sum_u out_ui g_u(into_u . x + bias_u)`` over the
    terms from ``ends_{i-1}`` up to ``ends_i``, with ``(j, k, l) = factors_t``, where ``n`` stands
    for the number 1. A row of ``units`` is ``into_u, bias_u, out_u``.
    """

    ends: Int[ndarray, " n"]
    factors: UInt8[ndarray, "terms 3"]  # unsigned: an index that may be negative takes longer
    coefficient: Float[ndarray, " terms"]
    kinds: Int[ndarray, " units"]  # into _UNITS
    units: Float[ndarray, "units 2n+1"]


@piece
def _slope(x, k, s, a, ends, factors, coefficient, kinds, units):  # type: ignore[no-untyped-def]
    """``k[s, a] = x[a]'``; ``x[a]`` ends in a 1."""
    n = x.shape[1] - 1
    t = 0
    for i in range(n):
        total = 0.0
        while t < ends[i]:
            product = x[a, factors[t, 0]] * x[a, factors[t, 1]] * x[a, factors[t, 2]]
            total += coefficient[t] * product
            t += 1
        k[s, a, i] = total
    k[s, a, n] = 0.0
    for u in range(kinds.size):
        v = units[u, n]
        for j in range(n):
            v += units[u, j] * x[a, j]
        g = (
            np.tanh(v)
            if kinds[u] == 0
            else np.sin(v)
            if kinds[u] == 1
            else math.sqrt(v * v + _SOFT)
        )
        for i in range(n):
            k[s, a, i] += units[u, n + 1 + i] * g


@piece
def _advance(x, tables, dt, h, error, budget, k, trial):  # type: ignore[no-untyped-def]
    """Take one state or two, ``x (c, n+1)``, ``dt`` on, in steps that suit the first.

    Returns the step to try next, and what is left of the ``budget`` of steps; under 0: it failed.
    """
    # handed on one by one: counting references to a tuple's arrays costs more than the sums
    ends, factors, coefficient, kinds, units = tables
    c, m = x.shape
    t = 0.0
    for a in range(c):
        _slope(x, k, 0, a, ends, factors, coefficient, kinds, units)
    while t < dt:
        last = t + 1.01 * h >= dt
        step = dt - t if last else h
        for s in range(1, 7):
            for a in range(c):
                for i in range(m):
                    total = 0.0
                    for r in range(s):
                        total += _STAGES[s, r] * k[r, a, i]
                    trial[a, i] = x[a, i] + step * total
                _slope(trial, k, s, a, ends, factors, coefficient, kinds, units)
        ratio = farthest = 0.0
        for i in range(m - 1):
            total = 0.0
            for r in range(7):
                total += _ERROR[r] * k[r, 0, i]
            ratio = max(ratio, abs(step * total) / error[i])
            farthest = max(farthest, abs(trial[0, i]))
        budget -= 1
        if not ratio < np.inf or farthest > _FAR or budget < 0:
            return h, -1
        proposed = step * min(4.0, max(0.2, 0.9 * (ratio + 1e-12) ** -0.2))
        if ratio <= 1.0:
            t = dt if last else t + step
            x[:] = trial
            k[0] = k[6]
            h = max(h, proposed) if last else proposed
        else:
            h = proposed
    return h, budget


@entry
def _run(x, tables, dt, error, budget, samples, speed, growth):  # type: ignore[no-untyped-def]
    """Fill ``samples (T, n)`` from ``x (n+1,)`` on, ``dt`` apart; ``x`` moves along.

    ``speed (n,)`` takes the mean square of ``x'``; ``growth (T,)``, unless it is empty, the
    logarithm of the factor by which two near states part in each ``dt`` (Benettin et al., Meccanica
    15, 9, 1980). False: the path is unbounded, or takes more than ``budget`` steps.
    """
    m, c = x.size, 2 if growth.size else 1
    k, trial, state = np.empty((7, c, m)), np.empty((c, m)), np.empty((c, m))
    state[:] = x
    near = 1e-7 * error / error[0]  # the distance, in each variable's measure
    state[c - 1, : m - 1] += (c - 1) * near
    h = 0.1 * dt
    for t in range(len(samples)):
        samples[t] = state[0, : m - 1]
        h, budget = _advance(state, tables, dt, h, error, budget, k, trial)
        if budget < 0:
            return False
        speed += k[0, 0, : m - 1] ** 2 / len(samples)
        if c == 2:
            factor = math.sqrt((((state[1] - state[0])[: m - 1] / near) ** 2).mean())
            if not 0.0 < factor < np.inf:
                return False
            growth[t] = math.log(factor)
            state[1] = state[0] + (state[1] - state[0]) / factor
    x[:] = state[0]
    return True


# --- families: each drafts the equations of a candidate ----------------------------------------


_TERM = re.compile(r"(\??)([^: ]+):?([^ ]*) ?(?:([a-z]{2,})\(([^: ]+):?([^ ]*) )?([xyzuvw]*)\)?")


@lru_cache(maxsize=4096)
def _parsed(equation: str) -> tuple[int, list[Any]]:
    """The variable of ``"y: -2:-1 x, ?0.5 tanh(1:4 x)"`` and the parts of its terms."""
    variable, terms = equation.split(": ", 1)
    parts = []
    for term in terms.split(", "):
        found = _TERM.fullmatch(term)
        assert found, term
        maybe, low, high, kind, least, most, factors = found.groups("")
        sizes = (float(low), float(high or low)), (float(least or 0), float(most or least or 0))
        parts.append((bool(maybe), *sizes, kind, [_NAMES.index(factor) for factor in factors]))
    return _NAMES.index(variable), parts


@dataclass
class _Draft:
    """Equations in the making, for ``n`` variables from number ``first`` of ``total`` on."""

    rng: np.random.Generator
    n: int
    total: int
    first: int = 0
    terms: dict[tuple[int, ...], float] = field(default_factory=dict)
    units: list[tuple[int, ndarray]] = field(default_factory=list)

    @property
    def names(self) -> str:
        return _NAMES[: self.n]

    def part(self, first: int, n: int) -> _Draft:
        """The same draft for some of the variables, to be called x, y, ... there."""
        return replace(self, first=self.first + first, n=n)

    def even(self, low: float, high: float) -> float:
        return low + (high - low) * self.rng.random()

    def log(self, low: float, high: float) -> float:
        return float(low * (high / low) ** self.rng.random())

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, options: Sequence[str]) -> str:
        return options[int(len(options) * self.rng.random())]

    def add(self, i: int, coefficient: float, *factors: int) -> None:
        """Add ``coefficient`` times the product of some variables to ``x_i'``."""
        places = sorted(self.first + j for j in factors) + [self.total] * (3 - len(factors))
        key = (self.first + i, *places)
        self.terms[key] = self.terms.get(key, 0.0) + coefficient

    def unit(self, kind: str, into: ndarray, bias: float, out: ndarray) -> None:
        """Add ``out_i kind(into . x + bias)`` to every ``x_i'``."""
        row = np.zeros(2 * self.total + 1)
        row[self.first :][: self.n], row[self.total + 1 + self.first :][: self.n] = into, out
        row[self.total] = bias
        self.units.append((_UNITS.index(kind), row))

    def write(self, *equations: str, scale: float = 1.0) -> None:
        """Add terms: ``write("x: -2:-1 y, ?0.5 xx, 1:3 tanh(1:4 x)", ...)``.

        A coefficient ``low:high`` is drawn evenly and multiplied by ``scale``; a term with a
        question mark is there in two cases of five; a unit's argument has a random bias.
        """
        random = self.rng.random
        for i, terms in map(_parsed, equations):
            for maybe, (low, high), (least, most), kind, factors in terms:
                if maybe and random() > 0.4:
                    continue
                size = scale * (low + (high - low) * random())
                if kind:
                    weight, one = least + (most - least) * random(), np.eye(self.n)
                    bias = 2.4 * random() - 1.2
                    self.unit(kind, weight * one[factors[0]], bias, size * one[i])
                else:
                    self.add(i, size, *factors)

    def tables(self) -> Tables:
        keys = sorted(self.terms)
        return Tables(
            np.searchsorted([key[0] for key in keys], np.arange(self.total), side="right"),
            np.array([key[1:] for key in keys], dtype=np.uint8).reshape(-1, 3),
            np.array([self.terms[key] for key in keys], dtype=np.float64),
            np.array([kind for kind, _ in self.units], dtype=np.int64),
            np.array([row for _, row in self.units]).reshape(-1, 2 * self.total + 1),
        )


def _saddle_focus(e: _Draft) -> None:
    """A linear part that spirals, and across the spiral is of the other stability.

    Around such a point chaos is common (Shilnikov, Sov. Math. Dokl. 6, 163, 1965).
    """
    turn, weak, strong = e.log(0.5, 2.5), e.log(0.05, 0.7), e.log(0.3, 3.0)
    L = np.diag(-strong * (0.5 + e.rng.random(e.n)))
    out = 1 if e.chance(0.6) else -1
    L[:2, :2] = [[out * weak, -turn], [turn, out * weak]]
    if out < 0:
        L[2, 2] = weak * e.log(0.2, 2.0)
    order = e.rng.permutation(e.n).tolist()
    for i, j in ((0, 2), (2, 1))[: e.rng.integers(3)]:  # in other coordinates: x_i + shear x_j
        shear = e.even(-1.0, 1.0)
        L[i] += shear * L[j]
        L[:, j] -= shear * L[:, i]
    for i, j in np.argwhere(L).tolist():
        e.add(order[i], float(L[i, j]), order[j])


def _quadratic(e: _Draft) -> None:
    _saddle_focus(e)
    pairs = [a + b for a in e.names for b in e.names if a <= b]
    if e.chance(0.3):
        e.write(*(f"{v}: -0.5:0.5 {pair}" for v in e.names for pair in pairs))
    for _ in range(e.rng.integers(1, e.n + 2)):
        e.write(f"{e.pick(e.names)}: -2:2 {e.pick(pairs)}")
    e.write(f"{e.pick(e.names)}: ?-1:1")


def _convective(e: _Draft) -> None:
    _saddle_focus(e)
    for _ in range(e.rng.integers(e.n - 1, 2 * e.n)):
        i, j, k = e.rng.permutation(e.n)[:3].tolist()
        k = j if e.chance(0.5) else k
        a, b = e.even(-2.0, 2.0), e.even(-2.0, 2.0)
        e.add(i, a, j, k)
        e.add(j, b, i, k)
        e.add(k, -a - b, i, j)
    e.write(*(f"{v}: ?-3:3" for v in e.names))


def _jerk(e: _Draft) -> None:
    last = e.names[-1]
    for v, w in zip(e.names[:-1], e.names[1:], strict=True):
        e.write(f"{v}: 1 {w}", f"{last}: {'-1.2:-0.2' if w == last else '-3:-0.5'} {w}")
    bends = (
        "0.5:3 xx, -2:-0.2",
        "-3:-0.5 xxx, 0.5:3 x",
        "0.5:3 softabs(1 x), -3:-0.5",
        "0.5:3 sin(1:3 x), -0.3:-0.05 x",
        "0.5:3 tanh(1:4 x), -1.5:-0.3 x",
        "0.5:3 tanh(5:12 x), -1.5:-0.3 x",
    )
    e.write(f"{last}: {e.pick(bends)}, ?-1:1 {e.pick(e.names)}{e.pick(e.names)}")


def _well(e: _Draft) -> None:
    bend = e.pick(("xx", "xy", "yy"))
    e.write("x: 0.7:1.5 y", f"y: -1:1.8 x, -1:0 xxx, -0.9:0.3 y, ?-1:1 {bend}")
    for v in e.names[2:]:
        e.add(_NAMES.index(v), -e.log(0.05, 0.7), _NAMES.index(v))
        e.write(f"y: -1.5:-0.5 {v}{e.pick(('x', 'y', ''))}")
        e.write(f"{v}: ?-2:2, ?-2:2 x, ?-2:2 y, ?0:2 xx, ?-2:2 xy, ?-2:2 yy")


def _network(e: _Draft) -> None:
    gain, size, damping, turn = e.log(0.8, 5.0), e.log(0.8, 3.0), e.log(0.03, 0.3), e.log(0.3, 3.0)
    e.write(*(f"{v}: -1.5:-0.5 {v}" for v in e.names), scale=damping)
    if e.chance(0.8):
        e.write("x: 1 y", "y: -1 x", scale=turn)
    kinds = (("tanh",), ("sin",), ("sin",), ("tanh", "sin"), ("sin", "softabs"))[e.rng.integers(5)]
    sparse = e.chance(0.5)
    for u in range(e.rng.integers(e.n, 2 * e.n + 1)):
        kind = e.pick(kinds)
        into, out = e.rng.normal(size=(2, e.n)) * [[gain], [size]]
        out *= 0.2 if kind == "softabs" else 1.0  # which has no limit
        e.unit(kind, into, e.even(-2.0, 2.0), out * np.eye(e.n)[u % e.n] if sparse else out)


def _relaxation(e: _Draft) -> None:
    rate = e.log(0.1, 1.0)
    e.write("x: 0.5:2 x, -1:1 xx, -1:-0.2 xxx, -1 y, -1:1", scale=e.log(1.0, 6.0))
    e.write("y: 0.5:2 x, -1:0 y, -0.6:0.6, ?-2:2 xx", scale=rate)
    for v in e.names[2:]:
        rate *= e.log(0.1, 1.5)
        e.write(f"{v}: -1:-0.1 {v}, 0.5:2 {e.pick('xy')}, -1:1, ?-2:2 tanh(1:4 x)", scale=rate)
        e.write(e.pick((f"x: -3:-0.3 {v}", f"y: -1.5:1.5 {v}", f"y: -1.5:1.5 x{v}")))


def _oscillator(e: _Draft) -> None:
    """A cycle in two dimensions: a circle, or skewed like van der Pol's; in more, another flow."""
    if e.n > 2:
        return (_jerk, _well, _quadratic)[e.rng.integers(3)](e)
    e.write("x: 1 y", "y: -1 x", scale=e.log(0.4, 2.5))
    circle = ("x: 1 x, -1 xxx, -1 xyy", "y: 1 y, -1 xxy, -1 yyy")
    e.write(*(circle if e.chance(0.5) else ("y: 1 y, -1 xxy, -1:1 xy",)), scale=e.log(0.2, 2.0))


def _skew(e: _Draft) -> None:
    follows = e.n - (2 if e.n < 5 or e.chance(0.5) else 3)
    drive, push = _NAMES[follows], e.log(0.05, 3.0)
    _oscillator(e.part(follows, e.n - follows))
    e.write(f"y: 1 {drive}, ?-1:1 {drive}{e.pick(_NAMES[:follows])}", scale=push)
    if follows > 2 or e.chance(0.5):
        return _oscillator(e.part(0, follows))
    wells = "-1:1.5 x, -0.6:0.6 xx, -1.5:-0.3 xxx"
    pendulum = "-3:-1 sin(0.8:2 x), -0.2:-0.02 x"
    e.write("x: 1 y", f"y: -0.4:-0.05 y, {e.pick((wells, wells, pendulum))}")


class _Family(NamedTuple):
    draft: Callable[[_Draft], None]
    chaotic: float  # how often it is drawn for chaotic flows,
    cyclic: float  # and for cyclic ones
    most_dims: int = MOST_DIMS


_FAMILIES = {
    "quadratic": _Family(_quadratic, 0.16, 0.10, 4),
    "convective": _Family(_convective, 0.20, 0.12),
    "jerk": _Family(_jerk, 0.24, 0.12, 4),
    "well": _Family(_well, 0.14, 0.14, 4),
    "network": _Family(_network, 0.08, 0.10, 4),
    "relaxation": _Family(_relaxation, 0.0, 0.18, 4),
    "skew": _Family(_skew, 0.18, 0.20),
}


# --- judging: does a candidate move as it should? -----------------------------------------------


class _Unfit(Exception):  # noqa: N818
    """A candidate that does not move as it should, and why."""


class _Walk:
    """A state of a flow, which moves along as it is asked for paths and exponents."""

    def __init__(self, tables: Tables, x: ndarray) -> None:
        self.tables, self.x, self.scale = tables, x.copy(), np.ones(x.size - 1)

    def path(
        self, dt: float, samples: int, *, tolerance: float, pair: bool = False, steps: int = 20
    ) -> tuple[Float[ndarray, "samples n"], Float[ndarray, " n"], Float[ndarray, " _"]]:
        """Path, mean square slope and, for a ``pair``, growth: see :func:`_run`.

        ``steps``: the integrator's, a sample, on average, after which it gives up.
        """
        n = self.scale.size
        path, speed, growth = np.empty((samples, n)), np.zeros(n), np.empty(samples * pair)
        error = self.scale * tolerance
        if not _run(self.x, tuple(self.tables), dt, error, steps * samples, path, speed, growth):
            raise _Unfit("unbounded, or stiff")
        return path, speed, growth

    def exponent(
        self, period: float, drop: int, use: int, *, tolerance: float, kind: str, slack: float = 1.0
    ) -> float:
        """The largest exponent per period, of which some are dropped; raise unless of the kind.

        ``slack`` widens the bounds.
        """
        *_, growth = self.path(period / 6, 6 * (drop + use), tolerance=tolerance, pair=True)
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

    def seen(self, walk: _Walk, n: int, points: int) -> Float[ndarray, "n dims"]:
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
    the longest period there is. Their length is adapted, from 32 times the ``guess`` on. NaN if
    that finds no end.
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
    walk, dims = _Walk(tables, x), len(bend)
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
    walk.exponent(wave, 8, 18, tolerance=1e-4, kind=kind, slack=10.0)
    # its rhythm, shape and exponent
    path, *_ = walk.path(wave / 24, 3072, tolerance=1e-5)
    _check_motion(path, parts=3, most=2.5)
    points = dominant_period(path[:, :dims], guess=24.0)
    if not 12 < points < 144:
        raise _Unfit("no rhythm")
    _check_shape(path[:, :dims], points=points, turns=turns)
    walk.scale, centre, period = path.std(axis=0), path.mean(axis=0), wave * points / 24
    exponent = walk.exponent(period, 40, 120, tolerance=1e-6, kind=kind)
    # the path to be given out; and that it has not changed its ways after it
    start, scale = walk.x.copy(), walk.scale
    flow = _Flow(family, kind, tables, start, centre, scale, period, exponent, bend, mix)
    seen = flow.seen(walk, CHECKED, POINTS)
    _check_motion(seen, parts=3, most=2.0 if kind == "chaotic" else 1.25)
    _check_shape(seen, points=float(POINTS), turns=0.0)
    if not 0.7 < dominant_period(seen, guess=float(POINTS)) / POINTS < 1.4:
        raise _Unfit("no rhythm")
    walk.exponent(period, 20, 60, tolerance=1e-6, kind=kind, slack=2.0)
    return replace(flow, path=seen)


@lru_cache(maxsize=8)
def _search(seed: int, dims: int, kind: str) -> _Flow:
    if kind == "any":
        chaotic = np.random.default_rng([seed, dims]).random() < CHAOTIC_SHARE
        return _search(seed, dims, "chaotic" if chaotic else "cyclic")
    rng = np.random.default_rng([seed, dims, len(kind)])  # not 0, which would be passed over
    families = {name: f for name, f in _FAMILIES.items() if dims <= f.most_dims}
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
            draft = _Draft(rng, n, n)
            families[family].draft(draft)
            x, tables = np.append(0.5 * rng.normal(size=n), 1.0), draft.tables()
            with suppress(_Unfit):
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
        Which flow.
    n
        Samples. Flows are judged by 10,000 at 50 a period and a little more: far longer paths may
        come to rest, since chaos is transient at times.
    points_per_period
        Samples per dominant period, see :func:`dominant_period`.
    dims
        Channels, 3 to 6.
    kind
        ``"chaotic"``: the largest Lyapunov exponent is at least 0.05 per period. ``"cyclic"``: it
        is zero, on a cycle or a torus. ``"any"``: three seeds in four are chaotic.

    Raises
    ------
    InputError
        If a number is out of range, ``kind`` unknown, or a path of over 10,000 samples leaves all
        bounds.
    """
    n, points = whole_number("n", n), whole_number("points_per_period", points_per_period, least=2)
    found = _flow_of(seed, dims, kind)
    if found.path is not None and points == POINTS and n <= CHECKED:
        return found.path[:n].copy()
    try:
        return found.seen(_Walk(found.tables, found.start), n, points)
    except _Unfit as error:
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
    """The trajectories of ``count`` seeds from ``first_seed`` on, as :func:`flow` makes them."""
    first_seed = whole_number("first_seed", first_seed, least=0)
    seeds = range(first_seed, first_seed + whole_number("count", count))
    options: dict[str, Any] = {"n": n, "points_per_period": points_per_period}
    bar = tqdm(seeds, desc="flows", unit="flow", delay=2, disable=None)
    return [flow(seed, dims=dims, kind=kind, **options) for seed in bar]


def describe(seed: int, *, dims: int = 3, kind: Kind = "any") -> str:
    """Family, rhythm and equations of a seed's flow, to read."""
    found = _flow_of(seed, dims, kind)
    t, n = found.tables, len(found.tables.ends)

    def summed(terms: Sequence[tuple[float, str]]) -> str:
        text = " ".join(
            f"{'-' if c < 0 else '+'} {abs(c):.4g} {what}".rstrip() for c, what in terms if c
        )
        return text.removeprefix("+ ")

    units = [
        f"{_UNITS[kind]}({summed([*zip(row[:n], _NAMES, strict=False), (row[n], '')])})"
        for kind, row in zip(t.kinds, t.units, strict=True)
    ]
    lines = [
        f"{found.family}, {found.kind}: period {found.period:.4g}, largest Lyapunov exponent "
        f"{found.exponent:.2g} per period"
    ]
    products = ["".join(_NAMES[j] for j in f if j < n) for f in t.factors]
    for i, (first, end) in enumerate(zip([0, *t.ends], t.ends, strict=False)):
        terms = [*zip(t.coefficient[first:end], products[first:end], strict=True)]
        terms += zip(t.units[:, n + 1 + i], units, strict=True)
        lines.append(f"{_NAMES[i]}' = {summed(terms)}")
    if n > dims:
        lines.append(f"{_NAMES[dims:n]} is hidden")
    if found.bend.any():
        lines.append(
            "seen as s + b tanh(M s) of the standardised variables s, "
            f"b = {found.bend.round(3).tolist()}, M = {found.mix.round(3).tolist()}"
        )
    return "\n".join(lines)
