"""How densely a context covers its attractor, and by how much the gate's widths follow it.

In a context four times as long, neighbouring passages lie about half as far apart on a surface. An
attention of one width is then too wide for the long context, or too narrow for the short one. The
noise has the same difficulty: it must reach the next passage. So both widths of the gate,
``tau_att`` and ``sigma``, can be scaled by the context's own spacing.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

import numpy as np
from numpy import ndarray

from ..engine.machine import EngineUnavailable
from ..io.shapes import Float, Int
from ..preprocessing.periods import decorrelation_time
from ..settings import Engine

_ASKED = 128  # states, evenly spaced in time, whose nearest neighbours are searched for
_HALF_OCTAVES = (-2, 4)  # factors lie between 1/2 and 4, in steps of the square root of 2


def spacing(context: Float[ndarray, "T_C N"], *, engine: Engine = "auto") -> float:
    """Median L1 distance from a state of a scaled, embedded context to the nearest other passage.

    States within a decorrelation time belong to the same passage (Theiler, Phys. Rev. A 34, 2427,
    1986). The median is over 128 states, evenly spaced in time. It is 0 for a context without
    another passage, or one that repeats itself exactly.

    Passages around a circle coincide; the arms of a spiral do not:

    >>> t = np.arange(2000.0)[:, None]
    >>> circle = np.hstack([np.sin(0.1 * t), np.cos(0.1 * t)])
    >>> round(spacing(circle), 2), spacing(circle * (1 + t / 500)) > 0.1
    (0.0, True)
    """
    channels = np.ascontiguousarray(context.T)
    moving = channels[channels.max(axis=1) > channels.min(axis=1)].T  # zeros may pad a context
    if not moving.size:
        return 0.0
    near = decorrelation_time(moving)
    asked = _evenly(len(moving))
    nearest = None
    if engine in ("auto", "compiled"):
        with suppress(EngineUnavailable, ModuleNotFoundError):
            from ..engine.spacing import nearest_apart

            nearest = nearest_apart(moving, asked, near)
    if nearest is None:
        nearest = np.empty(len(asked))
        for i, a in enumerate(asked):
            distance = np.zeros(len(moving))
            for channel in moving.T:
                distance += np.abs(channel - channel[a])
            distance[max(0, a - near) : a + near + 1] = np.inf
            nearest[i] = distance.min()
    nearest = np.sort(nearest[np.isfinite(nearest)])
    middle = nearest[(len(nearest) - 1) // 2 : len(nearest) // 2 + 1]
    return float(middle.mean()) if len(nearest) else 0.0


@lru_cache
def _evenly(T: int) -> Int[ndarray, " asked"]:
    return np.unique(np.linspace(0, T - 1, _ASKED).astype(int))


def widening(
    context: Float[ndarray, "T_C N"], *, reference: float, engine: Engine = "auto"
) -> float:
    """Factor of the gate's widths for a context: its :func:`spacing` over ``reference``.

    ``reference`` is the spacing at which the widths were trained. The factor is a power of the
    square root of 2 between 1/2 and 4, so that series can share a rollout. It is 1 if the reference
    or the spacing is 0.

    >>> noise = np.random.default_rng(0).normal(size=(500, 2))
    >>> own = spacing(noise)
    >>> [widening(noise, reference=r) for r in (own, own / 2, own / 100, 100 * own, 0.0)]
    [1.0, 2.0, 4.0, 0.5, 1.0]
    """
    found = spacing(context, engine=engine) if reference > 0 else 0.0
    if not found > 0:
        return 1.0
    return float(2.0 ** (np.clip(np.round(2 * np.log2(found / reference)), *_HALF_OCTAVES) / 2))
