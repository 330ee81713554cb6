"""Settings of the local forecaster."""

from __future__ import annotations

from ..errors import InputError
from ..settings import setting, settings


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
