"""Which embedding a series asks for: ``embedding="auto"``.

The end of the context is held out, forecast from what lies before it with every candidate, and the
candidate with the smallest error wins. Nothing but the context is used, no candidate sees what it
has to forecast, and the same few rules hold for every series.

* *Candidates* (:func:`candidates`): ``"pos"``, ``"zero"``, ``"delay"`` at several delays about its
  own rule's, and ``"pecuzal"``.
* *Trials* (:func:`trials`): forecasts from several origins in the last quarter of the context.
* *Score* (:func:`score`): mean absolute error over the trials' steps, in units of the context's
  mean absolute deviation from its median, per channel, each step's error at most 2 such units (an
  error of chance), so that one trial that runs away does not decide alone.

The draws of the gate's noise in the trials are fixed: the choice depends on the context, not on the
forecast's seed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from tqdm import tqdm

from .config import Embedding, Engine, ForecastConfig
from .containers import check_values, unpack
from .errors import InputError
from .pipeline import Pipeline, Prepared
from .preprocessing import Series, decorrelation_time, find_delays

if TYPE_CHECKING:
    from .model import DynaMix

logger = logging.getLogger(__name__)

_DEFAULTS = ForecastConfig()
_PATIENCE = 2.0  # seconds without a progress bar

SPACINGS = (0.25, 0.5, 1.0, 1.5, 2.0)  # delays tried, in units of the decorrelation time
ORIGINS = 8
HELD_OUT = 0.25  # of the context, where the trials' origins and ends lie
STEPS = 50  # of a trial, at most
WORST = 2.0  # error of a step, at most


@dataclass(frozen=True)
class Candidate:
    """An embedding and, for a delay embedding, its delays."""

    embedding: Embedding
    delays: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return self.embedding + ("" if self.delays is None else f" {self.delays}")


@dataclass(frozen=True)
class EmbeddingChoice:
    """The embedding chosen for a series, and the score of every candidate, smallest first.

    ``origins`` are the steps of the context that the trials began behind, ``steps`` their length.
    """

    chosen: Candidate
    scores: dict[Candidate, float]
    origins: tuple[int, ...]
    steps: int


def choose_embedding(
    context: Any,
    *,
    model: DynaMix | str | Path | None = None,
    standardize: bool = _DEFAULTS.standardize,
    detrend: bool = _DEFAULTS.detrend,
    box_cox: bool = _DEFAULTS.box_cox,
    gate_noise: bool = _DEFAULTS.gate_noise,
    engine: Engine = _DEFAULTS.engine,
    attention_sharpness: float | None = None,
    quiet_steps: int | None = None,
) -> list[EmbeddingChoice]:
    """What ``embedding="auto"`` chooses for each series of a context, with every score.

    How the choice is made stands at the head of this module. The parameters are those of
    :func:`dynamix.forecast`. With more channels than the model's N there is a choice for each.

    Raises
    ------
    InputError
        As :func:`dynamix.forecast`, and where the context has as many channels as the model, so
        that there is nothing to embed.

    Examples
    --------
    >>> t = np.arange(300)
    >>> (choice,) = choose_embedding(np.sin(2 * np.pi * t / 30))
    >>> min(choice.scores, key=choice.scores.get) == choice.chosen
    True
    """
    values, _ = unpack(context)
    check_values(values)
    pipeline = Pipeline.of(
        model,
        attention_sharpness=attention_sharpness,
        quiet_steps=quiet_steps,
        standardize=standardize,
        detrend=detrend,
        box_cox=box_cox,
        gate_noise=gate_noise,
        engine=engine,
    )
    n = values.shape[2]
    if n == pipeline.dims:
        raise InputError(f"a context of {n} channels fills the model: there is nothing to embed.")
    if n > pipeline.dims:
        values = values.reshape(len(values), -1, 1)
    return choose([np.ascontiguousarray(x) for x in values.transpose(1, 0, 2)], pipeline)


def choose(series: Sequence[Series], pipeline: Pipeline) -> list[EmbeddingChoice]:
    """The candidate of the smallest score for each series ``(T_C, n)``; of equal ones the first.

    Raises
    ------
    InputError
        If a context is too short for any candidate.
    """
    return [
        _choose_one(x, pipeline)
        for x in tqdm(series, desc="embeddings", disable=None, delay=_PATIENCE)
    ]


def _choose_one(x: Series, pipeline: Pipeline) -> EmbeddingChoice:
    origins, steps = trials(len(x))
    if origins[0] < 2:
        raise InputError(
            f"the context of {len(x)} steps is too short to try embeddings on its own end. Give a "
            "longer one, or name an embedding; 'zero' needs least."
        )
    known = candidates(pipeline.transform(x)[0], dims=pipeline.dims)
    prepared: dict[tuple[Candidate, int], Prepared] = {}
    for candidate in list(known):
        try:
            prepared |= {
                (candidate, origin): pipeline.prepare(
                    x[:origin], candidate.embedding, delays=candidate.delays
                )
                for origin in origins
            }
        except InputError as error:  # too short a context before the first origin
            logger.info("%s is not tried: %s", candidate, error)
            known.remove(candidate)
    made, _ = pipeline.run(list(prepared.values()), horizon=steps, seed=0)
    unit = np.abs(x - np.median(x, axis=0)).mean(axis=0)
    errors: dict[Candidate, list[float]] = {candidate: [] for candidate in known}
    for (candidate, origin), forecast in zip(prepared, made, strict=True):
        errors[candidate].append(score(forecast, x[origin : origin + steps], unit))
    scores = {candidate: float(np.mean(found)) for candidate, found in errors.items()}
    scores = dict(sorted(scores.items(), key=lambda item: item[1]))
    chosen = next(iter(scores))
    logger.info(
        "embedding %s, of the scores %s",
        chosen,
        ", ".join(f"{candidate} {value:.3g}" for candidate, value in scores.items()),
    )
    return EmbeddingChoice(chosen, scores, origins, steps)


def candidates(x: Series, *, dims: int) -> list[Candidate]:
    """What is tried on a transformed context, the plain ones first."""
    k = dims - x.shape[1]
    rule = decorrelation_time(x)
    spacings = sorted({max(1, round(rule * factor)) for factor in SPACINGS})
    found = [Candidate("pos"), Candidate("zero")]
    found += [
        Candidate("delay", tuple(spacing * (i + 1) for i in range(k))) for spacing in spacings
    ]
    try:
        found.append(Candidate("pecuzal", find_delays(x, count=k, embedding="pecuzal")))
    except InputError as error:  # too short a context; the others are left
        logger.info("PECUZAL is not tried: %s", error)
    return found


def trials(T_C: int) -> tuple[tuple[int, ...], int]:
    """Origins of the trials and their length: all lie in the context's last quarter."""
    held = max(1, int(HELD_OUT * T_C))
    steps = min(STEPS, max(1, held // 2))
    origins = np.linspace(T_C - held, T_C - steps, ORIGINS).round().astype(int)
    return tuple(int(origin) for origin in np.unique(origins)), steps


def score(made: Series, real: Series, unit: Float[ndarray, " n"]) -> float:
    """Mean absolute error in the given units, each step's at most :data:`WORST`."""
    error = np.abs(made - real) / unit
    return float(np.where(error <= WORST, error, WORST).mean())  # NaN counts as the worst
