"""DynaMix as a forecaster of sktime, for its pipelines, tuning and evaluation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ..errors import needs
from ..forecasting.zero_shot import forecast
from ..io.time_axis import continue_index
from .gaps import known_settings

with needs("sktime"):
    from sktime.forecasting.base import BaseForecaster


class DynaMixForecaster(BaseForecaster):
    """Zero-shot forecasts by :func:`dynamix.forecast`, as an sktime forecaster.

    ``fit`` only keeps the series, which is the model's context. All channels of a multivariate
    series are forecast together. Exogenous series have no effect. Quantiles, intervals and
    variances are calibrated on the end of the series (:mod:`dynamix.forecasting.calibration`).

    Parameters
    ----------
    model
        The name or path of a model, or a model; ``"auto"`` chooses one for each series.
    seed
        Seed of the gate's noise.
    settings
        Further settings of :func:`dynamix.forecast` by their names, such as
        ``{"embedding": "delay"}``.

    Raises
    ------
    InputError
        If sktime is not installed; in ``fit`` if a setting is unknown or the times are not regular;
        or as :func:`dynamix.forecast` when a forecast is made.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from dynamix.interfaces import DynaMixForecaster
    >>> days = pd.period_range("2024-01-01", periods=60, freq="D")
    >>> y = pd.Series(np.sin(2 * np.pi * np.arange(60) / 12), index=days)
    >>> forecaster = DynaMixForecaster(model="dynamix-3d").fit(y)
    >>> forecaster.predict(fh=[1, 2, 3]).index.astype(str).tolist()
    ['2024-03-01', '2024-03-02', '2024-03-03']
    >>> forecaster.predict_interval(fh=[1, 3], coverage=0.8).shape
    (2, 2)
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "the DynaMix companion authors",
        "maintainers": "the DynaMix companion authors",
        "capability:multivariate": True,
        "capability:exogenous": False,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:missing_values": False,
        "capability:update": True,
        "capability:non_contiguous_X": True,
        "X-y-must-have-same-index": False,
        "requires-fh-in-fit": False,
        "y_inner_mtype": "pd.DataFrame",
        "X_inner_mtype": "pd.DataFrame",
    }

    def __init__(
        self, model: Any = "auto", seed: int = 0, settings: dict[str, Any] | None = None
    ) -> None:
        self.model = model
        self.seed = seed
        self.settings = settings
        super().__init__()

    def _fit(self, y: pd.DataFrame, X: Any = None, fh: Any = None) -> DynaMixForecaster:
        known_settings(self.settings)
        continue_index(y.index, 1)  # sktime's own message about irregular times says little
        self._context = y
        return self

    def _update(self, y: Any, X: Any = None, update_params: bool = True) -> DynaMixForecaster:
        whole = pd.concat([self._context, y])
        self._context = whole[~whole.index.duplicated(keep="last")].sort_index()
        return self

    def _continued(self, fh: Any, levels: list[float] | None = None) -> np.ndarray:
        """The forecast ``(steps, n)`` at the steps of ``fh``, or quantiles of each."""
        steps = np.asarray(fh.to_relative(self.cutoff).to_numpy(), dtype=int)
        how = {"model": self.model, "seed": self.seed, **(self.settings or {})}
        y = self._context.set_axis(range(self._context.shape[1]), axis=1)
        made = forecast(y, horizon=int(steps.max()), quantile_levels=levels, **how)
        found = made.to_numpy().reshape(len(made), -1, y.shape[1])[steps - 1]
        return found if levels else found[:, 0]

    def _predict(self, fh: Any, X: Any = None) -> pd.DataFrame:
        index = fh.to_absolute_index(self.cutoff)
        return pd.DataFrame(self._continued(fh), index=index, columns=self._context.columns)

    def _predict_quantiles(self, fh: Any, X: Any, alpha: list[float]) -> pd.DataFrame:
        found = self._continued(fh, list(map(float, alpha)))
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        values = found.swapaxes(1, 2).reshape(len(found), -1)
        return pd.DataFrame(values, index=fh.to_absolute_index(self.cutoff), columns=columns)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Parameters with which sktime's own checks try the forecaster."""
        return [
            {"model": "dynamix-3d"},
            {"model": "dynamix-3d", "seed": 3, "settings": {"embedding": "zero", "season": 4}},
        ]
