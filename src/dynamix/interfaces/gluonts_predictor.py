"""DynaMix as a predictor of GluonTS, which is what GIFT-Eval measures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ..errors import InputError, check_levels, needs, whole_number
from ..io.arrays import to_numpy
from .gaps import known_settings, quantiles_of_all

with needs("gluonts"):
    from gluonts.core.component import validated
    from gluonts.dataset.util import period_index
    from gluonts.model.forecast import QuantileForecast
    from gluonts.model.predictor import RepresentablePredictor

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of GIFT-Eval


class DynaMixPredictor(RepresentablePredictor):
    """Zero-shot forecasts with calibrated quantiles, as a GluonTS predictor.

    ``predict`` takes a GluonTS dataset, that is entries with ``start`` and ``target``, and yields a
    ``QuantileForecast`` for each, in their order. The numbers are those of
    :func:`dynamix.predict_df`. Each channel of a multivariate target ``(n, T)`` is forecast alone;
    covariates have no effect. Missing values are interpolated. A series that cannot be forecast,
    such as a constant one, is continued by its last value, and the log says why.

    A ``QuantileForecast`` without a mean reports its median in place of the mean.

    Parameters
    ----------
    prediction_length
        Steps to forecast, at least 1.
    quantile_levels
        Levels between 0 and 1; the median is added to them.
    context_length
        The last steps of each series that are used; None: all.
    model
        The name or path of a model, or a model; ``"auto"`` chooses one for each series.
    seed
        Seed of the gate's noise.
    settings
        Further settings of :func:`dynamix.forecast` by their names, such as ``{"season": "auto"}``.

    Raises
    ------
    InputError
        If GluonTS is not installed, or a setting cannot be used.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from dynamix.interfaces import DynaMixPredictor
    >>> wave = np.sin(2 * np.pi * np.arange(60) / 12)
    >>> dataset = [{"item_id": "a", "start": pd.Period("2024-01-01", "D"), "target": wave}]
    >>> predictor = DynaMixPredictor(prediction_length=4, model="dynamix-3d")
    >>> (found,) = predictor.predict(dataset)
    >>> found.start_date, found.quantile(0.9).shape
    (Period('2024-03-01', 'D'), (4,))
    """

    @validated()  # which keeps the arguments for `serialize`
    def __init__(
        self,
        prediction_length: Any,
        quantile_levels: Any = LEVELS,
        context_length: Any = None,
        model: Any = "auto",
        seed: Any = 0,
        settings: Any = None,
    ) -> None:
        super().__init__(prediction_length=whole_number("prediction_length", prediction_length))
        self.quantile_levels = sorted({0.5, *check_levels(quantile_levels)})
        self.how = {"context_length": context_length, "model": model, "seed": seed}
        self.how |= known_settings(settings)

    def predict(self, dataset: Iterable[dict[str, Any]], **kwargs: Any) -> Iterator[Any]:
        """Forecast each entry; ``kwargs``, such as a number of samples, have no effect."""
        waiting: deque[dict[str, Any]] = deque()  # entries whose channels are being forecast

        def channels() -> Iterator[tuple[ndarray, pd.PeriodIndex]]:
            for entry in map(_checked, dataset):
                waiting.append(entry)
                for channel in np.atleast_2d(entry["target"]):
                    yield channel, period_index(entry)

        levels, own = self.quantile_levels, []
        made = quantiles_of_all(channels(), levels, horizon=self.prediction_length, **self.how)
        for values in made:
            own.append(values)
            target = np.asarray(waiting[0]["target"])
            if len(own) == len(np.atleast_2d(target)):
                # (K, horizon), or (K, horizon, n)
                whole = own[0] if target.ndim == 1 else np.stack(own, axis=-1)
                yield self._forecast(waiting.popleft(), whole)
                own = []

    def predict_item(self, item: dict[str, Any]) -> Any:
        """Forecast one entry."""
        (found,) = self.predict([item])
        return found

    def _forecast(self, entry: dict[str, Any], values: ndarray) -> QuantileForecast:
        return QuantileForecast(
            forecast_arrays=values,
            start_date=entry["start"] + np.shape(entry["target"])[-1],
            forecast_keys=list(map(str, self.quantile_levels)),
            item_id=entry.get("item_id"),
            info=entry.get("info"),
        )


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a dataset, its target as an array of real numbers."""
    for name in ("start", "target"):
        if name not in entry:
            raise InputError(f"an entry of the dataset lacks {name!r}, found {sorted(entry)}.")
    if not isinstance(entry["start"], pd.Period):
        raise InputError(
            f"start must be a pandas Period, which holds the step, found {entry['start']!r}. "
            "GluonTS's ListDataset makes one of a date."
        )
    return {**entry, "target": to_numpy(entry["target"], "target")}
