"""``embedding="auto"``: the embedding that forecasts a context's own end best.

The choice uses the context alone, and the rules are the same for every series.

* *Candidates* (:func:`candidates`): ``"pos"``, ``"zero"``, ``"pecuzal"``, and ``"delay"`` with a
  quarter to twice the decorrelation time.
* *Error* (:func:`bounded_error`): from 12 origins in the last quarter of the context, each
  candidate forecasts up to 25 steps. The error of a step is at most 2, so that one trial that
  diverges does not decide alone.
* *Unlikeness* (:func:`comparison`): errors of a few steps do not show whether a free run stays on
  the attractor. So each candidate also runs freely after the whole context, and the run is compared
  with the context in one delay embedding for all (:func:`dynamix.local.choice.unlikeness`).
* *Score*: the product of the two, since they have no common unit.

The form of the score was chosen on the split's training and validation systems.
``experiments/embedding_auto.py`` measures it on other systems and data. All trials use the same
noise, so the choice does not depend on the forecast's seed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..io.arrays import unpack
from ..io.progress import tqdm
from ..io.shapes import Float
from ..local.choice import unlikeness
from ..preprocessing.embedding import embed, find_delays
from ..preprocessing.periods import decorrelation_time
from ..preprocessing.transforms import Series
from ..settings import PATIENCE, Embedding, ForecastConfig, takes
from .models import Model, find_model
from .pipeline import Fitted, Pipeline, Prepared

if TYPE_CHECKING:
    import pandas as pd


logger = logging.getLogger(__name__)

_PARTS = 4  # of a candidate's trials, between which it can drop out
_SURELY = 1 + 1e-9  # beyond the rounding of a sum

SPACINGS = (0.25, 0.5, 1.0, 1.5, 2.0)  # delays tried, in units of the decorrelation time
ORIGINS = 12
HELD_OUT = 0.25  # of the context, where the trials lie
STEPS = 25  # of a trial, at most
WORST = 2.0  # error of a step, at most
FREE_RUN = 2  # length of the free run, in contexts, if that is no more than
LONGEST_RUN = 4000  # steps; but at least one context


@dataclass(frozen=True)
class Candidate:
    """An embedding and, for a delay embedding, a delay in steps for each missing dimension."""

    embedding: Embedding
    delays: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return self.embedding + ("" if self.delays is None else f" {self.delays}")


@dataclass(frozen=True)
class Score:
    """The two factors of a candidate's score; smaller is better.

    ``error`` is from 0 to 2, ``unlikeness`` from 0 to 4, and infinite for a run that diverges.
    """

    error: float
    unlikeness: float

    @property
    def total(self) -> float:
        """The score that ranks the candidates."""
        return self.error * self.unlikeness


@dataclass(frozen=True)
class EmbeddingChoice:
    """The embedding chosen for a series, and the candidates' scores, the best first.

    ``origins`` are the numbers of steps before the trials, ``steps`` is the trials' length.
    """

    chosen: Candidate
    scores: dict[Candidate, Score]
    origins: tuple[int, ...]
    steps: int

    def table(self) -> pd.DataFrame:
        """The scores as a frame, a row per candidate, the best first.

        Columns: ``embedding``, ``delays``, ``error``, ``unlikeness``, ``score``.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "embedding": candidate.embedding,
                    "delays": candidate.delays,
                    "error": score.error,
                    "unlikeness": score.unlikeness,
                    "score": score.total,
                }
                for candidate, score in self.scores.items()
            ]
        )


@takes(ForecastConfig, without=("embedding", "n_samples", "seed"))
def choose_embedding(
    context: Any, *, model: Model | str | Path | None = None, **settings: Any
) -> list[EmbeddingChoice]:
    """The choice of ``embedding="auto"`` for each series of a context, with every score.

    Each candidate forecasts the end of the context and runs freely after it. The choice takes less
    than a second for 2000 steps with the compiled engine, and much longer with torch.

    Parameters
    ----------
    context, model
        As for :func:`dynamix.forecast`. With more channels than the model's N there is a choice for
        each channel. The settings should be those of the forecast.
    **settings

    Returns
    -------
    list of EmbeddingChoice
        One for each series, or for each channel of each series, in their order.

    Raises
    ------
    InputError
        As :func:`dynamix.forecast`; if the context has as many channels as the model; and if it is
        too short for a trial on its end.

    Examples
    --------
    >>> t = np.arange(300)
    >>> (choice,) = choose_embedding(np.sin(2 * np.pi * t / 30))
    >>> next(iter(choice.scores)) == choice.chosen
    True
    >>> choose_embedding(np.random.default_rng(0).normal(size=(300, 3)))
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: a context of 3 channels fills the model: there is nothing to embed.
    """
    values, _ = unpack(context, check=True)
    config = ForecastConfig(**settings)
    pipeline = Pipeline(find_model(model, engine=config.engine), config)
    n = values.shape[2]
    if n == pipeline.dims:
        raise InputError(f"a context of {n} channels fills the model: there is nothing to embed.")
    if n > pipeline.dims:
        values = values.reshape(len(values), -1, 1)
    series = [np.ascontiguousarray(x) for x in values.transpose(1, 0, 2)]
    return choose(series, pipeline, every=True)


