"""From a context to a forecast, and to what speaks against trusting it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..baselines import simple
from ..errors import InputError, whole_number
from ..forecasting.zero_shot import forecast
from ..metrics.probabilistic import coverage
from ..metrics.reconstruction import spectral_hellinger
from ..preprocessing.periods import dominant_period
from ..settings import BUNDLED_MODEL, Embedding, ReportConfig
from .checks import CHECKS, SEVERITIES, Finding, graded
from .data import Loaded

if TYPE_CHECKING:
    from ..model.dynamix import DynaMix

_LIMITS = ReportConfig()
_SPECTRUM_STEPS = 32  # shorter trials have no spectrum worth comparing
_LEVEL = 0.9


@dataclass(frozen=True)
class Report:
    """All that the chapter shows of one file, as :func:`make` returns it.

    Attributes
    ----------
    loaded
        The context and what had to be done to get it.
    samples
        The ensemble, as :func:`dynamix.forecast` returns it, in the units of the data.
    free_run
        One forecast, at least as long as the context.
    gates
        Its expert weights ``(T, J)``, or ``(T, S, J)`` where each of S channels was forecast alone.
    findings
        On the file, on every channel, and on the end of the free run.
    backtest, coverage
        The table and the share of :func:`backtest`.
    expected
        The coverage of an ensemble of K samples that is as uncertain as it should be,
        ``0.9 (K - 1) / (K + 1)``.
    verdict
        The sentence of :func:`verdict`.
    """

    loaded: Loaded
    samples: pd.DataFrame
    free_run: pd.DataFrame
    gates: np.ndarray
    findings: tuple[Finding, ...]
    backtest: pd.DataFrame
    coverage: float
    expected: float
    verdict: str

    def table(self) -> pd.DataFrame:
        """The findings as a frame, the worst first; reasons and advice only where not all is fine."""
        ranked = sorted(self.findings, key=lambda f: -SEVERITIES.index(f.severity))
        rows = [
            {
                "check": f.check,
                "severity": f.severity,
                "found": f.found,
                "why it matters": f.why if f.severity != "fine" else "",
                "what to do": f.advice if f.severity != "fine" else "",
            }
            for f in ranked
        ]
        return pd.DataFrame(rows)


def make(
    loaded: Loaded,
    *,
    horizon: int,
    model: DynaMix | str | Path = BUNDLED_MODEL,
    embedding: Embedding | None = None,
    n_samples: int = 20,
    seed: int = 0,
) -> Report:
    """Forecast, repeat the forecast on the data's own end, and judge.

    Parameters
    ----------
    loaded
        The context, from :func:`load`, with at most as many channels as the model has dims.
    horizon
        Steps to forecast.
    model, embedding, seed
        As :func:`dynamix.forecast` takes them.
    n_samples
        Forecasts in the ensemble; at least 2.

    Returns
    -------
    The :class:`Report`, the same for the same seed.

    Raises
    ------
    InputError
        As :func:`dynamix.forecast`; for more channels than the model has dims; for fewer than 2
        samples.

    Examples
    --------
    A clean sine fails: measured values never repeat to the last digit.

    >>> x = np.sin(2 * np.pi * np.arange(300) / 30)
    >>> report = make(Loaded(pd.DataFrame({"x": x}), "no file", (), ()), horizon=20, n_samples=2)
    >>> report.table().loc[0, ["check", "severity"]].tolist()
    ['copied stretches', 'serious']
    >>> report.verdict.split(":")[0]
    'Do not rely on this forecast'
    """
    from ..model.dynamix import DynaMix

    frame = loaded.frame
    network = DynaMix.from_pretrained(model) if isinstance(model, str | Path) else model
    N = network.config.observed_dims
    if frame.shape[1] > N:
        raise InputError(
            f"a report shows at most {N} columns together, found {frame.shape[1]}. Name fewer."
        )
    horizon = whole_number("horizon", horizon)
    whole_number("n_samples", n_samples, least=2)
    how: dict[str, Any] = {"model": network, "embedding": embedding, "seed": seed}
    samples = forecast(frame, horizon=horizon, n_samples=n_samples, **how)
    free_run, gates = forecast(frame, horizon=max(horizon, len(frame)), return_gates=True, **how)
    findings = (*loaded.findings, *_checked(frame), _ending(frame, free_run))
    trial, coverage = backtest(frame, horizon=horizon, n_samples=n_samples, **how)
    expected = _LEVEL * (n_samples - 1) / (n_samples + 1)
    return Report(
        loaded=loaded,
        samples=samples,
        free_run=free_run,
        gates=gates,
        findings=findings,
        backtest=trial,
        coverage=coverage,
        expected=expected,
        verdict=verdict(findings, trial, coverage=coverage, expected=expected),
    )


def _checked(frame: pd.DataFrame) -> Iterator[Finding]:
    for check in CHECKS:
        for name in frame.columns:
            finding = check(frame[name].to_numpy())
            if frame.shape[1] > 1:
                finding = replace(finding, check=f"{finding.check} of {name}")
            yield finding


def _ending(frame: pd.DataFrame, free_run: pd.DataFrame) -> Finding:
    """Whether the free run stays near the context's values."""
    made, x = free_run.to_numpy(), frame.to_numpy()
    width = np.maximum(np.ptp(x, axis=0), 1e-12)
    outside = np.maximum(x.min(axis=0) - made, made - x.max(axis=0)) / width
    far = float(np.nan_to_num(outside, nan=np.inf).max())
    still = float((made[len(made) // 2 :].std(axis=0) / (x.std(axis=0) + 1e-12)).min())
    worse = graded(still, 0.5, 0.25, 0.05) if np.isfinite(far) else "serious"
    severity = max(graded(far, 0.1, 0.3, 1.0), worse, key=SEVERITIES.index)
    return Finding(
        "free run",
        severity,
        far,
        f"leaves the context's range by {max(far, 0.0):.2f} of its width at most, and keeps "
        f"{still:.2f} of its spread in its second half",
        "a forecast that escapes or dies down is none of the system's behaviour",
        "try another embedding, a longer context, or dynamix-3d-plus",
    )


def backtest(
    frame: pd.DataFrame, *, horizon: int, n_samples: int, **how: Any
) -> tuple[pd.DataFrame, float]:
    """The forecast and its rivals from origins near the context's end, a row each.

    No forecaster sees values after an origin. DynaMix's row is the median of its ensemble, its
    ``D_H`` that of one sample. ``seasonal naive`` repeats the last dominant oscillation.

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
    The table, and the share of true values inside the ensemble's 90 % band. The columns are
    ``error, first 10`` and ``error, all``, mean absolute errors in standard deviations of what was
    shown, and ``D_H``, the Hellinger distance of the spectra, for trials of 32 steps or more; all
    averaged over origins. NaN where the forecast was not finite.

    Examples
    --------
    >>> frame = pd.DataFrame({"x": np.sin(2 * np.pi * np.arange(300) / 30)})
    >>> table, coverage = backtest(frame, horizon=20, n_samples=2)
    >>> bool(table.loc["seasonal naive", "error, all"] < 1e-6), table["error, all"].idxmax()
    (True, 'last value')
    """
    T = len(frame)
    steps = int(np.clip(horizon, 2, max(2, int(_LIMITS.held_out * T))))
    origins = np.unique(np.linspace(max(T // 2, 12), T - steps, _LIMITS.origins).astype(int))
    rows: dict[str, list[dict[str, float]]] = {}
    covered: list[Any] = []
    for origin in origins:
        shown = frame.iloc[:origin].to_numpy()
        truth = frame.iloc[origin : origin + steps].to_numpy()
        deviation = shown.std(axis=0) + 1e-12
        fan = forecast(shown, horizon=steps, n_samples=n_samples, **how)
        made = {
            "DynaMix": np.median(fan, axis=0),
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
                # a median of samples is smoother than any of them: the spectrum is of one sample
                one = fan[0] if name == "DynaMix" else y
                width = max(1, steps // 100)
                row["D_H"] = spectral_hellinger(forecast=one, truth=truth, smoothing=width)
            rows.setdefault(name, []).append(row)
    table = pd.DataFrame({name: pd.DataFrame(parts).mean() for name, parts in rows.items()}).T
    table.index.name = f"{len(origins)} origins, {steps} steps each"
    return table, float(np.mean(covered))


def _season(shown: np.ndarray) -> int:
    period = dominant_period(shown, by="spectrum")
    if period > len(shown) / 2:  # no oscillation to speak of
        period = dominant_period(shown)
    return int(np.clip(round(period), 1, len(shown)))


def verdict(
    findings: tuple[Finding, ...], backtest: pd.DataFrame, *, coverage: float, expected: float
) -> str:
    """One sentence: how far to trust the forecast, and for which reasons.

    DynaMix is beaten where another row of ``backtest`` has a smaller ``error, all``. The ensemble
    is too narrow where ``coverage`` is below 0.6 of ``expected``. A serious finding, or both of
    these, gives *Do not rely on this forecast*; one of the two or a warning gives *Use this
    forecast with care*.
    """
    error = backtest["error, all"]
    rival = error.drop("DynaMix").idxmin()
    beaten = not error["DynaMix"] <= error[rival]
    narrow = not coverage >= 0.6 * expected
    compared = f"an error of {error['DynaMix']:.2f} deviations against {error[rival]:.2f}"
    reasons = [
        f"on the data's own end {rival} did better ({compared})"
        if beaten
        else f"on the data's own end {rival} came nearest, no better ({compared})"
    ]
    if narrow:
        reasons.append(
            f"the fan held {coverage:.0%} of the true values there instead of {expected:.0%}"
        )
    worst = {s: [f.check for f in findings if f.severity == s] for s in ("serious", "warning")}
    reasons += [f"{severity}: {', '.join(names)}" for severity, names in worst.items() if names]
    if worst["serious"] or (beaten and narrow):
        head = "Do not rely on this forecast"
    elif beaten or narrow or worst["warning"]:
        head = "Use this forecast with care"
    else:
        head = "Nothing was found that speaks against this forecast"
    return f"{head}: {'; '.join(reasons)}."
