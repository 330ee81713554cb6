"""Forecasters that are not fitted: copies of the context, constants, and the true system."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from ..errors import whole_number
from ..io.scale import unit
from ..io.shapes import Float
from ..local.analogue import copied, repeated
from ..preprocessing.periods import dominant_period
from .registry import register


@register(
    "parrot",
    "copies on what followed the stretch of the context most like its end, over and over",
    "Zhang & Gilpin (2025)",
    joint=True,
)
def parrot(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0, match_length: int = 10
) -> Float[ndarray, "horizon N"]:
    """Context parroting: find the past most like the present, and repeat what followed it.

    The last ``match_length`` states of ``context``, ``(T_C, N)``, are matched, and ``horizon``
    steps copied by :func:`dynamix.local.analogue.copied`; ``seed`` has no effect. See Zhang &
    Gilpin (2025).

    Raises
    ------
    InputError
        If the context has fewer than 3 steps or ``match_length`` is below 1.

    Examples
    --------
    >>> parrot(np.tile([0.0, 1.0, 3.0], 10)[:, None], 5).ravel()
    array([0., 1., 3., 0., 1.])
    """
    return copied(context, horizon, match_length=match_length)


@register(
    "parrot_noisy",
    "the parrot with white noise on its output: blur, which D_stsp takes for better geometry",
    joint=True,
)
def parrot_noisy(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0, noise: float = 0.05
) -> Float[ndarray, "horizon N"]:
    """A :func:`parrot` plus white noise of ``noise`` deviations of each channel of ``context``."""
    size = unit(context)
    kick = noise * (context / size).std(axis=0) * size
    blur = np.random.default_rng(seed).standard_normal((horizon, context.shape[1]))
    return parrot(context, horizon) + kick * blur


@register("mean", "the context's mean")
def mean(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """The mean of ``context``, ``(T_C, N)``, at each of ``horizon`` steps; ``seed`` has no effect.

    >>> mean(np.array([[1.0, 10.0], [3.0, 30.0]]), 2)
    array([[ 2., 20.],
           [ 2., 20.]])
    """
    return np.tile(context.mean(axis=0), (horizon, 1)).astype(context.dtype)


@register("naive", "the context's last state")
def naive(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0
) -> Float[ndarray, "horizon N"]:
    """The last state of ``context``, ``(T_C, N)``, ``horizon`` times; ``seed`` has no effect.

    >>> naive(np.array([[1.0, 10.0], [3.0, 30.0]]), 2)
    array([[ 3., 30.],
           [ 3., 30.]])
    """
    return np.tile(context[-1], (horizon, 1))


@register(
    "seasonal_naive", "each channel's last season, over and over", "Hyndman & Athanasopoulos (2021)"
)
def seasonal_naive(
    context: Float[ndarray, "T_C N"], horizon: int, *, seed: int = 0, season: int | None = None
) -> Float[ndarray, "horizon N"]:
    """The last season of ``context``, ``(T_C, N)``, repeated for ``horizon`` steps.

    ``season`` is a period in steps, ``seed`` has no effect. None takes the
    :func:`dynamix.preprocessing.dominant_period` of each channel, which may be a multiple of the
    shortest period and needs 3 steps. See Hyndman & Athanasopoulos (2021).

    >>> t = np.arange(120)
    >>> seasonal_naive(np.stack([t % 4, t % 6], axis=1).astype(float), 5)[:, 1]
    array([0., 1., 2., 3., 4.])
    """
    if season is not None:
        return repeated(context[-whole_number("season", season) :], horizon)
    channels = []
    for channel in np.split(context, context.shape[1], axis=1):
        one = channel / unit(channel)
        still = one.std() <= 1e-12
        channels.append(repeated(channel[-(1 if still else dominant_period(channel)) :], horizon))
    return np.concatenate(channels, axis=1)


@register(
    "ceiling",
    "the true system, continued from elsewhere on its attractor: the best that a model can reach",
    joint=True,
    batched=True,
    needs_truth=True,
)
def ceiling(
    context: Float[ndarray, "T_C *S N"],
    horizon: int,
    *,
    seed: int = 0,
    truth: Float[ndarray, "T *S N"],
) -> Float[ndarray, "horizon *S N"]:
    """The last ``horizon`` steps of the true continuation, which is longer than the horizon."""
    return truth[-horizon:]
