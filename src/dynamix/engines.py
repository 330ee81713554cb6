"""Which engine computes a rollout: the compiled kernels where they can, torch everywhere else."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .config import Engine
from .errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from .model import DynaMix
    from .rollout import Rollout

logger = logging.getLogger(__name__)


def run_engine(engine: Engine, model: DynaMix, context: Tensor, **options: Any) -> Rollout:
    """The rollout by the engine asked for; ``"auto"`` compiles where it can.

    The compiled engine computes in single precision on the CPU, so a model elsewhere or in double
    precision stays with torch.

    Raises
    ------
    InputError
        If ``"compiled"`` is asked for and cannot run this model, or not on this machine.
    """
    import torch

    from .rollout import rollout

    if engine == "torch":
        return rollout(model, context, **options)
    from . import kernels, kernels_local, kernels_runtime

    compiled = kernels_local if kernels_local.supports(model.config) else kernels
    weights = model.gate.D
    reason = None
    if not compiled.supports(model.config):
        reason = "probabilistic experts or local beside learned ones"
    elif weights.device.type != "cpu":
        reason = f"a model on the device {weights.device}"
    elif weights.dtype != torch.float32:
        reason = f"a model in {weights.dtype}"
    if reason is None:
        try:
            return compiled.rollout(model, context, **options)
        except kernels_runtime.EngineUnavailable as error:
            if engine == "compiled":
                raise InputError(
                    f"the compiled engine is not to be had here ({error}). Use engine='torch'."
                ) from error
            warn_once(f"compiling failed ({error}); torch does the work, some 100 times slower")
    elif engine == "compiled":
        raise InputError(
            f"the compiled engine does not run {reason}. Use engine='auto' or engine='torch'."
        )
    return rollout(model, context, **options)


@lru_cache(maxsize=16)
def warn_once(message: str) -> None:
    """Log a warning the first time that it is given."""
    logger.warning(message)
