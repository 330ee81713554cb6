"""How forecasts fail: one measure for each way, and verdicts that make rates of the measures.

A forecast of a chaotic system need not stay correct for long, but it must remain a motion of that
system. It fails if it copies the context, dies out, becomes a cycle, loses or invents frequencies,
or leaves the range. Every measure compares a forecast with the score of the true continuation.
Series are ``(T,)`` or ``(T, N)`` with at least 4 steps, the same channels and units; their lengths
may differ. An InputError is raised for other shapes, and for a context or truth that is not finite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import minimum_filter1d

from ..dynamics.invariants import correlation_dimension, largest_exponent
from ..errors import InputError, whole_number
from ..io.arrays import as_series
from ..metrics.fates import fate, returns
from ..metrics.inputs import Points
from ..metrics.reconstruction import power_spectrum
from ..settings import setting, settings

MODES = {
    "parroting": "copies the context",
    "decay": "dies out",
    "no chaos": "a cycle or a torus where there is chaos",
    "lost": "frequencies lost",
    "invented": "frequencies invented",
    "drift": "leaves the range",
}
_ROWS = 1000  # forecast windows compared with the whole context at once


def _share(default: float, help: str) -> Any:
    return setting(default, help, at_least=0, at_most=1)


@settings
class FailureConfig:
    """Thresholds from which a measured property of a forecast counts as a failure.

    The thresholds are conventions that turn measures into rates. The measures are stored, too.
    """

    stretch: int = setting(30, "shortest copied stretch in steps", at_least=2)
    parroting: float = _share(0.5, "a parroting index above this is a failure")
    amplitude: float = _share(
        0.1, "a deviation in the last tenth below this share of the context's is a failure"
    )
    chaos: float = _share(
        0.25, "an exponent below this share of the truth's is a failure, where the truth is chaotic"
    )
    least_exponent: float = _share(
        1e-3, "estimated exponents per step below this do not count as chaos"
    )
    spectral_ratio: float = _share(
        0.1, "a frequency is lost if less than this share of the truth's power is left"
    )
    spectral_mass: float = _share(0.25, "lost or invented power above this share is a failure")
    margin: float = _share(0.1, "steps outside lie beyond the range by more than this share of it")
    outside: float = _share(0.01, "a larger share of steps outside is a failure")
    smoothing: int = setting(20, "width in frequency bins of the spectra's smoothing", at_least=0)


_DEFAULT = FailureConfig()


def parroting_index(
    *, forecast: Any, context: Any, truth: Any, stretch: int = _DEFAULT.stretch
) -> float:
    """How much of a forecast is a copy of its context: 1 for a parrot, about 0 for none.

    With the distance ``d`` of :func:`copy_distance` in windows of ``stretch`` steps, and the true
    continuation's own distance ``d*``, which sets the scale because attractors recur,

    ``index = (I(d) - I(d*)) / (1 - I(d*))``, ``I(d) = mean_t max(0, 1 - d_t / median(d*))``,

    clipped to [0, 1]. Scaling, shifting, mirroring or exchanging channels has no effect. 0 where
    the truth itself repeats the context; NaN where the forecast is not finite. After Zhang & Gilpin
    (2025).

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(600, 1)).cumsum(axis=0)
    >>> float(parroting_index(forecast=x[100:250], context=x[:300], truth=x[300:]))
    1.0
    """
    f, c, t = _alike(forecast=forecast, context=context, truth=truth)
    own = _copy_distance(t, c, stretch)
    if not np.isfinite(f).all():
        return float("nan")
    mine, middle = _copy_distance(f, c, stretch), float(np.median(own))
    if middle < 1e-6:  # rounding
        return 0.0
    score, truths = (float(np.maximum(0.0, 1.0 - d / middle).mean()) for d in (mine, own))
    return float(np.clip((score - truths) / (1.0 - truths), 0.0, 1.0))


def copy_distance(
    *, forecast: Any, context: Any, stretch: int = _DEFAULT.stretch
) -> Float[ndarray, " _"]:
    """Distance of each forecast step from the best copy through it, in the context's deviations.

    The smallest root mean square distance, over steps and channels, between a window of ``stretch``
    forecast steps that holds the step and any window of the context. 0 where a forecast copies its
    context; NaN near values that are not finite.

    Examples
    --------
    The first ten steps are the context's, the others are far above it:

    >>> context = np.random.default_rng(0).normal(size=100)
    >>> forecast = np.concatenate([context[40:50], np.full(10, 9.0)])
    >>> distance = copy_distance(forecast=forecast, context=context, stretch=5)
    >>> distance.shape, bool(distance[:10].max() < 1e-6), bool(distance[10:].min() > 1)
    ((20,), True, True)
    """
    return _copy_distance(*_alike(forecast=forecast, context=context), stretch)


def _copy_distance(y: Points, context: Points, stretch: int) -> Float[ndarray, " _"]:
    if min(len(y), len(context)) < whole_number("stretch", stretch):
        raise InputError(
            f"copies are measured in stretches of {stretch} steps, found lengths {len(y)} and "
            f"{len(context)}. Give longer series, or a shorter stretch."
        )
    y, context = y / _scale(context), context / _scale(context)
    middle = context.mean(axis=0)  # centred, so that the difference of squares loses few digits
    past, ahead = (
        np.lib.stride_tricks.sliding_window_view(v - middle, stretch, axis=0).reshape(
            len(v) - stretch + 1, -1
        )
        for v in (context, y)
    )
    squares = (past**2).sum(axis=1)
    nearest = np.empty(len(ahead))
    for i in range(0, len(ahead), _ROWS):
        part = ahead[i : i + _ROWS]
        nearest[i : i + _ROWS] = (squares - 2 * part @ past.T).min(axis=1) + (part**2).sum(axis=1)
    distance = np.sqrt(np.maximum(nearest, 0.0) / past.shape[1])
    # step t lies in the windows that begin at t - stretch + 1 .. t
    padded = np.concatenate([distance, np.full(stretch - 1, np.inf)])
    return minimum_filter1d(
        padded, stretch, origin=(stretch - 1) // 2, mode="constant", cval=np.inf
    )


class Decay(NamedTuple):
    """The amplitude of a forecast, in deviations of the context; NaN where it is not finite."""

    remaining: float  # deviation of the last tenth; 1 is right
    rate: float  # exponential rate per step of the envelope; positive where it fades
    onset: float  # first step from which it stays faded; infinite where it never does
    offset: float  # distance of its end from the context's mean


def decay(
    *, forecast: Any, context: Any, amplitude: float = _DEFAULT.amplitude, window: int = 100
) -> Decay:
    """Whether, when and how fast a forecast dies out, to the mean or to another fixed point.

    The envelope is the deviation in stretches of ``window`` steps (root mean square over channels,
    each in the context's deviations). The rate is minus the slope of its logarithm, by least
    squares, up to the onset, from which it stays below ``amplitude``.

    Examples
    --------
    >>> t = np.arange(4000)
    >>> found = decay(forecast=np.exp(-t / 500) * np.sin(t / 5), context=np.sin(t[:500] / 5))
    >>> round(1 / found.rate), found.remaining < 0.1
    (500, True)
    """
    f, c = _alike(forecast=forecast, context=context)
    window = min(whole_number("window", window), len(f))
    if not np.isfinite(f).all():
        return Decay(*[float("nan")] * 4)
    y = (f - c.mean(axis=0)) / _scale(c)
    last = y[-max(len(y) // 10, 1) :]
    parts = y[: len(y) // window * window].reshape(-1, window, y.shape[1])
    envelope = np.sqrt((parts.std(axis=1) ** 2).mean(axis=1))
    loud = np.flatnonzero(envelope >= amplitude)
    faded_from = int(loud[-1]) + 1 if len(loud) else 0
    fading = np.maximum(envelope[: max(faded_from, min(2, len(envelope)))], 1e-12)
    steps = np.arange(len(fading)) * window
    slope = np.polyfit(steps, np.log(fading), 1)[0] if len(fading) > 1 else 0.0
    return Decay(
        remaining=float(np.sqrt((last.std(axis=0) ** 2).mean())),
        rate=float(-slope),
        onset=float(faded_from * window) if faded_from < len(envelope) else float("inf"),
        offset=float(np.sqrt((last.mean(axis=0) ** 2).mean())),
    )


def cycle_period(*, forecast: Any, tolerance: float = 0.01) -> float:
    """The period, in steps, of a forecast whose last half repeats itself; NaN where it does not.

    The first lag at which the last half returns within ``tolerance`` deviations. Periods of up to a
    quarter of the forecast are found.

    Examples
    --------
    >>> cycle_period(forecast=np.sin(2 * np.pi * np.arange(2000) / 40))
    40.0
    >>> cycle_period(forecast=np.random.default_rng(0).normal(size=2000))
    nan
    """
    (f,) = _alike(forecast=forecast)
    if not np.isfinite(f).all() or not np.ptp(f[len(f) // 2 :], axis=0).any():
        return float("nan")
    error = returns(f[len(f) // 2 :])
    away = np.flatnonzero(error > 1.0)
    back = away[0] + np.flatnonzero(error[away[0] :] < tolerance) if len(away) else away
    if not len(back):
        return float("nan")
    # a return is a dip some steps wide: take its minimum
    dip = back[: int(np.argmax(np.diff(back, append=back[-1] + 2) > 1)) + 1]
    return float(dip[np.argmin(error[dip])])


def spectral_failure(
    *,
    forecast: Any,
    truth: Any,
    ratio: float = _DEFAULT.spectral_ratio,
    smoothing: int = _DEFAULT.smoothing,
) -> tuple[float, float]:
    """``(lost, invented)``: shares of power at frequencies that the other spectrum nearly lacks.

    Lost is the truth's power where the forecast has less than ``ratio`` of it; invented is the
    forecast's power where the truth has less than ``ratio`` of it. Spectra are those of
    :func:`dynamix.metrics.power_spectrum` with its ``smoothing``, the forecast's in units of the
    truth's variance; shares are a mean over channels. The longer series is cut. NaN where the
    forecast is not finite.

    Examples
    --------
    >>> t = np.arange(4000)
    >>> slow, fast = np.sin(t / 20), np.sin(t / 3)
    >>> np.round(spectral_failure(forecast=slow, truth=slow + fast, smoothing=2), 1).tolist()
    [0.5, 0.0]
    """
    f, t = _alike(forecast=forecast, truth=truth)
    n = min(len(f), len(t))
    f, t = f[:n], t[:n]
    if not np.isfinite(f).all():
        return float("nan"), float("nan")
    p = power_spectrum(t, smoothing=smoothing)
    variance = np.maximum(t.var(axis=0), 1e-300)
    with np.errstate(over="ignore"):
        q = power_spectrum(f, smoothing=smoothing) * (f.var(axis=0) / variance)
    total = q.sum(axis=0)
    lost = np.where(q < ratio * p, p, 0.0).sum(axis=0)
    invented = np.where(p < ratio * q, q, 0.0).sum(axis=0) / np.where(total > 0, total, 1.0)
    return float(lost.mean()), float(invented.mean())


def outside_share(
    *, forecast: Any, context: Any, truth: Any, margin: float = _DEFAULT.margin
) -> float:
    """Share of forecast steps beyond the range of context and truth by ``margin`` of that range.

    A step counts if any channel is out, or is not finite.

    Examples
    --------
    With a margin of 0.1 the range 0 to 1 ends at 1.1:

    >>> seen = np.linspace(0, 1, 11)
    >>> outside_share(forecast=[0.5, 1.05, 1.2, np.nan], context=seen, truth=seen, margin=0.1)
    0.5
    """
    f, c, t = _alike(forecast=forecast, context=context, truth=truth)
    seen = np.concatenate([c, t])
    low, high = seen.min(axis=0), seen.max(axis=0)
    slack = margin * (high - low)
    with np.errstate(invalid="ignore"):
        inside = ((f >= low - slack) & (f <= high + slack)).all(axis=1)
    return float(1.0 - inside.mean())


def examine(
    *,
    forecast: Any,
    context: Any,
    truth: Any,
    config: FailureConfig | None = None,
    known: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Every measure of this module on one forecast, and the verdicts.

    Parameters
    ----------
    forecast, context, truth
        Each at least ``config.stretch`` long.
    config
        Thresholds and widths; None: the defaults.
    known
        ``true_exponent`` and ``true_dimension`` of an earlier call on the same truth.

    Returns
    -------
    dict
        The measures by name: exponents are per step, dimensions are correlation dimensions, the
        period and ``faded_from`` are in steps. A measure that a broken forecast does not have is
        NaN. ``"fails by MODE"`` for each of :data:`MODES` is True, False, or None where the
        question does not apply (a cycle cannot lack chaos).

    Examples
    --------
    A wave that dies out loses its power as well; there was no chaos to lose:

    >>> t = np.arange(2000)
    >>> x, fading = np.sin(t / 5), np.exp(-t / 200) * np.sin(t / 5)
    >>> found = examine(forecast=fading[:1000], context=x[:1000], truth=x[1000:])
    >>> [mode for mode in MODES if found[f"fails by {mode}"]], found["fails by no chaos"]
    (['decay', 'lost'], None)
    """
    config = config or FailureConfig()
    f, c, t = _alike(forecast=forecast, context=context, truth=truth)
    three, nan = {"forecast": f, "context": c, "truth": t}, float("nan")
    end = str(fate(forecast=f, context=c))
    bounded = end != "escape"  # and so finite
    moves = bounded and end != "fixed point"
    fading = decay(forecast=f, context=c, amplitude=config.amplitude)
    lost, invented = spectral_failure(
        forecast=f, truth=t, ratio=config.spectral_ratio, smoothing=config.smoothing
    )
    own = known or {
        "true_exponent": largest_exponent(t),
        "true_dimension": correlation_dimension(t),
    }
    at_rest = 0.0 if bounded else nan
    found: dict[str, Any] = {
        "parroting_index": parroting_index(**three, stretch=config.stretch) if bounded else nan,
        "remaining": fading.remaining,
        "fading_rate": fading.rate,
        "faded_from": fading.onset,
        "exponent": largest_exponent(f) if moves else nan,
        "true_exponent": own["true_exponent"],
        "dimension": correlation_dimension(f) if moves else at_rest,
        "true_dimension": own["true_dimension"],
        "period": cycle_period(forecast=f) if moves else nan,
        "lost": lost,
        "invented": invented,
        "outside": outside_share(**three, margin=config.margin),
        "fate": end,
    }
    chaotic = found["true_exponent"] > config.least_exponent
    tame = not found["exponent"] > config.chaos * found["true_exponent"]  # NaN: no chaos is left
    verdicts: dict[str, bool | None] = {
        "parroting": found["parroting_index"] > config.parroting,
        "decay": bounded and fading.remaining < config.amplitude,
        "no chaos": (end == "cycle" or tame) if chaotic and bounded else None,
        "lost": not lost <= config.spectral_mass,
        "invented": not invented <= config.spectral_mass,
        "drift": end == "escape" or found["outside"] > config.outside,
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
    return tuple(x[:, 0] for x in found)
