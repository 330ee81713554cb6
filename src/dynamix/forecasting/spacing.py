"""How densely a context covers its attractor, and by how much the gate's widths follow it.

A context four times as long has its neighbouring strands about half as far apart on a surface. An
attention that is as wide as it should be for the one is too wide or too narrow for the other, and
noise that keeps a forecast from falling onto one strand must reach the next. So both widths of the
gate, ``tau_att`` and ``sigma``, can be scaled by the context's own spacing: the median distance
from its states to the nearest ones that other passages left.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..preprocessing.periods import decorrelation_time

_ASKED = 128  # states, evenly spaced in time, whose nearest neighbours are looked for
_HALF_OCTAVES = (-2, 4)  # factors lie between 1/2 and 4, in steps of the square root of 2


def spacing(context: Float[ndarray, "T_C N"]) -> float:
    """Median distance (L1, as the attention's) from a state to the nearest of another passage.

    States within a decorrelation time count as of the same passage (Theiler, Phys. Rev. A 34, 2427,
    1986). Asked of 128 states, evenly spaced in time.

    Parameters
    ----------
    context
        As the model sees it: scaled and embedded.

    Returns
    -------
    In the units of the context; 0 for a context that is too short to have another passage, or
    repeats itself exactly.

    Examples
    --------
    Passages around a circle fall onto each other; a spiral's arms stay apart:

    >>> t = np.arange(2000.0)[:, None]
    >>> circle = np.hstack([np.sin(0.1 * t), np.cos(0.1 * t)])
    >>> round(spacing(circle), 2)
    0.0
    >>> spacing(circle * (1 + t / 500)) > 0.1
    True
    """
    T_C = len(context)
    moving = context[:, np.ptp(context, axis=0) > 0]  # zeros may pad a context
    near = decorrelation_time(moving) if moving.size else 1
    asked = np.unique(np.linspace(0, T_C - 1, _ASKED).astype(int))
    distance = np.zeros((len(asked), T_C))
    for channel in context.T:
        distance += np.abs(channel - channel[asked, None])
    distance[np.abs(np.arange(T_C) - asked[:, None]) <= near] = np.inf
    nearest = distance.min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    return float(np.median(nearest)) if len(nearest) else 0.0


def widening(context: Float[ndarray, "T_C N"], *, reference: float) -> float:
    """By how much to widen the gate for a context: its :func:`spacing` over the reference.

    Parameters
    ----------
    context
        As the model sees it: scaled and embedded.
    reference
        The spacing at which the gate's widths are as they were trained, in the same units; 0 or
        more.

    Returns
    -------
    A power of the square root of 2 between 1/2 and 4, so that series can share a rollout; 1 where
    the reference is 0, or the context has no spacing.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(500, 2))
    >>> own = spacing(noise)
    >>> [widening(noise, reference=r) for r in (own, own / 2, own / 100, 100 * own, 0.0)]
    [1.0, 2.0, 4.0, 0.5, 1.0]
    """
    found = spacing(context) if reference > 0 else 0.0
    if not found > 0:
        return 1.0
    return float(2.0 ** (np.clip(np.round(2 * np.log2(found / reference)), *_HALF_OCTAVES) / 2))
