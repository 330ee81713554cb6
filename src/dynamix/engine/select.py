"""Which engine computes a rollout: the compiled kernels where they can, torch everywhere else."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..errors import InputError
from ..gp import forecaster as gp
from ..local import choice
from ..local.forecaster import LocalForecaster
from ..model.rollouts import Group, Rollout, rollout
from ..settings import Engine
from . import gp as compiled_gp
from . import local as compiled_local
from . import rollout as compiled
from .runtime import EngineUnavailable

logger = logging.getLogger(__name__)


def run_engine(engine: Engine, groups: Sequence[Group], **options: Any) -> list[Rollout]:
    """The rollouts of several groups by the engine asked for; ``"auto"`` compiles where it can.

    The compiled engine computes in single precision on the CPU, so a model elsewhere or in double
    precision stays with torch.

    Parameters
    ----------
    engine
        ``"torch"``, ``"compiled"`` or ``"auto"``.
    groups
        Their models differ in the widths of the gate alone. A model is a :class:`dynamix.DynaMix`,
        with probabilistic experts for torch only; or a :class:`dynamix.local.LocalForecaster` or
        :class:`dynamix.gp.GaussianProcess`, of which each context chooses a candidate. Contexts are
        as the model sees them: scaled and embedded.
    options
        The keywords of :func:`dynamix.model.rollouts.rollout`; ``horizon`` is needed.

    Raises
    ------
    InputError
        If ``"compiled"`` is asked for and cannot run this model, or not on this machine; if there
        is not enough memory.

    Examples
    --------
    >>> import torch
    >>> from dynamix import DynaMix
    >>> context = torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(0))
    >>> (run,) = run_engine("torch", [Group(DynaMix(), context)], horizon=10)
    >>> tuple(run.observations.shape)
    (10, 2, 3)
    >>> double = Group(DynaMix().double(), context)
    >>> run_engine("compiled", [double], horizon=10)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the compiled engine does not run a model in torch.float64. Use ...
    """
    model = groups[0].model
    run: Callable[..., Rollout] | None
    plain: Callable[..., Rollout] = rollout
    fast: Callable[..., Rollout] | None = None  # the paper's model takes all groups in one call
    if isinstance(model, gp.GaussianProcess):
        plain = functools.partial(gp.chosen_rollout, gp.runs)
        fast = functools.partial(gp.chosen_rollout, compiled_gp.runs)
    elif isinstance(model, LocalForecaster):
        fast = functools.partial(choice.chosen_rollout, compiled_local.rollouts)
        plain = functools.partial(choice.chosen_rollout, choice.rollouts)
    run = plain
    if engine != "torch":
        reason = refused(model)
        if reason and engine == "compiled":
            raise InputError(
                f"the compiled engine does not run {reason}. Use engine='auto' or engine='torch'."
            )
        run = plain if reason else fast
    try:
        if run is None:
            return compiled.rollouts(groups, **options)
        found = []
        for one, context, x in groups:
            found.append(run(one, context, initial_x=x, **options))
        return found
    except MemoryError as error:
        raise InputError(
            f"there is not enough memory ({error}). Use fewer steps, series or samples."
        ) from error
    except EngineUnavailable as error:
        if engine == "compiled":
            raise InputError(
                f"the compiled engine is not available here ({error}). Use engine='torch'."
            ) from error
        warn_once(f"compiling failed ({error}); torch does the work, some 100 times slower")
        return run_engine("torch", groups, **options)


def refused(model: Any) -> str:
    """What the compiled engine does not run of a model; empty if it runs it."""
    weights = next(model.parameters())
    if weights.device.type != "cpu":
        return f"a model on the device {weights.device}"
    if weights.dtype != torch.float32:
        return f"a model in {weights.dtype}"
    plain = not isinstance(model, gp.GaussianProcess | LocalForecaster)
    return "probabilistic experts" if plain and not compiled.supports(model.config) else ""


@functools.lru_cache(maxsize=16)
def warn_once(message: str) -> None:
    """Log a ``message`` as a warning, unless it is among the last 16 messages."""
    logger.warning(message)
