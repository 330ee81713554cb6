"""What in a series speaks against trusting a forecast of it, check by check.

Each check looks at one channel ``(T,)`` of a context on a regular grid, in any unit, and returns
one :class:`Finding`, also where nothing is wrong. The limits of the severities are rules of thumb
from :class:`dynamix.settings.ReportConfig`; they tell where to look and prove nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import ndimage, signal
from scipy.spatial import cKDTree

from ..preprocessing.periods import decorrelation_time, dominant_period
from ..settings import ReportConfig

Severity = Literal["fine", "note", "warning", "serious"]
SEVERITIES: tuple[Severity, ...] = ("fine", "note", "warning", "serious")
Channel = Float[ndarray, " T"]

_LIMITS = ReportConfig()
_TINY = 1e-12


@dataclass(frozen=True)
class Finding:
    """What one check found in one channel of a context.

    Attributes
    ----------
    check
        The check's name; in a report of several channels the channel's name follows.
    severity
        ``"fine"``, ``"note"``, ``"warning"`` or ``"serious"``.
    number
        The number that decided ``severity``, in the unit of the check; NaN where it could not be
        measured.
    found, why, advice
        What was found, why it matters and what to do, in words.

    Examples
    --------
    >>> finding = check_length(np.sin(2 * np.pi * np.arange(1000) / 100))
    >>> finding.severity, finding.bad, finding.found
    ('note', False, '1000 steps, about 10.0 oscillations of 100.0 steps')
    """

    check: str
    severity: Severity
    number: float
    found: str
    why: str
    advice: str

    @property
    def bad(self) -> bool:
        """Whether it speaks against the forecast."""
        return self.severity in ("warning", "serious")


def graded(
    value: float | int, note: float | int, warning: float | int, serious: float | int
) -> Severity:
    """The severity of a value by three limits, which rise, or fall where less is worse.

    A value at a limit has reached it; NaN reaches none.
    """
    sign = 1.0 if serious >= note else -1.0
    passed = [sign * value >= sign * limit for limit in (note, warning, serious)]
    return SEVERITIES[sum(passed)]


def check_length(x: Channel) -> Finding:
    """Steps and oscillations in the context; the number is the count of dominant oscillations."""
    period = dominant_period(x[:, None], by="spectrum")
    count = len(x) / period
    severity = max(
        graded(count, *_LIMITS.oscillations),
        graded(len(x), *_LIMITS.steps),
        key=SEVERITIES.index,
    )
    return Finding(
        "length",
        severity,
        count,
        f"{len(x)} steps, about {count:.1f} oscillations of {period:.1f} steps",
        "long-term behaviour can only be read from a context that shows it several times",
        "give a longer record, or a coarser step if the oscillations are slow",
    )


def check_sampling(x: Channel) -> Finding:
    """Points per oscillation, compared with training; the number is the period in steps."""
    period = dominant_period(x[:, None], by="spectrum")
    low, high = _LIMITS.trained_points
    severity = max(
        graded(period, low, low / 2, _LIMITS.fewest_points),
        graded(period, high, 2 * high, 8 * high),
        key=SEVERITIES.index,
    )
    side = "within" if low <= period <= high else "outside"
    factor = period / np.sqrt(low * high)
    advice = "none needed"
    if period > high:
        advice = f"average over {max(2, round(factor))} steps: a longer past fits in the context"
    elif period < low:
        advice = "take data with a finer step if there are any; interpolating adds nothing"
    return Finding(
        "sampling",
        severity,
        period,
        f"{period:.1f} points per dominant oscillation, {side} the {low:g} to {high:g} of training",
        "a step of the model is a step of the data; it has learned steps of a certain size",
        advice,
    )


def check_stationarity(x: Channel) -> Finding:
    """Mean and spread of the first half against the second's, and a KPSS test with statsmodels.

    The number is the shift of the mean in standard deviations within a half. The severity is the
    worse of the shift's and of the ratio's of the two deviations. A test that rejects level
    stationarity at 5 % (Kwiatkowski et al. 1992) turns "fine" into a note.
    """
    halves = np.array_split(x, 2)
    spread = np.array([half.std() for half in halves])
    inside = np.sqrt((spread**2).mean()) + _TINY
    shift = abs(halves[1].mean() - halves[0].mean()) / inside
    ratio = float((spread.max() + _TINY) / (spread.min() + _TINY))
    severity = max(
        graded(shift, *_LIMITS.shift), graded(ratio, *_LIMITS.spread), key=SEVERITIES.index
    )
    text = f"the mean moves by {shift:.2f} deviations between the halves, the spread by {ratio:.2f}"
    p = _kpss(x)
    if p is not None:
        text += f"; KPSS p {'<=' if p <= 0.01 else '>=' if p >= 0.1 else '='} {p:.2f}"
        if p < 0.05 and severity == "fine":
            severity = "note"
    return Finding(
        "stationarity",
        severity,
        float(shift),
        text,
        "the model continues the dynamics of its context and knows no drift of the rules",
        "try detrend=True, a shorter and more recent context, or differences",
    )


def _kpss(x: Channel) -> float | None:
    """p-value of level stationarity, between 0.01 and 0.1; None without statsmodels."""
    try:
        from statsmodels.tsa.stattools import kpss
    except ImportError:  # an optional extra
        return None
    with warnings.catch_warnings():  # of a p-value beyond its table
        warnings.simplefilter("ignore")
        return float(kpss(x, regression="c", nlags="auto")[1])


def check_constant(x: Channel) -> Finding:
    """The longest stretch of equal values; the number is its share of all steps."""
    still = np.concatenate([[False], np.diff(x) == 0, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(still))
    longest = int((edges[1::2] - edges[::2]).max()) + 1 if len(edges) else 1
    share = longest / len(x)
    severity = graded(share, *_LIMITS.constant) if longest > _LIMITS.still_steps else "fine"
    return Finding(
        "constant stretches",
        severity,
        share,
        f"at most {longest} equal values in a row ({share:.1%} of the context)",
        "a stuck sensor or a filled gap is no dynamics, and a forecast may learn to stand still",
        "cut the stretch out, or mark it as missing",
    )


def check_repeats(x: Channel) -> Finding:
    """Stretches that occur twice to the last digit; the number is the share of such windows.

    The channel is standardised and rounded to nine digits. Windows that mostly stand still are left
    to :func:`check_constant`.
    """
    length = _LIMITS.repeat_steps
    if len(x) <= 2 * length:
        share = 0.0
    else:
        # rounded, since a copy of an invented cycle differs in its last bits
        values = np.round((x - x.mean()) / (x.std() + _TINY), 9)
        windows = np.lib.stride_tricks.sliding_window_view(values, length)
        varied = windows[(np.abs(np.diff(windows, axis=1)) > 0).sum(axis=1) >= length // 2]
        known, counts = np.unique(varied, axis=0, return_counts=True)
        share = float(counts[counts > 1].sum()) / len(windows) if len(known) else 0.0
    return Finding(
        "copied stretches",
        graded(share, *_LIMITS.repeats),
        share,
        f"{share:.1%} of all stretches of {length} steps occur more than once, digit by digit",
        "measured values do not repeat exactly: copies fill gaps, or the series is made up",
        "find out where the copies come from; forecasts of exact cycles look better than they are",
    )


def check_resolution(x: Channel) -> Finding:
    """The step between neighbouring distinct values; the number is its median in deviations."""
    values = np.unique(x)
    step = float(np.median(np.diff(values))) / (x.std() + _TINY) if len(values) > 1 else np.inf
    return Finding(
        "resolution",
        graded(step, *_LIMITS.resolution),
        step,
        f"{len(values)} distinct values, about {step:.2g} deviations apart",
        "rounding is noise that hides small changes, on which chaos depends",
        "use unrounded data; smoothing before the forecast helps a little",
    )


def check_outliers(x: Channel) -> Finding:
    """Single values far from their neighbours' running median; the number is their share.

    An outlier lies further from the median of five steps than ``outlier`` robust deviations of all
    such distances, and further than one standard deviation of the channel.
    """
    residual = x - ndimage.median_filter(x, size=5, mode="nearest")
    usual = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    far = (np.abs(residual) > _LIMITS.outlier * usual) & (np.abs(residual) > x.std())
    share = float(far.mean())
    return Finding(
        "outliers",
        graded(share, *_LIMITS.outliers) if share > 0 else "fine",
        share,
        f"{int(far.sum())} of {len(x)} values stand alone, far from those around them",
        "an outlier stretches the scale and is a state that the system was never in",
        "replace wrong values by missing ones; leave spikes that belong to the system",
    )


def unpredictable_share(x: Channel) -> float:
    """One-step error of nearest neighbours over the series' deviation, between 0 and about 1.

    The next value of each state in a delay embedding of three dims is predicted as the mean over
    its four nearest states that are further away in time than the decorrelation time (Farmer &
    Sidorowich 1987). 0: the past determines the next step; 1: it says nothing about it. NaN where
    there are too few states.
    """
    near = decorrelation_time(x[:, None])
    delay = max(1, min(near, len(x) // 8))
    states = np.column_stack([x[2 * delay - d : len(x) - 1 - d] for d in (0, delay, 2 * delay)])
    if len(states) < 2 * near + 24:
        return float("nan")
    following = x[2 * delay + 1 :]
    wanted = 4
    asked = min(len(states), wanted + 2 * near + 1)
    _, found = cKDTree(states).query(states, k=asked)
    allowed = np.abs(found - np.arange(len(states))[:, None]) > near
    first = allowed & (np.cumsum(allowed, axis=1) <= wanted)
    guess = (following[found] * first).sum(axis=1) / first.sum(axis=1)
    error = np.sqrt(np.mean((guess - following) ** 2) / (1.0 + 1.0 / wanted))
    return float(error / (x.std() + _TINY))


def check_noise(x: Channel) -> Finding:
    """The error of nearest neighbours, and the floor of the spectrum.

    The number is :func:`unpredictable_share`. The floor is only reported: the share of the variance
    that white noise at the height of the spectrum's upper half would hold.
    """
    share = unpredictable_share(x)
    power = np.abs(np.fft.rfft(signal.detrend(x) * np.hanning(len(x)))) ** 2
    floor = min(1.0, float(np.median(power[len(power) // 2 :]) * len(power) / power.sum() / 0.69))
    found = f"a white floor holds about {floor:.1%} of the variance"
    if np.isfinite(share):
        found = f"nearest neighbours miss the next step by {share:.2f} deviations; {found}"
    return Finding(
        "noise",
        graded(share, *_LIMITS.noise) if np.isfinite(share) else "note",
        share,
        found,
        "the model was trained on systems without noise; what cannot be foreseen it must invent",
        "smooth or average before forecasting, and read the fan rather than the line",
    )


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
