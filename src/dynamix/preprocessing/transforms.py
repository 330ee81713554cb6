"""From a measured series to what the model sees, and back.

Two kinds of things live here. *Transforms* (standardising, Box-Cox, power-law detrending) are
fitted to a context, return the state that their inverse needs, and invert exactly. *Embeddings*
make up the dimensions that a series lacks. Both work on one series at a time, ``(T_C, n)`` in
float64, so that a forecast never depends on the series beside it.

Source: Hemmer & Durstewitz (2025), section 3.3 and appendix; Box & Cox (1964); delay embedding
after Takens (1981), PECUZAL after Kraemer et al. (2021).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import optimize, signal, special, stats

from ..errors import InputError, one_of
from ..settings import EMBEDDINGS, Embedding
from . import pecuzal
from .resampling import ResampleReport as ResampleReport
from .resampling import resample as resample

logger = logging.getLogger(__name__)

Series = Float[ndarray, "T n"]

_SMALLEST_SCALE = 1e-6  # a deviation below this would amplify rounding
_BOX_COX_OFFSET = 1.2  # shifts standardised data well into the positive numbers
_LARGEST_LAMBDA = 2.0
_SMALLEST_BASE = 1e-10  # keeps the inverse power real where a forecast leaves its domain
_LARGEST_EXPONENT = 3.0
_RANDOM_DELAYS = (3, 10)
_SHORTEST_FOR_POS = 10
_DECORRELATED = math.exp(-1.0)  # an autocorrelation below it
_SHORTEST_FOR_TREND = 4


def _usable(x: Series, *, steps: int, what: str) -> None:
    """Raise unless a transform can be fitted to the context."""
    if len(x) < steps:
        raise InputError(f"{what} needs a context of at least {steps} steps, found {len(x)}.")
    if not np.isfinite(x).all():
        raise InputError(
            f"{what} needs finite values, found {np.count_nonzero(~np.isfinite(x))} that are not. "
            "Fill or cut them out first (see dynamix.preprocessing.resample)."
        )


@dataclass(frozen=True)
class Standardize:
    """``(x - mean) / scale`` per channel; scale is the sample deviation (n - 1), at least 1e-6.

    ``mean`` and ``scale``, both ``(n,)``, are in the data's units; the result has none.

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [3.0]])
    >>> scaled = Standardize.fit(x)
    >>> scaled.apply(x).ravel()
    array([-1.,  0.,  1.])
    >>> scaled.invert(np.array([[2.0]])).item()
    4.0
    """

    mean: Float[ndarray, " n"]
    scale: Float[ndarray, " n"]

    @classmethod
    def fit(cls, x: Series) -> Standardize:
        """Mean and deviation of the context ``x``, ``(T_C, n)``.

        Raises
        ------
        InputError
            If it has fewer than 2 steps, or values that are not finite.
        """
        _usable(x, steps=2, what="standardising")
        return cls(x.mean(axis=0), np.maximum(x.std(axis=0, ddof=1), _SMALLEST_SCALE))

    def apply(self, x: Series) -> Series:
        """``x`` in units of the context's deviation, its mean at 0."""
        return (x - self.mean) / self.scale

    def invert(self, y: Series, *, start: int = 1) -> Series:
        """``y`` in the data's units again; time, and so ``start``, plays no part."""
        return y * self.scale + self.mean


@dataclass(frozen=True)
class BoxCox:
    """``((x + offset)^lambda - 1) / lambda`` per channel (``log`` for lambda = 0).

    ``exponent (n,)`` is the maximum-likelihood lambda, clipped to [-2, 2]; ``offset (n,)`` is 1.2
    for positive data, else ``|min| + 1.2``, in the units of the data. Exact both ways where
    ``lambda y + 1 > 0``, which holds for every transformed value; a forecast beyond is held at the
    domain's edge. Source: Box & Cox (1964).

    Examples
    --------
    >>> t = np.arange(50.0)[:, None]
    >>> grown = np.exp(0.1 * t)
    >>> power = BoxCox.fit(grown)
    >>> power.offset, bool(np.allclose(power.invert(power.apply(grown)), grown))
    (array([1.2]), True)
    """

    exponent: Float[ndarray, " n"]
    offset: Float[ndarray, " n"]

    @classmethod
    def fit(cls, x: Series) -> BoxCox:
        """Offset and lambda of each channel of the context ``x``, ``(T_C, n)``.

        A channel that never changes has no best lambda, and gets 1, which only shifts it.

        Raises
        ------
        InputError
            If the context has fewer than 2 steps, or values that are not finite.
        """
        _usable(x, steps=2, what="a Box-Cox transform")
        lowest = x.min(axis=0)
        offset = np.where(lowest > 0, _BOX_COX_OFFSET, np.abs(lowest) + _BOX_COX_OFFSET)
        exponents = [
            float(stats.boxcox_normmax(column, method="mle")) if np.ptp(column) > 0 else 1.0
            for column in (x + offset).T
        ]
        return cls(np.clip(exponents, -_LARGEST_LAMBDA, _LARGEST_LAMBDA), offset)

    def apply(self, x: Series) -> Series:
        """``x`` transformed; NaN where it lies below ``-offset``."""
        return np.asarray(special.boxcox(x + self.offset, self.exponent))

    def invert(self, y: Series, *, start: int = 1) -> Series:
        """``y`` transformed back; time, and so ``start``, plays no part."""
        # a base held above zero bounds y by (base^lambda - 1) / lambda; special.inv_boxcox is then
        # defined everywhere, and untouched inside the domain
        edge = np.maximum(self.exponent * y + 1.0, _SMALLEST_BASE)
        inside = np.where(
            self.exponent == 0.0, y, (edge - 1.0) / np.where(self.exponent, self.exponent, 1.0)
        )
        return np.asarray(special.inv_boxcox(inside, self.exponent)) - self.offset


