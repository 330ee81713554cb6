"""Embeddings: a series gets further dimensions from its own values (Takens 1981)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy import ndarray

from ..errors import InputError, one_of
from ..io.shapes import Float
from ..settings import EMBEDDINGS, Embedding, checked
from . import pecuzal
from .periods import decorrelation_time, dominant_period

logger = logging.getLogger(__name__)

_RANDOM_DELAYS = (3, 10)
_SHORTEST_FOR_POS = 10


@checked
def embed(
    x: Float[ndarray, "T n"],
    *,
    dims: int,
    embedding: Embedding = "pos",
    seed: int = 0,
    delays: Sequence[int] | None = None,
) -> Float[ndarray, "_ {dims}"]:
    """Append columns until the series has ``dims``; the original channels come first.

    Parameters
    ----------
    x, dims
        A series ``(T, n)`` and the model's N; ``x`` is returned unchanged if ``n == dims``.
    embedding
        ``"pos"``: sines of the dominant period; ``"zero"``: zeros; ``"delay"`` and ``"pecuzal"``:
        the last channel at the delays of :func:`find_delays`; ``"delay_random"``: the first channel
        at random delays of 3 to 10 steps.
    seed, delays
        Seed of the random delays, or a delay for each missing dimension instead.

    Returns
    -------
    ``(T, dims)``. A delay embedding has fewer rows: it drops the first ``max(delays)``.

    Raises
    ------
    InputError
        If the embedding is unknown, ``"auto"`` or ``"memory"``, which none of a series is; the
        series is too short or has more than ``dims`` channels; or ``delays`` have another number.

    Examples
    --------
    >>> x = np.arange(6.0)[:, None]
    >>> embed(x, dims=3, embedding="delay", delays=(1, 2))
    array([[2., 1., 0.],
           [3., 2., 1.],
           [4., 3., 2.],
           [5., 4., 3.]])
    """
    one_of("embedding", embedding, [e for e in EMBEDDINGS if e not in ("auto", "memory")])
    T, n = x.shape
    k = dims - n
    if k < 0:
        raise InputError(f"cannot embed {n} channels in {dims} dimensions; forecast them singly.")
    if k == 0:
        return x
    if embedding == "zero":
        return np.concatenate([x, np.zeros((T, k))], axis=1)
    if embedding == "pos":
        if T < _SHORTEST_FOR_POS:
            raise InputError(
                f"the 'pos' embedding needs a context of at least {_SHORTEST_FOR_POS} steps, found "
                f"{T}. Give a longer context or use 'zero'."
            )
        phases = np.linspace(0.0, np.pi / 2, k) if k > 1 else np.zeros(1)
        t = np.arange(1.0, T + 1.0)[:, None]
        return np.concatenate([x, np.sin(2 * np.pi * t / dominant_period(x) + phases)], axis=1)
    if delays is None:
        delays = find_delays(x, count=k, embedding=embedding, seed=seed)
    if len(delays) != k:
        raise InputError(f"{k} missing dimensions need {k} delays, found {len(delays)}.")
    column, longest = x[:, 0 if embedding == "delay_random" else -1], max(delays)
    if T - longest < 2:
        raise InputError(
            f"the {embedding!r} embedding with these delays needs a context of at least "
            f"{longest + 2} steps, found {T}. Give a longer context or use 'zero'."
        )
    return np.column_stack([x[longest:], *(column[longest - d : T - d] for d in delays)])


@checked
def find_delays(
    x: Float[ndarray, "T n"], *, count: int, embedding: Embedding, seed: int = 0
) -> tuple[int, ...]:
    """The ``count`` delays in steps that a delay embedding of ``x (T, n)`` takes.

    ``embedding`` is ``"delay"``: multiples of the decorrelation time, or of less if the series is
    short; ``"delay_random"``: drawn from ``seed``; or ``"pecuzal"``:
    :func:`dynamix.preprocessing.pecuzal.past_delays`, or those of ``"delay"`` if no delay helps.

    >>> find_delays(np.cos(0.02 * np.pi * np.arange(2000.0))[:, None], count=2, embedding="delay")
    (19, 38)
    """
    one_of("embedding with delays", embedding, ("delay", "delay_random", "pecuzal"))
    if embedding == "pecuzal":
        delays = pecuzal.past_delays(x[:, -1], count)
        if delays:
            return delays
        logger.info("PECUZAL finds no delay that helps; the delays are those of 'delay'")
    if embedding == "delay_random":
        draws = np.random.default_rng(seed).integers(*_RANDOM_DELAYS, size=count, endpoint=True)
        return tuple(int(draw) for draw in draws)
    delay = decorrelation_time(x)
    if count * delay >= len(x):
        delay = max(1, len(x) // (count + 1))
    return tuple(delay * (i + 1) for i in range(count))
