"""Settings of the Gaussian-process forecaster."""

from __future__ import annotations

from ..settings import setting, settings


@settings
class GPConfig:
    """Which kernels a :class:`dynamix.gp.GaussianProcess` compares, and on how many states.

    A candidate is a kernel's length, in deviations of the context, and a ridge: the noise's share
    of the variance that the kernel explains.
    """

    observed_dims: int = setting(3, "observed dimensions N", at_least=1)
    scales: tuple[float, ...] = setting((0.5, 1.0, 2.0, 4.0), "lengths of the kernels", above=0)
    ridges: tuple[float, ...] = setting(
        (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2), "shares of noise in the increments", above=0
    )
    ranked_on: int = setting(300, "context states by which candidates are ranked", at_least=10)
    centres: int = setting(600, "context states that a kernel is centred on, at most", at_least=10)
    tried: int = setting(
        3, "best-ranked candidates that run freely before one is chosen", at_least=1
    )
    margin: float = setting(
        0.5, "forecasts are kept in the context's range, widened by so many ranges", at_least=0
    )
