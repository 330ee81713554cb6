"""The plainest forecast by analogy: what followed the past that is most like the present."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ..errors import InputError, whole_number
from ..io.scale import unit
from ..io.shapes import Float


def copied(
    context: Float[ndarray, "T_C N"], horizon: int, *, match_length: int = 10
) -> Float[ndarray, "horizon N"]:
    """The context after the earlier stretch that is most like its end, repeated.

    The last ``match_length`` states of ``context``, ``(T_C, N)``, are compared with all earlier
    stretches (squared distance, channels standardised). The two stretches do not overlap: on a slow
    piece of an orbit the nearest stretch would begin one step earlier, and the forecast would
    repeat the last state. At most half of the context is matched. The errors and an example are
    those of :func:`dynamix.baselines.parrot`, which calls it.
    """
    T_C = len(context)
    length = min(whole_number("match_length", match_length), (T_C - 1) // 2)
    if length < 1:
        raise InputError(f"parroting needs a context of at least 3 steps, found {T_C}.")
    scaled = context / unit(context)
    scaled = scaled / np.maximum(scaled.std(axis=0), 1e-12)
    windows = np.lib.stride_tricks.sliding_window_view(scaled, length, axis=0)
    distance = ((windows[:-length] - windows[-1]) ** 2).sum(axis=(1, 2))
    follows = int(np.argmin(distance)) + length  # first step after the best match
    return repeated(context[follows:], horizon)


def repeated(piece: Float[ndarray, "T N"], horizon: int) -> Float[ndarray, "horizon N"]:
    """A piece of a series, over and over, for ``horizon`` steps."""
    return np.resize(piece, (horizon, piece.shape[1])).astype(piece.dtype)
