"""Transforms of a series and their inverses: standardising, Box-Cox, power-law detrending.

A transform is fitted to one context ``(T_C, n)``. ``invert`` takes values that begin at time
``start``; the context begins at 1. Source: Hemmer & Durstewitz (2025), section 3.3 and appendix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy import ndarray
from scipy import optimize, special, stats
from threadpoolctl import ThreadpoolController

from ..errors import InputError
from ..io.arrays import check_values
from ..io.scale import unit
from ..io.shapes import Float
from .seasons import Season

Series = Float[ndarray, "T n"]

_ROUNDING = 4 * np.finfo(np.float64).eps  # of the largest value: a smaller deviation is none
_FINEST = 2.0**-20  # deviations: optimisers see no less, as they would amplify units' rounding
_SMALLEST_REST = 1e-6  # of the deviation: what a trend leaves below this is the fit's rounding
_BOX_COX_OFFSET = 1.2  # shifts standardised data well into the positive numbers
_LARGEST_LAMBDA = 2.0
_SMALLEST_BASE = 1e-10  # keeps the inverse power real where a forecast leaves its domain
_LARGEST_EXPONENT = 3.0
_SHORTEST_FOR_TREND = 4
_DIFFERENCE = 1e-8  # of a, b and c, for the slope of the trend's fit
_OPTIONS = {"maxfun": 15_000 // 4}  # scipy's limit, of four sums in a call
_controller = cache(ThreadpoolController)


def _refuse(x: Series, what: str, *, least: int = 2) -> None:
    check_values(x[:, None], name=f"a context for {what}", least=least, moving=False)


def _rounded(x: Series) -> Series:
    return np.round(x / _FINEST) * _FINEST


@dataclass(frozen=True)
class Standardize:
    """``(x - mean) / scale`` per channel; ``scale`` is the sample deviation (n - 1).

    ``least`` is its smallest value. A constant channel is scaled by its size.

    >>> x = np.array([[1.0], [2.0], [3.0]])
    >>> scaled = Standardize.fit(x)
    >>> scaled.apply(x).ravel(), scaled.invert(np.array([[2.0]])).item()
    (array([-1.,  0.,  1.]), 4.0)
    """

    mean: Float[ndarray, " n"]
    scale: Float[ndarray, " n"]

    @classmethod
    def fit(cls, x: Series, *, least: float = 0.0) -> Standardize:
        """Mean and deviation of a context."""
        if len(x) < 2 or not np.isfinite(x).all():
            _refuse(x, "standardising")
        size = unit(x)
        y = np.ascontiguousarray(x.T) / size[:, None]
        # the bits of x.sum(axis=0), which adds step after step, several times as fast
        add = partial(np.add.reduce, keepdims=True) if len(y) == 1 else np.add.accumulate
        mean = add(y, axis=1)[:, -1] / len(x)
        y -= mean[:, None]
        y *= y
        deviation = np.sqrt(add(y, axis=1)[:, -1] / (len(x) - 1))
        scale = np.where(deviation > _ROUNDING, deviation, 1.0) * size
        return cls(mean * size, np.maximum(scale, least))

    def apply(self, x: Series, *, start: int = 1) -> Series:
        """``x`` in units of the context's deviation, its mean at 0."""
        return (x - self.mean) / self.scale

    def invert(self, y: Series, *, start: int = 1) -> Series:
        """``y`` in the data's units again."""
        return y * self.scale + self.mean


