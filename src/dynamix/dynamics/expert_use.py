"""A forecast watched from inside, and measures of how its experts are used.

:func:`watch` keeps the latent states, expert weights and attention of a run. The measures describe
the mixture (:func:`effective_number`, :func:`explained`, :func:`reliance`) and its symbolic code
(:func:`regions`, :func:`standout`, :func:`transitions`, :func:`block_entropies`; Brenner et al.
2024).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from ..errors import InputError, whole_number
from ..forecasting.models import find_model
from ..forecasting.pipeline import Pipeline
from ..io.arrays import unpack
from ..model.dynamix import DynaMix
from ..model.rollouts import gate_noise_stream
from ..settings import ForecastConfig

_DEFAULTS = ForecastConfig()


@dataclass(frozen=True)
class Watched:
    """A run from inside: ``weights[t]`` belong to ``states[t]`` and lead to ``states[t + 1]``.

    Queries include their noise. ``attention`` covers the ``K = T_C - 1`` context steps that have a
    successor; ``summaries`` are the encodings under it. ``model`` is in double precision, adapted
    to this context. Observations are standardised.

    Examples
    --------
    >>> watched = watch(np.sin(np.arange(300)[:, None] / np.array([5, 6, 7])), steps=20)
    >>> watched.states.shape, watched.observations.shape, watched.attention.shape
    ((21, 30), (20, 3), (20, 299))
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
    """Follow a forecast from inside; its weights are those of ``forecast(return_gates=True)``.

    Parameters
    ----------
    context
        ``(T_C, N)``, in the data's units, with as many channels as the model has dimensions.
    steps
        Steps followed, at least 1.
    model, gate_noise, seed
        As of :func:`dynamix.forecast`.

    Returns
    -------
    Watched

    Raises
    ------
    InputError
        If the context or ``steps`` cannot be used, or the model has local or probabilistic experts.

    Examples
    --------
    >>> t = np.arange(300)[:, None] / np.array([5.0, 6.0, 7.0])
    >>> watch(np.sin(t), steps=20).weights.shape
    (20, 10)
    """
    steps = whole_number("steps", steps)
    values, _ = unpack(context, check=True)
    pipeline = Pipeline(find_model(model))
    config = pipeline.model.config
    if not isinstance(pipeline.model, DynaMix) or config.probabilistic:
        raise InputError(
            "watch follows learned, deterministic experts; this model has local or probabilistic "
            "ones. Take their weights from forecast(..., return_gates=True)."
        )
    if values.shape[1:] != (1, config.observed_dims):
        raise InputError(
            f"watch expects one series of {config.observed_dims} channels, as the model has "
            f"dimensions, found {values.shape[1]} series of {values.shape[2]}."
        )
    prepared = pipeline.prepare(np.ascontiguousarray(values[:, 0]))
    ((_, series, _, adapted),) = pipeline.batches([prepared])
    used = copy.deepcopy(adapted).double()
    # in the precision in which forecasts hand the context over
    series = series.to(pipeline.model.gate.D.dtype).double()
    quiet = pipeline.model.defaults.quiet_steps if gate_noise else steps
    eps = gate_noise_stream(steps, config.observed_dims, seed=seed, quiet_steps=quiet)
    noise = torch.from_numpy(eps).double()
    read = used.gate.read(series)
    z = used.initial_state(series[-1])
    states, weights, queries, attention, summaries = [z[0].numpy()], [], [], [], []
    for t in range(steps):
        query = used.gate.query(z, noise[t : t + 1])
        looked = used.gate.attention(query, read.points)
        queries.append(query[0].numpy())
        z, w = used.step(z, read, noise[t : t + 1])
        states.append(z[0].numpy())
        weights.append(w[0].numpy())
        attention.append(looked[:, 0].numpy())
        summaries.append((looked[..., None] * read.encodings).sum(dim=0)[0].numpy())
    return Watched(
        states=np.stack(states),
        weights=np.stack(weights),
        queries=np.stack(queries),
        attention=np.stack(attention),
        summaries=np.stack(summaries),
        context=series[:, 0].numpy(),
        model=used,
    )


def effective_number(shares: Float[ndarray, "*T J"]) -> Float[ndarray, "*T"]:
    """``exp`` of the entropy of ``shares`` over the last axis: 1 (one has all) to J (equal).

    Examples
    --------
    >>> [round(float(n), 6) for n in effective_number(np.array([[1.0, 0.0], [0.5, 0.5]]))]
    [1.0, 2.0]
    """
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return np.exp(-(shares * logs).sum(axis=-1))


