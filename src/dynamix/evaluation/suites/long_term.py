"""The long-term measures by which the pretrained models of 2026 were judged, on own trajectories.

A context of 512 states of a chaotic flow, 4,096 more, two origins. The published values are means
over 135 systems of dysts, most of which are here (those of 3 to 6 dimensions), by trajectories that
were not published: "same protocol, own trajectories".
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from ...dynamics.invariants import correlation_dimension
from ...metrics.reconstruction import spectral_hellinger
from ...systems import corpus
from ..benchmark import stretches
from ..settings import BenchmarkConfig
from .dysts import group_of, smape
from .framework import Suite, Task

PROTOCOL = BenchmarkConfig(context=512, horizon=4096, starts=2)
STEPS = (64, 128, 256)  # over which the sMAPE is taken
_POINTS = 1024  # of each series that are matched
_PUBLISHED = {
    "PathFM-Chaotic": (0.251, 0.061, 0.273, 16.4, 21.5, 27.4),
    "Panda": (0.589, 0.195, 0.537, 19.1, 24.4, 31.9),
}
MEASURES = ("wasserstein", "spectrum", "dimension", *(f"smape_{n}" for n in STEPS))


def wasserstein(forecast: ndarray, truth: ndarray) -> float:
    """Wasserstein-1 distance of two clouds of states ``(T, n)``, in deviations of the truth.

    Exact for 1,024 evenly spaced states of each. Two such samples of one attractor of dimension two
    are about 0.1 apart. NaN if the forecast is not finite.

    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> round(wasserstein(x + x.std(axis=0), x), 6)  # moved along the diagonal
    1.414214
    """
    if not np.isfinite(forecast).all():
        return float("nan")
    scale = truth.std(axis=0)
    kept = np.linspace(0, len(truth) - 1, min(_POINTS, len(truth))).round().astype(int)
    with np.errstate(over="ignore", invalid="ignore"):
        cost = cdist(forecast[kept] / scale, truth[kept] / scale)
    if not np.isfinite(cost).all():
        return float("nan")
    return float(cost[linear_sum_assignment(cost)].mean())


def scored(forecast: ndarray, task: Task) -> dict[str, float]:
    """The measures, NaN for a forecast that is not finite or has no dimension."""
    truth = task.truth
    if not np.isfinite(forecast).all():
        return dict.fromkeys(MEASURES, float("nan"))
    parts = [
        float(spectral_hellinger(forecast=forecast[:, i], truth=truth[:, i]))
        for i in range(truth.shape[1])
    ]
    error = correlation_dimension(forecast) - correlation_dimension(truth)
    found = {
        "wasserstein": wasserstein(forecast, truth),
        "spectrum": float(np.mean(np.square(parts))),
        "dimension": abs(error),
    }
    return found | {f"smape_{n}": smape(forecast[:n], truth[:n]) for n in STEPS}


def tasks() -> list[Task]:
    """A part per origin of every flow of the catalogue, without those that the split excludes."""
    found = []
    larger = corpus.catalogue(dims=range(corpus.DIMENSION + 1, corpus.MOST_DIMS + 1))
    for name in [*corpus.everyone(), *larger]:
        for part, x in enumerate(stretches(name, PROTOCOL)):
            context, beyond = np.split(x.astype(float), [PROTOCOL.context])
            group = group_of(name, x.shape[1])
            truth, facts = beyond[: PROTOCOL.horizon], {"beyond": beyond}
            found.append(Task(name, context, truth, group, part, facts))
    return found


def published() -> dict[str, pd.DataFrame]:
    """The means over systems that the model card of PathFM-Chaotic states."""
    rows = zip(*_PUBLISHED.values(), strict=True)
    return {
        measure: pd.DataFrame([values], columns=list(_PUBLISHED), index=["all"])
        for measure, values in zip(MEASURES, rows, strict=True)
    }


SUITES = (
    Suite(
        name="long-term",
        what="4,096 steps after 512 of 127 chaotic flows, 50 points a period, two origins",
        source="model card of PathFM-Chaotic (2026), with Panda, Lai, Bao & Gilpin (2025)",
        measures=MEASURES,
        tasks=tasks,
        score=scored,
        published=published,
        sections={
            "held out": ("held out",),
            "all": ("held out", "training", "four or more channels", "other"),
        },
        average="mean",
        note=(
            "Same protocol, own trajectories: the published values are means over 135 systems and "
            "16 paths from series that are not public, so differences of a few tenths between "
            "rows of the two sources mean nothing. The row 'ceiling' is the true system from "
            "another start. Panda's sMAPE is on its own test systems."
        ),
    ),
)
