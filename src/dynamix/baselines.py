"""Forecasters that a foundation model must be measured against, behind one call signature.

Each is ``f(context, horizon, *, seed) -> forecast`` with arrays ``(T, N)``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from .errors import InputError, one_of

Forecaster = Callable[..., Float[ndarray, "horizon N"]]

_MATCH_LENGTH = 10


def parrot(
    context: Float[ndarray, "T_C N"],
    horizon: int,
    *,
    seed: int = 0,
    match_length: int = _MATCH_LENGTH,
) -> Float[ndarray, "horizon N"]:
    """Context parroting: find the past most like the present, and repeat what followed it.

    The stretch of ``match_length`` states nearest (squared distance, channels standardised) to the
    context's last ones is looked up, and the context from there to its end is copied on, over and
    over. Zhang & Gilpin (2025) show how far this alone goes.
    """
    T_C = len(context)
    length = min(match_length, (T_C - 1) // 2)
    if length < 1:
        raise InputError(f"parroting needs a context of at least 3 steps, found {T_C}.")
    scaled = context / np.maximum(context.std(axis=0), 1e-12)
    windows = np.lib.stride_tricks.sliding_window_view(scaled, length, axis=0)
    distance = ((windows[:-1] - windows[-1]) ** 2).sum(axis=(1, 2))
    follows = int(np.argmin(distance)) + length  # first step after the best match
    copied = context[follows:]
    return np.resize(copied, (horizon, context.shape[1])).astype(context.dtype)


def mean(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """The context's mean, for ever."""
    return np.tile(context.mean(axis=0), (horizon, 1)).astype(context.dtype)


def naive(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """The context's last state, for ever."""
    return np.tile(context[-1], (horizon, 1))


BASELINES: dict[str, Forecaster] = {"parrot": parrot, "mean": mean, "naive": naive}


def baseline(name: str) -> Forecaster:
    """The forecaster of that name.

    Raises
    ------
    InputError
        If there is none; the message lists them.
    """
    one_of("baseline", name, BASELINES)
    return BASELINES[name]