@dataclass(frozen=True)
class BoxCox:
    """``((x + offset)^lambda - 1) / lambda`` per channel, ``log`` for lambda = 0 (Box & Cox 1964).

    ``exponent`` is the maximum-likelihood lambda, clipped to [-2, 2]; 1 for a constant channel.
    ``offset`` is 1.2 for positive data, else ``|min| + 1.2``.

    >>> grown = np.exp(0.1 * np.arange(50.0))[:, None]
    >>> power = BoxCox.fit(grown)
    >>> power.offset, bool(np.allclose(power.invert(power.apply(grown)), grown))
    (array([1.2]), True)
    """

    exponent: Float[ndarray, " n"]
    offset: Float[ndarray, " n"]

    @classmethod
    def fit(cls, x: Series) -> BoxCox:
        """Offset and lambda of each channel of the context, of at least 2 steps."""
        if len(x) < 2 or not np.isfinite(x).all():
            _refuse(x, "a Box-Cox transform")
        x = _rounded(x)
        lowest = x.min(axis=0)
        offset = np.where(lowest > 0, _BOX_COX_OFFSET, np.abs(lowest) + _BOX_COX_OFFSET)
        exponents = [
            float(stats.boxcox_normmax(column, method="mle")) if np.ptp(column) > 0 else 1.0
            for column in (x + offset).T
        ]
        return cls(np.clip(exponents, -_LARGEST_LAMBDA, _LARGEST_LAMBDA), offset)

    def apply(self, x: Series, *, start: int = 1) -> Series:
        """``x`` transformed; NaN where it lies below ``-offset``."""
        return np.asarray(special.boxcox(x + self.offset, self.exponent))

    def invert(self, y: Series, *, start: int = 1) -> Series:
        """``y`` transformed back; outside the domain it is held at the domain's edge."""
        # a base held above zero bounds y by (base^lambda - 1) / lambda; special.inv_boxcox is then
        # defined everywhere, and inside the domain its argument is not touched
        edge = np.maximum(self.exponent * y + 1.0, _SMALLEST_BASE)
        power = np.where(self.exponent, self.exponent, 1.0)
        inside = np.where(self.exponent == 0.0, y, (edge - 1.0) / power)
        return np.asarray(special.inv_boxcox(inside, self.exponent)) - self.offset


def _squares_about_trend(y: Float[ndarray, " T"]) -> Callable[[ndarray], tuple[Any, ndarray]]:
    """A function of ``(a, b, c)``: the sum of squares, and its forward differences.

    The numbers are those of scipy's own differences. Their three sums need one power of t alone.
    """
    t, rest = np.arange(1.0, len(y) + 1.0), np.empty((4, len(y)))
    first, moved_a, moved_b, moved_c = rest

    def squares(p: ndarray) -> tuple[Any, ndarray]:
        near = p + _DIFFERENCE
        if near[1] > _LARGEST_EXPONENT:
            near[1] = p[1] - _DIFFERENCE
        if (near == p).any():  # too large a number to differ by so little
            larger = np.sqrt(np.finfo(np.float64).eps) * np.abs(p)
            near = np.where(near == p, p + np.copysign(larger, p), near)
        np.power(t, p[1], out=first)
        np.power(t, near[1], out=moved_b)
        np.multiply(first, near[0], out=moved_a)
        first[:], moved_b[:] = p[0] * first, p[0] * moved_b
        np.add(first, near[2], out=moved_c)
        rest[:3] += p[2]
        np.square(np.subtract(y, rest, out=rest), out=rest)
        sums = rest.sum(axis=1)
        return sums[0], (sums[1:] - sums[0]) / (near - p)

    return squares


@dataclass(frozen=True)
class PowerLawTrend:
    """The trend ``a t^b + c`` per channel, ``t = 1, 2, ...``, ``0 <= b <= 3``, subtracted.

    >>> line = 2.0 * np.arange(1.0, 101.0)[:, None] + 5.0
    >>> trend = PowerLawTrend.fit(line)
    >>> trend.invert(np.zeros((2, 1)), start=101).round(1).ravel()
    array([207., 209.])
    """

    a: Float[ndarray, " n"]
    b: Float[ndarray, " n"]
    c: Float[ndarray, " n"]

    @classmethod
    def fit(cls, x: Series, *, scaled: bool = False) -> PowerLawTrend:
        """Least squares from ``(0, 1, x_1)`` with L-BFGS-B; the context has at least 4 steps.

        The fit depends on the size of its numbers, so ``x`` is standardised unless ``scaled``.
        """
        if len(x) < _SHORTEST_FOR_TREND or not np.isfinite(x).all():
            _refuse(x, "a trend", least=_SHORTEST_FOR_TREND)
        if not scaled:
            own = Standardize.fit(x)
            trend = cls.fit(own.apply(x), scaled=True)
            return cls(own.scale * trend.a, trend.b, own.scale * trend.c + own.mean)
        how: dict[str, Any] = {"method": "L-BFGS-B", "jac": True, "options": _OPTIONS}
        how["bounds"] = [(None, None), (0.0, _LARGEST_EXPONENT), (None, None)]
        with _controller().limit(limits=1):  # with three unknowns, threads of BLAS only wait
            each = [
                optimize.minimize(_squares_about_trend(y), [0.0, 1.0, y[0]], **how).x
                for y in np.ascontiguousarray(_rounded(x).T)
            ]
        return cls(*np.stack(each, axis=1))

    def _at(self, start: int, steps: int) -> Series:
        t = np.arange(float(start), float(start + steps))
        return self.a * t[:, None] ** self.b + self.c

    def apply(self, x: Series, *, start: int = 1) -> Series:
        """Subtract the trend of ``t = start, start + 1, ...`` from ``x``."""
        return x - self._at(start, len(x))

    def invert(self, y: Series, *, start: int) -> Series:
        """Add the trend of ``t = start, start + 1, ...`` to ``y``."""
        return y + self._at(start, len(y))


