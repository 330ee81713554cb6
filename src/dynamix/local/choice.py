"""Which candidate suits a context: the one whose own free run looks most like the context.

How many neighbours a fit should use, and how strongly it should pull, depends on how densely the
context covers its attractor and on its noise. One-step errors do not show this: a map can be
accurate for one step and still leave the attractor after a hundred. So each candidate runs freely
for two context lengths. The regions that it visits and its spectrum are compared with the context.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from ..metrics.reconstruction import power_spectrum
from ..model.rollouts import Rollout
from ..model.shapes import Series
from .forecaster import LocalForecaster

TRIAL = 2  # length of the free runs, in contexts
BOXES = 216  # number of boxes in the context's bounding box, 6 a side in three dimensions
MARGIN = 0.05  # added to the bounding box on every side, in its widths
SPECTRUM = 3.0  # weight of the spectra, with that of the boxes 1
SMOOTHING = 0.002  # width of the spectra's smoothing, in frequencies of a context
Run = Callable[..., Rollout]
Channels = Float[ndarray, "T N"]
ContextChannels = Float[ndarray, "T_C N"]
Chosen = Int[ndarray, " S"]


def chosen_rollout(
    run: Run,
    model: LocalForecaster,
    context: Series,
    *,
    horizon: int,
    return_gates: bool = False,
    **options: Any,
) -> Rollout:
    """The rollout of the candidate that each series' context chooses.

    Parameters
    ----------
    run
        :func:`dynamix.model.rollout`, or an engine with its parameters.
    model, context, horizon, options
        Further parameters of ``run``.
    return_gates
        Also return weights ``(horizon, S, E)``, of which one is 1 and the others are 0.

    Examples
    --------
    >>> from dynamix.model import rollout
    >>> from dynamix.settings import LocalConfig
    >>> config = LocalConfig(observed_dims=2, neighbours=(8, 16), pulls=(1.0, 1.0))
    >>> angle = 0.2 * torch.arange(40.0)[:, None]
    >>> circle = torch.stack([angle.cos(), angle.sin()], dim=-1)
    >>> y, gates = chosen_rollout(
    ...     rollout, LocalForecaster(config), circle, horizon=20, return_gates=True
    ... )
    >>> tuple(y.shape), tuple(gates.shape), bool((gates.max(dim=-1).values == 1).all())
    ((20, 1, 2), (20, 1, 2), True)
    """
    chosen = choose(run, model, context, **options)
    S, N, E = context.shape[1], context.shape[2], len(model.config.neighbours)
    observations = torch.empty(horizon, S, N, dtype=model.sigma.dtype)
    for e in sorted(set(chosen.tolist())):
        members = np.flatnonzero(chosen == e)
        start = options.get("initial_x")
        part = options | ({} if start is None else {"initial_x": start[members]})
        result = run(model.candidate(e), context[:, members], horizon=horizon, **part)
        observations[:, members] = result.observations.cpu()
    gates = torch.nn.functional.one_hot(torch.from_numpy(chosen), E).to(observations)
    return Rollout(observations, gates.expand(horizon, -1, -1).clone() if return_gates else None)


def choose(run: Run, model: LocalForecaster, context: Series, **options: Any) -> Chosen:
    """Index of the candidate whose free run is most like its context, for each series.

    Each candidate runs freely (``run``, see :func:`chosen_rollout`) for twice the length of
    ``context``, with the ``options`` of the forecast. The smallest :func:`unlikeness` wins, and of
    equal ones the first.

    Examples
    --------
    A free run after a circle should stay on it. Here both candidates go to the mean of their
    neighbours' successors, and 32 neighbours are most of the circle:

    >>> from dynamix.model import rollout
    >>> from dynamix.settings import LocalConfig
    >>> config = LocalConfig(observed_dims=2, neighbours=(32, 8), pulls=(0.0, 0.0), ridge=100.0)
    >>> angle = 0.2 * torch.arange(40.0)[:, None]
    >>> circle = torch.stack([angle.cos(), angle.sin()], dim=-1)
    >>> int(choose(rollout, LocalForecaster(config), circle)[0])
    1
    """
    E, (T_C, S, _) = len(model.config.neighbours), context.shape
    if E == 1:
        return np.zeros(S, dtype=np.int64)
    unlike = np.empty((E, S))
    for e in range(E):
        trial = run(model.candidate(e), context, horizon=TRIAL * T_C, **options).observations
        for s in range(S):
            ran, shown = (x[:, s].cpu().double().numpy() for x in (trial, context))
            unlike[e, s] = unlikeness(ran, shown)
    return unlike.argmin(axis=0)


def unlikeness(run: Channels, context: ContextChannels) -> float:
    """How differently a free run and a context are spread in space and over frequencies.

    The squared Hellinger distance between the shares of the boxes, plus ``SPECTRUM`` times the
    Hellinger distance between power spectra. The run's spectrum is averaged over its stretches of
    the context's length.

    Parameters
    ----------
    run
        ``(T, N)``, at least as long as the context.
    context
        ``(T_C, N)``. Its bounding box, widened by 5 % on every side, is cut into about 216 boxes.

    Returns
    -------
    float
        From 0 for equal runs to ``1 + SPECTRUM = 4``; infinite for a run that is not finite.

    Examples
    --------
    A circle differs most from a constant; from a faster circle it differs in frequencies alone:

    >>> angle = 2 * np.pi * np.arange(400)[:, None] / 40
    >>> circle = np.hstack([np.cos(angle), np.sin(angle)])
    >>> faster = np.hstack([np.cos(3 * angle), np.sin(3 * angle)])
    >>> abs(unlikeness(circle, circle)) < 1e-6, unlikeness(0.0 * circle, circle)
    (True, 4.0)
    >>> 1 < unlikeness(faster, circle) < 4
    True
    """
    if not np.isfinite(run).all():
        return float("inf")
    low, high = context.min(axis=0), context.max(axis=0)
    side = max(2, round(BOXES ** (1.0 / context.shape[1])))
    width = np.maximum(high - low, 1e-12)
    edges = (low - MARGIN * width, (1.0 + 2.0 * MARGIN) * width)
    p, q = (_occupation(values, *edges, side) for values in (context, run))
    overlap = sum(np.sqrt(share * q.get(box, 0.0)) for box, share in p.items())
    T_C = len(context)
    stretches = [run[i : i + T_C] for i in range(0, max(1, len(run) - T_C + 1), T_C)]
    smoothing = max(1.0, SMOOTHING * T_C)
    ours = power_spectrum(context, smoothing=smoothing)
    theirs = np.mean([power_spectrum(part, smoothing=smoothing) for part in stretches], axis=0)
    affinity = np.minimum(np.sqrt(ours * theirs).sum(axis=0), 1.0)
    return float(1.0 - overlap + SPECTRUM * np.sqrt(1.0 - affinity).mean())


def _occupation(values: Channels, low: ndarray, width: ndarray, side: int) -> dict[int, float]:
    """Share of the points in each box that holds any; points outside count for no box."""
    cell = np.floor((values - low) / width * side)
    inside = ((cell >= 0) & (cell < side)).all(axis=1)
    number = np.ravel_multi_index(cell[inside].astype(np.int64).T, (side,) * values.shape[1])
    boxes, counts = np.unique(number, return_counts=True)
    return dict(zip(boxes.tolist(), (counts / len(values)).tolist(), strict=True))