@dataclass(frozen=True)
class PowerLawTrend:
    """The trend ``a t^b + c`` per channel, ``t = 1, 2, ...``, ``0 <= b <= 3``, subtracted.

    ``t`` counts steps; 1 is the context's first. The fields ``a``, ``b`` and ``c`` are ``(n,)``,
    ``a`` and ``c`` in the units of the data.

    Examples
    --------
    A straight line is all trend, and goes on behind the context:

    >>> line = 2.0 * np.arange(1.0, 101.0)[:, None] + 5.0
    >>> trend = PowerLawTrend.fit(line)
    >>> bool(np.abs(trend.apply(line)).max() < 0.01)
    True
    >>> trend.invert(np.zeros((2, 1)), start=101).round(1).ravel()
    array([207., 209.])
    """

    a: Float[ndarray, " n"]
    b: Float[ndarray, " n"]
    c: Float[ndarray, " n"]

    @classmethod
    def fit(cls, x: Series) -> PowerLawTrend:
        """Least squares from ``(0, 1, x_1)`` with L-BFGS-B, for the context ``x``, ``(T_C, n)``.

        Raises
        ------
        InputError
            If the context has fewer than 4 steps, or values that are not finite.
        """
        _usable(x, steps=_SHORTEST_FOR_TREND, what="a trend")
        t = np.arange(1.0, len(x) + 1.0)

        def fit_channel(column: ndarray) -> ndarray:
            def loss(p: ndarray) -> float:
                return float(np.sum((column - (p[0] * t ** p[1] + p[2])) ** 2))

            bounds = [(None, None), (0.0, _LARGEST_EXPONENT), (None, None)]
            start = np.array([0.0, 1.0, column[0]])
            return optimize.minimize(loss, start, method="L-BFGS-B", bounds=bounds).x

        a, b, c = np.stack([fit_channel(column) for column in x.T], axis=1)
        return cls(a, b, c)

    def at(self, t: Float[ndarray, " T"]) -> Series:
        """The trend's value at times ``t``, ``(T, n)``."""
        return self.a * t[:, None] ** self.b + self.c

    def apply(self, x: Series) -> Series:
        """Subtract the trend of ``t = 1 .. T`` from ``x``."""
        return x - self.at(np.arange(1.0, len(x) + 1.0))

    def invert(self, y: Series, *, start: int) -> Series:
        """Add the trend of ``t = start, start + 1, ...`` to ``y``."""
        return y + self.at(np.arange(float(start), float(start + len(y))))


# each has ``fit(x)``, ``apply(x)`` for the context's own time range, and ``invert(y, start=)`` for
# values that begin at time ``start`` (the context begins at 1)
Transform = Standardize | BoxCox | PowerLawTrend