def explained(targets: Float[ndarray, "T N"], *, by: Float[ndarray, "T J"]) -> float:
    """Share of the variance of ``targets`` that an affine function of ``by`` explains: R squared.

    Fitted and measured on the same steps: T independent ones give J / T by chance.

    Examples
    --------
    >>> by = np.random.default_rng(0).normal(size=(1000, 2))
    >>> round(explained(3 * by[:, :1] - by[:, 1:] + 7, by=by), 6)
    1.0
    """
    x, y = by - by.mean(axis=0), targets - targets.mean(axis=0)
    rest = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    return float(1.0 - (rest**2).sum() / (y**2).sum())


@torch.no_grad()
def reliance(watched: Watched) -> dict[str, float]:
    """How far the gate's weights depend on each input along a run: ``context`` and ``state``.

    One input is held at its mean over the run, and the weights are computed anew. The value is the
    mean squared change of the weights over their variance: 0 if the gate does not use the input,
    about 1 if nothing else moves the weights, more if the two inputs oppose each other.

    Examples
    --------
    A gate whose columns for the context's summary are zero does not use the context:

    >>> model, wave = DynaMix(), np.sin(np.arange(60)[:, None] / np.array([5, 7, 9]))
    >>> with torch.no_grad():
    ...     model.gate.U[:, :3] = 0.0
    >>> found = reliance(watch(wave, steps=20, model=model))
    >>> round(found["context"], 6), found["state"] > 0.1
    (0.0, True)
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
    """Linear region of AL-RNN experts at each of the ``states``: bit p is ReLU unit p.

    The last ``relu_units`` entries of a state have a ReLU (Brenner et al. 2024).

    Examples
    --------
    >>> states = np.array([[5.0, -1.0, -1.0], [5.0, 1.0, -1.0], [5.0, 1.0, 1.0]])
    >>> regions(states, relu_units=2).tolist()
    [0, 1, 3]
    """
    on = states[:, states.shape[1] - relu_units :] > 0
    return on.astype(np.int64) @ (2 ** np.arange(relu_units, dtype=np.int64))


def standout(weights: Float[ndarray, "T J"]) -> Int[ndarray, " T"]:
    """The expert whose weight is most above its own mean at each step, in its own deviations.

    If all ``weights`` stay near their means, the largest weight always belongs to the same expert
    and carries no information.

    Examples
    --------
    >>> weights = np.array([[0.9, 0.1], [0.9, 0.1], [0.8, 0.2]])
    >>> weights.argmax(axis=1).tolist(), standout(weights).tolist()
    ([0, 0, 0], [0, 0, 1])
    """
    deviation = weights.std(axis=0)
    raised = (weights - weights.mean(axis=0)) / np.where(deviation > 0, deviation, np.inf)
    return raised.argmax(axis=1)


def transitions(code: Int[ndarray, " T"]) -> tuple[Int[ndarray, " A"], Float[ndarray, "A A"]]:
    """The symbols of ``code`` that occur, and the probability of each (column) after each (row).

    A symbol that occurs only at the very end has a row of zeros.

    Examples
    --------
    >>> symbols, after = transitions(np.array([5, 7, 5, 7, 7, 5]))
    >>> symbols.tolist(), after.round(2).tolist()
    ([5, 7], [[0.0, 1.0], [0.67, 0.33]])
    """
    symbols, index = np.unique(code, return_inverse=True)
    counts = np.zeros((len(symbols), len(symbols)))
    np.add.at(counts, (index[:-1], index[1:]), 1.0)
    return symbols, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)


def block_entropies(code: Int[ndarray, " T"], *, longest: int) -> Float[ndarray, " longest"]:
    """Entropies (nats) of the words of 1, 2, ..., ``longest`` successive symbols of ``code``.

    The last increments estimate the entropy rate (Crutchfield & Feldman 2003). Without noise no
    code has a rate above the sum of the positive Lyapunov exponents (Ruelle 1978). If most words
    occur only once, the increments are too small.

    Raises
    ------
    InputError
        If the code is shorter than the longest words.

    Examples
    --------
    In a cycle of two symbols the first one has ``ln 2`` nats, and a further one adds nothing:

    >>> block_entropies(np.arange(1001) % 2, longest=3).round(3).tolist()
    [0.693, 0.693, 0.693]
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
