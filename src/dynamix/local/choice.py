"""Which candidate suits a context: the one whose own free run looks most like the context.

How many neighbours a fit should use, and how strongly it should pull, depends on how densely the
context covers its attractor and on its noise. One-step errors do not show this: a map can be
accurate for one step and still leave the attractor after a hundred. So each candidate runs freely
for about two context lengths, and its regions and spectrum are compared with the context's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from ..io.progress import tqdm
from ..io.shapes import Float, Int
from ..metrics.reconstruction import power_spectrum
from ..model.runs import Rollout
from ..settings import PATIENCE

TRIAL = 2  # length of the free runs, in contexts, if that is no more than
LONGEST = 20_000  # steps; but at least one context
BOXES = 216  # number of boxes in the context's bounding box, 6 a side in three dimensions
BOXED = 32  # channels that have boxes, at most
MARGIN = 0.05  # added to the bounding box on every side, in its widths
SPECTRUM = 3.0  # weight of the spectra, with that of the boxes 1
SMOOTHING = 0.002  # width of the spectra's smoothing, in frequencies of a context
_MOST_NUMBERS = 2**24  # of the free runs that are done at a time
Rollouts = Callable[..., ndarray]
Series = Float[ndarray, "T_C S N"]
Chosen = Int[ndarray, " S"]


def chosen_rollout(
    run: Rollouts,
    model: Any,
    context: Series,
    *,
    horizon: int,
    return_gates: bool = False,
    **options: Any,
) -> Rollout:
    """The rollout of the candidate that each series' context chooses.

    ``run`` is :func:`dynamix.local.forecaster.rollouts`, or an engine that takes its ``model`` and
    the other parameters. The weights ``(horizon, S, E)``
    are 1 for the candidate and 0 for the others.
    """
    chosen = choose(run, model, context, **options)
    observations = run(model, context, np.arange(len(chosen)), chosen, horizon=horizon, **options)
    if not return_gates:
        return Rollout(observations, None)
    E = len(model.config.neighbours)
    gates = np.eye(E, dtype=observations.dtype)[chosen]
    return Rollout(observations, np.broadcast_to(gates, (horizon, *gates.shape)).copy())


def choose(run: Rollouts, model: Any, context: Series, **options: Any) -> Chosen:
    """Index of the candidate whose free run is most like its context, for each series.

    Each candidate runs freely for twice the length of ``context``, with the ``options`` of the
    forecast. After more than 10,000 steps the runs are shorter, but at least one context long. The
    smallest unlikeness wins, and of equal ones the first.

    Examples
    --------
    A free run after a circle should stay on it. Here both candidates go to the mean of their
    neighbours' successors, and 32 neighbours are most of the circle:

    >>> from dynamix.local.forecaster import LocalForecaster, rollouts
    >>> from dynamix.local.settings import LocalConfig
    >>> config = LocalConfig(observed_dims=2, neighbours=(32, 8), pulls=(0.0, 0.0), ridge=100.0)
    >>> angle = 0.2 * np.arange(40.0)[:, None]
    >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    >>> int(choose(rollouts, LocalForecaster(config), circle)[0])
    1
    """
    E, (T_C, S, N) = len(model.config.neighbours), context.shape
    unlike = np.zeros((S, E))
    horizon = trial_length(T_C)
    parts = -(-S * E * horizon * N // _MOST_NUMBERS) if E > 1 else 0
    bar = tqdm(total=S, desc="choice", unit="series", disable=None, delay=PATIENCE, leave=False)
    for part in np.array_split(np.arange(S), min(parts, S)) if parts else ():
        pairs = np.repeat(part, E), np.tile(np.arange(E), len(part))
        trials = run(model, context, *pairs, horizon=horizon, **options).astype(np.float64)
        for i, s in enumerate(part):
            looks = unlikeness(context[:, s])
            unlike[s] = [looks(trials[:, i * E + e]) for e in range(E)]
            bar.update()
    bar.close()
    return unlike.argmin(axis=1)


def trial_length(T_C: int) -> int:
    """Steps of a free run by which a candidate is judged after so long a context."""
    return max(T_C, min(TRIAL * T_C, LONGEST))


def unlikeness(context: Float[ndarray, "T_C N"]) -> Callable[[Float[ndarray, "T N"]], float]:
    """A function that says how differently a free run and a context are spread.

    The squared Hellinger distance between the shares of about 216 boxes, plus ``SPECTRUM`` times
    the Hellinger distance between power spectra. The boxes fill the context's bounding box, widened
    by 5 % on every side. The run's spectrum is averaged over its stretches of the context's length,
    of which it must have one.

    The function gives 0 for equal runs, at most ``1 + SPECTRUM = 4``, and infinity for a run that
    is not finite.

    Examples
    --------
    A circle differs most from a constant; from a faster circle it differs in frequencies alone:

    >>> angle = 2 * np.pi * np.arange(400)[:, None] / 40
    >>> circle = np.hstack([np.cos(angle), np.sin(angle)])
    >>> unlike = unlikeness(circle)
    >>> abs(unlike(circle)) < 1e-6, unlike(0.0 * circle)
    (True, 4.0)
    >>> 1 < unlike(np.hstack([np.cos(3 * angle), np.sin(3 * angle)])) < 4
    True
    """
    look = Appearance(context)
    held, counts = np.unique(look.boxes(context), return_counts=True)
    ours = look.spectrum(context)

    def unlike(run: ndarray) -> float:
        if not np.isfinite(run).all():
            return float("inf")
        visited = look.boxes(run)
        at = np.minimum(np.searchsorted(held, visited), len(held) - 1)
        theirs = np.bincount(at[held[at] == visited], minlength=len(held))
        overlap = np.sqrt(counts / len(context) * (theirs / len(run))).sum()
        affinity = np.minimum(np.sqrt(ours * look.spectrum(run)).sum(axis=0), 1.0)
        return float(1.0 - overlap + SPECTRUM * np.sqrt(1.0 - affinity).mean())

    return unlike


class Appearance:
    """The boxes of a context ``(T_C, N)`` and its frequencies, in which free runs are seen.

    Of more than ``boxed`` channels the first ones have boxes. A channel has ``side`` of them.
    """

    def __init__(self, context: Float[ndarray, "T_C N"], *, boxed: int = BOXED) -> None:
        self.T_C, self.N = context.shape
        self.boxed = min(self.N, boxed)
        low, high = context.min(axis=0), context.max(axis=0)
        self.side = max(2, round(BOXES ** (1.0 / self.boxed)))
        width = np.maximum(high - low, 1e-12)
        self._low, self._width = low - MARGIN * width, (1.0 + 2.0 * MARGIN) * width
        # reflected at its ends, the smoothing is a product in the cosine transform
        sigma, first = max(1.0, SMOOTHING * self.T_C), np.zeros(self.T_C // 2 + 1)
        first[0] = 1.0
        reached = int(10 * sigma) + 2  # a filter ends at 4 sigma; of a long spectrum the rest is 0
        smooth = np.zeros_like(first)
        smooth[:reached] = gaussian_filter1d(first[:reached], sigma, mode="reflect")
        self._smooth = (fft.dct(smooth) / fft.dct(first))[:, None]

    def boxes(self, run: Float[ndarray, "T N"]) -> Int[ndarray, " t"]:
        """The box of every step that lies in one."""
        place = np.ascontiguousarray(run.T)[: self.boxed] - self._low[: self.boxed, None]
        cell = np.floor(place / self._width[: self.boxed, None] * self.side)
        inside = ((cell >= 0) & (cell < self.side)).all(axis=0)
        return np.ravel_multi_index(cell[:, inside].astype(np.int64), (self.side,) * self.boxed)

    def spectrum(self, run: Float[ndarray, "T N"]) -> Float[ndarray, "f N"]:
        """The smoothed power spectrum, averaged over stretches of the context's length."""
        T_C = self.T_C
        parts = np.hstack([run[i : i + T_C] for i in range(0, len(run) - T_C + 1, T_C)])
        power = power_spectrum(parts, smoothing=0).reshape(len(self._smooth), -1, self.N)
        power = fft.dct(power.mean(axis=1), axis=0)
        return np.maximum(fft.idct(power * self._smooth, axis=0), 0.0)
