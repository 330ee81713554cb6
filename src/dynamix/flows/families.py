"""Families of generated flows: each drafts the equations of a candidate, with random coefficients.

Coefficients are drawn from continuous distributions, so no flow is a system of a catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from .integrator import UNITS, Tables

NAMES = "xyzuvw"  # of the variables
LEAST_DIMS, MOST_DIMS = 3, len(NAMES)

_TERM = re.compile(r"(\??)([^: ]+):?([^ ]*) ?(?:([a-z]{2,})\(([^: ]+):?([^ ]*) )?([xyzuvw]*)\)?")


@lru_cache(maxsize=4096)
def _parsed(equation: str) -> tuple[int, list[Any]]:
    """The variable of an equation of :meth:`_Draft.write` and the parts of its terms."""
    variable, terms = equation.split(": ", 1)
    parts: list[Any] = []
    for term in terms.split(", "):
        found = _TERM.fullmatch(term)
        assert found, term
        maybe, low, high, kind, least, most, factors = found.groups("")
        sizes = (float(low), float(high or low)), (float(least or 0), float(most or least or 0))
        parts.append((maybe, *sizes, kind, [NAMES.index(factor) for factor in factors]))
    return NAMES.index(variable), parts


@dataclass
class _Draft:
    """Unfinished equations of ``n`` variables, which begin at number ``first`` of ``total``."""

    rng: np.random.Generator
    n: int
    total: int
    first: int = 0
    terms: dict[tuple[int, ...], float] = field(default_factory=dict)
    units: list[tuple[int, ndarray]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = NAMES[: self.n]

    def part(self, first: int, n: int) -> _Draft:
        """The same draft for some of the variables, which are then called x, y, ..."""
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
        self.units.append((UNITS.index(kind), row))

    def write(self, *equations: str, scale: float = 1.0) -> None:
        """Add terms: ``write("x: -2:-1 y, ?0.5 xx, 1:3 tanh(1:4 x)", ...)``.

        A coefficient ``low:high`` is drawn uniformly and multiplied by ``scale``. A term with a
        question mark occurs with probability 0.4. A unit's argument has a random bias.
        """
        for i, terms in map(_parsed, equations):
            for maybe, sizes, weights, kind, factors in terms:
                if maybe and not self.chance(0.4):
                    continue
                size = scale * self.even(*sizes)
                if kind:
                    into, one = self.even(*weights), np.eye(self.n)
                    bias = 2.4 * self.rng.random() - 1.2
                    self.unit(kind, into * one[factors[0]], bias, size * one[i])
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
    """A spiral with the opposite stability across it: chaos is common there (Shilnikov 1965)."""
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
        e.add(NAMES.index(v), -e.log(0.05, 0.7), NAMES.index(v))
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
    """A cycle in two dimensions, round or like van der Pol's; in more, a flow of another family."""
    if e.n > 2:
        return (_jerk, _well, _quadratic)[e.rng.integers(3)](e)
    e.write("x: 1 y", "y: -1 x", scale=e.log(0.4, 2.5))
    circle = ("x: 1 x, -1 xxx, -1 xyy", "y: 1 y, -1 xxy, -1 yyy")
    e.write(*(circle if e.chance(0.5) else ("y: 1 y, -1 xxy, -1:1 xy",)), scale=e.log(0.2, 2.0))


def _skew(e: _Draft) -> None:
    follows = e.n - (2 if e.n < 5 or e.chance(0.5) else 3)
    drive, push = NAMES[follows], e.log(0.05, 3.0)
    _oscillator(e.part(follows, e.n - follows))
    e.write(f"y: 1 {drive}, ?-1:1 {drive}{e.pick(NAMES[:follows])}", scale=push)
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


FAMILIES = {
    "quadratic": _Family(_quadratic, 0.16, 0.10, 4),
    "convective": _Family(_convective, 0.20, 0.12),
    "jerk": _Family(_jerk, 0.24, 0.12, 4),
    "well": _Family(_well, 0.14, 0.14, 4),
    "network": _Family(_network, 0.08, 0.10, 4),
    "relaxation": _Family(_relaxation, 0.0, 0.18, 4),
    "skew": _Family(_skew, 0.18, 0.20),
}


def candidate(family: str, n: int, rng: np.random.Generator) -> Tables:
    """The equations of a flow of ``n`` variables, drawn from a family."""
    draft = _Draft(rng, n, n)
    FAMILIES[family].draft(draft)
    return draft.tables()
