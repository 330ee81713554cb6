"""Echo-state networks: a random recurrent network of which the readout alone is fitted.

The readout's ridge and the noise on the inputs of its fit are chosen by free runs on the context.
Both stabilise free runs (Jaeger 2001; Wikner et al. 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy import linalg, sparse

from ..io.shapes import Float
from ..io.threads import sums_by_one_thread
from ..preprocessing.transforms import Standardize
from .choice import choose, places
from .registry import register
from .settings import EchoStateConfig

_PIECE = 500  # steps whose states are kept at a time
_CONNECTIONS = 10  # into a unit, in the mean


class Reservoir(NamedTuple):
    """``s' = tanh(W s + V x + b)``; states of several runs are ``(units, runs)``."""

    W: sparse.csr_array  # (units, units)
    V: Float[ndarray, "units N"]
    b: Float[ndarray, "units 1"]

    def listen(
        self, states: Float[ndarray, "units L"], inputs: Float[ndarray, "T N L"]
    ) -> Float[ndarray, "T units L"]:
        """The states after each input."""
        heard = np.empty((len(inputs), *states.shape))
        for t, driven in enumerate(self.V @ inputs + self.b):
            states = np.tanh(self.W @ states + driven, out=heard[t])
        return heard

    def run(
        self,
        states: Float[ndarray, "units C"],
        readouts: Float[ndarray, "C N units_and_1"],
        horizon: int,
    ) -> Float[ndarray, "horizon C N"]:
        """Free runs, each with a readout of its own, whose outputs are the next inputs."""
        found = np.empty((horizon, *readouts.shape[:2]), states.dtype)
        weights, constant = readouts[:, :, :-1], readouts[:, :, -1:]
        for t in range(horizon):
            y = weights @ states.T[:, :, None] + constant  # (C, N, 1)
            found[t] = y[:, :, 0]
            states = np.tanh(self.W @ states + self.V @ found[t].T + self.b)
        return found


@lru_cache(maxsize=4)
def reservoir(
    units: int, N: int, *, radius: float, scaling: float, bias: float, seed: int
) -> Reservoir:
    """Uniform random weights, those between units sparse and with a given spectral radius."""
    rng = np.random.default_rng(seed)
    b = rng.uniform(-bias, bias, (units, 1))
    V = scaling * rng.choice([-1.0, 1.0], (units, N))
    dense = rng.uniform(-1.0, 1.0, (units, units))
    dense *= rng.random((units, units)) < _CONNECTIONS / units
    dense *= radius / np.abs(np.linalg.eigvals(dense)).max()
    return Reservoir(sparse.csr_array(dense), V, b)


class Heard(NamedTuple):
    """A reservoir driven by a context: sums and states after the first ``end`` steps, by ``end``.

    ``squares[end] (L, units + 1, units + 1)`` and ``products[end] (L, units + 1, N)`` are sums over
    transitions, for each noise level; ``states[end] (units, 1)`` is without noise.
    """

    squares: dict[int, ndarray]
    products: dict[int, ndarray]
    states: dict[int, ndarray]

    def readouts(
        self, end: int, candidates: Sequence[tuple[int, float]]
    ) -> Float[ndarray, "C N units_and_1"]:
        """The readout of each noise level's index and ridge, by least squares."""
        found = []
        for level, ridge in candidates:
            A, B = self.squares[end][level], self.products[end][level]
            penalised = A + ridge * np.eye(len(A))
            found.append(linalg.solve(penalised, B, assume_a="sym", check_finite=False).T)
        return np.stack(found)


def listen(
    net: Reservoir,
    x: Float[ndarray, "T N"],
    noise: Float[ndarray, "L T N"],
    *,
    washout: int,
    known: int,
    ends: Sequence[int],
) -> Heard:
    """Drive the reservoir by the context, without noise and with each of the noises.

    The sums are kept after ``known`` steps and after all; the states after ``ends``, too.
    """
    (L, T, N), units = noise.shape, len(net.b)
    driven = np.concatenate([x[None], x + noise]).transpose(1, 2, 0)  # (T, N, 1 + L)
    states = np.zeros((units, 1 + L))
    A, B = np.zeros((L, units + 1, units + 1)), np.zeros((L, units + 1, N))
    heard = Heard({}, {}, {})
    cuts = sorted({*range(0, T, _PIECE), washout, known, *ends, T})
    for start, stop in pairwise(cuts):
        # the state before x[t] predicts x[t]
        before = np.concatenate([states[None], net.listen(states, driven[start:stop])])
        states = before[-1]
        if start >= washout:
            S = np.ones((stop - start, units + 1))
            for level in range(L):
                S[:, :-1] = before[:-1, :, 1 + level]
                A[level] += S.T @ S
                B[level] += S.T @ x[start:stop]
        heard.states[stop] = states[:, :1].copy()
        if stop in (known, T):
            heard.squares[stop], heard.products[stop] = A.copy(), B.copy()
    return heard


_fitted = partial(
    register, fitted=True, joint=True, config=EchoStateConfig, packages=("threadpoolctl",)
)


@_fitted(
    "echo_state",
    "echo-state network: random reservoir, regularisation chosen by free runs on the context",
    "Jaeger & Haas (2004)",
)
@_fitted(
    "echo_state_untuned",
    "echo-state network with one regularisation for all contexts",
    "Jaeger & Haas (2004)",
    settings={"input_noise": (1e-3,), "ridge": (1e-6,)},
)
def echo_state(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int, config: EchoStateConfig
) -> Float[ndarray, "horizon N"]:
    """``s' = tanh(W s + V x + b)``, ``x' = R s' + r``; only ``R, r`` are fitted, to one step.

    The readout sees the bounded reservoir alone, so a forecast cannot diverge (Pathak et al. 2018).
    """
    scaling = Standardize.fit(context)
    x, rng = scaling.apply(context), np.random.default_rng(seed)
    T, N = x.shape
    candidates = [(i, r) for i in range(len(config.input_noise)) for r in config.ridge]
    noise = rng.standard_normal(x.shape) * np.array(config.input_noise)[:, None, None]
    with sums_by_one_thread():
        net = reservoir(
            config.units,
            N,
            radius=config.spectral_radius,
            scaling=config.input_scaling,
            bias=config.bias,
            seed=seed,
        )
        known, origins = places(T)
        washout = min(config.washout, T // 4)
        heard = listen(net, x, noise, washout=washout, known=known, ends=origins.tolist())

        halves = heard.readouts(known, candidates).astype(np.float32)
        small = Reservoir(*(part.astype(np.float32) for part in net))  # trials in half the time

        def free_runs(chosen: ndarray, known: int, origins: ndarray, steps: int) -> ndarray:
            C, K = len(chosen), len(origins)
            states = np.hstack([heard.states[origin] for origin in origins]).repeat(C, axis=1)
            if known < T:
                runs = small.run(states.astype(np.float32), np.tile(halves, (K, 1, 1)), steps)
            else:
                runs = net.run(states, heard.readouts(T, [candidates[c] for c in chosen]), steps)
            return runs.reshape(steps, K, C, N)

        chosen = np.array([choose(x, len(candidates), free_runs)])
        forecast = free_runs(chosen, T, np.array([T]), horizon)[:, 0, 0]
    return scaling.invert(forecast)
