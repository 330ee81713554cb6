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

from .errors import InputError, whole_number

DISTRIBUTION = "dynamix-companion"
FURTHEST = 1e6  # context deviations
_SHORTEST = 3

Forecaster = Callable[..., Float[ndarray, "horizon N"]]


@dataclass(frozen=True)
class Baseline:
    """A forecaster with what is to be known about it. Call it like the function that it names.

    Fields: ``name``; ``what`` it is in a sentence; ``source``, where it is described; ``function``,
    ``"module:function"`` in this package, imported at the first call; ``extra`` that installs the
    ``packages`` it needs; ``trained``, whether it is fitted to the context; ``joint``, whether it
    sees all channels together or each alone; ``argument``, handed to the function first.

    Raises
    ------
    InputError
        When called: if a package is missing or the context is not ``(T_C >= 3, N)`` and finite.
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
    x = np.asarray(context)
    if not np.issubdtype(x.dtype, np.floating):
        x = x.astype(np.float64)
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
