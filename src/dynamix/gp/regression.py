"""Gaussian-process regression of a context's one-step map, in closed form.

``x' = x + B^T m(x) + sum_k alpha_k k(|x - c_k|)``: a polynomial by least squares, with the
monomials ``m`` of a low degree, and a smooth rest, the mean of a Gaussian process (Rasmussen &
Williams 2006) with the rational quadratic kernel ``k(r) = (1 + r^2 / 6 l^2)^-3``. Its length ``l``,
the noise and the degree come from the context: they are ranked by the marginal likelihood.
Everything is in deviations of the context, and in double precision: the weights of a smooth kernel
are large and cancel each other.

Where too few channels are seen, the state is a delay vector: the map leads from observations at
some ``lags`` to the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy import linalg
from scipy.linalg.lapack import dpstrf

from ..io.progress import tqdm
from ..io.scale import unit
from ..io.shapes import Float, Int
from ..settings import PATIENCE
from .settings import GPConfig

_NOTHING = 1e-13  # a state's variance, given others, below which it is rounding
_TOGETHER = 5000  # states that are compared with all centres at a time
_MANY = 10  # such stretches: from here on they are counted before the user's eyes
_MOST = 30_000  # transitions of a context that are used, evenly spaced
_CHECKED = 2000  # of them, those on which fits are compared
_POOL = 600  # of them, those that a kernel can be centred on
_STATES_FOR_A_TERM = 10  # of a polynomial
_LEAST = 1e-300  # a variance's floor, for contexts that are predicted exactly


class Kernel(NamedTuple):
    """A candidate: length ``l``, the noise's variance over the kernel's, the polynomial."""

    scale: float
    ridge: float
    degree: int = 1


class Terms(NamedTuple):
    """The monomials: each is its ``parent`` times a ``variable``, and the first is 1."""

    parent: Int[ndarray, " P"]
    variable: Int[ndarray, " P"]


def terms(n: int, degree: int) -> Terms:
    """All monomials of ``n`` variables up to a degree: those of a degree follow the ones below."""
    parent, variable, last = [0], [0], [0]
    for _ in range(degree):
        before, last = last, []
        for p in before:
            for v in range(variable[p] if p else 0, n):
                last.append(len(parent))
                parent.append(p)
                variable.append(v)
    return Terms(np.array(parent), np.array(variable))


def monomials(z: Float[ndarray, "A N"], of: Terms) -> Float[ndarray, "A P"]:
    """Their values at states."""
    found = np.ones((len(z), len(of.parent)))
    for p in range(1, len(of.parent)):
        found[:, p] = found[:, of.parent[p]] * z[:, of.variable[p]]
    return found


class _Solver(NamedTuple):
    """What the candidates of one length share: the normal equations in their eigenvectors."""

    centres: Float[ndarray, "K N"]
    basis: Float[ndarray, "K K"]
    spectrum: Float[ndarray, " K"]
    right: dict[int, Float[ndarray, "K N"]]  # by degree
    near: Float[ndarray, "K c"]  # the kernels' values at the states that are checked


class Evidence(NamedTuple):
    """How well each candidate explains a context.

    ``likelihood`` is the negative log marginal likelihood per state and channel, with the
    likeliest variance, and ``surprise`` the deviation of a transition from what the others predict,
    in the increments' deviations. On clean data that is the error of interpolation, else about
    ``sqrt(2)`` times the noise.
    """

    likelihood: Float[ndarray, " C"]
    surprise: Float[ndarray, "C N"]


def candidates(config: GPConfig) -> list[Kernel]:
    """All kernels that a context can choose from."""
    return [
        Kernel(scale, ridge, degree)
        for scale in config.scales
        for ridge in config.ridges
        for degree in config.degrees
    ]


def squared(a: Float[ndarray, "A N"], b: Float[ndarray, "B N"]) -> Float[ndarray, "A B"]:
    """Squared distances."""
    both = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None]
    both -= 2.0 * a @ b.T
    return np.maximum(both, 0.0, out=both)


def values(d: Float[ndarray, "A B"], scale: float) -> Float[ndarray, "A B"]:
    """The kernel at squared distances ``d``: 1 at 0."""
    base = d / (6.0 * scale**2)
    base += 1.0
    cube = base * base
    cube *= base  # a power would take ten times as long
    return np.reciprocal(cube, out=cube)


def slopes(d: Float[ndarray, "A B"], scale: float) -> Float[ndarray, "A B"]:
    """Twice the derivative by the squared distance: the gradient is this times ``x - c``."""
    return -((1.0 + d / (6.0 * scale**2)) ** -4) / scale**2


def delayed(z: Float[ndarray, "T n"], lags: tuple[int, ...]) -> Float[ndarray, "_ d"]:
    """The channels beside their earlier values, from the first step that has all of them."""
    return np.hstack([z[lags[-1] - lag : len(z) - lag] for lag in lags])


@dataclass(frozen=True)
class OneStepMap:
    """A fitted map. ``polynomial`` is ``B``, ``weights`` are ``alpha``, ``terms`` are those of m.

    All but ``mean`` and ``deviation (N,)`` are in deviations of the context from its mean.
    Forecasts are kept between ``low`` and ``high``. A state holds the N channels at each of the
    ``lags``, of which the first is 0.
    """

    weights: Float[ndarray, "K N"]
    centres: Float[ndarray, "K d"]
    polynomial: Float[ndarray, "P N"]
    terms: Terms
    kernel: Kernel
    low: Float[ndarray, " N"]
    high: Float[ndarray, " N"]
    mean: Float[ndarray, " N"]
    deviation: Float[ndarray, " N"]
    lags: tuple[int, ...] = (0,)

    def scaled(self, x: Float[ndarray, "A d"]) -> Float[ndarray, "A d"]:
        """States, or observations, in deviations of the context."""
        times = x.shape[1] // len(self.mean)
        return (x - np.tile(self.mean, times)) / np.tile(self.deviation, times)

    def held(self, y: Float[ndarray, "T N"]) -> float:
        """The share of steps of a scaled run at which the box holds it."""
        return float(((y <= self.low) | (y >= self.high)).any(axis=1).mean())

    def step(self, x: Float[ndarray, "A d"], *, held: bool = True) -> Float[ndarray, "A N"]:
        """The successors of states in the data's units, ``held`` in the box or not."""
        z = self.scaled(x)
        ahead = np.concatenate(
            [
                self.ahead(part, values(squared(part, self.centres), self.kernel.scale))
                for part in _parts(z)
            ]
        )
        if held:
            ahead = np.minimum(np.maximum(ahead, self.low), self.high)  # NaN stays
        return ahead * self.deviation + self.mean

    def ahead(self, z: Float[ndarray, "A d"], near: Float[ndarray, "A K"]) -> Float[ndarray, "A N"]:
        """The successors of scaled states, without the box; ``near`` are the kernels' values."""
        now = z[:, : len(self.mean)]
        return now + monomials(z, self.terms) @ self.polynomial + near @ self.weights

    def jacobians(self, x: Float[ndarray, "A d"]) -> Float[ndarray, "A N d"]:
        """``d x'_i / d x_j`` at each state, of the map without its box."""
        (K, N), d, found = self.weights.shape, x.shape[1], []
        outer = self.weights[:, :, None] * self.centres[:, None]  # (K, N, d)
        for z in _parts(self.scaled(x)):
            gradient = slopes(squared(z, self.centres), self.kernel.scale)
            at_centres = (gradient @ outer.reshape(K, -1)).reshape(-1, N, d)
            own = (gradient @ self.weights)[:, :, None] * z[:, None] - at_centres
            found.append(own + self._slopes_of_polynomial(z))
        of_scaled = np.eye(N, d) + np.concatenate(found)
        return of_scaled * self.deviation[:, None] / np.tile(self.deviation, d // N)

    def _slopes_of_polynomial(self, z: Float[ndarray, "A d"]) -> Float[ndarray, "A N d"]:
        parent, variable = self.terms
        value = monomials(z, self.terms)
        by = np.zeros((len(z), len(parent), z.shape[1]))
        for p in range(1, len(parent)):
            by[:, p] = by[:, parent[p]] * z[:, variable[p], None]
            by[:, p, variable[p]] += value[:, parent[p]]
        return np.einsum("api,pn->ani", by, self.polynomial)


def scales(x: Float[ndarray, "T_C N"]) -> tuple[ndarray, ndarray]:
    """Mean and deviation of each channel; 1 instead of 0."""
    size = unit(x)  # squares of small or large numbers would leave their range
    deviation = (x / size).std(axis=0) * size
    return (x / size).mean(axis=0) * size, np.where(deviation > 0, deviation, 1.0)


def _parts(z: Float[ndarray, "A N"]) -> Iterable[ndarray]:
    """Stretches of states whose kernels fit into memory."""
    parts = np.array_split(z, max(1, -(-len(z) // _TOGETHER)))
    if len(parts) < _MANY:
        return parts
    return tqdm(parts, desc="states", disable=None, delay=PATIENCE, leave=False)


def spread(length: int, count: int) -> Int[ndarray, " c"]:
    """``count`` evenly spaced indices, or all."""
    return np.linspace(0, length - 1, min(length, count)).round().astype(int)


class Regression:
    """The regression of one context ``(T_C, N)``, by any of the candidates ``kernels``.

    A state holds the observations at the ``lags``, of which the first is 0, the last the largest.
    ``points (T, d)`` are the states that have a successor, and ``rest[degree] (T, N)`` what the
    polynomial leaves of their increments, in the increments' deviations ``size``. A degree whose
    polynomial has more terms than a tenth of the states is no candidate, but for the lowest one.
    """

    def __init__(
        self, x: Float[ndarray, "T_C N"], config: GPConfig, *, lags: tuple[int, ...] = (0,)
    ) -> None:
        self.config, self.lags, (self.mean, self.deviation) = config, lags, scales(x)
        z = (x - self.mean) / self.deviation
        low, high = z.min(axis=0), z.max(axis=0)
        room = config.margin * (high - low)
        self.box = low - room, high + room
        states, now = delayed(z, lags), z[lags[-1] :]
        seen = spread(len(states) - 1, _MOST)
        self.points, moves = states[seen], now[seen + 1] - now[seen]
        self._checked = spread(len(seen), _CHECKED)
        self.size = np.maximum(moves.std(axis=0), _LEAST)
        self._polynomials: dict[int, tuple[Terms, ndarray]] = {}
        self.rest: dict[int, ndarray] = {}
        for degree in sorted(config.degrees):
            of = terms(states.shape[1], degree)
            if self.rest and len(of.parent) > len(moves) / _STATES_FOR_A_TERM:
                break
            design = monomials(self.points, of)
            solution = linalg.lstsq(design, moves)[0]
            self._polynomials[degree] = of, solution
            self.rest[degree] = (moves - design @ solution) / self.size
        self.kernels = [one for one in candidates(config) if one.degree in self.rest]
        self._solvers: dict[float, _Solver] = {}

    @cached_property
    def evidence(self) -> Evidence:
        """How well each candidate explains the context, by ``config.ranked_on`` states."""
        chosen = spread(len(self.points), self.config.ranked_on)
        points, likelihood, surprise = self.points[chosen], {}, {}
        rest = {degree: found[chosen] for degree, found in self.rest.items()}
        d = squared(points, points)
        for scale in self.config.scales:
            spectrum, vectors = linalg.eigh(values(d, scale), driver="evd", check_finite=False)
            along = {degree: vectors.T @ found for degree, found in rest.items()}
            for ridge in self.config.ridges:
                inverse = 1.0 / (np.maximum(spectrum, 0.0) + ridge)
                diagonal = (vectors**2 @ inverse)[:, None]
                for degree, found in along.items():
                    key = Kernel(scale, ridge, degree)
                    amplitude = np.maximum((found**2 * inverse[:, None]).mean(axis=0), _LEAST)
                    # the polynomial's own entries count as in Schwarz' criterion
                    entries = len(self._polynomials[degree][0].parent) / len(points)
                    fit = np.log(amplitude).mean() - np.log(inverse).mean()
                    likelihood[key] = 0.5 * (fit + entries * np.log(len(points)))
                    missed = vectors @ (found * inverse[:, None]) / diagonal
                    surprise[key] = np.sqrt((missed**2).mean(axis=0))
        return Evidence(*(np.array([of[k] for k in self.kernels]) for of in (likelihood, surprise)))

    def ranked(self) -> list[Kernel]:
        """The candidates, the likeliest first."""
        return [self.kernels[i] for i in np.argsort(self.evidence.likelihood, kind="stable")]

    def fit(self, kernel: Kernel) -> OneStepMap:
        """The mean of the process after all transitions.

        With more transitions than ``config.centres``, it is the best mean of that many kernels
        (subset of regressors). Their centres are the states that say most about all others: a
        Cholesky factorisation with pivots takes them one by one.
        """
        solver = self._solver(kernel.scale)
        of, polynomial = self._polynomials[kernel.degree]
        rest = polynomial, of, kernel, *self.box, self.mean, self.deviation, self.lags
        weights = solver.basis @ self._along(kernel)
        return OneStepMap(weights * self.size, solver.centres, *rest)

    def misses(self, found: Sequence[OneStepMap]) -> list[Float[ndarray, "c N"]]:
        """What each fit leaves of up to 2,000 transitions, in the increments' deviations."""
        left: dict[int, ndarray] = {}
        for scale in dict.fromkeys(one.kernel.scale for one in found):
            alike = [k for k, one in enumerate(found) if one.kernel.scale == scale]
            weights = np.hstack([found[k].weights / self.size for k in alike])
            ahead = np.hsplit(self._solver(scale).near.T @ weights, len(alike))
            for k, smooth in zip(alike, ahead, strict=True):
                left[k] = self.rest[found[k].kernel.degree][self._checked] - smooth
        return [left[k] for k in range(len(found))]

    def reduced_likelihood(self, found: OneStepMap, misses: Float[ndarray, "c N"]) -> float:
        """The negative log marginal likelihood of a fit with these ``misses``, as in `Evidence`.

        It is that of the reduced process, which has the centres' kernels alone, and of all states.
        """
        kernel, T = found.kernel, len(self.points)
        along, spectrum = self._along(kernel), self._solver(kernel.scale).spectrum
        amplitude = (misses**2).mean(axis=0) / kernel.ridge + (along**2).sum(axis=0) / T
        known = np.log1p(spectrum / kernel.ridge).sum() / T + np.log(kernel.ridge)
        return float(0.5 * (np.log(np.maximum(amplitude, _LEAST)).mean() + known))

    def _along(self, kernel: Kernel) -> Float[ndarray, "K N"]:
        """The weights of a fit, in the eigenvectors of its normal equations."""
        solver = self._solver(kernel.scale)
        return solver.right[kernel.degree] / (solver.spectrum + kernel.ridge)[:, None]

    def _solver(self, scale: float) -> _Solver:
        if scale in self._solvers:  # which another candidate had
            return self._solvers[scale]
        pool = self.points[spread(len(self.points), _POOL)]
        factor, order, rank, _ = dpstrf(values(squared(pool, pool), scale), tol=_NOTHING, lower=1)
        kept = min(rank, self.config.centres)
        factor, centres = np.tril(factor[:kept, :kept]), pool[order[:kept] - 1]
        near = values(squared(centres, self.points), scale)
        features = linalg.solve_triangular(factor, near, lower=True, check_finite=False)
        spectrum, vectors = linalg.eigh(features @ features.T, driver="evd", check_finite=False)
        basis = linalg.solve_triangular(factor, vectors, lower=True, trans=1, check_finite=False)
        right = {degree: vectors.T @ (features @ rest) for degree, rest in self.rest.items()}
        seen = near if len(self._checked) == near.shape[1] else near[:, self._checked]
        found = _Solver(centres, basis, np.maximum(spectrum, 0.0), right, seen)
        self._solvers[scale] = found
        return found

    def likeliest(self) -> OneStepMap:
        """The fit of the likeliest candidate."""
        return self.fit(self.ranked()[0])
