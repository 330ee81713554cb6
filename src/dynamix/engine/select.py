"""Which engine computes a rollout: the compiled kernels where they can, torch everywhere else."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..gp import forecaster as gp
from ..local import choice
from ..local.forecaster import LocalForecaster
from ..model.dynamix import DynaMix
from ..model.rollouts import Rollout, rollout
from ..settings import Engine
from . import gp as compiled_gp
from . import local as compiled_local
from . import rollout as compiled
from .runtime import EngineUnavailable

logger = logging.getLogger(__name__)


def run_engine(
    engine: Engine,
    model: DynaMix | LocalForecaster | gp.GaussianProcess,
    context: Tensor,
    **options: Any,
) -> Rollout:
    """The rollout by the engine asked for; ``"auto"`` compiles where it can.

    The compiled engine computes in single precision on the CPU, so a model elsewhere or in double
    precision stays with torch.

    Parameters
    ----------
    engine
        ``"torch"``, ``"compiled"`` or ``"auto"``.
    model
        A :class:`dynamix.DynaMix`, with probabilistic experts for torch only; or a
        :class:`dynamix.local.LocalForecaster` or :class:`dynamix.gp.GaussianProcess`, of which each
        context chooses a candidate.
    context
        ``(T_C, S, N)``, as the model sees it: scaled and embedded.
    options
        The keywords of :func:`dynamix.model.rollouts.rollout`; ``horizon`` is needed.

    Raises
    ------
    InputError
        If ``"compiled"`` is asked for and cannot run this model, or not on this machine.

    Examples
    --------
    >>> import torch
    >>> from dynamix import DynaMix
    >>> context = torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(0))
    >>> tuple(run_engine("torch", DynaMix(), context, horizon=10).observations.shape)
    (10, 2, 3)
    >>> run_engine("compiled", DynaMix().double(), context, horizon=10)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the compiled engine does not run a model in torch.float64. Use ...
    """
    plain: Callable[..., Rollout] = rollout
    fast: Callable[..., Rollout] = compiled.rollout
    if isinstance(model, gp.GaussianProcess):
        plain = functools.partial(gp.chosen_rollout, gp.runs)
        fast = functools.partial(gp.chosen_rollout, compiled_gp.runs)
    elif isinstance(model, LocalForecaster):
        plain = functools.partial(choice.chosen_rollout, choice.rollouts)
        fast = functools.partial(choice.chosen_rollout, compiled_local.rollouts)
    if engine == "torch":
        return plain(model, context, **options)
    reason = ""
    if isinstance(model, DynaMix) and not compiled.supports(model.config):
        reason = "probabilistic experts"
    weights = next(model.parameters())
    if weights.device.type != "cpu":
        reason = f"a model on the device {weights.device}"
    elif weights.dtype != torch.float32:
        reason = f"a model in {weights.dtype}"
    if not reason:
        try:
            return fast(model, context, **options)
        except EngineUnavailable as error:
            if engine == "compiled":
                raise InputError(
                    f"the compiled engine is not available here ({error}). Use engine='torch'."
                ) from error
            warn_once(f"compiling failed ({error}); torch does the work, some 100 times slower")
    elif engine == "compiled":
        raise InputError(
            f"the compiled engine does not run {reason}. Use engine='auto' or engine='torch'."
        )
    return plain(model, context, **options)


@functools.lru_cache(maxsize=16)
def warn_once(message: str) -> None:
    """Log a ``message`` as a warning, unless it is among the last 16 messages."""
    logger.warning(message)
