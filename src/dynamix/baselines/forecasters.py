"""The one call signature of all forecasters, and what every call is guarded by.

A :class:`Baseline` is ``f(context, horizon, *, seed) -> forecast`` with arrays ``(T, N)``, and
knows what it is. Calling it checks the context, imports what it needs, silences the packages'
chatter and marks where a forecast diverges.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module, util
from typing import Any, cast

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError, whole_number

DISTRIBUTION = "dynamix-companion"
FURTHEST = 1e6  # context deviations
_SHORTEST = 3

Forecaster = Callable[..., Float[ndarray, "horizon N"]]


@dataclass(frozen=True)
class Baseline:
    """A forecaster with what is to be known about it. Call it like the function that it names.

    A call takes the context ``(T_C, N)`` in any units, the horizon in steps and a seed, and returns
    ``(horizon, N)`` in the units and dtype of the context, NaN from where it diverges
    (:func:`dynamix.baselines.forecasters.bounded`). The function computes in float64.

    Attributes
    ----------
    name
        What :func:`dynamix.baselines.baseline` finds it by.
    what
        What it is, in a sentence.
    source
        Where it is described: author and year.
    function
        ``"module:function"`` in this package, imported at the first call.
    trained
        Whether it is fitted to the context.
    joint
        Whether it sees all channels together, or each alone.
    extra
        The extra of this package that installs what it needs.
    packages
        Modules that it needs beyond this package.
    argument
        Handed to the function first, where there is one: a pretrained model's name.

    Raises
    ------
    InputError
        When called: if a package is missing, the context is not ``(T_C >= 3, N)`` and finite, the
        horizon is not a whole number of at least 1 or the seed of at least 0, or the function
        itself has no use for the context.

    Examples
    --------
    >>> last = Baseline(
    ...     "last", "the last state", "", "simple:naive", trained=False, joint=False)
    >>> last(np.array([[1.0], [2.0], [5.0]]), 2).ravel()
    array([5., 5.])
    >>> last(np.array([[1.0], [np.nan], [5.0]]), 2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: the context holds values that are not finite. Fill or cut them out...
    """

    name: str
    what: str
    source: str
    function: str
    trained: bool
    joint: bool
    extra: str = ""
    packages: tuple[str, ...] = ()
    argument: str | None = None

    def __call__(self, context: Any, horizon: int, *, seed: int = 0) -> Float[ndarray, "horizon N"]:
        """Continue the context; in its dtype, NaN from where the forecast diverges."""
        horizon = whole_number("horizon", horizon)
        seed = whole_number("seed", seed, least=0)
        x = _checked(context)
        function = self._load()
        given = () if self.argument is None else (self.argument,)
        with _quiet():
            forecast = function(*given, x.astype(np.float64), horizon, seed=seed)
        return bounded(forecast, x).astype(x.dtype)

    def _load(self) -> Forecaster:
        missing = [name for name in self.packages if util.find_spec(name) is None]
        if missing:
            raise InputError(
                f"{self.name!r} needs {' and '.join(missing)}, which is not installed here. "
                f"Install it with: pip install '{DISTRIBUTION}[{self.extra}]'"
            )
        module, function = self.function.split(":")
        return cast(Forecaster, getattr(import_module(f".{module}", __package__), function))


def bounded(
    forecast: Float[ndarray, "T N"], context: Float[ndarray, "T_C N"]
) -> Float[ndarray, "T N"]:
    """The forecast, NaN from the first step at which it has left every scale of the context.

    That is where any channel is not finite or lies more than :data:`FURTHEST` (a million)
    deviations from the context's mean. A constant channel is measured by its absolute value
    instead, or by 1 where that is larger.

    Parameters
    ----------
    forecast
        ``(T, N)``.
    context
        ``(T_C, N)``, finite, in the same units.

    Returns
    -------
    ``(T, N)``: the forecast, all of its channels NaN from that step on.

    Examples
    --------
    >>> bounded(np.array([[1.0], [1e9], [1.0]]), np.array([[0.0], [2.0]])).ravel()
    array([ 1., nan, nan])
    """
    middle, deviation = context.mean(axis=0), context.std(axis=0)
    # a constant channel has no scale but its value
    scale = np.where(deviation > 0, deviation, np.maximum(np.abs(middle), 1.0))
    with np.errstate(all="ignore"):
        inside = (np.abs(forecast - middle) <= FURTHEST * scale).all(axis=1)
    lasting = np.logical_and.accumulate(inside)
    return np.where(lasting[:, None], forecast, np.nan)


def _checked(context: Any) -> ndarray:
    try:
        x = np.asarray(context)
        if np.iscomplexobj(x):
            raise ValueError("complex numbers have two values each")
        if not np.issubdtype(x.dtype, np.floating):
            x = x.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"a baseline needs a context of real numbers, (T_C, N): {error}."
        ) from error
    if x.ndim != 2 or x.shape[1] < 1 or len(x) < _SHORTEST:
        raise InputError(
            f"a baseline needs a context of at least 3 steps with a column per channel, (T_C, N), "
            f"found an array of shape {x.shape}."
        )
    if not np.isfinite(x).all():
        raise InputError(
            "the context holds values that are not finite. Fill or cut them out before forecasting."
        )
    return x


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings and no chatter of the packages: what goes wrong shows in the forecast."""
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
