"""From a context to a forecast, and to the reasons not to trust it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..baselines import simple
from ..errors import InputError, whole_number
from ..forecasting.models import find_model
from ..forecasting.zero_shot import forecast
from ..gp.smoothing import LEAST_NOISE, smooth
from ..io.scale import unit
from ..metrics.probabilistic import coverage
from ..metrics.reconstruction import spectral_hellinger
from ..preprocessing.periods import dominant_period
from ..settings import BUNDLED_MODEL, Denoise, Embedding
from .checks import CHECKS, SEVERITIES, Finding, graded, worst
from .data import Loaded
from .limits import ReportConfig

if TYPE_CHECKING:
    from ..model.dynamix import DynaMix

_LIMITS = ReportConfig()
_SPECTRUM_STEPS = 32  # shorter trials have no spectrum worth comparing
_LEVEL = 0.9
_OURS, _SMOOTHED = "DynaMix", "DynaMix, context smoothed"


@dataclass(frozen=True)
class Report:
    """The forecasts of one file and their checks, as :func:`make` returns them.

    Attributes
    ----------
    loaded
        The context, and notes and findings on the file.
    samples, free_run
        The ensemble, and one forecast at least as long as the context, in the data's units.
    smoothed, noise
        The context without its noise, itself where none is found, and the noise in deviations.
    gates
        The expert weights of ``free_run``, ``(T, J)``; ``(T, S, J)`` if S channels were forecast
        one by one.
    findings
        On the file, on every channel, and on the end of ``free_run``.
    backtest, coverage
        The table and the share of :func:`backtest`.
    expected
        The coverage of a calibrated ensemble of K samples, ``0.9 (K - 1) / (K + 1)``.
    verdict
        One sentence on how far to trust the forecast.
    """

    loaded: Loaded
    samples: pd.DataFrame
    free_run: pd.DataFrame
    smoothed: pd.DataFrame
    noise: float
    gates: np.ndarray
    findings: tuple[Finding, ...]
    backtest: pd.DataFrame
    coverage: float
    expected: float
    verdict: str

    def table(self) -> pd.DataFrame:
        """The findings as a frame, the worst first."""
        ranked = sorted(self.findings, key=lambda f: -SEVERITIES.index(f.severity))
        words = [("", "") if f.severity == "fine" else (f.why, f.advice) for f in ranked]
        rows = [(f.label, f.severity, f.found, *w) for f, w in zip(ranked, words, strict=True)]
        names = ["check", "severity", "found", "why it matters", "what to do"]
        return pd.DataFrame(rows, columns=names)


def make(
    loaded: Loaded,
    *,
    horizon: int,
    model: DynaMix | str | Path = BUNDLED_MODEL,
    embedding: Embedding | None = None,
    denoise: Denoise | None = None,
    n_samples: int = 20,
    seed: int = 0,
) -> Report:
    """Forecast, check the series, and repeat the forecast on the end of the data.

    Parameters
    ----------
    loaded
        The context, from :func:`load`, with at most as many channels as the model has dims.
    horizon
        Steps to forecast.
    model, embedding, denoise, seed
        As :func:`dynamix.forecast` takes them.
    n_samples
        Forecasts in the ensemble; at least 2.

    Raises
    ------
    InputError
        As :func:`dynamix.forecast`; also for too many channels or fewer than 2 samples.

    Examples
    --------
    >>> from dynamix.report.data import Loaded
    >>> x = np.sin(2 * np.pi * np.arange(300) / 30)
    >>> report = make(Loaded(pd.DataFrame({"x": x}), "no file", (), ()), horizon=20, n_samples=2)
    >>> report.table().loc[0, ["check", "severity"]].tolist()
    ['copied stretches', 'serious']
    >>> report.verdict.split(":")[0]
    'Do not rely on this forecast'
    """
    frame, network = loaded.frame, find_model(model)
    N = network.config.observed_dims
    if frame.shape[1] > N:
        raise InputError(
            f"a report shows at most {N} columns together, found {frame.shape[1]}. Name fewer."
        )
    horizon = whole_number("horizon", horizon)
    whole_number("n_samples", n_samples, least=2)
    how: dict[str, Any] = {"model": network, "embedding": embedding}
    how |= {"denoise": denoise, "seed": seed}
    samples = forecast(frame, horizon=horizon, n_samples=n_samples, **how)
    free_run, gates = forecast(frame, horizon=max(horizon, len(frame)), return_gates=True, **how)
    findings = (*loaded.findings, *_checked(frame), _ending(frame, free_run))
    trial, coverage = backtest(frame, horizon=horizon, n_samples=n_samples, **how)
    expected = _LEVEL * (n_samples - 1) / (n_samples + 1)
    sentence = verdict(findings, trial, coverage=coverage, expected=expected)
    values, noise = smooth(frame.to_numpy())
    smoothed = pd.DataFrame(values, index=frame.index, columns=frame.columns)
    made = samples, free_run, smoothed, noise, gates, findings, trial
    return Report(loaded, *made, coverage, expected, sentence)


def _checked(frame: pd.DataFrame) -> Iterator[Finding]:
    for check in CHECKS:
        for name in frame.columns:
            finding = check(frame[name].to_numpy())
            yield replace(finding, channel=str(name)) if frame.shape[1] > 1 else finding


def _ending(frame: pd.DataFrame, free_run: pd.DataFrame) -> Finding:
    """Whether the free run stays near the context's values."""
    size = unit(frame.to_numpy())
    with np.errstate(over="ignore"):  # a run that far away has diverged
        made, x = free_run.to_numpy() / size, frame.to_numpy() / size
    width = np.ptp(x, axis=0)
    outside = np.maximum(x.min(axis=0) - made, made - x.max(axis=0)) / width
    far = float(np.nan_to_num(outside, nan=np.inf).max())
    still = float((made[len(made) // 2 :].std(axis=0) / x.std(axis=0)).min())
    worse = graded(still, 0.5, 0.25, 0.05) if np.isfinite(far) else "serious"
    found = (
        f"leaves the context's range by {max(far, 0.0):.2f} of its width at most, and keeps "
        f"{still:.2f} of its spread in its second half"
    )
    return Finding("free run", worst(graded(far, 0.1, 0.3, 1.0), worse), far, found)


def backtest(
    frame: pd.DataFrame, *, horizon: int, n_samples: int, **how: Any
) -> tuple[pd.DataFrame, float]:
    """Test the forecast and simple baselines on the end of the context, a row each.

    The row of DynaMix is its plain forecast. Where the context has noise that neither the arguments
    nor the model have removed, a second row is made with ``denoise="auto"``. ``seasonal naive``
    repeats the last dominant oscillation.

    Parameters
    ----------
    frame
        The context ``(T, n)`` on a regular grid; T at least a few tens.
    horizon
        Steps of a trial; at most a fifth of the context is used.
    n_samples
        Forecasts in each ensemble.
    **how
        Other arguments of :func:`dynamix.forecast`.

    Returns
    -------
    A table averaged over origins, and the share of true values inside the ensemble's 90 % band.
    ``error, first 10`` and ``error, all`` are mean absolute errors in standard deviations of the
    values shown. ``D_H`` is the Hellinger distance of the spectra, for 32 steps or more.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": np.sin(2 * np.pi * np.arange(300) / 30)})
    >>> table, coverage = backtest(frame, horizon=20, n_samples=2)
    >>> bool(table.loc["seasonal naive", "error, all"] < 1e-6), table["error, all"].idxmax()
    (True, 'last value')
    """
    T, values = len(frame), frame.to_numpy()
    values = values / unit(values)
    steps = int(np.clip(horizon, 2, max(2, int(_LIMITS.held_out * T))))
    origins = np.unique(np.linspace(max(T // 2, 12), T - steps, _LIMITS.origins).astype(int))
    rows: dict[str, list[dict[str, float]]] = {}
    covered: list[Any] = []
    auto = {"denoise": "auto"}
    own = how.get("denoise") or find_model(how.get("model")).defaults.denoise
    noisy = own != "auto" and smooth(values[: origins[0]]).noise >= LEAST_NOISE
    for origin in origins:
        shown, truth = values[:origin], values[origin : origin + steps]
        deviation = shown.std(axis=0)
        fan = forecast(shown, horizon=steps, n_samples=n_samples, **how)
        made = {_OURS: fan[0]}
        if noisy:
            made[_SMOOTHED] = forecast(shown, horizon=steps, **how | auto)
        made |= {
            "context parroting": simple.parrot(shown, steps),
            "seasonal naive": np.resize(shown[-_season(shown) :], truth.shape),
            "last value": simple.naive(shown, steps),
            "mean": simple.mean(shown, steps),
        }
        covered.append(coverage(forecast=fan, truth=truth, level=_LEVEL))
        for name, y in made.items():
            error = np.abs(y - truth) / deviation
            row = {"error, first 10": error[:10].mean(), "error, all": error.mean()}
            if steps >= _SPECTRUM_STEPS:
                width = max(1, steps // 100)
                row["D_H"] = spectral_hellinger(forecast=y, truth=truth, smoothing=width)
            rows.setdefault(name, []).append(row)
    table = pd.DataFrame({name: pd.DataFrame(parts).mean() for name, parts in rows.items()}).T
    table.index.name = f"{len(origins)} origins, {steps} steps each"
    return table, float(np.mean(covered))


def _season(shown: np.ndarray) -> int:
    period = dominant_period(shown, by="spectrum")
    if period > len(shown) / 2:  # not two oscillations in the context
        period = dominant_period(shown)
    return int(np.clip(round(period), 1, len(shown)))


def verdict(
    findings: tuple[Finding, ...], backtest: pd.DataFrame, *, coverage: float, expected: float
) -> str:
    """One sentence: how far to trust the forecast, and for which reasons."""
    error = backtest["error, all"]
    rival = error.drop([_OURS, _SMOOTHED], errors="ignore").idxmin()
    beaten = not error[_OURS] <= error[rival]
    narrow = not coverage >= 0.6 * expected
    compared = f"an error of {error[_OURS]:.2f} deviations against {error[rival]:.2f}"
    place = "did better" if beaten else "came nearest, no better"
    reasons = [f"on the data's own end {rival} {place} ({compared})"]
    if narrow:
        reasons.append(
            f"the fan held {coverage:.0%} of the true values there instead of {expected:.0%}"
        )
    bad = {s: [f.label for f in findings if f.severity == s] for s in ("serious", "warning")}
    reasons += [f"{severity}: {', '.join(labels)}" for severity, labels in bad.items() if labels]
    if bad["serious"] or (beaten and narrow):
        head = "Do not rely on this forecast"
    elif beaten or narrow or bad["warning"]:
        head = "Use this forecast with care"
    else:
        head = "Nothing was found that speaks against this forecast"
    return f"{head}: {'; '.join(reasons)}."