def distant_mean(x: Series, *, beyond: float = 1e3) -> Float[ndarray, " n"]:
    """The mean of each channel that lies ``beyond`` so many deviations from zero; else 0."""
    own = Standardize.fit(x)
    return np.where(np.abs(own.mean) > beyond * own.scale, own.mean, 0.0)


Transform = Standardize | BoxCox | Season | PowerLawTrend


def fit_transforms(
    context: Series,
    *,
    standardize: bool,
    detrend: bool,
    box_cox: bool,
    seasons: Sequence[Sequence[int]] = (),
) -> tuple[Series, list[Transform]]:
    """Fit and apply the chosen transforms in the paper's order.

    ``context`` is one series ``(T, n)``, finite and varying in every channel. ``seasons`` are the
    periods of each channel, if there are any. The order is ``standardize``, ``box_cox``,
    ``seasons``, ``detrend``, and standardising again after one of these three. The result is the
    transformed context ``(T, n)``, and the fitted transforms in their order. It raises InputError
    if ``box_cox`` is set alone, or the context is too short for a trend.

    >>> context = np.exp(0.05 * np.arange(100.0))[:, None]
    >>> x, transforms = fit_transforms(context, standardize=True, detrend=True, box_cox=True)
    >>> [type(transform).__name__ for transform in transforms]
    ['Standardize', 'BoxCox', 'PowerLawTrend', 'Standardize']
    >>> bool(np.allclose(invert_transforms(x, transforms, start=1), context))
    True
    """
    if box_cox and not standardize:
        raise InputError(
            "box_cox needs standardize=True: powers of raw values lose the inverse's digits."
        )
    steps: list[tuple[bool, Callable[[Series], Transform]]] = [
        (standardize, Standardize.fit),
        (box_cox, BoxCox.fit),
        (any(seasons), partial(Season.of, periods=seasons)),
        (detrend, partial(PowerLawTrend.fit, scaled=standardize)),
        (
            standardize and (box_cox or detrend or any(seasons)),
            partial(Standardize.fit, least=_SMALLEST_REST),
        ),
    ]
    x, fitted = context, list[Transform]()
    for wanted, fit in steps:
        if wanted:
            fitted.append(fit(x))
            x = fitted[-1].apply(x)
    return x, fitted


def apply_transforms(values: Series, transforms: list[Transform], *, start: int = 1) -> Series:
    """Apply the fitted ``transforms`` to ``values`` that begin at time ``start``.

    It is the inverse of :func:`invert_transforms`. A value outside the domain of a transform is
    NaN.

    >>> line = np.arange(50.0)[:, None]
    >>> x, transforms = fit_transforms(line, standardize=True, detrend=True, box_cox=False)
    >>> bool(np.allclose(apply_transforms(line[20:], transforms, start=21), x[20:]))
    True
    """
    for transform in transforms:
        values = transform.apply(values, start=start)
    return values


def invert_transforms(forecast: Series, transforms: list[Transform], *, start: int) -> Series:
    """Undo the ``transforms`` of :func:`fit_transforms`, from the last to the first.

    ``forecast`` begins at time ``start``: the context begins at 1, its forecast at ``T_C + 1``.

    >>> line = np.arange(50.0)[:, None]
    >>> x, transforms = fit_transforms(line, standardize=False, detrend=True, box_cox=False)
    >>> invert_transforms(np.zeros((2, 1)), transforms, start=51).round(1).ravel()
    array([50., 51.])
    """
    for transform in reversed(transforms):
        forecast = transform.invert(forecast, start=start)
    return forecast
