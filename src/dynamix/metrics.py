"""Measures of a reconstruction: geometry, spectrum, short-term error, chaos.

All take keyword-only ``forecast=`` and ``truth=``, arrays ``(T,)``, ``(T, N)`` or ``(T, S, N)`` for
several series (then an array ``(S,)`` comes back). A forecast that has left the numbers (NaN,
infinity) or the truth's whole range gives NaN, which callers count as a failure; NaN in the *truth*
is an error.

Sources: Hemmer & Durstewitz (2025), appendix; Koppe et al. (2019) for D_stsp; Mikhaeil et al.
(2022) for D_H; Hyndman & Koehler (2006) for MASE; Benettin et al. (1980) for Lyapunov spectra;
Mindlin & Gilmore (1992) for close returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from .config import BenchmarkConfig
from .errors import InputError, whole_number
from .metrics_ensemble import coverage as coverage
from .metrics_ensemble import crps as crps

if TYPE_CHECKING:
    from .model import DynaMix

_PROTOCOL = BenchmarkConfig()
_PSEUDO_COUNT = 1e-5
_MOST_HISTOGRAM_DIMS = 5
_MIXTURE_WIDTH = 1.0
_MIXTURE_SAMPLES = 1000
_BOX = 5.0  # times the context's range: whatever leaves that has escaped
_REST = 1e-3  # of the context's deviation: whatever moves less stands still
_RETURN = 0.01  # of the deviation: a cycle comes back this closely, sampled chaos of dysts does not

FATES = ("fixed point", "cycle", "escape", "chaotic/other")

Points = Float[ndarray, "_ N"]
Measured = float | Float[ndarray, " S"]


def state_space_divergence(*, forecast: Any, truth: Any, bins: int = _PROTOCOL.bins) -> Measured:
    """``D_stsp``: Kullback-Leibler divergence of where truth and forecast spend their time.

    ``sum_b p_b log(p_b / q_b)`` over histograms of ``bins`` equal bins per dimension across the
    truth's range, with 1e-5 added to every bin's count before normalising (Koppe et al. 2019). 0
    for the same geometry; about 10 and more for a wrong one. Above 5 dimensions the
    Gaussian-mixture form stands in (:func:`mixture_divergence`).

    Parameters
    ----------
    forecast, truth
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, in the same units. Their lengths may differ; their
        channels may not.
    bins
        Per dimension, at least 2.

    Returns
    -------
    float, or (S,) for several series
        In nats. NaN where the forecast is not finite or never enters the truth's range.

    Raises
    ------
    InputError
        If the two are no arrays of numbers of the shapes above or differ in series or channels, if
        the truth is not finite or (up to 5 dimensions) constant in a channel, or if ``bins`` is no
        integer of at least 2.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(1000, 2))
    >>> state_space_divergence(forecast=x, truth=x)
    0.0
    >>> state_space_divergence(forecast=x + 100.0, truth=x)  # never where the truth has been
    nan
    """
    bins = whole_number("bins", bins, least=2)
    return _per_series(lambda f, t: _divergence(f, t, bins), forecast, truth)


def _divergence(forecast: Points, truth: Points, bins: int) -> float:
    if not np.isfinite(forecast).all():
        return float("nan")
    if truth.shape[1] > _MOST_HISTOGRAM_DIMS:
        return mixture_divergence(forecast=forecast, truth=truth)
    low, high = truth.min(axis=0), truth.max(axis=0)
    if (high <= low).any():
        raise InputError(
            f"truth must vary in every channel, but channel {int(np.argmax(high <= low))} is "
            "constant: its histogram has no width."
        )

    def counts(points: Points) -> ndarray:
        inside = points[((points >= low) & (points <= high)).all(axis=1)]
        index = np.minimum(((inside - low) / (high - low) * bins).astype(np.int64), bins - 1)
        flat = np.ravel_multi_index(tuple(index.T), (bins,) * points.shape[1])
        return np.bincount(flat, minlength=bins ** points.shape[1]).astype(np.float64)

    p, q = counts(truth), counts(forecast)
    if not q.any():
        return float("nan")
    p, q = p + _PSEUDO_COUNT, q + _PSEUDO_COUNT
    p, q = p / p.sum(), q / q.sum()
    return float(max(np.sum(p * np.log(p / q)), 0.0))


def mixture_divergence(
    *,
    forecast: Points,
    truth: Points,
    width: float = _MIXTURE_WIDTH,
    samples: int = _MIXTURE_SAMPLES,
    seed: int = 0,
) -> float:
    """``D_stsp`` in high dimensions: a Gaussian of ``width`` on every point, Monte-Carlo KL.

    ``mean_i log(p(x_i) / q(x_i))`` over ``samples`` draws ``x_i`` from the truth's mixture ``p``;
    ``q`` is the forecast's mixture.

    Parameters
    ----------
    forecast, truth
        ``(T, N)``, in the same units, of any lengths. The truth must be finite, which
        :func:`state_space_divergence` sees to.
    width
        Standard deviation of the Gaussians, in the data's units; positive.
    samples
        Draws, at least 1. The estimate scatters by about ``1 / sqrt(samples)``.
    seed
        Of the draws.

    Returns
    -------
    float
        In nats; chance may take it a little below 0. NaN where the forecast is not finite.

    Raises
    ------
    ValueError
        If the channels differ, or the truth is empty.

    Examples
    --------
    A Gaussian at 0 and one at distance ``d`` are ``d^2 / 2`` apart, here with ``d^2 = 6``:

    >>> round(mixture_divergence(forecast=np.ones((1, 6)), truth=np.zeros((1, 6))))
    3
    """
    if not np.isfinite(forecast).all():
        return float("nan")
    from scipy.spatial.distance import cdist
    from scipy.special import logsumexp

    rng = np.random.default_rng(seed)
    centres = truth[rng.integers(len(truth), size=samples)]
    draws = centres + width * rng.standard_normal(centres.shape)

    def log_density(points: Points) -> ndarray:
        squared = cdist(draws, points, "sqeuclidean")
        return logsumexp(-squared / (2 * width**2), axis=1) - np.log(len(points))

    return float(np.mean(log_density(truth) - log_density(forecast)))


def power_spectrum(
    x: Any, *, smoothing: int | float = _PROTOCOL.smoothing
) -> Float[ndarray, "F N"]:
    """Smoothed power spectrum per channel, normalised to sum 1: ``(T // 2 + 1, N)``.

    ``|rfft|^2`` of the standardised channel, smoothed by a Gaussian of ``smoothing`` frequency bins
    with reflecting ends. A channel without motion has no spectrum: its column is zero.

    Parameters
    ----------
    x
        ``(T,)`` or ``(T, N)``, finite; of ``(T, S, N)`` the first series.
    smoothing
        Standard deviation of the Gaussian in frequency bins; a bin is ``1 / T`` cycles per step. 0
        leaves the spectrum as it is.

    Returns
    -------
    (T // 2 + 1, N)
        Shares of the power, without a unit; row k belongs to ``k / T`` cycles per step.

    Raises
    ------
    InputError
        If ``x`` is no array of numbers of such a shape, or empty.

    Examples
    --------
    Ten cycles in 100 steps are row 10:

    >>> power = power_spectrum(np.sin(2 * np.pi * np.arange(100) / 10), smoothing=0)
    >>> power.shape, int(power.argmax()), round(float(power.sum()), 6)
    ((51, 1), 10, 1.0)
    """
    points = _as_series(x, "x")[:, 0]
    deviation = points.std(axis=0)
    moving = deviation > 1e-12 * np.maximum(np.abs(points).max(axis=0), 1.0)
    scaled = (points - points.mean(axis=0)) / np.where(moving, deviation, 1.0)
    power = np.abs(np.fft.rfft(scaled, axis=0)) ** 2
    if smoothing > 0:
        power = gaussian_filter1d(power, smoothing, axis=0, mode="reflect")
    return np.where(moving, power / np.where(moving, power.sum(axis=0), 1.0), 0.0)


def spectral_hellinger(
    *, forecast: Any, truth: Any, smoothing: int = _PROTOCOL.smoothing
) -> Measured:
    """``D_H``: Hellinger distance of smoothed power spectra, ``sqrt(1 - sum sqrt(p q))``.

    Averaged over channels (Mikhaeil et al. 2022); the spectra are those of :func:`power_spectrum`.
    Neither an offset nor the size of the motion matters.

    Parameters
    ----------
    forecast, truth
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, equally long, since their frequencies must match.
    smoothing
        Standard deviation, in frequency bins, of the Gaussian that smooths the spectra; 0 for none.

    Returns
    -------
    float, or (S,) for several series
        From 0 (same spectrum) to 1 (disjoint, or a forecast that stands still). NaN where the
        forecast is not finite.

    Raises
    ------
    InputError
        If the two are no arrays of numbers of the shapes above, differ in length, series or
        channels, if the truth is not finite, or if ``smoothing`` is no integer of at least 0.

    Examples
    --------
    >>> x = np.sin(np.arange(500) / 5)
    >>> spectral_hellinger(forecast=3 * x + 1, truth=x)
    0.0
    >>> spectral_hellinger(forecast=np.ones(500), truth=x)  # no motion at all
    1.0
    """
    smoothing = whole_number("smoothing", smoothing, least=0)

    def measure(f: Points, t: Points) -> float:
        if len(f) != len(t):
            raise InputError(
                "spectra can be compared only for equally long series, found a forecast of "
                f"{len(f)} and a truth of {len(t)} steps. Cut the longer one."
            )
        if not np.isfinite(f).all():
            return float("nan")
        p, q = power_spectrum(t, smoothing=smoothing), power_spectrum(f, smoothing=smoothing)
        overlap = np.sqrt(p * q).sum(axis=0)
        # equal spectra overlap by 1 up to rounding, whose square root would show as 1e-8
        overlap = np.where(overlap > 1.0 - 1e-14, 1.0, overlap)
        return float(np.mean(np.sqrt(1.0 - overlap)))

    return _per_series(measure, forecast, truth)


def mase(*, forecast: Any, truth: Any, steps: int = _PROTOCOL.mase_steps) -> Measured:
    """Mean absolute scaled error of the first ``steps`` steps (Hyndman & Koehler 2006).

    ``mean |forecast - truth|`` over these steps, over the truth's mean absolute one-step change
    along its whole length, per channel, then averaged. 1 is the error of saying "no change" for one
    step.

    Parameters
    ----------
    forecast, truth
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, in the same units, each at least ``steps`` long.
    steps
        Steps averaged over, at least 1.

    Returns
    -------
    float, or (S,) for several series
        Without a unit, 0 or more. NaN where the forecast is not finite within these steps.

    Raises
    ------
    InputError
        If the two are no arrays of numbers of the shapes above, differ in series or channels, or
        are shorter than ``steps``, if the truth is not finite or constant in a channel, or if
        ``steps`` is no integer of at least 1.

    Examples
    --------
    >>> mase(forecast=np.array([1.0, 2.0]), truth=np.array([0.0, 1.0, 2.0]), steps=2)
    1.0
    """
    steps = whole_number("steps", steps)

    def measure(f: Points, t: Points) -> float:
        if min(len(f), len(t)) < steps:
            raise InputError(
                f"mase over {steps} steps needs that many of both, found {len(f)} of the forecast "
                f"and {len(t)} of the truth."
            )
        change = np.abs(np.diff(t, axis=0)).mean(axis=0)
        if (change == 0).any():
            raise InputError(
                f"truth must vary in every channel, but channel {int(np.argmax(change == 0))} is "
                "constant: an error cannot be scaled by it."
            )
        error = float(np.mean(np.abs(f[:steps] - t[:steps]).mean(axis=0) / change))
        return error if np.isfinite(error) else float("nan")

    return _per_series(measure, forecast, truth)


def valid_prediction_time(
    *, forecast: Any, truth: Any, threshold: float = 0.4, lyapunov_time: float = 1.0
) -> Measured:
    """How long a forecast holds: time until its normalised error first exceeds ``threshold``.

    The error at step t is ``sqrt(mean_i ((f_i - x_i) / std(x_i))^2)`` over channels i, with the
    deviations of the whole truth. A forecast that never exceeds it holds for its whole length.

    Parameters
    ----------
    forecast, truth
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, in the same units; the longer one is cut.
    threshold
        In deviations of the truth; positive.
    lyapunov_time
        Steps in a unit of time, as of :func:`dynamix.systems.lyapunov_time`; the default counts
        steps.

    Returns
    -------
    float, or (S,) for several series
        In units of ``lyapunov_time``. What is not finite counts as wrong from there on.

    Raises
    ------
    InputError
        If ``threshold`` or ``lyapunov_time`` is not positive, if the two are no arrays of numbers
        of the shapes above or differ in series or channels, or if the truth is not finite or
        constant in a channel.

    Examples
    --------
    >>> truth = np.array([0.0, 1.0] * 5)  # deviation 0.5
    >>> drifting = truth + 0.1 * np.arange(10)  # the error grows by 0.2 a step
    >>> valid_prediction_time(forecast=drifting, truth=truth, threshold=0.5)
    3.0
    >>> valid_prediction_time(forecast=drifting, truth=truth, threshold=0.5, lyapunov_time=6.0)
    0.5
    """
    if not (threshold > 0 and lyapunov_time > 0):
        raise InputError(
            "threshold and lyapunov_time must be positive, found "
            f"{threshold!r} and {lyapunov_time!r}."
        )

    def measure(f: Points, t: Points) -> float:
        length = min(len(f), len(t))
        scale = t.std(axis=0)
        if (scale == 0).any():
            raise InputError("truth must vary in every channel to scale an error by it.")
        error = np.sqrt(np.mean(((f[:length] - t[:length]) / scale) ** 2, axis=1))
        beyond = np.flatnonzero(~(error <= threshold))  # NaN counts as beyond
        return float((beyond[0] if len(beyond) else length) / lyapunov_time)

    return _per_series(measure, forecast, truth)


def fate(*, forecast: Any, context: Any) -> str | ndarray:
    """Where a forecast ends up: ``"fixed point"``, ``"cycle"``, ``"escape"``, ``"chaotic/other"``.

    * *escape*: it is not finite, or leaves a box of 5 times the context's range about its middle;
    * *fixed point*: its last tenth deviates by less than 1e-3 of the context's deviation;
    * *cycle*: its last half repeats itself: :func:`closest_return` is under 0.01. Whatever is drawn
      anew at every step, such as the gate's noise, prevents that;
    * everything else: chaos, tori, noisy cycles, and what has not settled yet.

    Parameters
    ----------
    forecast, context
        ``(T,)``, ``(T, N)`` or ``(T, S, N)``, lengths apart equally shaped, in the same units.

    Returns
    -------
    str, or (S,) for several series
        Each one of :data:`FATES`.

    Raises
    ------
    InputError
        If the two are no arrays of numbers of the shapes above or differ in series or channels, or
        if the context is not finite.

    Examples
    --------
    >>> t = np.arange(2000)
    >>> fate(forecast=np.sin(t / 7), context=np.sin(t[:300] / 7))
    'cycle'
    >>> fate(forecast=np.exp(-t / 50) * np.sin(t / 7), context=np.sin(t[:300] / 7))
    'fixed point'
    """

    def judge(f: Points, c: Points) -> str:
        low, high = c.min(axis=0), c.max(axis=0)
        # NaN compares as False, so it escapes too
        if not (np.abs(f - (low + high) / 2) <= _BOX * (high - low) / 2).all():
            return "escape"
        still = _REST * c.std(axis=0)
        if (f[-max(len(f) // 10, 1) :].std(axis=0) <= still).all():
            return "fixed point"
        if closest_return(f[len(f) // 2 :], least_deviation=still) < _RETURN:
            return "cycle"
        return "chaotic/other"

    return _per_series(judge, forecast, context, names=("forecast", "context"))


def closest_return(x: Points, *, least_deviation: float | Float[ndarray, " N"] = 0.0) -> float:
    """How closely a series comes back to itself, at the best single lag: 0 for a cycle.

    The least of :func:`returns` over lags from the first at which it exceeds 1, for at short lags
    any smooth series is near itself, up to half the length. Unrelated stretches give 1.41. The
    close returns of Mindlin & Gilmore (1992), as one number.

    Parameters
    ----------
    x
        ``(T, N)``, finite.
    least_deviation
        Channels that deviate less are scaled by this instead, so that rounding does not count: one
        number or one for each channel, in the data's units.

    Returns
    -------
    float
        In deviations. Infinite where no lag up to half the length exceeds 1.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * np.arange(400)[:, None] / 40)
    >>> round(closest_return(wave), 5)
    0.0
    >>> closest_return(1e-9 * wave, least_deviation=1e-3)  # so little motion never goes away
    inf
    """
    error = returns(x, least_deviation=least_deviation)
    away = np.flatnonzero(error > 1.0)
    return float(error[away[0] :].min()) if len(away) else float("inf")


def returns(
    x: Points, *, least_deviation: float | Float[ndarray, " N"] = 0.0
) -> Float[ndarray, " lags"]:
    """``sqrt(mean_t,i ((x_i(t + L) - x_i(t)) / std(x_i))^2)`` for lags ``L = 0 .. T // 2``.

    Parameters
    ----------
    x
        ``(T, N)``, finite.
    least_deviation
        As of :func:`closest_return`.

    Returns
    -------
    (T // 2 + 1,)
        In deviations; entry L belongs to a lag of L steps. 0 where all channels stand still.

    Examples
    --------
    A wave is the opposite of itself after half a period, and itself after a whole one:

    >>> wave = np.sin(2 * np.pi * np.arange(400)[:, None] / 40)
    >>> returns(wave)[[0, 20, 40]].round(5).tolist()
    [0.0, 2.0, 0.0]
    """
    n = len(x)
    deviation = np.maximum(x.std(axis=0), least_deviation)
    y = (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    padded = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(y, padded, axis=0)) ** 2
    lags = np.arange(n // 2 + 1)
    products = np.fft.irfft(spectrum, padded, axis=0)[lags].mean(axis=1)
    # sum_t (y(t + L) - y(t))^2: the squares of the first n - L and of the last n - L, less the rest
    squares = np.concatenate([[0.0], np.cumsum((y**2).mean(axis=1))])
    error = (squares[n - lags] + squares[n] - squares[lags] - 2 * products) / (n - lags)
    return np.sqrt(np.maximum(error, 0.0))


def lyapunov_spectrum(
    model: DynaMix,
    context: Any,
    *,
    steps: int = 2000,
    exponents: int | None = None,
    transient: int = 200,
    time_step: float = 1.0,
) -> Float[ndarray, " k"]:
    """Lyapunov exponents of the model as it runs freely behind a context, largest first.

    ``k`` tangent vectors are carried along by the Jacobian ``dz'/dz`` of the full step, query
    included, and re-orthonormalised by QR at every step (Benettin et al. 1980); the exponents are
    mean logarithms of R's diagonal. The gate's noise is left out, so that the map is one map.

    Parameters
    ----------
    model
        Any :class:`dynamix.DynaMix`.
    context
        ``(T_C, N)`` as the model sees it: standardised, embedded.
    steps, transient
        Steps averaged over, at least 1, after those left out first, at least 0.
    exponents
        k, from 1 to M; None: all M.
    time_step
        Duration of one step, positive; exponents are per unit of it.

    Returns
    -------
    (k,)
        In nats per unit of time: per step unless ``time_step`` is given.

    Raises
    ------
    InputError
        If the context does not fit the model, if ``steps``, ``transient`` or ``exponents`` is no
        integer or out of range, or if the trajectory diverges.

    Examples
    --------
    Experts that all halve the state halve every distance, whatever the gate does:

    >>> import torch
    >>> from dynamix import DynaMix
    >>> model, context = DynaMix(), np.sin(np.arange(60)[:, None] / np.array([5, 7, 9]))
    >>> with torch.no_grad():
    ...     halved = model.experts.W.zero_(), model.experts.A.fill_(0.5)
    >>> spectrum = lyapunov_spectrum(model, context, steps=10, transient=0, exponents=3)
    >>> np.exp(spectrum).round(3).tolist()
    [0.5, 0.5, 0.5]
    """
    import torch
    from torch.func import jvp, vmap

    from .model import check_series

    steps = whole_number("steps", steps)
    transient = whole_number("transient", transient, least=0)
    M = model.config.latent_dims
    k = M if exponents is None else whole_number("exponents", exponents)
    if k > M:
        raise InputError(f"exponents must be at most the latent dimension {M}, found {k}.")
    series = torch.as_tensor(_as_series(context, "context")[:, 0]).to(model.gate.D)[:, None]
    check_series(series, model.config)
    sums = np.zeros(k)
    with torch.no_grad():
        read = model.gate.read(series)
        z = model.initial_state(series[-1])
        # random directions, for an axis may be blind to the fastest growth; (k, M), a vector a row
        directions = np.random.default_rng(0).standard_normal((M, k))
        tangents = torch.from_numpy(np.linalg.qr(directions)[0].T.copy()).to(z)

        def flow(state: torch.Tensor) -> torch.Tensor:
            return model.step(state[None], read, query_state=state[None])[0][0]

        for t in range(transient + steps):
            state = z[0]
            pushed = vmap(lambda v, at=state: jvp(flow, (at,), (v,))[1])(tangents)
            z = flow(state)[None]
            q, r = torch.linalg.qr(pushed.double().T)
            tangents = q.T.to(z)
            if not torch.isfinite(z).all():
                raise InputError(f"the model diverged after {t} steps; it has no exponents there.")
            if t >= transient:
                sums += np.log(np.abs(r.diagonal().numpy()) + 1e-300)
    return np.sort(sums / (steps * time_step))[::-1].copy()


def largest_lyapunov_exponent(
    model: DynaMix, context: Any, *, steps: int = 2000, transient: int = 200, time_step: float = 1.0
) -> float:
    """The first of :func:`lyapunov_spectrum`: positive for chaos, 0 for a cycle.

    :func:`dynamix.lyapunov.largest_exponents` is the compiled one, for many contexts.

    Parameters
    ----------
    model, context, steps, transient, time_step
        As of :func:`lyapunov_spectrum`.

    Returns
    -------
    float
        In nats per unit of time: per step unless ``time_step`` is given.

    Raises
    ------
    InputError
        As :func:`lyapunov_spectrum`.

    Examples
    --------
    Experts that halve the state at every step, of duration 1 and then of 0.5:

    >>> import torch
    >>> from dynamix import DynaMix
    >>> model, context = DynaMix(), np.sin(np.arange(60)[:, None] / np.array([5, 7, 9]))
    >>> with torch.no_grad():
    ...     halved = model.experts.W.zero_(), model.experts.A.fill_(0.5)
    >>> round(largest_lyapunov_exponent(model, context, steps=10, transient=0), 3)
    -0.693
    >>> round(largest_lyapunov_exponent(model, context, steps=10, transient=0, time_step=0.5), 3)
    -1.386
    """
    spectrum = lyapunov_spectrum(
        model, context, steps=steps, exponents=1, transient=transient, time_step=time_step
    )
    return float(spectrum[0])


def _per_series(
    measure: Callable[[Points, Points], Any],
    forecast: Any,
    truth: Any,
    names: tuple[str, str] = ("forecast", "truth"),
) -> Any:
    """Apply a measure to each series of equally many, with equally many channels."""
    several = np.ndim(forecast) == 3 or np.ndim(truth) == 3
    f, t = _as_series(forecast, names[0]), _as_series(truth, names[1])
    if f.shape[1:] != t.shape[1:]:
        raise InputError(
            f"{names[0]} and {names[1]} must have the same series and channels, found shapes "
            f"{np.shape(forecast)} and {np.shape(truth)}."
        )
    if not np.isfinite(t).all():
        where = np.argwhere(~np.isfinite(t))[0]
        raise InputError(
            f"{names[1]} must be finite, found {t[tuple(where)]} at step {int(where[0])}."
        )
    values = [measure(f[:, s], t[:, s]) for s in range(f.shape[1])]
    return np.array(values) if several else values[0]


def _as_series(x: Any, what: str) -> Float[ndarray, "T S N"]:
    """Any array, frame or tensor as ``(T, S, N)`` in float64."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be an array of numbers: {error}.") from error
    if array.ndim not in (1, 2, 3) or array.size == 0:
        raise InputError(
            f"{what} must have shape (T,), (T, N) or (T, S, N) and not be empty, found "
            f"{array.shape}."
        )
    return array.reshape({1: (-1, 1, 1), 2: (len(array), 1, -1), 3: array.shape}[array.ndim])
