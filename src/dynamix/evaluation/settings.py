"""Settings of the two protocols: the benchmark on dysts systems, and rolling origins."""

from __future__ import annotations

from typing import Literal

from ..errors import InputError
from ..metrics.reconstruction import BINS, MASE_STEPS, SMOOTHING
from ..settings import setting, settings

Source = Literal["dysts", "generated"]


@settings
class BenchmarkConfig:
    """The zero-shot protocol "dysts-3d": what is shown, and how far it is continued."""

    source: Source = setting("dysts", "where systems come from: the catalogue, or generated flows")
    first_flow: int = setting(100_000, "seed of the first generated flow", at_least=0)
    flows: int = setting(40, "number of generated flows", at_least=1)
    context: int = setting(2000, "context steps shown", at_least=2)
    horizon: int = setting(10_000, "steps forecast", at_least=1)
    noise: float = setting(
        0.0, "white noise on the context alone, in deviations of each channel", at_least=0
    )
    points_per_period: int = setting(50, "samples per dominant period", at_least=2)
    starts: int = setting(5, "different starting points on each attractor", at_least=1)
    bins: int = setting(BINS, "histogram bins per dimension of D_stsp", at_least=2)
    smoothing: int = setting(SMOOTHING, "width in bins of the spectra's smoothing", at_least=0)
    mase_steps: int = setting(MASE_STEPS, "steps averaged in the short-term error", at_least=1)
    seed: int = setting(0, "seed of the gate's noise", at_least=0, below=2**63)

    def check(self) -> None:
        """Raise where the short-term error needs more steps than are forecast."""
        if self.mase_steps > self.horizon:
            raise InputError(
                f"mase_steps must not exceed horizon, found {self.mase_steps} and {self.horizon}."
            )


@settings
class RollingConfig:
    """Forecasts from many origins of one series, and how they are measured."""

    contexts: tuple[int, ...] = setting((512,), "context steps shown", at_least=2)
    horizons: tuple[int, ...] = setting((10, 336), "steps averaged in the errors", at_least=2)
    origins: int = setting(20, "starting points, spread evenly", at_least=1)
    season: int = setting(1, "lag of the change that MASE divides by", at_least=1)
    dims: int = setting(3, "dimensions of the delay embedding for D_stsp", at_least=1)
    bins: int = setting(8, "histogram bins per dimension of D_stsp", at_least=2)
    smoothing: int = setting(2, "width in bins of the spectra's smoothing", at_least=0)
    seed: int = setting(0, "seed handed to every forecaster", at_least=0, below=2**63)

    def check(self) -> None:
        """Raise where no length is named."""
        for name in ("contexts", "horizons"):
            if not getattr(self, name):
                raise InputError(f"{name} must name at least one length.")
