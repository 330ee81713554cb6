"""Gaussian-process regression of a context's one-step map, in closed form.

``x' = x + B^T x + b + sum_k alpha_k k(|x - c_k|)``: a linear part by least squares, and a smooth
rest, the mean of a Gaussian process (Rasmussen & Williams 2006) with the rational quadratic kernel
``k(r) = (1 + r^2 / 6 l^2)^-3``. Its length ``l`` and the noise come from the context: they are
ranked by the marginal likelihood. Everything is in deviations of the context, and in double
precision: the weights of a smooth kernel are large and cancel each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy import linalg

from ..io.progress import tqdm
from ..io.scale import unit
from ..io.shapes import Float, Int
from ..settings import PATIENCE
from .settings import GPConfig

_NOTHING = 1e-13  # an eigenvalue's share below which it is rounding
_TOGETHER = 5000  # states that are compared with all centres at a time
_MANY = 10  # such stretches: from here on they are counted before the user's eyes
_MOST = 30_000  # transitions of a context that are used, evenly spaced
_LEAST = 1e-300  # a variance's floor, for contexts that are predicted exactly


class Kernel(NamedTuple):
    """A candidate: the length ``l``, and the noise's variance over the kernel's."""

    scale: float
    ridge: float


class _Solver(NamedTuple):
    """What the ridges of one length share: eigenvectors, and the normal equations in them."""

    basis: Float[ndarray, "K r"]
    squares: Float[ndarray, "r r"]
    right: Float[ndarray, "r N"]


def candidates(config: GPConfig) -> list[Kernel]:
    """All kernels that a context can choose from."""
    return [Kernel(scale, ridge) for scale in config.scales for ridge in config.ridges]


def squared(a: Float[ndarray, "A N"], b: Float[ndarray, "B N"]) -> Float[ndarray, "A B"]:
    """Squared distances."""
    both = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None]
    return np.maximum(both - 2.0 * a @ b.T, 0.0)


def values(d: Float[ndarray, "A B"], scale: float) -> Float[ndarray, "A B"]:
    """The kernel at squared distances ``d``: 1 at 0."""
    return (1.0 + d / (6.0 * scale**2)) ** -3


def slopes(d: Float[ndarray, "A B"], scale: float) -> Float[ndarray, "A B"]:
    """Twice the derivative by the squared distance: the gradient is this times ``x - c``."""
    return -((1.0 + d / (6.0 * scale**2)) ** -4) / scale**2


@dataclass(frozen=True)
class OneStepMap:
    """A fitted map. ``linear`` is ``B``, ``constant`` is ``b``, ``weights`` are ``alpha``.

    All but ``mean`` and ``deviation (N,)`` are in deviations of the context from its mean.
    Forecasts are kept between ``low`` and ``high``.
    """

    weights: Float[ndarray, "K N"]
    centres: Float[ndarray, "K N"]
    linear: Float[ndarray, "N N"]
    constant: Float[ndarray, " N"]
    kernel: Kernel
    low: Float[ndarray, " N"]
    high: Float[ndarray, " N"]
    mean: Float[ndarray, " N"]
    deviation: Float[ndarray, " N"]

    def scaled(self, x: Float[ndarray, "A N"]) -> Float[ndarray, "A N"]:
        """States in deviations of the context."""
        return (x - self.mean) / self.deviation

    def step(self, x: Float[ndarray, "A N"], *, held: bool = True) -> Float[ndarray, "A N"]:
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

    def ahead(self, z: Float[ndarray, "A N"], near: Float[ndarray, "A K"]) -> Float[ndarray, "A N"]:
        """The successors of scaled states, without the box; ``near`` are the kernels' values."""
        return z + z @ self.linear + self.constant + near @ self.weights

    def jacobians(self, x: Float[ndarray, "A N"]) -> Float[ndarray, "A N N"]:
        """``d x'_i / d x_j`` at each state, of the map without its box."""
        N, found = x.shape[1], []
        outer = self.weights[:, :, None] * self.centres[:, None]  # (K, N, N)
        for z in _parts(self.scaled(x)):
            gradient = slopes(squared(z, self.centres), self.kernel.scale)
            at_centres = (gradient @ outer.reshape(len(outer), -1)).reshape(-1, N, N)
            found.append((gradient @ self.weights)[:, :, None] * z[:, None] - at_centres)
        of_scaled = np.eye(N) + self.linear.T + np.concatenate(found)
        return of_scaled * self.deviation[:, None] / self.deviation


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
    """The regression of one context ``(T_C, N)``, by any of the candidates.

    ``points (T, N)`` are the states that have a successor, and ``rest (T, N)`` what the linear part
    leaves of their increments, in the increments' deviations.
    """

    def __init__(self, x: Float[ndarray, "T_C N"], config: GPConfig) -> None:
        self.config, (self.mean, self.deviation) = config, scales(x)
        z = (x - self.mean) / self.deviation
        low, high = z.min(axis=0), z.max(axis=0)
        room = config.margin * (high - low)
        self.box = low - room, high + room
        seen = spread(len(z) - 1, _MOST)
        self.points, moves = z[seen], z[seen + 1] - z[seen]
        design = np.hstack([self.points, np.ones((len(moves), 1))])
        solution = linalg.lstsq(design, moves)[0]
        self.linear, self.constant = solution[:-1], solution[-1]
        self.size = np.maximum(moves.std(axis=0), _LEAST)
        self.rest = (moves - design @ solution) / self.size
        self._solvers: dict[float, _Solver] = {}
        self._centres = self.points[spread(len(self.points), config.centres)]

    def likelihoods(self) -> Float[ndarray, " C"]:
        """Negative log marginal likelihood of every candidate per state and channel.

        The variance of the process is the likeliest one. An eigendecomposition serves all ridges.
        """
        found, chosen = [], spread(len(self.points), self.config.ranked_on)
        points, rest = self.points[chosen], self.rest[chosen]
        d = squared(points, points)
        for scale in self.config.scales:
            spectrum, vectors = linalg.eigh(values(d, scale), check_finite=False)
            power = (vectors.T @ rest) ** 2
            for ridge in self.config.ridges:
                variances = np.maximum(spectrum, 0.0) + ridge
                amplitude = np.maximum((power / variances[:, None]).mean(axis=0), _LEAST)
                found.append(0.5 * (np.log(amplitude).mean() + np.log(variances).mean()))
        return np.array(found)

    def ranked(self) -> list[Kernel]:
        """The candidates, the likeliest first."""
        every = candidates(self.config)
        return [every[i] for i in np.argsort(self.likelihoods(), kind="stable")]

    def fit(self, kernel: Kernel) -> OneStepMap:
        """The mean of the process after all transitions.

        With more transitions than ``config.centres``, it is the best mean of that many evenly
        spaced kernels (subset of regressors), in the eigenvectors of their covariance.
        """
        if kernel.scale not in self._solvers:  # which the next ridge needs again
            self._solvers[kernel.scale] = self._solver(kernel.scale)
        basis, squares, right = self._solvers[kernel.scale]
        penalised = squares.copy()
        penalised[np.diag_indices(len(penalised))] += kernel.ridge
        # Cholesky may fail at a ridge near rounding; a symmetric solver does not
        solved = linalg.solve(penalised, right, assume_a="sym", check_finite=False)
        linear = self.linear, self.constant, kernel, *self.box, self.mean, self.deviation
        return OneStepMap(basis @ solved * self.size, self._centres, *linear)

    @cached_property
    def _distances(self) -> tuple[ndarray, ndarray]:
        """Squared distances from the centres: of the centres, and of all states."""
        return squared(self._centres, self._centres), squared(self.points, self._centres)

    def _solver(self, scale: float) -> _Solver:
        of_centres, of_points = self._distances
        spectrum, vectors = linalg.eigh(values(of_centres, scale), check_finite=False)
        kept = spectrum > _NOTHING * spectrum[-1]
        basis = vectors[:, kept] / np.sqrt(spectrum[kept])
        features = values(of_points, scale) @ basis
        return _Solver(basis, features.T @ features, features.T @ self.rest)

    def likeliest(self) -> OneStepMap:
        """The fit of the likeliest candidate."""
        return self.fit(self.ranked()[0])

    def surprise(self, kernel: Kernel) -> Float[ndarray, " N"]:
        """Deviation of a transition from what the others predict, in deviations of each channel.

        On clean data it is the error of interpolation, else about ``sqrt(2)`` times the noise.
        """
        chosen = spread(len(self.points), self.config.ranked_on)
        points = self.points[chosen]
        covariance = values(squared(points, points), kernel.scale)
        covariance[np.diag_indices(len(covariance))] += max(kernel.ridge, _NOTHING)
        inverse = linalg.inv(covariance, check_finite=False)
        errors = inverse @ self.rest[chosen] / np.diag(inverse)[:, None]
        return np.sqrt((errors**2).mean(axis=0)) * self.size