def fit_transforms(
    context: Series, *, standardize: bool, detrend: bool, box_cox: bool
) -> tuple[Series, list[Transform]]:
    """Fit and apply, in this order: standardise, Box-Cox, detrend, standardise again.

    The second standardising is there where something came between (paper, section 3.3 and
    appendix).

    Parameters
    ----------
    context
        One series, time first, finite and moving in every channel.
    standardize, detrend, box_cox
        Which of :class:`Standardize`, :class:`PowerLawTrend` and :class:`BoxCox` to apply.

    Returns
    -------
    The transformed context ``(T, n)``, without a unit if standardised, and the fitted transforms in
    their order; :func:`invert_transforms` takes a forecast back.

    Raises
    ------
    InputError
        If Box-Cox is asked for without standardising, or the context is too short for a trend.

    Examples
    --------
    >>> context = np.exp(0.05 * np.arange(100.0))[:, None]
    >>> x, transforms = fit_transforms(context, standardize=True, detrend=True, box_cox=True)
    >>> [type(transform).__name__ for transform in transforms]
    ['Standardize', 'BoxCox', 'PowerLawTrend', 'Standardize']
    >>> back = invert_transforms(x, transforms, start=1)
    >>> bool(np.allclose(back, context))
    True
    """
    if box_cox and not standardize:
        raise InputError(
            "box_cox needs standardize=True: powers of raw values lose the digits that the inverse "
            "needs. Leave standardize on."
        )
    x, fitted = context, list[Transform]()
    kinds = list[type[Transform]]()
    if standardize:
        kinds.append(Standardize)
    if box_cox:
        kinds.append(BoxCox)
    if detrend:
        kinds.append(PowerLawTrend)
    if standardize and (box_cox or detrend):
        kinds.append(Standardize)
    for kind in kinds:
        transform = kind.fit(x)
        x = transform.apply(x)
        fitted.append(transform)
    return x, fitted


def invert_transforms(forecast: Series, transforms: list[Transform], *, start: int) -> Series:
    """Undo :func:`fit_transforms` for values that begin at time ``start``.

    Parameters
    ----------
    forecast
        ``(T, n)`` in the transforms' units.
    transforms
        As :func:`fit_transforms` returns them.
    start
        Steps from before the context's first, which is 1: ``T_C + 1`` for a forecast behind it.
        Only a trend depends on it.

    Returns
    -------
    ``(T, n)`` in the data's units.

    Examples
    --------
    What follows a straight line of 50 steps, if nothing but the trend goes on:

    >>> line = np.arange(50.0)[:, None]
    >>> x, transforms = fit_transforms(line, standardize=False, detrend=True, box_cox=False)
    >>> invert_transforms(np.zeros((2, 1)), transforms, start=51).round(1).ravel()
    array([50., 51.])
    """
    for transform in reversed(transforms):
        forecast = transform.invert(forecast, start=start)
    return forecast


def autocorrelation(x: Float[ndarray, " T"]) -> Float[ndarray, " T"]:
    """Biased autocorrelation at lags 0 to T - 1: sums divided by T at every lag, then by lag 0's.

    ``x`` is one channel. The first value is 1.

    Raises
    ------
    InputError
        If the channel does not change.

    Examples
    --------
    >>> autocorrelation(np.array([1.0, -1.0, 1.0, -1.0])).round(2)
    array([ 1.  , -0.75,  0.5 , -0.25])
    """
    centred = x - x.mean()
    if not centred.any():
        raise InputError("a series that does not change has no autocorrelation.")
    sums = signal.correlate(centred, centred, mode="full", method="auto")[len(x) - 1 :]
    return sums / sums[0]


def dominant_period(x: Series) -> int:
    """Lag of the autocorrelation's highest peak beyond ``T // 10``, the longest over channels.

    A peak is a strict local maximum; without one, the lag of the largest value beyond counts. ``x``
    is ``(T, n)``, the lag in steps.

    Examples
    --------
    The channels have periods of 40 and 25 steps:

    >>> t = np.arange(200)
    >>> dominant_period(np.stack([np.sin(2 * np.pi * t / 40), np.sin(2 * np.pi * t / 25)], axis=1))
    40
    """

    def of_channel(column: ndarray) -> int:
        acf = autocorrelation(column)
        first = len(acf) // 10 + 1
        lags = np.arange(max(first, 1), len(acf) - 1)
        peaks = lags[(acf[lags] > acf[lags - 1]) & (acf[lags] > acf[lags + 1])]
        if len(peaks):
            return int(peaks[np.argmax(acf[peaks])])
        return first + int(np.argmax(acf[first:]))

    return max(of_channel(column) for column in x.T)


