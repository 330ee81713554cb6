"""Many series: those of equal length run side by side, and each is forecast as it would be alone.

A batch costs the calls of one series. The compiled engine gives every series of a batch the bits
that it has alone. Torch does not, so models that only torch can run are taken one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from ..engine.select import refused
from ..errors import InputError, check_value
from ..io.arrays import check_initial, to_pandas, unpack
from ..io.progress import tqdm
from ..preprocessing.seasons import calendar_seasons
from ..preprocessing.transforms import Series
from ..settings import AUTO, PATIENCE, Engine, Errors
from .automatic import ForecastReport
from .ensembles import stack
from .models import find_model
from .zero_shot import forecast

logger = logging.getLogger(__name__)

_MOST = 256  # series of a batch, if their trials have no more than
_MOST_NUMBERS = 2**24  # numbers


class Context(NamedTuple):
    """One series that was checked: ``values (T_C, n)``, its index or None, its start or None."""

    values: Series
    index: Any = None
    start: ndarray | None = None


class Found(NamedTuple):
    """Its forecast ``(horizon, n)``, or samples or quantiles of it ``(K, horizon, n)``."""

    values: ndarray
    report: ForecastReport


@dataclass(frozen=True)
class _Beside:
    """Series side by side ``(T_C, S, n)`` with the index of one of them, as a forecast takes it."""

    values: ndarray
    index: Any

    @property
    def ndim(self) -> int:
        return self.values.ndim

    def __array__(self, dtype: Any = None, copy: Any = None) -> ndarray:
        return self.values


class LeftOut:
    """What cannot be forecast: an InputError names its series, or with "skip" the log does."""

    def __init__(self, errors: Errors = "raise") -> None:
        check_value("errors", errors, hint=Errors, bounds={})
        self.errors, self.why = errors, dict[Any, str]()

    @contextmanager
    def naming(self, name: Any) -> Iterator[None]:
        """Work on the series of this name."""
        try:
            yield
        except InputError as error:
            if self.errors != "skip":
                raise InputError(f"series {name!r}: {error}") from error
            self.why[name] = str(error)
            logger.warning("series %r was left out: %s", name, error)


def each_series(series: Iterable[tuple[Any, Any]], *, total: int) -> Iterator[tuple[Any, Any]]:
    """The named series, with a progress bar."""
    yield from tqdm(series, total=total, desc="series", disable=None, delay=PATIENCE)


def forecast_each(
    series: Mapping[Any, Any],
    left_out: LeftOut,
    *,
    horizon: int,
    starts: Mapping[Any, Any],
    quantile_levels: Sequence[float] | None = None,
    return_gates: bool = False,
    return_report: bool = False,
    **how: Any,
) -> dict[Any, Any]:
    """What :func:`dynamix.forecast` returns for each of the named series, of any kind and length.

    ``starts`` may hold an ``initial_x`` for a name. Those left out have no entry.
    """
    how |= {"horizon": horizon, "quantile_levels": quantile_levels}
    known: dict[Any, Context] = {}
    back: dict[Any, Callable[[ndarray], Any]] = {}
    found: dict[Any, Any] = {}
    for name, one in each_series(series.items(), total=len(series)):
        with left_out.naming(name):
            start = starts.get(name)
            if return_gates or np.ndim(one) == 3:
                more: Any = {"return_gates": return_gates, "return_report": return_report}
                found[name] = forecast(one, initial_x=start, **how, **more)
                continue
            values, back[name] = unpack(one, check=True, steps=horizon)
            if start is not None:
                start = check_initial(start, S=1, n=values.shape[2])[0]
            index = getattr(to_pandas(one), "index", None)  # a list has a method of this name
            known[name] = Context(values[:, 0], None if callable(index) else index, start)
    several = quantile_levels is not None or how.get("n_samples") is not None
    for name, (made, report) in side_by_side(known, left_out, **how).items():
        samples = [back[name](y[:, None]) for y in (made if several else made[None])]
        answer = stack(samples, quantile_levels or ()) if several else samples[0]
        found[name] = (answer, report) if return_report else answer
    return {name: found[name] for name in series if name in found}


def side_by_side(
    contexts: Mapping[Any, Context],
    left_out: LeftOut,
    *,
    horizon: int,
    model: Any = None,
    quantile_levels: Sequence[float] | None = None,
    **settings: Any,
) -> dict[Any, Found]:
    """Forecasts of named contexts of any lengths, in their order, without those left out.

    ``model``, ``quantile_levels`` and ``settings`` are those of :func:`dynamix.forecast`.
    """
    settings = {**settings, "errors": "raise"}
    engine = settings.get("engine", "auto")
    chosen = model is None or (isinstance(model, str) and model == AUTO)
    model = model if chosen else find_model(model, engine=engine)
    how = {"horizon": horizon, "model": model, "quantile_levels": quantile_levels, **settings}
    found: dict[Any, Found] = {}
    bar = tqdm(total=len(contexts), desc="series", unit="series", disable=None, delay=PATIENCE)
    alone = not _compiled(model, engine)
    with bar:
        for names in _batches(contexts, horizon, most=1 if alone else _MOST):
            try:
                found |= _run(contexts, names, how)
            except InputError:  # one series fails; that must not change the others
                for name in names:
                    with left_out.naming(name):
                        found |= _run(contexts, [name], how)
            bar.update(len(names))
    return {name: found[name] for name in contexts if name in found}


def _compiled(model: Any, engine: Engine) -> bool:
    return engine in ("auto", "compiled") and (model in (None, AUTO) or not refused(model))


def _batches(contexts: Mapping[Any, Context], horizon: int, *, most: int) -> Iterator[list[Any]]:
    """Names of series that run side by side: equal shapes, and dates that suggest equal seasons."""
    groups: dict[Any, list[Any]] = {}
    for name, one in contexts.items():
        shape, seasons = one.values.shape, calendar_seasons(one.index)
        groups.setdefault((shape, seasons, one.start is None), []).append(name)
    for ((T_C, n), *_), names in groups.items():
        size = max(1, min(most, _MOST_NUMBERS // ((T_C + 200 * horizon) * n)))
        yield from (names[i : i + size] for i in range(0, len(names), size))


def _run(
    contexts: Mapping[Any, Context], names: Sequence[Any], how: dict[str, Any]
) -> dict[Any, Found]:
    """The forecasts of one batch."""
    members = [contexts[name] for name in names]
    values = np.stack([one.values for one in members], axis=1)
    starts = [one.start for one in members if one.start is not None]
    start = np.stack(starts) if starts else None
    beside = _Beside(values, members[0].index)
    made, reports = forecast(beside, initial_x=start, return_report=True, **how)
    return {
        name: Found(np.ascontiguousarray(made[..., s, :]), report)
        for s, (name, report) in enumerate(zip(names, reports, strict=True))
    }
