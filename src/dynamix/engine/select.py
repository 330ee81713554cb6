"""Which engine computes a rollout: the compiled kernels where they can, torch everywhere else."""

from __future__ import annotations

import functools
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..settings import Engine

if TYPE_CHECKING:
    from torch import Tensor

    from ..local.forecaster import LocalForecaster
    from ..model.dynamix import DynaMix
    from ..model.rollouts import Rollout

logger = logging.getLogger(__name__)


def run_engine(
    engine: Engine, model: DynaMix | LocalForecaster, context: Tensor, **options: Any
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
        :class:`dynamix.local.LocalForecaster`, of which each context chooses a candidate.
    context
        ``(T_C, S, N)``, as the model sees it: scaled and embedded.
    options
        The keywords of :func:`dynamix.model.rollouts.rollout`; ``horizon`` is needed.

    Returns
    -------
    A :class:`dynamix.model.rollouts.Rollout`.

    Raises
    ------
    InputError
        If ``"compiled"`` is asked for and cannot run this model, or not on this machine, or the
        context's shape does not fit the model.

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
    from ..local.choice import chosen_rollout
    from ..local.forecaster import LocalForecaster

    run = functools.partial(_run_single, engine)
    if isinstance(model, LocalForecaster):
        return chosen_rollout(run, model, context, **options)
    return run(model, context, **options)


def _run_single(engine: Engine, model: Any, context: Tensor, **options: Any) -> Rollout:
    """As :func:`run_engine`; all candidates of a local forecaster take part."""
    import torch

    from ..model.dynamix import DynaMix
    from ..model.rollouts import rollout

    if engine == "torch":
        return rollout(model, context, **options)
    from . import local as kernels_local
    from . import rollout as kernels
    from . import runtime as kernels_runtime

    weights = next(model.parameters())
    reason = None
    if isinstance(model, DynaMix) and not kernels.supports(model.config):
        reason = "probabilistic experts"
    elif weights.device.type != "cpu":
        reason = f"a model on the device {weights.device}"
    elif weights.dtype != torch.float32:
        reason = f"a model in {weights.dtype}"
    if reason is None:
        compiled = kernels if isinstance(model, DynaMix) else kernels_local
        try:
            return compiled.rollout(model, context, **options)
        except kernels_runtime.EngineUnavailable as error:
            if engine == "compiled":
                raise InputError(
                    f"the compiled engine is not available here ({error}). Use engine='torch'."
                ) from error
            warn_once(f"compiling failed ({error}); torch does the work, some 100 times slower")
    elif engine == "compiled":
        raise InputError(
            f"the compiled engine does not run {reason}. Use engine='auto' or engine='torch'."
        )
    return rollout(model, context, **options)


@lru_cache(maxsize=16)
def warn_once(message: str) -> None:
    """Log a warning the first time that its ``message`` is given.

    The last 16 messages are remembered.

    Examples
    --------
    >>> import logging
    >>> heard = logging.Handler()
    >>> heard.emit = lambda record: print(record.getMessage())
    >>> logger.addHandler(heard)
    >>> for _ in range(3):
    ...     warn_once("an example of a warning")
    an example of a warning
    >>> logger.removeHandler(heard)
    """
    logger.warning(message)