def decorrelation_time(x: Series) -> int:
    """First lag whose autocorrelation is below 1/e, the longest over channels.

    ``x`` is ``(T, n)``, the lag in steps; 1 for a channel where no lag of the first half is below.

    Examples
    --------
    A cosine falls to 1/e after a fifth of its period, noise at once:

    >>> decorrelation_time(np.cos(2 * np.pi * np.arange(2000) / 100)[:, None])
    19
    >>> decorrelation_time(np.random.default_rng(0).normal(size=(2000, 1)))
    1
    """

    def of_channel(column: ndarray) -> int:
        below = np.flatnonzero(autocorrelation(column)[: len(column) // 2] < _DECORRELATED)
        return int(below[0]) if len(below) else 1

    return max(of_channel(column) for column in x.T)


def embed(
    x: Series,
    *,
    dims: int,
    embedding: Embedding = "pos",
    seed: int = 0,
    delays: Sequence[int] | None = None,
) -> Float[ndarray, "_ {dims}"]:
    """Append columns until the series has ``dims``; the original channels come first.

    Parameters
    ----------
    x
        ``(T_C, n)``, n at most ``dims``; returned as it is where ``n == dims``.
    dims
        The model's N.
    embedding
        ``"pos"``: sines of the dominant period; ``"delay"``: the last channel, delayed by multiples
        of its decorrelation time (the first rows are dropped); ``"delay_random"``: the first
        channel at random delays of 3 to 10 steps; ``"pecuzal"``: the last channel at the delays
        that PECUZAL finds for it (:func:`dynamix.preprocessing.pecuzal.past_delays`), and where it finds none, as
        for noise, those of ``"delay"``; ``"zero"``: zeros.
    seed
        Of the random delays.
    delays
        A delay in steps for each missing dimension, in the place of those that a delay embedding
        would find.

    Returns
    -------
    ``(T_C, dims)``, or shorter by the longest delay: then its first row is of the time of that
    delay.

    Raises
    ------
    InputError
        If the embedding is unknown (``"auto"`` is not for here), the series too short for it or of
        more than ``dims`` channels, or ``delays`` does not hold one for each missing dimension.

    Examples
    --------
    >>> x = np.arange(6.0)[:, None]
    >>> embed(x, dims=3, embedding="delay", delays=(1, 2))
    array([[2., 1., 0.],
           [3., 2., 1.],
           [4., 3., 2.],
           [5., 4., 3.]])
    >>> embed(x, dims=3, embedding="pos")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the 'pos' embedding finds ... at least 10 steps, found 6. ...
    """
    one_of("embedding", embedding, [name for name in EMBEDDINGS if name != "auto"])
    T_C, n = x.shape
    k = dims - n
    if k < 0:
        raise InputError(f"cannot embed {n} channels in {dims} dimensions; forecast them singly.")
    if k == 0:
        return x
    if embedding == "zero":
        return np.concatenate([x, np.zeros((T_C, k))], axis=1)
    if embedding == "pos":
        if T_C < _SHORTEST_FOR_POS:
            raise InputError(
                f"the 'pos' embedding finds a period in the context and needs at least "
                f"{_SHORTEST_FOR_POS} steps, found {T_C}. Give a longer context or use 'zero'."
            )
        phases = np.linspace(0.0, np.pi / 2, k) if k > 1 else np.zeros(1)
        t = np.arange(1.0, T_C + 1.0)[:, None]
        return np.concatenate([x, np.sin(2 * np.pi * t / dominant_period(x) + phases)], axis=1)
    if delays is None:
        delays = find_delays(x, count=k, embedding=embedding, seed=seed)
    if len(delays) != k:
        raise InputError(f"{k} missing dimensions need {k} delays, found {len(delays)}.")
    column, longest = x[:, 0 if embedding == "delay_random" else -1], max(delays)
    if T_C - longest < 2:
        raise InputError(
            f"the {embedding!r} embedding delays by up to {longest} steps and must keep 2, so the "
            f"context needs at least {longest + 2} steps, found {T_C}. Give a longer context or "
            "use 'zero'."
        )
    delayed = [column[longest - d : T_C - d] for d in delays]
    return np.column_stack([x[longest:], *delayed])


def find_delays(x: Series, *, count: int, embedding: Embedding, seed: int = 0) -> tuple[int, ...]:
    """The delays of a delay embedding, by its own rule; see :func:`embed`.

    Parameters
    ----------
    x
        ``(T, n)``.
    count
        Delays to find, at least 1: the model's N less n.
    embedding
        ``"delay"``, ``"delay_random"`` or ``"pecuzal"``.
    seed
        Of the random delays.

    Returns
    -------
    ``count`` delays in steps, ascending unless they are random.

    Raises
    ------
    InputError
        If the embedding is not one with delays, or PECUZAL cannot work on so short a series.

    Examples
    --------
    Multiples of the decorrelation time, here 19 steps. Twelve steps have no room for four times 3:

    >>> wave = np.cos(2 * np.pi * np.arange(2000) / 100)[:, None]
    >>> find_delays(wave, count=2, embedding="delay")
    (19, 38)
    >>> find_delays(wave[:12], count=4, embedding="delay")
    (2, 4, 6, 8)
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