def choose(
    series: Sequence[Series],
    pipeline: Pipeline,
    fits: Sequence[Fitted | None] | None = None,
    *,
    every: bool = False,
) -> list[EmbeddingChoice]:
    """The candidate of the smallest score for each series ``(T_C, n)``; of equal ones the first.

    ``fits`` are those of the pipeline, if they are known. Unless ``every`` score is wanted, the
    trials of a candidate end when it cannot be chosen any more.
    """
    bar = tqdm(series, desc="embeddings", unit="series", disable=None, delay=PATIENCE, leave=False)
    fits = fits or [None] * len(series)
    return [
        _choose_one(x, fit or pipeline.fit(x), pipeline, every)
        for x, fit in zip(bar, fits, strict=True)
    ]


def _choose_one(x: Series, fit: Fitted, pipeline: Pipeline, every: bool) -> EmbeddingChoice:
    origins, steps = trials(len(x))
    if origins[0] < 2:
        raise InputError(
            f"the context of {len(x)} steps is too short to try embeddings on its own end. Give a "
            "longer one, or name an embedding; 'zero' needs least."
        )
    scaled, _ = fit
    # once for all candidates, since a trend takes long to fit
    fitted = {T: pipeline.fit(x[:T]) for T in origins} | {len(x): fit}

    def prepared(candidate: Candidate, T: int) -> Prepared:
        return pipeline.prepare(x[:T], fitted=fitted[T], **vars(candidate))

    free: dict[Candidate, Prepared] = {}
    for candidate in candidates(scaled, dims=pipeline.dims):
        try:
            prepared(candidate, origins[0])
            free[candidate] = prepared(candidate, len(x))
        except InputError as error:  # too short a context before the first origin
            logger.info("%s is not tried: %s", candidate, error)
    length = max(len(x), min(FREE_RUN * len(x), LONGEST_RUN))
    runs, _ = pipeline.run(list(free.values()), horizon=length, seed=0, back=False)
    looks = comparison(scaled, dims=pipeline.dims)
    unlike = {c: looks(run) for c, run in zip(free, runs.swapaxes(0, 1), strict=True)}
    unit = np.abs(x - np.median(x, axis=0)).mean(axis=0)

    def errors_of(tried: Sequence[Candidate], origins: ndarray) -> list[float]:
        items = [prepared(candidate, T) for candidate in tried for T in origins.tolist()]
        made, _ = pipeline.run(items, horizon=steps, seed=0)
        reals = [x[item.T_C : item.T_C + steps] for item in items]
        return [bounded_error(y, z, unit) for y, z in zip(made.swapaxes(0, 1), reals, strict=True)]

    first, *others = np.array_split(origins, min(_PARTS, len(origins)))
    errors = np.array(errors_of(list(free), first)).reshape(len(free), -1).sum(axis=1)
    sums = dict(zip(free, errors.tolist(), strict=True))

    def least_score(candidate: Candidate) -> float:  # no error is negative
        return sums[candidate] / len(origins) * unlike[candidate]

    found: dict[Candidate, Score] = {}
    least = np.inf
    promising = sorted(free, key=least_score)
    bar = tqdm(promising, desc="candidates", disable=None, delay=PATIENCE, leave=False)
    for candidate in bar:
        for some in others:
            if not every and least_score(candidate) > _SURELY * least:
                break
            sums[candidate] += sum(errors_of([candidate], some))
        else:
            found[candidate] = Score(sums[candidate] / len(origins), unlike[candidate])
            least = min(least, found[candidate].total)
    scores = {candidate: found[candidate] for candidate in free if candidate in found}
    scores = dict(sorted(scores.items(), key=lambda item: item[1].total))
    chosen = next(iter(scores))
    logger.info(
        "embedding %s; scores: %s",
        chosen,
        ", ".join(f"{candidate} {score.total:.3g}" for candidate, score in scores.items()),
    )
    return EmbeddingChoice(chosen, scores, origins, steps)


def candidates(x: Series, *, dims: int) -> list[Candidate]:
    """The candidates for a transformed context, without those for which it is too short."""
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
    """Origins of the trials, as the number of steps before them, and the trials' length."""
    held = max(1, int(HELD_OUT * T_C))
    steps = min(STEPS, max(1, held // 2))
    origins = np.linspace(T_C - held, T_C - steps, ORIGINS).round().astype(int)
    return tuple(int(origin) for origin in np.unique(origins)), steps


def bounded_error(made: Series, real: Series, unit: Float[ndarray, " n"]) -> float:
    """Mean absolute error in the given units, each step's at most :data:`WORST`."""
    error = np.abs(made - real) / unit
    return float(np.where(error <= WORST, error, WORST).mean())  # NaN counts as the worst


def comparison(x: Series, *, dims: int) -> Callable[[Series], float]:
    """How unlike a run ``(T, n)`` is to the context ``x``, both in the same delay embedding."""
    k = dims - x.shape[1]
    spacing = min(decorrelation_time(x), max(1, len(x) // (2 * k + 2)))
    delays = [spacing * (i + 1) for i in range(k)]

    def embedded(series: Series) -> Float[ndarray, "_ N"]:
        return embed(series, dims=dims, embedding="delay", delays=delays)

    unlike = unlikeness(embedded(x))
    return lambda run: unlike(embedded(run))
