"""How forecasts fail: one measure for each way, and the verdicts that make rates of them.

A forecast of a chaotic system cannot stay right for long, and need not. It fails where it stops
being a motion of *that system*: it copies the context, dies out, becomes a cycle, loses or invents
frequencies, leaves the range. Every measure takes arrays ``(T,)`` or ``(T, N)`` by keyword and
compares a forecast with what the true continuation scores, never with an absolute; a measure of
something that a forecast is too broken to have is NaN.

Sources: Zhang & Gilpin (2025) for parroting in foundation models; fates and spectra as in
:mod:`dynamix.metrics`, exponents as in :mod:`dynamix.dynamics.invariants`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import minimum_filter1d

from ..dynamics import invariants
from ..errors import InputError, whole_number
from ..metrics import reconstruction as metrics
from ..metrics.fates import fate as fate_of
from ..metrics.fates import returns
from .failure_settings import FailureConfig

Points = Float[ndarray, "_ N"]

MODES = {
    "parroting": "copies the context",
    "decay": "dies out",
    "no chaos": "a cycle or a torus where there is chaos",
    "lost": "frequencies lost",
    "invented": "frequencies invented",
    "drift": "leaves the range",
}
_DEFAULT = FailureConfig()
_ROWS = 1000  # forecast windows compared with all of the context at once
_FADING = 100  # steps of the windows whose deviation makes the envelope


def parroting_index(
    *, forecast: Any, context: Any, truth: Any, stretch: int = _DEFAULT.stretch
) -> float:
    """How much of a forecast is a copy of its context, in [0, 1]: 1 for a parrot, about 0 for none.

    Every step of a forecast gets the distance ``d`` of the best copy through it: the smallest
    distance (root mean square over steps and channels, in the context's deviations) between a
    window of ``stretch`` forecast steps that holds it and any window of the context. The true
    continuation is near its past here and there, too, for attractors recur: its own distances
    ``d*`` set the scale, and its own score is subtracted,

    ``index = (I(d) - I(d*)) / (1 - I(d*))``, ``I(d) = mean_t max(0, 1 - d_t / median(d*))``,

    clipped to [0, 1]. Nothing changes when channels are rescaled, shifted, mirrored or exchanged.

    Parameters
    ----------
    forecast, context, truth
        ``(T,)`` or ``(T, N)``, in the same units. Forecast and truth both continue the context;
        their lengths may differ.
    stretch
        In steps, at least 1. What is copied in shorter pieces is no copy here.

    Returns
    -------
    float
        0 where the truth itself repeats the context exactly: then a copy is right. NaN where
        the forecast is not finite.

    Raises
    ------
    InputError
        If a series has another shape, fewer than 4 steps or fewer than ``stretch``, if their
        channels differ, or if context or truth is not finite.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(600, 1)).cumsum(axis=0)
    >>> float(parroting_index(forecast=x[100:250], context=x[:300], truth=x[300:]))
    1.0
    """
    f, c, t = _alike(forecast=forecast, context=context, truth=truth)
    stretch = whole_number("stretch", stretch)
    if min(len(f), len(c), len(t)) < stretch:
        raise InputError(
            f"parroting is measured on stretches of {stretch} steps, found lengths {len(f)}, "
            f"{len(c)} and {len(t)}. Give longer series, or a shorter stretch."
        )
    if not np.isfinite(f).all():
        return float("nan")
    deviation = c.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    own = _copy_distance(t / scale, c / scale, stretch)
    middle = float(np.median(own))
    if middle < 1e-6:  # rounding
        return 0.0
    mine = _copy_distance(f / scale, c / scale, stretch)
    score, truths = (float(np.maximum(0.0, 1.0 - d / middle).mean()) for d in (mine, own))
    return float(np.clip((score - truths) / (1.0 - truths), 0.0, 1.0))


def copy_distance(
    *, forecast: Any, context: Any, stretch: int = _DEFAULT.stretch
) -> Float[ndarray, " _"]:
    """Per step the distance, in the context's deviations, of the best copy of a window through it.

    0 where a forecast copies its context; see :func:`parroting_index`.

    Parameters
    ----------
    forecast, context
        ``(T,)`` or ``(T, N)``, with the same channels and units, each at least ``stretch`` long.
    stretch
        Steps of a window, at least 1.

    Returns
    -------
    (T,)
        A value for each step of the forecast; NaN at the steps near one that is not finite.

    Raises
    ------
    InputError
        If a series has another shape, fewer than 4 steps or fewer than ``stretch``, if their
        channels differ, or if the context is not finite.

    Examples
    --------
    The first ten steps are the context's, the others are far above it:

    >>> context = np.random.default_rng(0).normal(size=100)
    >>> forecast = np.concatenate([context[40:50], np.full(10, 9.0)])
    >>> distance = copy_distance(forecast=forecast, context=context, stretch=5)
    >>> distance.shape, bool(distance[:10].max() < 1e-6), bool(distance[10:].min() > 1)
    ((20,), True, True)
    """
    f, c = _alike(forecast=forecast, context=context)
    if min(len(f), len(c)) < whole_number("stretch", stretch):
        raise InputError(
            f"copies are looked for in stretches of {stretch} steps, found lengths {len(f)} and "
            f"{len(c)}. Give longer series, or a shorter stretch."
        )
    deviation = c.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    return _copy_distance(f / scale, c / scale, stretch)


def _copy_distance(y: Points, context: Points, stretch: int) -> Float[ndarray, " _"]:
    middle = context.mean(axis=0)  # centred, so that little is lost in the difference of squares
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


@dataclass(frozen=True)
class Decay:
    """What becomes of a forecast's amplitude; :func:`decay` returns it.

    ``remaining`` is the deviation of the last tenth in the context's deviations (1 is right),
    ``rate`` the envelope's exponential rate per step, positive where it fades, ``onset`` the first
    step from which it stays faded (infinite where it never does), ``offset`` the distance of where
    it ends from the context's mean, in deviations. All are NaN where the forecast is not finite.

    Examples
    --------
    A forecast that stands still at 2, behind a context of mean 0 and deviation 1:

    >>> found = decay(forecast=np.full(1000, 2.0), context=np.tile([-1.0, 1.0], 50))
    >>> found.remaining, found.onset, found.offset
    (0.0, 0.0, 2.0)
    """

    remaining: float  # deviation of the last tenth over the context's; 1 is right
    rate: float  # per step, of the envelope's exponential: positive where it fades
    onset: float  # first step from which it stays faded; infinite where it never does
    offset: float  # distance of where it ends from the context's mean, in deviations


def decay(
    *, forecast: Any, context: Any, amplitude: float = _DEFAULT.amplitude, window: int = _FADING
) -> Decay:
    """Whether a forecast dies out: to the mean, or to another fixed point, when and how fast.

    The envelope is the deviation (root mean square over channels, each in the context's deviations)
    in stretches of ``window`` steps. ``rate`` is minus the slope of its logarithm, by least
    squares, up to the ``onset``, from where on it stays below ``amplitude``.

    Parameters
    ----------
    forecast, context
        ``(T,)`` or ``(T, N)``, with the same channels and units.
    amplitude
        In the context's deviations: what is smaller has faded.
    window
        Steps of a stretch, at least 1; at most the forecast.

    Returns
    -------
    Decay
        Its fields are NaN where the forecast is not finite.

    Raises
    ------
    InputError
        If a series has another shape or fewer than 4 steps, if their channels differ, if the
        context is not finite, or ``window`` is no integer of at least 1.

    Examples
    --------
    >>> t = np.arange(4000)
    >>> found = decay(forecast=np.exp(-t / 500) * np.sin(t / 5), context=np.sin(t[:500] / 5))
    >>> round(1 / found.rate), found.remaining < 0.1
    (500, True)
    """
    f, c = _alike(forecast=forecast, context=context)
    window = whole_number("window", window)
    if not np.isfinite(f).all():
        return Decay(*[float("nan")] * 4)
    deviation = c.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    y = (f - c.mean(axis=0)) / scale
    last = y[-max(len(y) // 10, 1) :]
    window = min(window, len(y))
    parts = y[: len(y) // window * window].reshape(-1, window, y.shape[1])
    envelope = np.sqrt((parts.std(axis=1) ** 2).mean(axis=1))
    loud = np.flatnonzero(envelope >= amplitude)
    faded_from = int(loud[-1]) + 1 if len(loud) else 0
    fading = np.maximum(envelope[: max(faded_from, min(2, len(envelope)))], 1e-12)
    slope = (
        np.polyfit(np.arange(len(fading)) * window, np.log(fading), 1)[0]
        if len(fading) > 1
        else 0.0
    )
    return Decay(
        remaining=float(np.sqrt((last.std(axis=0) ** 2).mean())),
        rate=float(-slope),
        onset=float(faded_from * window) if faded_from < len(envelope) else float("inf"),
        offset=float(np.sqrt((last.mean(axis=0) ** 2).mean())),
    )


def cycle_period(*, forecast: Any, tolerance: float = 0.01) -> float:
    """The period, in steps, of a forecast whose last half repeats itself; NaN where it does not.

    The first lag at which the last half comes back to itself within ``tolerance`` deviations (as
    :func:`dynamix.metrics.closest_return`, which :func:`dynamix.metrics.fates` calls a cycle by).

    Parameters
    ----------
    forecast
        ``(T,)`` or ``(T, N)``. Periods of up to a quarter of it are found.
    tolerance
        In deviations of the forecast's last half, root mean square over steps and channels.

    Raises
    ------
    InputError
        If the forecast has another shape or fewer than 4 steps.

    Examples
    --------
    >>> cycle_period(forecast=np.sin(2 * np.pi * np.arange(2000) / 40))
    40.0
    >>> cycle_period(forecast=np.random.default_rng(0).normal(size=2000))
    nan
    """
    f = _points(forecast, "forecast")
    if not np.isfinite(f).all() or not np.ptp(f[len(f) // 2 :], axis=0).any():
        return float("nan")
    error = returns(f[len(f) // 2 :])
    away = np.flatnonzero(error > 1.0)
    if not len(away):
        return float("nan")
    back = away[0] + np.flatnonzero(error[away[0] :] < tolerance)
    if not len(back):
        return float("nan")
    # a return is a dip some steps wide: take its bottom
    dip = back[: int(np.argmax(np.diff(back, append=back[-1] + 2) > 1)) + 1]
    return float(dip[np.argmin(error[dip])])


def spectral_failure(
    *,
    forecast: Any,
    truth: Any,
    ratio: float = _DEFAULT.spectral_ratio,
    smoothing: int = _DEFAULT.smoothing,
) -> tuple[float, float]:
    """``(lost, invented)``: shares of power where the other spectrum has next to none, in [0, 1].

    Lost is the truth's power at frequencies at which the forecast has less than ``ratio`` of it;
    invented is the forecast's power at frequencies at which the truth has less than ``ratio`` of
    that. Spectra are those of :func:`dynamix.metrics.power_spectrum`, shares a mean over channels.
    The forecast's is in units of the truth's variance: what has died out has lost everything.

    Parameters
    ----------
    forecast, truth
        ``(T,)`` or ``(T, N)``, with the same channels and units; the longer one is cut.
    ratio
        Between 0 and 1.
    smoothing
        Standard deviation, in frequency bins, of the Gaussian that smooths the spectra; 0 for none.

    Returns
    -------
    float and float
        NaN where the forecast is not finite.

    Raises
    ------
    InputError
        If a series has another shape or fewer than 4 steps, if their channels differ, or if the
        truth is not finite.

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
    p = metrics.power_spectrum(t, smoothing=smoothing)
    variance = np.maximum(t.var(axis=0), 1e-300)
    with np.errstate(over="ignore"):
        q = metrics.power_spectrum(f, smoothing=smoothing) * (f.var(axis=0) / variance)
    total = q.sum(axis=0)
    lost = np.where(q < ratio * p, p, 0.0).sum(axis=0)
    invented = np.where(p < ratio * q, q, 0.0).sum(axis=0) / np.where(total > 0, total, 1.0)
    return float(lost.mean()), float(invented.mean())


def outside_share(
    *, forecast: Any, context: Any, truth: Any, margin: float = _DEFAULT.margin
) -> float:
    """Share of forecast steps beyond where context and truth have been, by ``margin`` of the range.

    A step counts if any channel is out, or is no number.

    Parameters
    ----------
    forecast, context, truth
        ``(T,)`` or ``(T, N)``, with the same channels and units; their lengths may differ.
    margin
        Of the range of context and truth together, on either side; at least 0.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    InputError
        If a series has another shape or fewer than 4 steps, if their channels differ, or if context
        or truth is not finite.

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
    """Every measure of this page on one forecast, and the verdicts.

    Parameters
    ----------
    forecast, context, truth
        ``(T,)`` or ``(T, N)``, with the same channels and units, each at least
        ``config.stretch`` long.
    config
        Thresholds and widths; None: the defaults of
        :class:`dynamix.evaluation.failure_settings.FailureConfig`.
    known
        ``true_exponent`` and ``true_dimension``, where an earlier call has measured them.

    Returns
    -------
    dict
        The measures ``parroting_index``, ``remaining``, ``fading_rate``, ``faded_from``,
        ``exponent`` and ``true_exponent`` (per step, by
        :func:`dynamix.dynamics.invariants.largest_exponent`), ``dimension`` and ``true_dimension``
        (correlation), ``period`` (steps), ``lost``, ``invented``, ``outside``, ``fate``; then
        ``"fails by MODE"`` for each of :data:`MODES`: True, False, or None where the question
        does not arise (a cycle cannot lack chaos). A measure of something that a broken
        forecast does not have is NaN.

    Raises
    ------
    InputError
        If a series has another shape or fewer steps than 4 or ``config.stretch``, if their channels
        differ, or if context or truth is not finite.

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
    whole = bool(np.isfinite(f).all())
    fate = str(fate_of(forecast=f, context=c))
    bounded = whole and fate != "escape"
    fading = decay(forecast=f, context=c, amplitude=config.amplitude)
    lost, invented = spectral_failure(
        forecast=f, truth=t, ratio=config.spectral_ratio, smoothing=config.smoothing
    )
    own = known or {
        "true_exponent": invariants.largest_exponent(t),
        "true_dimension": invariants.correlation_dimension(t),
    }
    nothing = float("nan")
    moves = bounded and fate != "fixed point"
    found: dict[str, Any] = {
        "parroting_index": parroting_index(forecast=f, context=c, truth=t, stretch=config.stretch)
        if bounded
        else nothing,
        "remaining": fading.remaining,
        "fading_rate": fading.rate,
        "faded_from": fading.onset,
        "exponent": invariants.largest_exponent(f) if moves else nothing,
        "true_exponent": own["true_exponent"],
        "dimension": invariants.correlation_dimension(f)
        if moves
        else (0.0 if bounded else nothing),
        "true_dimension": own["true_dimension"],
        "period": cycle_period(forecast=f) if moves else nothing,
        "lost": lost,
        "invented": invented,
        "outside": outside_share(forecast=f, context=c, truth=t, margin=config.margin),
        "fate": fate,
    }
    chaotic = found["true_exponent"] > config.least_exponent
    tame = not found["exponent"] > config.chaos * found["true_exponent"]  # NaN: none left
    verdicts: dict[str, bool | None] = {
        "parroting": found["parroting_index"] > config.parroting,
        "decay": bounded and fading.remaining < config.amplitude,
        "no chaos": (fate == "cycle" or tame) if chaotic and bounded else None,
        "lost": not lost <= config.spectral_mass,
        "invented": not invented <= config.spectral_mass,
        "drift": fate == "escape" or found["outside"] > config.outside,
    }
    return found | {f"fails by {mode}": verdict for mode, verdict in verdicts.items()}


def _alike(**series: Any) -> tuple[Points, ...]:
    """The series by name as ``(T, N)`` each, of the same channels."""
    found = tuple(_points(x, what) for what, x in series.items())
    if len({x.shape[1] for x in found}) > 1:
        raise InputError(
            f"{', '.join(series)} must have the same channels, found "
            f"{', '.join(str(x.shape[1]) for x in found)}."
        )
    return found


def _points(x: Any, what: str) -> Points:
    values = np.asarray(x, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) < 4:
        raise InputError(
            f"{what} must have shape (T,) or (T, N) and at least 4 steps, found {values.shape}."
        )
    if what != "forecast" and not np.isfinite(values).all():
        raise InputError(f"{what} must be finite, but holds NaN or infinity.")
    return values
