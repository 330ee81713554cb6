"""``model="auto"``: the model and settings that suit the end of a context, and a report of them.

The choice uses the context alone. Its question is whether the series is a *flow*: the state of a
dynamical system, whose next steps follow from what was seen. ``dynamix-3d-plus`` forecasts twenty
steps from the origins of :mod:`~dynamix.forecasting.damping`. If its error is clearly below that of
season and level, over the first five steps or over all of them, the series is a flow. Noise hides
the first steps of a flow more than its further ones.

* A flow gets ``dynamix-gp-learned``, whose map is chosen by free runs, with a memory where one or
  two channels show no whole state; noise that is found is smoothed. If these show fewer steps than
  its judge needs, they get ``dynamix-3d-plus``. Each did best on generated flows that no model was
  made from.
* Any other series is forecast best by its season and level. ``dynamix-3d`` continues what they
  leave, as far as forecasts of the context's own end ask for it
  (:mod:`~dynamix.forecasting.damping`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..gp.choice import LEAST
from ..gp.regression import scales
from ..gp.smoothing import WINDOW, singular_spectrum
from ..io.arrays import usable
from ..io.progress import tqdm
from ..io.shapes import Float
from ..preprocessing.seasons import seasons_of
from ..settings import BUNDLED_MODEL, PATIENCE, ForecastConfig, declared
from . import damping

logger = logging.getLogger(__name__)

PROBE = BRIEF = "dynamix-3d-plus"
FLOW = "dynamix-gp-learned"
SHORTEST = 40  # steps of a context, which are enough for a choice
SHORT = 100  # fewer steps have equal delays, which take fewer of them than PECUZAL's
LAST = 2000  # steps that the choice looks at
FORESEEN = 2 / 3  # of the plain forecast's error in the first steps: below it, a flow
FURTHER, FOLLOWED = 20, 0.8  # and of its error over so many steps
_SEASONAL = {"season": "auto", "damping": "auto"}

Series = Float[ndarray, "T_C n"]


@dataclass(frozen=True)
class ForecastReport:
    """The model and settings that a forecast used for a series, and why.

    ``settings`` are those that the choice adds to the caller's. ``foreseen`` is the error of the
    first five steps over that of season and level, ``followed`` that of twenty steps; below two
    thirds or below 0.8 the series counts as a flow. ``seasons`` are the periods found in each
    channel of any other series, in its whole context.
    """

    model: str
    settings: dict[str, Any]
    foreseen: float = float("nan")
    followed: float = float("nan")
    seasons: tuple[tuple[int, ...], ...] = ()

    def kept(self, *, free: bool) -> dict[str, Any]:
        """The settings; without ``free`` those that can be combined with a given start."""
        return {k: v for k, v in self.settings.items() if free or k not in _SEASONAL}

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        found = sorted({period for own in self.seasons for period in own})
        seasons = f"; seasons of {', '.join(map(str, found))} steps" if found else ""
        return f"{self.model}{f' ({given})' if given else ''}{seasons}"


def given_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that differ from their defaults; they outrank the choice."""
    fields = declared(ForecastConfig)
    return {name: value for name, value in settings.items() if value != fields[name].default}


def choose_models(
    values: Float[ndarray, "T_C S n"], settings: dict[str, Any], calendar: tuple[int, ...] | None
) -> list[ForecastReport | None]:
    """The choice of each series; None for one that ``errors="skip"`` leaves out.

    ``settings`` are those of the forecast. All series are tried side by side.
    """
    (T_C, S, n), given = values.shape, given_settings(settings)
    good = usable(values) if settings.get("errors") == "skip" else np.ones(S, dtype=bool)
    reports: list[ForecastReport | None] = [None] * S
    series = {int(s): np.ascontiguousarray(values[-LAST:, s]) for s in np.flatnonzero(good)}
    other = ("n_samples", "odds", "errors", *_SEASONAL)
    memory = given.get("embedding") == "memory"  # which the probe has not
    own = {name: value for name, value in given.items() if name not in other and value != "memory"}
    quick: dict[str, Any] = {} if n > 2 else {"embedding": "delay"}
    ratios = _ratios(series, quick | own, calendar) if T_C >= SHORTEST else {}
    for s, x in series.items():
        if T_C < SHORTEST:
            reports[s] = ForecastReport(BUNDLED_MODEL, {})
        elif ratios[s][0] < FORESEEN or ratios[s][1] < FOLLOWED:
            found = {"denoise": "auto"} | (quick if len(x) < SHORT else {})
            model = BRIEF if quick and len(x) < LEAST and not memory else FLOW
            reports[s] = ForecastReport(model, found, *ratios[s])
        else:
            seasons = tuple(seasons_of(values[:, s], calendar))  # as the forecast finds them
            reports[s] = ForecastReport(BUNDLED_MODEL, dict(_SEASONAL), *ratios[s], seasons)
        logger.debug("series %d: %s", s, reports[s])
    return reports


