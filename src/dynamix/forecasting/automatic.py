"""``model="auto"``: the model and settings that suit the end of a context, and a report of them.

The choice has two parts, and uses the context alone.

* *Is it a flow?* ``dynamix-3d`` forecasts five steps from four origins in the context's second
  half. If its error is not below half of that of season and level, no model here knows the series.
  Then ``dynamix-3d`` continues what the seasons leave, with damping.
* *Which model?* Else the models forecast up to 25 steps from three origins in the last quarter, and
  run freely after the context. The score is that of ``embedding="auto"``: the error times the
  unlikeness of the free run. A context with noise is smoothed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from tqdm import tqdm

from ..errors import InputError
from ..gp.smoothing import LEAST_NOISE, smooth
from ..io.arrays import usable
from ..io.scale import unit
from ..local.choice import trial_length, unlikeness
from ..preprocessing.seasons import find_seasons
from ..settings import PATIENCE, ForecastConfig, declared
from . import damping
from .embedding_choice import bounded_error, trials

logger = logging.getLogger(__name__)

AUTO = "auto"
PROBE = "dynamix-3d"
PROBES, RIVALS = 4, 3  # origins of the two parts
_SEASONAL = {"season": "auto", "damping": "auto"}

Series = Float[ndarray, "T_C n"]


@dataclass(frozen=True)
class ForecastReport:
    """What ``model="auto"`` took for a series, and why.

    ``foreseen`` is the error of the first steps over that of season and level; below 0.5 the series
    counts as a flow. ``scores`` are those of the models that were compared then, smaller is better.
    ``seasons`` are the periods of each channel.
    """

    model: str
    settings: dict[str, Any]
    seasons: tuple[tuple[int, ...], ...] = ()
    foreseen: float = float("nan")
    scores: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        found = sorted({period for own in self.seasons for period in own})
        seasons = f"; seasons of {', '.join(map(str, found))} steps" if found else ""
        return f"{self.model}{f' ({given})' if given else ''}{seasons}"


def given_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that differ from their defaults; they outrank the choice."""
    fields = declared(ForecastConfig)
    return {name: value for name, value in settings.items() if value != fields[name].default}


def choose_model(
    x: Series, settings: dict[str, Any], calendar: tuple[int, ...] | None = None
) -> ForecastReport:
    """The choice for one series. ``settings`` are those of the forecast that are given."""
    if len(x) < damping.SHORTEST:
        return ForecastReport(PROBE, {})
    n = x.shape[1]
    own = {k: v for k, v in settings.items() if k not in ("n_samples", "errors", *_SEASONAL)}
    seasons = tuple(find_seasons(np.ascontiguousarray(c), calendar) for c in x.T)
    ratios = {}
    for embedding in ("pos", "delay") if n < 3 else (None,):
        how = {"embedding": embedding, **own} if embedding else own
        ratios[embedding] = _foreseen(x, how, calendar)
    foreseen = min(ratios.values())
    if not foreseen < damping.FORESEEN:
        return ForecastReport(PROBE, dict(_SEASONAL), seasons, foreseen)
    scores = dict[str, float]()
    noisy = len(x) > 1 and smooth(x / unit(x)).noise >= LEAST_NOISE
    shared: dict[str, Any] = {"denoise": "auto"} if noisy else {}
    rivals: dict[str, dict[str, Any]] = {PROBE: {"embedding": "auto"} if n < 3 else {}}
    for name in ("dynamix-3d-plus", *(["dynamix-gp"] if n > 1 else [])):
        rivals[name] = {"embedding": "delay"} if n < 3 else {}
    bar = tqdm(rivals.items(), desc="models", disable=None, delay=PATIENCE, leave=False)
    for name, how in bar:
        rivals[name] = shared | how
        try:
            scores[name] = _score(x, name, {**rivals[name], **own})
        except InputError as error:  # too short a context
            logger.info("%s is not tried: %s", name, error)
    best = min(scores, key=lambda name: scores[name]) if scores else PROBE
    chosen = rivals[best] if np.isfinite(scores.get(best, np.inf)) else {}
    return ForecastReport(best, chosen, (), foreseen, scores)


