"""Odds that hold: intervals from the errors of free runs inside the context.

The noise of the gate makes samples that differ, but its width is unrelated to the errors of a
forecast. This module measures the errors. From origins in the last part of a context
(:func:`origins`) the model forecasts steps that are known, and sees only the steps before each
origin. All numbers are in anomalies: the units of the transformed series, minus the mean and over
the deviation of the steps that were seen. :func:`measure` takes three things from the trials:

* *Centre*: the run, or what once followed a like past
  (:func:`~dynamix.local.analogue.copied`), or a mean of both, as the trials ask for at each lead
  (:mod:`~dynamix.forecasting.centre`), times the *skill*: the slope of the truth on it, from 1 to
  0, which never rises. Once a free run of a chaotic system has lost its skill, it is a state of the
  attractor like any other, and the mean is the better centre.
* *Margins*: the quantiles of what is left, ``truth - skill run``, at each lead and channel. The
  trials are pooled over neighbouring leads. The levels are those of conformal prediction for as
  many residuals as there are trials, or more where errors of one trial are far enough apart to
  count as several. A trial's own residual is taken with the share and skill of the others.
* *Paths*: samples are sums of whole residual paths with random weights. They keep the correlation
  of the residuals in time and between channels. At each lead they are then mapped on the margins.

Beyond the longest lead of a trial the skill decays at the mean rate that was measured, and the
margins go over to the context's climate: the distribution of its values around the mean.

Sources: Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World (conformal levels);
Barber, Candes, Ramdas & Tibshirani (Annals of Statistics 49, 486, 2021), the residual with all but
one's own trial; Gneiting, Raftery, Westveld & Goldman (Monthly Weather Review 133, 1098, 2005), the
regression of the truth on the run. The residuals of one context are not exchangeable, so nothing
guarantees the coverage; ``experiments/odds.py`` measures it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy import ndarray
from scipy import special

from ..engine.select import settled
from ..errors import InputError
from ..gp.regression import candidates, scales
from ..gp.settings import GPConfig
from ..io.progress import tqdm
from ..io.shapes import Float
from ..local.analogue import copied as copied_past
from ..preprocessing.periods import decorrelation_time
from ..preprocessing.transforms import (
    Series,
    Transform,
    apply_transforms,
    invert_transforms,
)
from ..settings import PATIENCE
from .centre import knots, shares, skill
from .ensembles import sample_seed

if TYPE_CHECKING:
    from .pipeline import Pipeline

logger = logging.getLogger(__name__)
_bar = partial(tqdm, desc="trials", unit="series", disable=None, delay=PATIENCE, leave=False)

TRIALS = 16  # origins of a context: the largest of so many errors is exceeded in 1 of 17 cases
SEEN = 0.6  # of a context, before the first trial: a shorter past makes larger errors
LEAST_TRIALS = 5  # at a lead: fewer show no tail
SHORTEST = 20  # steps of a context in which trials are made
NEAR = 1.25  # leads between h / NEAR and NEAR h are pooled
_GOLDEN = (np.sqrt(5) - 1) / 2
_SCORES = np.arange(-16, 17) / 4  # normal scores at which margins are kept
_OVERLAP = 4  # a path goes over to the next one in the last 1/4 of the longest lead
_WIDER = 0.25  # widths of its context's range by which a run may leave it


@dataclass(frozen=True)
class Trial:
    """A free run inside the context, and the truth: ``made`` and ``real (h, n)``, in anomalies.

    ``copied (h, n)`` is what followed a like past; None: the run alone is the centre.
    """

    made: Series
    real: Series
    copied: Series | None = None


@dataclass(frozen=True)
class Scale:
    """From transformed units to anomalies, and back; ``low`` and ``high`` bound a run."""

    mean: Float[ndarray, " n"]
    deviation: Float[ndarray, " n"]
    low: Float[ndarray, " n"]
    high: Float[ndarray, " n"]

    @classmethod
    def of(cls, seen: Series) -> Scale:
        """The scale of the steps that were seen, ``(T, n)``."""
        mean, deviation = scales(seen)
        low, high = (seen.min(axis=0) - mean) / deviation, (seen.max(axis=0) - mean) / deviation
        return cls(mean, deviation, low - _WIDER * (high - low), high + _WIDER * (high - low))

    def apply(self, y: Series) -> Series:
        """Anomalies."""
        return (y - self.mean) / self.deviation

    def held(self, y: Series) -> Series:
        """Anomalies of a run, held in bounds; the mean from the step at which it is NaN."""
        with np.errstate(all="ignore"):
            return np.clip(np.nan_to_num(self.apply(y), nan=0.0), self.low, self.high)

    def invert(self, y: ndarray) -> ndarray:
        """Transformed units."""
        return y * self.deviation + self.mean


def origins(T_C: int, horizon: int, *, count: int = TRIALS) -> list[int]:
    """Steps before each trial, in the last two fifths of a context of ``T_C`` steps.

    They are spread by the golden ratio, since equal distances could be whole numbers of seasons.

    >>> origins(100, 10, count=4)
    [67, 74, 79, 86]
    >>> origins(19, 10)
    []
    """
    if T_C < SHORTEST:
        return []
    first, last = int(SEEN * T_C), T_C - min(horizon, max(1, T_C // 8))
    places = (_GOLDEN * np.arange(1, count + 1)) % 1.0
    return np.unique((first + places * (last - first)).round().astype(int)).tolist()


def longest_lead(T_C: int, horizon: int, starts: Sequence[int]) -> int:
    """The longest lead, up to the horizon, at which enough trials can be compared; 0: none."""
    if len(starts) < LEAST_TRIALS:
        return 0
    return min(horizon, T_C - sorted(starts)[LEAST_TRIALS - 1])


@dataclass(frozen=True)
class Odds:
    """The distribution of a forecast around its run, in anomalies; :func:`measure` makes it.

    ``share (H,)`` is the run's part in the centre, beside the copy's, and ``skill (H,)`` the factor
    of both. ``margins (H, n, 33)`` are residuals at normal scores of -4 to 4, and ``paths (K, L,
    n)`` residuals over their deviation at each lead, 0 where a trial has none.
    """

    share: Float[ndarray, " H"]
    skill: Float[ndarray, " H"]
    margins: Float[ndarray, "H n scores"]
    paths: Float[ndarray, "K L n"]

    def mixed(self, run: Series, copied: Series) -> Series:
        """The run and the copy of the past in their shares."""
        return self.share[:, None] * run + (1.0 - self.share[:, None]) * copied

    def quantiles(self, run: Series, levels: Sequence[float]) -> Float[ndarray, "levels H n"]:
        """The quantiles of the forecast at the given levels, for the mixed run ``(H, n)``."""
        scores = special.ndtri(np.asarray(levels, dtype=np.float64))
        wanted = np.broadcast_to(scores[:, None, None], (len(scores), *run.shape))
        return self.skill[:, None] * run + self._at(wanted)

    def samples(self, run: Series, seeds: Sequence[int]) -> Float[ndarray, "seeds H n"]:
        """A sample for each seed, for the mixed run ``(H, n)``."""
        drawn = np.stack([self._path(seed) for seed in seeds])
        return self.skill[:, None] * run + self._at(drawn)

    def _at(self, scores: Float[ndarray, "K H n"]) -> Float[ndarray, "K H n"]:
        """The margins at these normal scores, linear between those that are kept."""
        place = np.clip((scores - _SCORES[0]) * 4, 0, len(_SCORES) - 1)
        left = np.minimum(place.astype(int), len(_SCORES) - 2)
        table = np.broadcast_to(self.margins, (len(scores), *self.margins.shape))
        low, high = (
            np.take_along_axis(table, (left + i)[..., None], axis=-1)[..., 0] for i in (0, 1)
        )
        return low + (place - left) * (high - low)

    def _path(self, seed: int) -> Float[ndarray, "H n"]:
        """Standard normal at each step and channel, with the correlations of the paths."""
        H, (K, L, n) = len(self.skill), self.paths.shape
        rng = np.random.default_rng([seed, 2])
        size = np.sqrt((self.paths**2).sum(axis=0))
        unit = self.paths / np.where(size > 0, size, 1.0)
        over = L // _OVERLAP
        hop = L - over
        # sin^2 + cos^2 = 1: where a path goes over to the next one, the variance stays
        rise = np.sin(np.pi / 2 * (np.arange(over) + 0.5) / max(over, 1))[:, None]
        found = np.zeros((H + L, n))
        for start in range(0, H, hop):
            block = np.tensordot(rng.standard_normal(K), unit, axes=1)
            if start:
                block[:over] *= rise
            if start + hop < H:
                block[hop:] *= rise[::-1]
            found[start : start + L] += block
        return found[:H]


def measure(trials: Sequence[Trial], climate: Series, *, horizon: int) -> Odds | None:
    """The odds of a forecast from trials; None if too few of them reach a lead of one step.

    ``climate (T, n)`` are the anomalies of the whole context. A trial is as long as its truth is
    known, up to the longest lead.

    >>> rng = np.random.default_rng(0)
    >>> trials = [Trial(np.zeros((8, 1)), rng.normal(size=(8, 1))) for _ in range(200)]
    >>> odds = measure(trials, rng.normal(size=(500, 1)), horizon=8)
    >>> odds.quantiles(np.zeros((8, 1)), [0.1, 0.9])[:, 4, 0].round(1)
    array([-1.3,  1.3])
    """
    lengths = np.array([len(trial.real) for trial in trials])
    if (lengths > 0).sum() < LEAST_TRIALS:
        return None
    L = min(horizon, int(np.sort(lengths)[-LEAST_TRIALS]))
    n = climate.shape[1]
    made, real, copied = (np.full((len(trials), L, n), np.nan) for _ in range(3))
    for k, trial in enumerate(trials):
        made[k, : lengths[k]], real[k, : lengths[k]] = trial.made[:L], trial.real[:L]
        copied[k, : lengths[k]] = (trial.made if trial.copied is None else trial.copied)[:L]
    known = np.isfinite(real) & np.isfinite(made)
    made, real, copied = (np.where(known, y, 0.0) for y in (made, real, copied))
    share, own = np.ones(L), np.ones((len(trials), L))
    if all(trial.copied is not None for trial in trials):
        share, own = shares(made, copied, real, known)
    made = own[..., None] * made + (1.0 - own[..., None]) * copied
    skills = skill(made, real)
    kept = 1.0 - np.eye(len(trials))[..., None, None]
    others = np.stack([skill(k * made, real) for k in kept])
    rest = np.where(known, real - others[..., None] * made, np.nan)

    at_leads, turn = knots(L), 2 * decorrelation_time(climate)
    margins = np.empty((len(at_leads), n, len(_SCORES)))
    for i, h in enumerate(at_leads):
        margins[i] = _margin(rest[:, int(np.ceil(h / NEAR)) - 1 : int(h * NEAR)], turn)
    leads = np.arange(1, horizon + 1)
    at = np.searchsorted(at_leads, np.minimum(leads, L))  # linear between them, and held beyond
    before = np.maximum(at - 1, 0)
    step = np.maximum(at_leads[at] - at_leads[before], 1)
    part = ((np.minimum(leads, L) - at_leads[before]) / step)[:, None, None]
    margins = margins[before] + part * (margins[at] - margins[before])

    # beyond the longest lead: skill^(h / L), and margins that go over to the climate
    share = np.concatenate([share, np.full(horizon - L, share[-1])])
    skills = np.concatenate([skills, skills[-1] ** (leads[L:] / L)])
    last, far = margins[min(L, horizon) - 1], _margin(climate[None] - climate.mean(axis=0))
    wide, usual = (np.abs(m).mean(axis=-1, keepdims=True) for m in (last, far))
    far = far * np.maximum(1.0, wide / np.where(usual > 0, usual, 1.0))
    gone = (1.0 - skills[L - 1] ** (2.0 * (leads[L:] / L - 1.0)))[:, None, None]
    margins[L:] = (1.0 - gone) * last + gone * far
    deviation = np.sqrt(np.nanmean(rest**2, axis=0))
    paths = np.nan_to_num(rest) / np.where(deviation > 0, deviation, 1.0)
    return Odds(share, skills, margins, paths)


def _margin(rest: Float[ndarray, "K leads n"], turn: int = 1) -> Float[ndarray, "n scores"]:
    """Quantiles of the residuals of K trials, pooled over leads, at conformal levels.

    Of K residuals, the p-th quantile of the next one is the residual of rank ``p (K + 1)``. Among
    the pooled ones this is the level ``1/2 + (p - 1/2) (K + 1) / K``. Residuals that are ``turn``
    steps apart count as two.
    """
    found = np.empty((rest.shape[2], len(_SCORES)))
    for i, channel in enumerate(np.moveaxis(rest, -1, 0)):
        steps = np.isfinite(channel).sum(axis=1)
        K = np.maximum(steps > 0, steps / turn).sum() if len(rest) > 1 else channel.size
        levels = 0.5 + (special.ndtr(_SCORES) - 0.5) * (K + 1) / max(K, 1)
        pooled = channel[np.isfinite(channel)]
        found[i] = np.quantile(pooled, np.clip(levels, 0.0, 1.0), method="hazen")
    return found


class Around(NamedTuple):
    """What :func:`around` measured: ``copied (H, n)`` in anomalies, or None."""

    odds: Odds
    scale: Scale
    transforms: list[Transform]
    copied: Series | None


def around(
    x: Series,
    horizon: int,
    ask: Callable[[int, int], Series],
    *,
    fit: Callable[[Series], list[Transform]],
    beside: bool = False,
) -> Around | None:
    """The odds after a context ``x (T_C, n)``, and what they need; None if it is too short.

    ``ask(T, steps)`` forecasts after the first T steps, in the data's units, and raises InputError
    where they are too few. ``fit`` makes the transforms in whose units errors are compared. With
    ``beside`` a copy of the past takes a share of the centre where it is nearer to the truth.
    """
    T_C = len(x)
    starts = origins(T_C, horizon)
    L, trials = longest_lead(T_C, horizon, starts), []
    for T in starts if L else []:
        seen, steps = np.ascontiguousarray(x[:T]), min(L, T_C - T)
        try:
            run, own = ask(T, steps), fit(seen)
        except InputError as error:
            logger.debug("no trial after %d steps: %s", T, error)
            continue
        past = apply_transforms(seen, own)
        scale = Scale.of(past)
        copied = scale.apply(copied_past(past, steps)) if beside else None
        made, real = (apply_transforms(y, own, start=T + 1) for y in (run, x[T : T + steps]))
        trials.append(Trial(scale.held(made), np.clip(scale.apply(real), -1e6, 1e6), copied))
    transforms = fit(x)
    past = apply_transforms(x, transforms)
    scale = Scale.of(past)
    odds = measure(trials, scale.apply(past), horizon=horizon)
    if odds is None:
        return None
    copied = scale.apply(copied_past(past, horizon)) if beside else None
    return Around(odds, scale, transforms, copied)


def drawn(
    known: Around,
    run: Series,
    *,
    start: int,
    seeds: Sequence[int] = (),
    levels: Sequence[float] = (),
) -> Float[ndarray, "K H n"]:
    """Samples of the seeds, or quantiles, around a run that begins at step ``start``."""
    odds, scale, transforms, copied = known
    held = scale.held(apply_transforms(run, transforms, start=start))
    held = held if copied is None else odds.mixed(held, copied)
    made = scale.invert(odds.quantiles(held, levels) if levels else odds.samples(held, seeds))
    return np.stack([invert_transforms(y, transforms, start=start) for y in made])


class _Trials:
    """Free runs inside the contexts ``values (T_C, S, n)``, of all series side by side."""

    def __init__(self, plain: Pipeline, values: ndarray, options: Sequence[dict[str, Any]]) -> None:
        self.plain, self.values, self.options = plain, values, options
        self.made: dict[int, list[Series | InputError]] = {}

    def ask(self, i: int, T: int, steps: int) -> Series:
        """The run of series ``i`` after its first T steps; the first to ask has all made."""
        if T not in self.made:
            self.made[T] = self._run(range(self.values.shape[1]), T, steps)
        found = self.made[T][i]
        if isinstance(found, InputError):
            raise found
        return found

    def _run(self, members: Sequence[int], T: int, steps: int) -> list[Series | InputError]:
        seen, how = self.values[:T, members], [self.options[i] for i in members]
        try:
            ((runs, _),) = self.plain.forecast(seen, None, horizon=steps, options=how)
        except InputError as error:  # one series fails; that must not change the others
            if len(members) == 1:
                return [error]
            return [self._run([i], T, steps)[0] for i in members]
        return list(map(np.ascontiguousarray, runs.swapaxes(0, 1)))


def _chooses_kernel(pipeline: Pipeline) -> bool:
    """Whether each run would choose its kernel anew; damping must see the runs as they are."""
    config = pipeline.model.config
    several = isinstance(config, GPConfig) and len(candidates(config)) > 1
    return several and pipeline.settings.damping == "off"


def _settled(
    pipeline: Pipeline, x: Series, start: ndarray | None, options: dict[str, Any]
) -> Pipeline:
    """The pipeline with the kernel that the whole context ``x`` chooses."""
    x, first = np.ascontiguousarray(x), None if start is None else start[0]
    item = pipeline.prepare(x, start=first, seed=pipeline.settings.seed, **options)
    ((_, group),) = pipeline.batches([item])
    return replace(pipeline, model=settled(pipeline.settings.engine, group))


def calibrated(
    pipeline: Pipeline,
    values: Float[ndarray, "T S n"],
    starts: ndarray | None,
    *,
    horizon: int,
    levels: Sequence[float] = (),
    options: Sequence[dict[str, Any]],
) -> Float[ndarray, "K H S n"]:
    """Calibrated samples of each series; sample 0 is the plain forecast.

    With ``levels`` they are the quantiles of the odds, without the chance of a finite ensemble.
    ``options`` are those of the embeddings. A Gaussian process has the same kernel in all trials:
    the one that the whole context chooses. A series that is too short for trials has samples of the
    gate's noise; the log says so.
    """
    s, (T_C, S, _) = pipeline.settings, values.shape
    if _chooses_kernel(pipeline):  # once for the run and all trials, since choosing takes longest
        parts = []
        for i in range(S):
            start = None if starts is None else starts[i : i + 1]
            own = _settled(pipeline, values[:, i], start, options[i])
            more: Any = {"horizon": horizon, "levels": levels, "options": options[i : i + 1]}
            parts.append(calibrated(own, values[:, i : i + 1], start, **more))
        return np.concatenate(parts, axis=2)
    plain = replace(pipeline, settings=replace(s, n_samples=None))
    gate = replace(pipeline, settings=replace(s, odds="gate"))
    ((runs, _),) = plain.forecast(values, starts, horizon=horizon, options=options)
    seeds = [sample_seed(s.seed, k) for k in range(1, s.n_samples or 1)]

    def fit(seen: Series) -> list[Transform]:
        return pipeline.fit(seen, smoothed=False)[1]

    if not (seeds or levels):
        return runs[None]
    found = []
    trials = _Trials(plain, values, options)
    for i in _bar(range(S)):
        alone, how = values[:, i : i + 1], options[i : i + 1]
        series = np.ascontiguousarray(alone[:, 0])
        known = around(series, horizon, partial(trials.ask, i), fit=fit, beside=True)
        if known is None:
            logger.warning(
                "a context of %d steps is too short to measure a forecast's errors in it: the "
                "samples are draws of the gate's noise, and their odds are not calibrated",
                T_C,
            )
            start = None if starts is None else starts[i : i + 1]
            samples = gate.forecast(alone, start, horizon=horizon, options=how, levels=levels)
            found.append(np.stack([y[:, 0] for y, _ in samples]))
        elif levels:
            found.append(drawn(known, runs[:, i], start=T_C + 1, levels=levels))
        else:
            made = drawn(known, runs[:, i], start=T_C + 1, seeds=seeds)
            found.append(np.concatenate([runs[None, :, i], made]))
    return np.stack(found, axis=2)
