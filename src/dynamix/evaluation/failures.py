"""Failures of long forecasts: a measure for each kind, and verdicts that turn measures into rates.

A forecast of a chaotic system need not stay correct for long, but it must remain a motion of that
system. Forecast, context and truth are ``(T,)`` or ``(T, N)``, with at least 4 steps, equal
channels and equal units. Context and truth must be finite. Lengths may differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view

from ..dynamics.invariants import correlation_dimension, largest_exponent
from ..errors import InputError, whole_number
from ..io.arrays import as_series
from ..io.scale import unit
from ..io.shapes import Float
from ..metrics.fates import fate, returns
from ..metrics.inputs import Points
from ..metrics.reconstruction import power_spectrum

MODES = {
    "parroting": "copies the context",
    "decay": "dies out",
    "no chaos": "a cycle or a torus where there is chaos",
    "lost": "frequencies lost",
    "invented": "frequencies invented",
    "drift": "leaves the range",
}
# conventions that turn measures into verdicts
LIMITS: dict[str, float] = {
    "stretch": 30,  # shortest copied stretch in steps
    "parroting": 0.5,  # fails by parroting: an index above this
    "amplitude": 0.1,  # by decay: less than this share of the context's deviation is left
    "chaos": 0.25,  # by no chaos: less than this share of the exponent of a chaotic truth
    "least_exponent": 0.001,  # per step; estimated exponents below this are no chaos
    "spectral_ratio": 0.1,  # a frequency is lost with less than this share of the truth's power
    "spectral_mass": 0.25,  # by lost or invented frequencies: with more than this share of power
    "margin": 0.1,  # steps outside lie beyond the range by more than this share of it
    "outside": 0.01,  # by drift: a larger share of steps outside
    "smoothing": 20,  # width in frequency bins of the spectra's smoothing
}
_STRETCH, _SMOOTHING = int(LIMITS["stretch"]), int(LIMITS["smoothing"])
_ROWS = 1000  # forecast windows compared with the whole context at once
_BACK = 0.01  # deviations within which a cycle comes back


def parroting_index(*, forecast: Any, context: Any, truth: Any, stretch: int = _STRETCH) -> float:
    """Similarity of a forecast to copies of its context: 1 for a copy, about 0 for none.

    ``d`` is :func:`copy_distance`, ``d*`` that of the true continuation: attractors recur.

    ``index = (I(d) - I(d*)) / (1 - I(d*))``, ``I(d) = mean_t max(0, 1 - d_t / median(d*))``,

    clipped to [0, 1]; 0 if the truth repeats the context, NaN if the forecast is not finite. Units
    and signs of channels have no effect. After Zhang & Gilpin (2025).
    """
    f, c, t = _alike(forecast=forecast, context=context, truth=truth)
    if not np.isfinite(f).all():
        return float("nan")
    mine, own = (copy_distance(forecast=y, context=c, stretch=stretch) for y in (f, t))
    middle = float(np.median(own))
    if middle < 1e-6:  # rounding
        return 0.0
    score, truths = (float(np.maximum(0.0, 1.0 - d / middle).mean()) for d in (mine, own))
    return float(np.clip((score - truths) / (1.0 - truths), 0.0, 1.0))


def copy_distance(*, forecast: Any, context: Any, stretch: int = _STRETCH) -> Float[ndarray, " _"]:
    """Distance of each forecast step from the best copy through it, in the context's deviations.

    The least root mean square distance, over the windows of ``stretch`` forecast steps that contain
    the step and all windows of the context. NaN near values that are not finite.
    """
    y, context = _alike(forecast=forecast, context=context)
    if min(len(y), len(context)) < whole_number("stretch", stretch):
        raise InputError(
            f"copies are measured in stretches of {stretch} steps, found lengths {len(y)} and "
            f"{len(context)}. Give longer series, or a shorter stretch."
        )
    y, context = y / _scale(context), context / _scale(context)
    middle = context.mean(axis=0)  # centred, so that the difference of squares loses few digits
    past, ahead = (
        sliding_window_view(v - middle, stretch, axis=0).reshape(len(v) - stretch + 1, -1)
        for v in (context, y)
    )
    squares = (past**2).sum(axis=1)
    nearest = np.empty(len(ahead))
    for i in range(0, len(ahead), _ROWS):
        part = ahead[i : i + _ROWS]
        nearest[i : i + _ROWS] = (squares - 2 * part @ past.T).min(axis=1) + (part**2).sum(axis=1)
    distance = np.sqrt(np.maximum(nearest, 0.0) / past.shape[1])
    # step t lies in the windows that begin at t - stretch + 1 .. t
    padded = np.pad(distance, stretch - 1, constant_values=np.inf)
    return sliding_window_view(padded, stretch).min(axis=1)


class Decay(NamedTuple):
    """The amplitude of a forecast, in deviations of the context; NaN if it is not finite."""

    remaining: float  # deviation of the last tenth; 1 is right
    rate: float  # exponential rate per step; positive if the forecast fades
    onset: float  # in steps; infinite if the forecast does not fade


def decay(*, forecast: Any, context: Any, window: int = 100) -> Decay:
    """Whether, when and how fast a forecast dies out, to the mean or to another fixed point.

    The envelope is the deviation in successive stretches of ``window`` steps. The onset is the
    first step after which it stays below the limit ``amplitude``. The rate is minus the slope of
    its logarithm before the onset.
    """
    f, c = _alike(forecast=forecast, context=context)
    window = min(whole_number("window", window), len(f))
    if not np.isfinite(f).all():
        return Decay(*[float("nan")] * 3)
    y = (f - c.mean(axis=0)) / _scale(c)
    last = y[-max(len(y) // 10, 1) :]
    parts = y[: len(y) // window * window].reshape(-1, window, y.shape[1])
    envelope = np.sqrt((parts.std(axis=1) ** 2).mean(axis=1))
    loud = np.flatnonzero(envelope >= LIMITS["amplitude"])
    faded_from = int(loud[-1]) + 1 if len(loud) else 0
    fading = np.maximum(envelope[: max(faded_from, min(2, len(envelope)))], 1e-12)
    steps = np.arange(len(fading)) * window
    slope = np.polyfit(steps, np.log(fading), 1)[0] if len(fading) > 1 else 0.0
    return Decay(
        remaining=float(np.sqrt((last.std(axis=0) ** 2).mean())),
        rate=float(-slope),
        onset=float(faded_from * window) if faded_from < len(envelope) else float("inf"),
    )


def cycle_period(*, forecast: Any) -> float:
    """Period, in steps, of a forecast whose last half repeats itself; NaN if it does not.

    It is the first lag with a return within 0.01 deviations, at most a quarter of the forecast. A
    cycle of :func:`dynamix.metrics.fate` returns at any lag.
    """
    (f,) = _alike(forecast=forecast)
    if not np.isfinite(f).all() or not np.ptp(f[len(f) // 2 :], axis=0).any():
        return float("nan")
    error = returns(f[len(f) // 2 :])
    away = np.flatnonzero(error > 1.0)
    back = away[0] + np.flatnonzero(error[away[0] :] < _BACK) if len(away) else away
    if not len(back):
        return float("nan")
    # a return is a dip some steps wide: take its minimum
    dip = back[: int(np.argmax(np.diff(back, append=back[-1] + 2) > 1)) + 1]
    return float(dip[np.argmin(error[dip])])


def spectral_failure(
    *, forecast: Any, truth: Any, smoothing: int = _SMOOTHING
) -> tuple[float, float]:
    """``(lost, invented)``: shares of power at frequencies that the other spectrum nearly lacks.

    Lost is the truth's power where the forecast has less than a tenth of it; invented is the
    reverse. Both spectra are in units of the truth's variance. The longer series is cut. NaN if the
    forecast is not finite.
    """
    f, t = _alike(forecast=forecast, truth=truth)
    f, t = f[: len(t)], t[: len(f)]
    if not np.isfinite(f).all():
        return float("nan"), float("nan")
    p = power_spectrum(t, smoothing=smoothing)
    variance = np.maximum(t.var(axis=0), 1e-300)
    with np.errstate(over="ignore"):
        q = power_spectrum(f, smoothing=smoothing) * (f.var(axis=0) / variance)
    total, ratio = q.sum(axis=0), LIMITS["spectral_ratio"]
    lost = np.where(q < ratio * p, p, 0.0).sum(axis=0)
    invented = np.where(p < ratio * q, q, 0.0).sum(axis=0) / np.where(total > 0, total, 1.0)
    return float(lost.mean()), float(invented.mean())


def outside_share(*, forecast: Any, context: Any, truth: Any) -> float:
    """Share of steps outside the range of context and truth by more than a tenth of that range.

    A step counts if any channel is outside or not finite. This *drift* is stricter than the
    *escape* of :func:`dynamix.metrics.fate`, whose box is five times as wide as the context.
    """
    f, c, t = _alike(forecast=forecast, context=context, truth=truth)
    seen = np.concatenate([c, t])
    low, high = seen.min(axis=0), seen.max(axis=0)
    slack = LIMITS["margin"] * (high - low)
    inside = ((f >= low - slack) & (f <= high + slack)).all(axis=1)
    return float(1.0 - inside.mean())


def examine(
    *,
    forecast: Any,
    context: Any,
    truth: Any,
    known: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Measure one forecast in every way of this module, and judge it.

    ``forecast``, ``context`` and ``truth`` are ``(T,)`` or ``(T, N)`` with at least 30 steps;
    ``known`` holds ``true_exponent`` and ``true_dimension`` of an earlier call on the same truth.
    The result holds the measures by name. Exponents are per step, the period and ``faded_from`` in
    steps. A measure that the forecast does not allow is NaN. ``"fails by MODE"`` for each of
    :data:`MODES` is True, False, or None if it does not apply: a truth without chaos cannot lose
    it, and what moves but has no exponent is not judged. A forecast that escapes or rests has no
    chaos either.

    Raises
    ------
    InputError
        If shapes do not fit, a series is too short, or context or truth is not finite.

    Examples
    --------
    A wave that dies out loses its power as well; there was no chaos to lose:

    >>> t = np.arange(2000)
    >>> x, fading = np.sin(t / 5), np.exp(-t / 200) * np.sin(t / 5)
    >>> found = examine(forecast=fading[:1000], context=x[:1000], truth=x[1000:])
    >>> [mode for mode in MODES if found[f"fails by {mode}"]], found["fails by no chaos"]
    (['decay', 'lost'], None)
    """
    f, c, t = _alike(forecast=forecast, context=context, truth=truth)
    nan = float("nan")
    three: dict[str, Any] = {"forecast": f, "context": c, "truth": t}
    end = str(fate(forecast=f, context=c))
    bounded = end != "escape"  # and so finite
    moves = bounded and end != "fixed point"
    fading = decay(forecast=f, context=c)
    lost, invented = spectral_failure(forecast=f, truth=t)
    if known is None:
        known = {"true_exponent": largest_exponent(t), "true_dimension": correlation_dimension(t)}
    found: dict[str, Any] = {
        "parroting_index": parroting_index(**three) if bounded else nan,
        "remaining": fading.remaining,
        "fading_rate": fading.rate,
        "faded_from": fading.onset,
        "exponent": largest_exponent(f) if moves else nan,
        "true_exponent": known["true_exponent"],
        "dimension": correlation_dimension(f) if moves else 0.0 if bounded else nan,
        "true_dimension": known["true_dimension"],
        "period": cycle_period(forecast=f) if moves else nan,
        "lost": lost,
        "invented": invented,
        "outside": outside_share(**three),
        "fate": end,
    }
    own, true = found["exponent"], found["true_exponent"]
    tame: bool | None = own <= LIMITS["chaos"] * true
    if not moves or end == "cycle":
        tame = True  # what runs away or rests has no chaos left
    elif np.isnan(own):
        tame = None
    verdicts: dict[str, bool | None] = {
        "parroting": found["parroting_index"] > LIMITS["parroting"],
        "decay": bounded and fading.remaining < LIMITS["amplitude"],
        "no chaos": tame if true > LIMITS["least_exponent"] else None,
        "lost": not lost <= LIMITS["spectral_mass"],
        "invented": not invented <= LIMITS["spectral_mass"],
        "drift": end == "escape" or found["outside"] > LIMITS["outside"],
    }
    return found | {f"fails by {mode}": verdict for mode, verdict in verdicts.items()}


def _scale(context: Points) -> Float[ndarray, " N"]:
    deviation = context.std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)


def _alike(**series: Any) -> tuple[Points, ...]:
    """The series by name as ``(T, N)`` each, with the same channels."""
    found = [as_series(x, name=n, least=4, finite=n != "forecast") for n, x in series.items()]
    if {x.shape[1] for x in found} != {1} or len({x.shape[2] for x in found}) > 1:
        raise InputError(
            f"{', '.join(series)} must be single series with the same channels, found "
            f"{', '.join(str(x.shape[2]) for x in found)}."
        )
    size = unit(found[-1][:, 0])  # of the truth, or else of the context
    with np.errstate(over="ignore"):  # a forecast that far away has diverged
        return tuple(x[:, 0] / size for x in found)