def _foreseen(x: Series, how: dict[str, Any], calendar: tuple[int, ...] | None) -> float:
    """Error of the probe's first steps over that of the best plain forecast, over all channels."""
    from .zero_shot import forecast

    places, _ = damping.origins(len(x), damping.FIRST)
    chosen = [places[i] for i in np.unique(np.linspace(0, len(places) - 1, PROBES).astype(int))]
    steps, size = min(damping.FIRST, len(x) - chosen[-1]), unit(x)
    model, plain = [], []
    for T in chosen:
        past, truth = np.ascontiguousarray(x[:T]), x[T : T + steps] / size
        seasons = [find_seasons(np.ascontiguousarray(c), calendar, smooth=True) for c in past.T]
        others = damping.plain(past, seasons, horizon=steps) / size
        plain.append(np.abs(others - truth).mean(axis=1))
        try:
            y = forecast(past, horizon=steps, model=PROBE, **how) / size
        except InputError:  # too short or constant up to there
            return float("inf")
        model.append(np.abs(y - truth).mean(axis=0))
    best = np.mean(plain, axis=0).min(axis=0)
    ratio = np.mean(model, axis=0) / np.where(best > 0, best, np.inf)
    return float(np.median(ratio)) if best.any() else float("inf")


def _score(x: Series, name: str, how: dict[str, Any]) -> float:
    """Error at the origins times unlikeness of the free run."""
    from .zero_shot import forecast

    places, steps = trials(len(x))
    some = [places[i] for i in np.unique(np.linspace(0, len(places) - 1, RIVALS).astype(int))]
    scale = np.abs(x - np.median(x, axis=0)).mean(axis=0)
    error = np.mean(
        [
            bounded_error(
                forecast(x[:T], horizon=steps, model=name, **how), x[T : T + steps], scale
            )
            for T in some
        ]
    )
    size = unit(x)
    run = forecast(x, horizon=trial_length(len(x)), model=name, **how) / size
    return float(error * unlikeness(x / size)(run))


def automatic(
    context: Any,
    values: Float[ndarray, "T_C S n"],
    *,
    horizon: int,
    calendar: tuple[int, ...] | None,
    settings: dict[str, Any],
    **how: Any,
) -> tuple[Any, list[ForecastReport | None]]:
    """The forecast of a context, and a report per series; None where a series is skipped.

    ``how`` holds ``initial_x`` and ``return_gates``.
    """
    from .zero_shot import forecast

    skip, S = settings.get("errors") == "skip", values.shape[1]
    good = usable(values) if skip else np.ones(S, dtype=bool)
    given = given_settings(settings)
    if how["initial_x"] is not None:  # which no season or damping takes
        given |= {"season": "off", "damping": "off"}
    reports: list[ForecastReport | None] = [None] * S
    bar = tqdm(np.flatnonzero(good), desc="choice", disable=None, delay=PATIENCE, leave=False)
    for s in bar:
        reports[s] = choose_model(np.ascontiguousarray(values[:, s]), given, calendar)
        logger.info("series %d: %s", s, reports[s])

    def made(report: ForecastReport, part: Any, **how: Any) -> Any:
        chosen = {**report.settings, **given}
        return forecast(part, horizon=horizon, model=report.model, **chosen, **how)

    first = reports[int(np.flatnonzero(good)[0])]
    assert first is not None  # one series is usable
    alike = all(
        r is None or (r.model, r.settings) == (first.model, first.settings) for r in reports
    )
    if alike:
        return made(first, context, **how), reports
    if how["return_gates"] or how["initial_x"] is not None:
        raise InputError(
            "model='auto' chose different models for the series of a batch, whose weights and "
            "starts cannot be joined. Forecast the series one by one, as a list."
        )
    parts = {s: made(r, context[:, s]) for s, r in enumerate(reports) if r is not None}
    sample = next(iter(parts.values()))
    missing = sample * float("nan")
    return _stacked([parts.get(s, missing) for s in range(S)]), reports


def _stacked(parts: list[Any]) -> Any:
    """Forecasts ``(..., T, n)`` of the series of a batch as ``(..., T, S, n)``."""
    if isinstance(parts[0], np.ndarray):
        return np.stack(parts, axis=-2)
    import torch

    return torch.stack(parts, dim=-2)
