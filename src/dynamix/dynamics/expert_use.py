"""A forecast with its inner variables, and measures of how its experts are used.

The measures describe the mixture (:func:`effective_number`, :func:`explained`, :func:`reliance`)
and its symbolic code (:func:`regions`, :func:`standout`, :func:`transitions`,
:func:`block_entropies`; Brenner et al. 2024).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray

from ..errors import InputError, whole_number
from ..forecasting.models import find_model
from ..forecasting.pipeline import Pipeline
from ..io.arrays import unpack
from ..io.scale import unit
from ..io.shapes import Float, Int
from ..model.dynamix import DynaMix
from ..model.runs import gate_noise_stream
from ..settings import ForecastConfig

_DEFAULTS = ForecastConfig()


@dataclass(frozen=True)
class Watched:
    """A run's inner variables: ``weights[t]`` belong to ``states[t]`` and give ``states[t + 1]``.

    Queries include their noise. ``attention`` covers the ``K = T_C - 1`` context steps with a
    successor; ``summaries`` are the mean encodings under it. ``model`` is in double precision and
    adapted to this context. Observations and context are standardised.
    """

    states: Float[ndarray, "T_1 M"]
    weights: Float[ndarray, "T J"]
    queries: Float[ndarray, "T N"]
    attention: Float[ndarray, "T K"]
    summaries: Float[ndarray, "T N"]
    context: Float[ndarray, "T_C N"]
    model: DynaMix

    @property
    def observations(self) -> Float[ndarray, "T N"]:
        """The forecast of the run, in deviations of the context."""
        return self.states[1:, : self.model.config.observed_dims]


@torch.no_grad()
def watch(
    context: Any,
    *,
    steps: int,
    model: DynaMix | str | Path | None = None,
    gate_noise: bool = _DEFAULTS.gate_noise,
    seed: int = _DEFAULTS.seed,
) -> Watched:
    """Follow a forecast step by step; the weights are those of ``forecast(return_gates=True)``.

    The context ``(T_C, N)`` has as many channels as the model has dimensions. ``model``,
    ``gate_noise`` and ``seed`` are those of :func:`dynamix.forecast`. An InputError is raised for
    an unusable context, and for local or probabilistic experts.

    Examples
    --------
    >>> watched = watch(np.sin(np.arange(300)[:, None] / np.array([5, 6, 7])), steps=20)
    >>> watched.states.shape, watched.weights.shape, watched.attention.shape
    ((21, 30), (20, 10), (20, 299))
    """
    steps = whole_number("steps", steps)
    values, _ = unpack(context, check=True)
    pipeline = Pipeline(find_model(model, engine="torch"))
    if not isinstance(pipeline.model, DynaMix) or pipeline.model.config.probabilistic:
        raise InputError(
            "watch follows learned, deterministic experts; this model has local or probabilistic "
            "ones. Take their weights from forecast(..., return_gates=True)."
        )
    config = pipeline.model.config
    if values.shape[1:] != (1, config.observed_dims):
        raise InputError(
            f"watch expects one series of {config.observed_dims} channels, as the model has "
            f"dimensions, found {values.shape[1]} series of {values.shape[2]}."
        )
    prepared = pipeline.prepare(np.ascontiguousarray(values[:, 0]))
    ((_, (adapted, series, _)),) = pipeline.batches([prepared])
    used = copy.deepcopy(adapted).double()
    # forecasts pass the context in the model's own precision
    series = torch.from_numpy(series).to(pipeline.model.gate.D.dtype).double()
    quiet = pipeline.model.defaults.quiet_steps if gate_noise else steps
    eps = gate_noise_stream(steps, config.observed_dims, seed=seed, quiet_steps=quiet)
    noise = torch.from_numpy(eps).double()
    read = used.gate.read(series)
    z = used.initial_state(series[-1])
    states, found = [z[0].numpy()], []
    for t in range(steps):
        query = used.gate.query(z, noise[t : t + 1])
        looked = used.gate.attention(query, read.points)
        summary = (looked[..., None] * read.encodings).sum(dim=0)
        z, w = used.step(z, read, noise[t : t + 1])
        states.append(z[0].numpy())
        found.append([x.numpy() for x in (w[0], query[0], looked[:, 0], summary[0])])
    weights, queries, attention, summaries = map(np.stack, zip(*found, strict=True))
    context = series[:, 0].numpy()
    return Watched(np.stack(states), weights, queries, attention, summaries, context, used)


def effective_number(shares: Float[ndarray, "*T J"]) -> Float[ndarray, "*T"]:
    """``exp`` of the entropy of ``shares`` over the last axis: 1 (one has all) to J (equal)."""
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return np.exp(-(shares * logs).sum(axis=-1))


def explained(targets: Float[ndarray, "T N"], *, by: Float[ndarray, "T J"]) -> float:
    """R squared of an affine fit of ``targets`` by ``by``; T steps give J / T by chance."""
    by, targets = by / unit(by), targets / unit(targets).max()
    x, y = by - by.mean(axis=0), targets - targets.mean(axis=0)
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(1.0 - (rest**2).sum() / (y**2).sum())


@torch.no_grad()
def reliance(watched: Watched) -> dict[str, float]:
    """How much the gate's weights depend on each input along a run: ``context`` and ``state``.

    The input is replaced by its mean over the run. The value is the mean squared change of the
    weights over their variance: 0 if the gate does not use the input, about 1 if no other input
    changes the weights, more if the two inputs oppose each other.
    """
    gate = watched.model.gate
    s, z = torch.from_numpy(watched.summaries), torch.from_numpy(watched.states[:-1])

    def weights(s: torch.Tensor, z: torch.Tensor) -> ndarray:
        hidden = torch.relu(torch.cat([s, z], dim=1) @ gate.U.T)
        return torch.softmax(-(hidden @ gate.V.T) / gate.tau_gate.abs(), dim=1).numpy()

    variance = ((watched.weights - watched.weights.mean(axis=0)) ** 2).sum()
    held = {
        "context": weights(s.mean(dim=0).expand_as(s), z),
        "state": weights(s, z.mean(dim=0).expand_as(z)),
    }
    return {k: float(((w - watched.weights) ** 2).sum() / variance) for k, w in held.items()}


def regions(states: Float[ndarray, "T M"], *, relu_units: int) -> Int[ndarray, " T"]:
    """Linear region of AL-RNN experts at each state: bit p is ReLU unit p."""
    on = states[:, states.shape[1] - relu_units :] > 0
    return on.astype(np.int64) @ (2 ** np.arange(relu_units, dtype=np.int64))


def standout(weights: Float[ndarray, "T J"]) -> Int[ndarray, " T"]:
    """The expert whose weight exceeds its own mean the most, in its deviations, at each step."""
    deviation = weights.std(axis=0)
    raised = (weights - weights.mean(axis=0)) / np.where(deviation > 0, deviation, np.inf)
    return raised.argmax(axis=1)


def transitions(code: Int[ndarray, " T"]) -> tuple[Int[ndarray, " A"], Float[ndarray, "A A"]]:
    """The symbols of a code, and the probability of each (column) after each (row).

    A symbol that occurs only at the very end has a row of zeros.
    """
    symbols, index = np.unique(code, return_inverse=True)
    counts = np.zeros((len(symbols), len(symbols)))
    np.add.at(counts, (index[:-1], index[1:]), 1.0)
    return symbols, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)


def block_entropies(code: Int[ndarray, " T"], *, longest: int) -> Float[ndarray, " longest"]:
    """Entropies (nats) of the words of 1, 2, ..., ``longest`` successive symbols of a code.

    The last increments estimate the entropy rate (Crutchfield & Feldman 2003). It cannot exceed the
    sum of the positive Lyapunov exponents (Ruelle 1978). If most words occur only once, the
    increments are too small.
    """
    longest = whole_number("longest", longest)
    if len(code) < longest:
        raise InputError(f"words of {longest} symbols need as long a code, found {len(code)}.")
    _, symbol = np.unique(code, return_inverse=True)
    word, entropies = symbol, []
    for n in range(1, longest + 1):
        counts = np.bincount(word)
        shares = counts[counts > 0] / len(word)
        entropies.append(float(-(shares * np.log(shares)).sum()))
        if n < longest:
            longer = word[:-1] * (symbol.max() + 1) + symbol[n:]
            _, word = np.unique(longer, return_inverse=True)
    return np.array(entropies)
