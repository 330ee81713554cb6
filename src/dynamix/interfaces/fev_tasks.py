"""Tasks of fev, AutoGluon's forecast benchmark: a task in, its predictions out.

fev makes the task, and scores plain dicts. So this module needs nothing of it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..settings import ForecastConfig, takes
from .gaps import quantiles_of_all

if TYPE_CHECKING:
    from ..model.dynamix import DynaMix

Predictions = dict[str, list[dict[str, list[float]]]]


@takes(ForecastConfig, without=("n_samples", "errors"))
def predict_task(
    task: Any,
    *,
    model: DynaMix | str | Path | None = None,
    context_length: int | None = None,
    **settings: Any,
) -> list[Predictions]:
    """Forecast every window of a task of fev (https://github.com/autogluon/fev).

    The numbers are those of :func:`dynamix.predict_df`. Each target column is forecast alone;
    covariates have no effect. Missing values are interpolated. A series that cannot be forecast,
    such as a constant one, is continued by its last value, and the log says why.

    Parameters
    ----------
    task
        A ``fev.Task``. Its horizon and its quantile levels are used.
    model
        A name or path that :func:`dynamix.forecast` takes, or a model. None or ``"auto"`` chooses
        one for each series.
    context_length
        The last steps of each series that are used; None: all that the task shows.
    **settings

    Returns
    -------
    For each window the predictions of each target column: a dict per series, in the order of the
    window, with ``predictions`` (the median) and a list per quantile level. This is what
    ``task.evaluation_summary`` takes.

    Raises
    ------
    InputError
        If a setting or the model cannot be used, or no series can be forecast.

    Examples
    --------
    fev is not one of this library's extras: ``pip install fev`` in an environment of its own, or in
    a checkout ``pip install -c constraints.txt fev``. Version 0.10 needs ``datasets`` below 5, and
    so ``huggingface_hub`` below 2 and ``fsspec`` up to 2026.2.

    >>> import fev  # doctest: +SKIP
    >>> task = fev.Task("series.parquet", horizon=24, quantile_levels=[0.1, 0.9])  # doctest: +SKIP
    >>> found = predict_task(task, model="dynamix-3d")  # doctest: +SKIP
    >>> task.evaluation_summary(found, model_name="dynamix-3d")  # doctest: +SKIP
    """
    how = {**dataclasses.asdict(ForecastConfig(**settings)), "model": model}
    how |= {"horizon": task.horizon, "context_length": context_length}
    levels = [0.5, *task.quantile_levels]
    names = ["predictions", *map(str, task.quantile_levels)]
    found = []
    for window in task.iter_windows():
        past, _ = window.get_input_data()
        table = past.with_format("arrow")[:]  # its rows are of float32
        times = table[window.timestamp_column]
        made: Predictions = {}
        for name in window.target_columns:
            rows = zip(table[name], times, strict=True)
            series = ((np.asarray(x.values), np.asarray(t.values)) for x, t in rows)
            made[name] = [
                dict(zip(names, values.tolist(), strict=True))
                for values in quantiles_of_all(series, levels, **how)
            ]
        found.append(made)
    return found
