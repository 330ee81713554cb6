"""Which engine computes a rollout: the compiled kernels where they can, else torch or NumPy."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ..errors import InputError
from ..gp import rollouts as gp
from ..gp.settings import GPConfig
from ..local import choice
from ..local.settings import LocalConfig
from ..model.runs import Group, Rollout, Saved, saved
from ..settings import Engine
from . import plain
from .machine import EngineUnavailable

logger = logging.getLogger(__name__)


def run_engine(engine: Engine, groups: Sequence[Group], **options: Any) -> list[Rollout]:
    """The rollouts of several groups by the engine asked for; ``"auto"`` compiles where it can.

    The compiled engine computes in single precision on the CPU, so a model elsewhere or in double
    precision stays with torch.

    Parameters
    ----------
    engine
        ``"torch"``, ``"numpy"``, ``"compiled"`` or ``"auto"``.
    groups
        Their models differ in the widths of the gate alone. A model is a :class:`dynamix.DynaMix`,
        with probabilistic experts not for the compiled engine; or a
        :class:`dynamix.local.LocalForecaster` or :class:`dynamix.gp.GaussianProcess`, of which each
        context chooses a candidate; or one of them as it is saved, for any engine but torch.
        Contexts are arrays, as the model sees them: scaled and embedded.
    options
        The keywords of :func:`dynamix.model.rollouts.rollout`; ``horizon`` is needed.

    Returns
    -------
    One for each group, of arrays.

    Raises
    ------
    InputError
        If ``"compiled"`` is asked for and cannot run this model, or not on this machine.

    Examples
    --------
    >>> import numpy as np
    >>> from dynamix import DynaMix
    >>> context = np.random.default_rng(0).normal(size=(100, 2, 3))
    >>> (run,) = run_engine("torch", [Group(DynaMix(), context)], horizon=10)
    >>> run.observations.shape
    (10, 2, 3)
    >>> double = Group(DynaMix().double(), context)
    >>> run_engine("compiled", [double], horizon=10)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the compiled engine does not run a model in torch.float64. Use ...
    """
    model = groups[0].model
    if engine in ("auto", "compiled"):
        reason = refused(model)
        if reason and engine == "compiled":
            raise InputError(
                f"the compiled engine does not run {reason}. Use engine='auto' or engine='torch'."
            )
        try:
            if not reason:
                return _compiled(_arrays(groups), options)
        except EngineUnavailable as error:
            if engine == "compiled":
                raise InputError(
                    f"the compiled engine is not available here ({error}). Use engine='numpy'."
                ) from error
            warn_once(f"no compiled engine ({error}); another one is some 100 times slower")
        engine = "numpy" if isinstance(model, Saved) else "torch"
    if engine == "numpy" or isinstance(model.config, GPConfig):  # whose map is NumPy's anyway
        return _numpy(groups, options)
    import torch

    from ..local.forecaster import rollouts
    from ..model.rollouts import rollout

    if isinstance(model.config, LocalConfig):
        return _each(functools.partial(choice.chosen_rollout, rollouts), groups, options)
    found = []
    for one, context, x in groups:
        start = None if x is None else torch.from_numpy(x)
        run = rollout(one, torch.from_numpy(context), initial_x=start, **options)
        gates = None if run.gates is None else run.gates.cpu().numpy()
        found.append(Rollout(run.observations.cpu().numpy(), gates))
    return found


def _arrays(groups: Sequence[Group]) -> list[Group]:
    """The groups with each model as it is saved."""
    made = {id(one.model): saved(one.model) for one in groups}
    return [one._replace(model=made[id(one.model)]) for one in groups]


def _each(run: Callable[..., Any], groups: Sequence[Group], how: Any) -> list[Any]:
    return [run(model, context, initial_x=x, **how) for model, context, x in groups]


def _compiled(groups: Sequence[Group], how: Any, of_gp: Any = gp.chosen_rollout) -> list[Any]:
    try:
        from . import gp as compiled_gp
        from . import local as compiled_local
        from . import rollout as compiled
    except ModuleNotFoundError as error:
        raise EngineUnavailable(str(error)) from error
    if isinstance(groups[0].model.config, GPConfig):
        return _each(functools.partial(of_gp, compiled_gp.runs), groups, how)
    if isinstance(groups[0].model.config, LocalConfig):
        run = functools.partial(choice.chosen_rollout, compiled_local.rollouts)
        return _each(run, groups, how)
    return compiled.rollouts(groups, **how)  # all groups in one call


def _numpy(groups: Sequence[Group], how: Any) -> list[Rollout]:
    groups, run = _arrays(groups), plain.rollout
    if isinstance(groups[0].model.config, GPConfig):
        run = functools.partial(gp.chosen_rollout, gp.runs)
    elif isinstance(groups[0].model.config, LocalConfig):
        run = functools.partial(choice.chosen_rollout, plain.local_rollouts)
    return _each(run, groups, how)


def settled(engine: Engine, group: Group) -> Saved:
    """A Gaussian process that keeps the kernel which the one series of a group chooses."""
    groups = _arrays([group])
    if engine in ("auto", "compiled"):
        with suppress(EngineUnavailable):  # the forecast will say so
            return _compiled(groups, {}, gp.settled)[0]
    return gp.settled(gp.runs, *groups[0])


def refused(model: Any) -> str:
    """What the compiled engine does not run of a model; empty if it runs it."""
    if not isinstance(model, Saved):
        weights = next(model.parameters())
        if weights.device.type != "cpu":
            return f"a model on the device {weights.device}"
        if str(weights.dtype) != "torch.float32":
            return f"a model in {weights.dtype}"
    return "probabilistic experts" if getattr(model.config, "probabilistic", False) else ""


@functools.lru_cache(maxsize=16)
def warn_once(message: str) -> None:
    """Log a ``message`` as a warning, unless it is among the last 16 messages."""
    logger.warning(message)
