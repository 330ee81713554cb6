"""Checks of a series: reasons not to trust a forecast of it.

Each check takes one channel ``(T,)`` on a regular grid, in any unit, and returns one
:class:`Finding`, also where nothing is wrong. The limits, from
:class:`dynamix.report.limits.ReportConfig`, are rules of thumb.
"""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy import ndarray
from scipy import ndimage, signal
from scipy.spatial import cKDTree

from ..io.scale import unit
from ..io.shapes import Float
from ..preprocessing.periods import decorrelation_time, dominant_period
from ..preprocessing.resampling import runs
from .limits import ReportConfig

Severity = Literal["fine", "note", "warning", "serious"]
SEVERITIES: tuple[Severity, ...] = ("fine", "note", "warning", "serious")
Channel = Float[ndarray, " T"]
Found = TypeVar("Found")

_LIMITS = ReportConfig()
_WORDS = tomllib.loads(Path(__file__).with_name("findings.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Finding:
    """What one check found in one channel; ``number`` decided the severity."""

    check: str
    severity: Severity
    number: float
    found: str
    channel: str = ""  # named only in a report of several
    own_advice: str = ""  # in place of the check's usual advice

    @property
    def label(self) -> str:
        """The check, and its channel if that is named."""
        return f"{self.check} of {self.channel}" if self.channel else self.check

    @property
    def bad(self) -> bool:
        """Whether the finding is a reason not to trust the forecast."""
        return self.severity in ("warning", "serious")

    @property
    def why(self) -> str:
        """Why the finding matters."""
        return str(_WORDS[self.check]["why"])

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self.own_advice or str(_WORDS[self.check]["advice"])


def graded(
    value: float | int, note: float | int, warning: float | int, serious: float | int
) -> Severity:
    """The severity of a value by three rising or falling limits; NaN reaches none."""
    sign = 1.0 if serious >= note else -1.0
    return SEVERITIES[sum(sign * value >= sign * limit for limit in (note, warning, serious))]


def deviation(x: Channel) -> float:
    """The deviation of a channel; 1 for a constant one."""
    return float(x.std()) or 1.0


def worst(*severities: Severity) -> Severity:
    """The most serious of several severities."""
    return max(severities, key=SEVERITIES.index)


def in_its_unit(check: Callable[[Channel], Found]) -> Callable[[Channel], Found]:
    """The check of a channel over its size; so squares neither overflow nor vanish."""

    @wraps(check)
    def scaled(x: Channel) -> Found:
        return check(x / unit(x))

    return scaled


@in_its_unit
def check_length(x: Channel) -> Finding:
    """Steps and oscillations in the context; the number is the count of dominant oscillations."""
    period = dominant_period(x[:, None], by="spectrum")
    count = len(x) / period
    severity = worst(graded(count, *_LIMITS.oscillations), graded(len(x), *_LIMITS.steps))
    found = f"{len(x)} steps, about {count:.1f} oscillations of {period:.1f} steps"
    return Finding("length", severity, count, found)


@in_its_unit
def check_sampling(x: Channel) -> Finding:
    """Points per oscillation, compared with training; the number is the period in steps."""
    period = dominant_period(x[:, None], by="spectrum")
    low, high = _LIMITS.trained_points
    severity = worst(
        graded(period, low, low / 2, _LIMITS.fewest_points),
        graded(period, high, 2 * high, 8 * high),
    )
    side = "within" if low <= period <= high else "outside"
    factor = period / np.sqrt(low * high)
    found = (
        f"{period:.1f} points per dominant oscillation, {side} the {low:g} to {high:g} of training"
    )
    advice = ""
    if period > high:
        advice = f"average over {max(2, round(factor))} steps: a longer past fits in the context"
    elif period < low:
        advice = "take data with a finer step if there are any; interpolating adds nothing"
    return Finding("sampling", severity, period, found, own_advice=advice)


@in_its_unit
def check_stationarity(x: Channel) -> Finding:
    """Compare mean and spread of the halves; the number is the mean's shift in deviations.

    With statsmodels, a KPSS test that rejects stationarity at 5 % turns "fine" into a note.
    """
    halves = np.array_split(x, 2)
    spread = np.array([half.std() for half in halves])
    inside = np.sqrt((spread**2).mean()) or 1.0
    shift = abs(halves[1].mean() - halves[0].mean()) / inside
    ratio = float(spread.max() / spread.min()) if spread.min() > 0 else np.inf
    severity = worst(graded(shift, *_LIMITS.shift), graded(ratio, *_LIMITS.spread))
    text = f"the mean moves by {shift:.2f} deviations between the halves, the spread by {ratio:.2f}"
    p = _kpss(x)
    if p is not None:
        text += f"; KPSS p {'<=' if p <= 0.01 else '>=' if p >= 0.1 else '='} {p:.2f}"
        if p < 0.05 and severity == "fine":
            severity = "note"
    return Finding("stationarity", severity, float(shift), text)


def _kpss(x: Channel) -> float | None:
    """p-value of level stationarity, between 0.01 and 0.1; None without statsmodels."""
    try:
        from statsmodels.tsa.stattools import kpss
    except ImportError:  # an optional extra
        return None
    with warnings.catch_warnings():  # of a p-value beyond its table
        warnings.simplefilter("ignore")
        return float(kpss(x, regression="c", nlags="auto")[1])


@in_its_unit
def check_constant(x: Channel) -> Finding:
    """The longest stretch of equal values; the number is its share of all steps."""
    longest = max((end - begin for begin, end in runs(np.diff(x) == 0)), default=0) + 1
    share = longest / len(x)
    severity = graded(share, *_LIMITS.constant) if longest > _LIMITS.still_steps else "fine"
    found = f"at most {longest} equal values in a row ({share:.1%} of the context)"
    return Finding("constant stretches", severity, share, found)


@in_its_unit
def check_repeats(x: Channel) -> Finding:
    """Stretches that occur twice to the ninth digit; the number is the share of such windows."""
    length, share = _LIMITS.repeat_steps, 0.0
    if len(x) > 2 * length:
        # rounded, since a copy of an invented cycle differs in its last bits
        values = np.round((x - x.mean()) / deviation(x), 9)
        windows = np.lib.stride_tricks.sliding_window_view(values, length)
        # windows that mostly stand still belong to check_constant
        varied = windows[(np.abs(np.diff(windows, axis=1)) > 0).sum(axis=1) >= length // 2]
        known, counts = np.unique(varied, axis=0, return_counts=True)
        share = float(counts[counts > 1].sum()) / len(windows) if len(known) else 0.0
    found = f"{share:.1%} of all stretches of {length} steps occur more than once, digit by digit"
    return Finding("copied stretches", graded(share, *_LIMITS.repeats), share, found)


@in_its_unit
def check_resolution(x: Channel) -> Finding:
    """The step between neighbouring distinct values; the number is its median in deviations."""
    values = np.unique(x)
    step = float(np.median(np.diff(values)) / deviation(x)) if len(values) > 1 else np.inf
    found = f"{len(values)} distinct values, about {step:.2g} deviations apart"
    return Finding("resolution", graded(step, *_LIMITS.resolution), step, found)


@in_its_unit
def check_outliers(x: Channel) -> Finding:
    """Single values far from the running median of five steps; the number is their share."""
    residual = x - ndimage.median_filter(x, size=5, mode="nearest")
    usual = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    far = (np.abs(residual) > _LIMITS.outlier * usual) & (np.abs(residual) > x.std())
    share = float(far.mean())
    found = f"{int(far.sum())} of {len(x)} values stand alone, far from those around them"
    return Finding("outliers", graded(share, *_LIMITS.outliers), share, found)


@in_its_unit
def unpredictable_share(x: Channel) -> float:
    """One-step error of nearest neighbours over the series' deviation, between 0 and about 1.

    A state has three delayed values. Its next value is predicted by the mean over its four nearest
    states beyond the decorrelation time (Farmer & Sidorowich 1987). 0: the past determines the next
    step; 1: the past does not help to predict it; NaN: there are too few states.
    """
    near = decorrelation_time(x[:, None])
    delay = max(1, min(near, len(x) // 8))
    states = np.column_stack([x[2 * delay - d : len(x) - 1 - d] for d in (0, delay, 2 * delay)])
    if len(states) < 2 * near + 24:
        return float("nan")
    following, wanted = x[2 * delay + 1 :], 4
    _, found = cKDTree(states).query(states, k=min(len(states), wanted + 2 * near + 1))
    allowed = np.abs(found - np.arange(len(states))[:, None]) > near
    first = allowed & (np.cumsum(allowed, axis=1) <= wanted)
    guess = (following[found] * first).sum(axis=1) / first.sum(axis=1)
    error = np.sqrt(np.mean((guess - following) ** 2) / (1.0 + 1.0 / wanted))
    return float(error / deviation(x))


@in_its_unit
def check_noise(x: Channel) -> Finding:
    """The number is :func:`unpredictable_share`; the floor of the spectrum is only reported."""
    share = unpredictable_share(x)
    power = np.abs(np.fft.rfft(signal.detrend(x) * np.hanning(len(x)))) ** 2
    # white noise at the height of the spectrum's upper half: its share of the variance
    floor = min(1.0, float(np.median(power[len(power) // 2 :]) * len(power) / power.sum() / 0.69))
    found = f"a white floor holds about {floor:.1%} of the variance"
    if np.isfinite(share):
        found = f"nearest neighbours miss the next step by {share:.2f} deviations; {found}"
    severity = graded(share, *_LIMITS.noise) if np.isfinite(share) else "note"
    return Finding("noise", severity, share, found)


CHECKS: tuple[Callable[[Channel], Finding], ...] = (
    check_length,
    check_sampling,
    check_stationarity,
    check_constant,
    check_repeats,
    check_resolution,
    check_outliers,
    check_noise,
)