def _ratios(
    series: dict[int, Series], how: dict[str, Any], calendar: tuple[int, ...] | None
) -> dict[int, tuple[float, float]]:
    """Error of the probe over that of the best plain forecast, in the first and in all steps."""
    T_C = len(next(iter(series.values())))
    places, steps = damping.origins(T_C, FURTHER)
    scaled, clean = dict[int, Series](), dict[int, Series]()
    for s, x in series.items():
        mean, deviation = scales(x)
        scaled[s] = (x - mean) / deviation
        clean[s] = singular_spectrum(scaled[s])  # no model foresees the truth's noise
    model: dict[int, list[ndarray]] = {s: [] for s in series}
    plain: dict[int, list[ndarray]] = {s: [] for s in series}
    for T in tqdm(places, desc="choice", disable=None, delay=PATIENCE, leave=False):
        past = {s: np.ascontiguousarray(scaled[s][:T]) for s in model}
        seen = {s: singular_spectrum(x) if T > WINDOW else x for s, x in past.items()}
        runs = _probed(seen, steps, how)
        for s in past:
            if s not in runs:  # too short or constant up to there
                del model[s]
                continue
            seasons = seasons_of(past[s], calendar, smooth=True)
            # smoothed as well: the truth is, and else a rough season would look like a flow
            either = (damping.plain(x, seasons, horizon=steps) for x in (past[s], seen[s]))
            others, truth = np.concatenate([*either]), clean[s][T : T + steps]
            plain[s].append(np.abs(others - truth))
            model[s].append(np.abs(runs[s] - truth))
    found = dict.fromkeys(series, (float("inf"), float("inf")))
    for s in model:
        both = np.array(model[s]), np.array(plain[s])
        first = _ratio(*(errors[..., : damping.FIRST, :].mean(axis=-2) for errors in both))
        found[s] = first, float("inf")
        if steps == FURTHER:  # else the context is short
            found[s] = first, _ratio(*(errors.mean(axis=-2) for errors in both))
    return found


def _ratio(model: Float[ndarray, "K n"], plain: Float[ndarray, "K V n"]) -> float:
    """The median of the model's errors over those of each channel's best plain forecast."""
    best = plain.mean(axis=0).argmin(axis=0)
    usual = plain[:, best, np.arange(len(best))]
    ratio = model / np.where(usual > 0, usual, np.inf)
    return float(np.median(ratio)) if usual.any() else float("inf")


def _probed(seen: dict[int, Series], steps: int, how: dict[str, Any]) -> dict[int, Series]:
    """The probe's forecasts of the series that it can forecast."""
    from .zero_shot import forecast

    if not seen:
        return {}
    try:
        y = forecast(np.stack(list(seen.values()), axis=1), horizon=steps, model=PROBE, **how)
    except InputError as error:
        if len(seen) == 1:
            logger.debug("no probe: %s", error)
            return {}
        parts = (_probed({s: x}, steps, how) for s, x in seen.items())
        return {s: y for part in parts for s, y in part.items()}
    return {s: np.ascontiguousarray(y[:, i]) for i, s in enumerate(seen)}


def alike(
    reports: Sequence[ForecastReport | None],
) -> list[tuple[ForecastReport, list[int]]]:
    """Each choice with the numbers of its series; a series that is skipped goes with the first."""
    groups: dict[str, tuple[ForecastReport, list[int]]] = {}
    first = next(report for report in reports if report is not None)
    for s, report in enumerate(reports):
        chosen = report or first
        groups.setdefault(f"{chosen.model} {chosen.settings}", (chosen, []))[1].append(s)
    return list(groups.values())
