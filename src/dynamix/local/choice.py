"""Which local expert a context asks for: the one whose own free run looks most like the context.

How many neighbours a local fit should use, and how firmly it should draw a state back to them,
depends on how densely the context covers its attractor and how noisy it is. One-step errors do not
tell: a map can be accurate for a step and still leave the attractor after a hundred. So each expert
is let run freely for a few context lengths, and what it visits and how it oscillates is compared
with the context. Nothing but the context is used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from ..metrics.reconstruction import power_spectrum
from ..model.dynamix import DynaMix
from ..model.rollouts import Rollout

TRIAL = 2  # length of the free runs, in contexts
BOXES = 216  # that the context's bounding box is cut into, 6 a side in three dimensions
MARGIN = 0.05  # added to the bounding box on every side, in its widths
SPECTRUM = 3.0  # weight of the spectra beside the boxes
SMOOTHING = 0.002  # width of the spectra's smoothing, in frequencies of a context
Run = Callable[..., Rollout]


def chosen_rollout(
    run: Run,
    model: DynaMix,
    context: Float[Tensor, "T_C S N"],
    *,
    horizon: int,
    return_gates: bool = False,
    **options: object,
) -> Rollout:
    """The rollout of the expert chosen for each series; ``run`` does single rollouts.

    For models with ``local_choice="context"``, which have local experts and no learned ones. The
    gate weighs nothing then: one expert makes a series' whole forecast.

    Parameters
    ----------
    run
        :func:`dynamix.model.rollouts.rollout` or an engine with its parameters.
    model
        Its local experts are the choice.
    context
        As the model sees it: scaled and embedded.
    horizon
        Steps.
    return_gates
        Also return expert weights, of which one is 1 and the others 0.
    options
        Further parameters of ``run``, such as ``seed`` or ``initial_x (S, N)``.

    Returns
    -------
    Observations ``(horizon, S, N)`` in the context's units, and gates ``(horizon, S, E)`` or None.

    Raises
    ------
    InputError
        What ``run`` raises, for example for a context with another number of channels.

    Examples
    --------
    >>> from dynamix.settings import ModelConfig
    >>> from dynamix.model.rollouts import rollout
    >>> model = DynaMix(ModelConfig(
    ...     observed_dims=2, latent_dims=2, experts=0, relu_units=0,
    ...     local_neighbours=(8, 16), local_choice="context",
    ... ))
    >>> angle = 0.2 * torch.arange(40.0)[:, None]
    >>> circle = torch.stack([angle.cos(), angle.sin()], dim=-1)
    >>> y, gates = chosen_rollout(rollout, model, circle, horizon=20, return_gates=True)
    >>> tuple(y.shape), tuple(gates.shape), bool((gates.max(dim=-1).values == 1).all())
    ((20, 1, 2), (20, 1, 2), True)
    """
    chosen = choose(run, model, context, **options)
    S, N, E = context.shape[1], context.shape[2], len(model.config.local_neighbours)
    observations = torch.empty(horizon, S, N, dtype=model.gate.D.dtype)
    for e in range(E):
        members = np.flatnonzero(chosen == e)
        if len(members):
            part = _part(options, members)
            result = run(single(model, e), context[:, members], horizon=horizon, **part)
            observations[:, members] = result.observations.cpu()
    gates = torch.nn.functional.one_hot(torch.from_numpy(chosen), E).to(observations)
    return Rollout(observations, gates.expand(horizon, -1, -1).clone() if return_gates else None)


def choose(
    run: Run, model: DynaMix, context: Float[Tensor, "T_C S N"], **options: object
) -> Int[ndarray, " S"]:
    """Index of the local expert whose free run is most like its context, for each series.

    Each expert of ``model`` alone runs freely (``run``, see :func:`chosen_rollout`) for twice the
    length of ``context``, with the ``options`` of the forecast; the run of the smallest
    :func:`unlikeness` wins, and of equal ones the first. With one expert nothing is run.

    Returns
    -------
    Whole numbers from 0 to ``E - 1``, one per series.

    Raises
    ------
    InputError
        What ``run`` raises, for example for a context with another number of channels.

    Examples
    --------
    A free run behind a circle should stay on it. Of two experts that go to the mean of their
    neighbours' successors, the one that averages most of the circle loses:

    >>> from dynamix.settings import ModelConfig
    >>> from dynamix.model.rollouts import rollout
    >>> model = DynaMix(ModelConfig(
    ...     observed_dims=2, latent_dims=2, experts=0, relu_units=0, local_choice="context",
    ...     local_neighbours=(32, 8), local_pull=(0.0,), local_ridge=100.0,
    ... ))
    >>> angle = 0.2 * torch.arange(40.0)[:, None]
    >>> circle = torch.stack([angle.cos(), angle.sin()], dim=-1)
    >>> int(choose(rollout, model, circle)[0])
    1
    """
    E, (T_C, S, _) = len(model.config.local_neighbours), context.shape
    if E == 1:
        return np.zeros(S, dtype=np.int64)
    unlike = np.empty((E, S))
    for e in range(E):
        trial = run(single(model, e), context, horizon=TRIAL * T_C, **options).observations
        for s in range(S):
            unlike[e, s] = unlikeness(
                trial[:, s].cpu().double().numpy(), context[:, s].cpu().double().numpy()
            )
    return unlike.argmin(axis=0)


def unlikeness(run: Float[ndarray, "T N"], context: Float[ndarray, "T_C N"]) -> float:
    """How differently a free run and a context are spread in space and over frequencies.

    The squared Hellinger distance between the boxes' occupations, plus ``SPECTRUM`` times the
    Hellinger distance between power spectra, the run's averaged over its stretches of the context's
    length.

    Parameters
    ----------
    run
        At least as long as the context, for a spectrum of as many frequencies.
    context
        Its bounding box, widened by 5 % on every side, is cut into some 216 boxes.

    Returns
    -------
    From 0 for the same to ``1 + SPECTRUM = 4``, without a unit; infinite for a run that is not
    finite.

    Examples
    --------
    A circle is like itself, unlike the point that a run may fall into, and unlike a faster circle
    in its frequencies alone:

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


