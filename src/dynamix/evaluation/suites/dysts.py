"""The forecasts of 131 chaotic systems by Gilpin (2021, 2023), each model fitted to each system.

A context of ten periods, a forecast of two. The error is the symmetric mean absolute percentage
error, sMAPE, in the data's units: 0 is perfect, 200 the worst, and the mean of the context gets
about 135.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ...systems import corpus
from .framework import Suite, Task
from .sources import read

SHARE = 5 / 6  # of each series is the context
NOISE = 0.2  # deviations
CAUTION = (
    "Held out are systems of the split's test part. The 34 systems on which the published weights "
    "of DynaMix were trained are not known; some held-out systems may be among them. The published "
    "models were fitted to each system; the rows from here saw only the context."
)
_SWEEP = (
    "dysts-2023/published/data_sweep_test_multivariate__pts_per_period_100__periods_12.json.json"
)
_FINE = "pts_per_period_100__periods_12"
_FITTED = {"ESN": "esn", "nVAR": "nvar", "NODE": "neural_ode"}
_LABELS = {"NBEATSModel": "N-BEATS", "NHiTSModel": "N-HiTS", "XGBModel": "XGBoost"}


def smape(forecast: ndarray, truth: ndarray) -> float:
    """200 times the mean of ``|y - f| / (|y| + |f|)`` over steps and channels.

    NaN if the forecast is not finite. See Gilpin (2023).

    >>> smape(np.array([[1.0], [3.0]]), np.array([[1.0], [1.0]]))
    50.0
    """
    error, size = np.abs(truth - forecast), np.abs(truth) + np.abs(forecast)
    ratio = np.divide(error, size, out=np.zeros_like(error), where=size != 0)
    return float(200 * np.mean(ratio))


def scored(forecast: ndarray, task: Task) -> dict[str, float]:
    """The error on the rows that the publication scored."""
    return {"smape": smape(forecast[: len(task.facts["scored"])], task.facts["scored"])}


def group_of(system: str, channels: int) -> str:
    """Whether the model saw the system: "held out", "training", or "other" for more channels."""
    split = corpus.split()
    if system in split["test"]:
        return "held out"
    if system in split["train"]:
        return "training"
    return "four or more channels" if channels > 3 else "other"


def tasks(file: str, noisy: str = "", *, drop: int = 0) -> list[Task]:
    """A task per system of a file of series; the last ``drop`` rows are not scored.

    The authors added Gaussian noise of a fifth of the series' deviation and kept that of the scored
    rows alone, in the file of results ``noisy``. The context gets noise of its own.
    """
    dims, found, noise = _channels(), [], np.random.default_rng(0)
    kept = _json(noisy) if noisy else {}
    for name, series in _json(file).items():
        values = np.array(series["values"], dtype=float)
        values = values[:, None] if values.ndim == 1 else values
        shown = int(SHARE * len(values))
        context, truth = values[:shown], values[shown:]
        scored = truth[: len(truth) - drop]
        if noisy:
            context = context + NOISE * values.std() * noise.standard_normal(context.shape)
            scored = np.array(kept[name]["values"])[:, None]
        group = group_of(name, dims[name])
        found.append(Task(name, context, truth, group, facts={"scored": scored}))
    return found


@lru_cache(maxsize=4)
def _json(path: str) -> dict[str, Any]:
    return dict(json.loads(read(path)))


@cache
def _channels() -> dict[str, int]:
    series = _json(f"dysts-2023/test_multivariate__{_FINE}.json")
    return {name: len(entry["values"][0]) for name, entry in series.items()}


def fitted(model: str) -> dict[str, Any]:
    """Stored forecasts and errors of one of the models ESN, nVAR and NODE, by system."""
    path = f"dysts-2023/published/results_{_FITTED[model]}_multivariate.json.gz"
    return _json(path)


def multivariate() -> dict[str, pd.DataFrame]:
    """Published errors of 15 models in 2023, of their fit to the whole context."""
    sweep = _json(_SWEEP)
    models = {model: None for entry in sweep.values() for model in entry}
    table = {
        _label(model): {name: sweep[name].get(model, [np.nan])[0] for name in sweep}
        for model in models
    }
    for model in _FITTED:
        stored = fitted(model)
        table[model] = {name: entry["smape"] for name, entry in stored.items()}
    return {"smape": pd.DataFrame(table)}


def univariate(file: str) -> dict[str, pd.DataFrame]:
    """Published errors of 16 models in 2021."""
    stored = _json(file)
    models = [model for model in next(iter(stored.values())) if model != "values"]
    table = {
        _label(model): {
            name: entry.get(model, {}).get("smape", np.nan) for name, entry in stored.items()
        }
        for model in models
    }
    return {"smape": pd.DataFrame(table)}


def _label(model: str) -> str:
    return _LABELS.get(model, model.removesuffix("Model"))


_EVERY = ("held out", "training", "four or more channels", "other")
_SECTIONS = {
    "held out": _EVERY[:1],
    "not trained on": ("held out", "four or more channels", "other"),
    "all": _EVERY,
}


def _univariate(name: str, what: str, results: str, points: str = _FINE, **more: str) -> Suite:
    published = f"dysts-2021/published/results_test_univariate__{results}"
    series = f"dysts-2021/test_univariate__{points}.json"
    noise = (published,) if "noise" in results else ()
    return Suite(
        name=name,
        what=f"one coordinate of 131 chaotic systems, {what}",
        source="Gilpin, NeurIPS Datasets and Benchmarks 2021, arXiv 2110.05266",
        measures=("smape",),
        tasks=partial(tasks, series, *noise, drop=1),  # the authors did not score the last row
        score=scored,
        published=partial(univariate, published),
        sections=_SECTIONS,
        note=" ".join([*more.values(), CAUTION]),
    )


SUITES = (
    Suite(
        name="dysts-2023",
        what="all coordinates of 131 chaotic systems, 100 points a period, 15 fitted models",
        source="Gilpin, Phys. Rev. Research 5, 043252 (2023), arXiv 2303.08011",
        measures=("smape",),
        tasks=partial(tasks, f"dysts-2023/test_multivariate__{_FINE}.json"),
        score=scored,
        published=multivariate,
        sections=_SECTIONS,
        note=CAUTION,
    ),
    _univariate("dysts-2021", "100 points a period", f"{_FINE}.json.gz"),
    _univariate(
        "dysts-2021-noisy",
        "with noise of a fifth of the deviation",
        f"{_FINE}_noise.json.gz",
        note=(
            "The noise of the published contexts was not kept: contexts have noise of their own. "
            "For the first 38 systems, Aizawa to GuckenheimerHolmes, the noise of the scored rows "
            "was not kept either: the file has noise of a later run, against which nine published "
            "errors in ten change by less than 5."
        ),
    ),
    _univariate(
        "dysts-2021-coarse",
        "15 points a period",
        "pts_per_period_15__periods_12.json",
        "pts_per_period_15__periods_12",
    ),
)
