"""Settings of the local forecaster, and how a checkpoint holds them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError
from ..model.checkpoints import SIGMA
from ..model.runs import Saved
from ..settings import ForecastDefaults, from_dict, setting, settings

TINY = 1e-12  # squared distance; below it a query coincides with its neighbours
FLOOR = 1e-6  # smallest weight, for the case that all neighbours are equally far


@settings
class LocalConfig:
    """The candidates of a :class:`dynamix.local.LocalForecaster`; a context chooses one of them.

    Candidate i fits its affine maps to ``neighbours[i]`` context steps and pulls by ``pulls[i]``.
    """

    observed_dims: int = setting(3, "observed dimensions N", at_least=1)
    neighbours: tuple[int, ...] = setting(
        (8, 8, 12, 12, 20, 20, 32, 32), "context steps that each candidate fits its maps to"
    )
    pulls: tuple[float, ...] = setting(
        (1.0, 0.95) * 4,
        "effect of each candidate's maps on directions without data: 1 keeps a deviation, 0 "
        "removes it",
        at_least=0,
        at_most=1,
    )
    ridge: float = setting(
        3e-4, "ridge of the fits, as a share of the squared distance to the furthest step", above=0
    )

    def check(self) -> None:
        """Raise unless there are as many pulls as numbers of neighbours, and enough neighbours."""
        if not self.neighbours or len(self.pulls) != len(self.neighbours):
            raise InputError(
                "neighbours and pulls must hold one number for each candidate, found "
                f"{len(self.neighbours)} and {len(self.pulls)}."
            )
        if min(self.neighbours) < self.observed_dims + 2:
            raise InputError(
                f"neighbours must all be at least observed_dims + 2 = {self.observed_dims + 2}, "
                f"which an affine map needs, found {self.neighbours}."
            )

    def widened(self, n: int) -> LocalConfig:
        """The settings themselves, or for more channels ``n`` than N those of n dimensions.

        Affine maps need ``n + 2`` neighbours, so smaller numbers are raised to that.
        """
        if n <= self.observed_dims:
            return self
        more = tuple(max(k, n + 2) for k in self.neighbours)
        return dataclasses.replace(self, observed_dims=n, neighbours=more)


def from_checkpoint(
    tensors: dict[str, ndarray],
    stored: dict[str, Any],
    *,
    defaults: ForecastDefaults,
    source: str,
) -> Saved:
    """The forecaster of a checkpoint file; older files carry a model without learned experts too.

    Raises
    ------
    InputError
        If the file mixes learned and local experts, or its settings or tensors cannot be used.
    """
    if stored["architecture"].get("Experts"):
        raise InputError(
            f"{source} mixes learned and local experts, which this version does not compute. Use a "
            "checkpoint of one kind."
        )
    try:
        values = {
            name.removeprefix("local_"): value
            for name, value in stored["local"].items()
            if name != "local_choice"
        }
        pulls = values.pop("pull", None) or values.pop("pulls")
        values["pulls"] = pulls * len(values["neighbours"]) if len(pulls) == 1 else pulls
        values["observed_dims"] = stored["architecture"]["N"]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{source} lacks settings of local experts, or has others: {error!r}."
        ) from error
    config, sigma = from_dict(LocalConfig, values, source=source), tensors.get(SIGMA)
    if sigma is None or sigma.shape != (config.observed_dims,) or not np.isfinite(sigma).all():
        raise InputError(
            f"{source} should come with a finite tensor {SIGMA!r} of shape "
            f"({config.observed_dims},). Save the model again."
        )
    return Saved(config, defaults, {"sigma": sigma})