def single(model: DynaMix, e: int) -> DynaMix:
    """The model with local expert ``e`` alone, counted from 0, as a new one in evaluation mode.

    ``model`` has local experts and no learned ones.

    Raises
    ------
    IndexError
        If there is no local expert ``e``.

    Examples
    --------
    >>> model = DynaMix.from_pretrained("dynamix-3d-plus")
    >>> len(model.config.local_neighbours), single(model, 2).config.local_neighbours
    (8, (12,))
    """
    count, pull = model.config.local_experts[e]
    config = dataclasses.replace(
        model.config, local_neighbours=(count,), local_pull=(pull,), local_choice="gate"
    )
    other = DynaMix(config).to(model.gate.D)
    # no learned experts, hence no hidden units: U and V have no entries
    weights = {k: v for k, v in model.state_dict().items() if k not in ("gate.U", "gate.V")}
    other.load_state_dict(weights, strict=False)
    return other.eval()


def _occupation(
    values: Float[ndarray, "T N"], low: Float[ndarray, " N"], width: Float[ndarray, " N"], side: int
) -> dict[int, float]:
    """Share of the points in each box that is not empty; points outside count for nothing."""
    cell = np.floor((values - low) / width * side)
    inside = ((cell >= 0) & (cell < side)).all(axis=1)
    number = np.ravel_multi_index(cell[inside].astype(np.int64).T, (side,) * values.shape[1])
    boxes, counts = np.unique(number, return_counts=True)
    return dict(zip(boxes.tolist(), (counts / len(values)).tolist(), strict=True))


def _part(options: dict[str, object], members: Int[ndarray, " s"]) -> dict[str, object]:
    """The options for some of the series."""
    start = options.get("initial_x")
    return options | ({"initial_x": start[members]} if isinstance(start, Tensor) else {})
