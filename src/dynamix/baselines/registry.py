"""One registry of forecasters: :func:`baseline` makes a name a function of context and horizon.

The entries stand beside the functions that they name, in the other modules of this room.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from ..errors import DISTRIBUTION, InputError, check_value, install, one_of, whole_number
from ..gp.smoothing import smooth
from ..io.arrays import as_series, check_values, unpack
from ..io.scale import unit
from ..io.shapes import Float
from ..settings import Denoise, from_dict

if TYPE_CHECKING:
    import pandas as pd

FURTHEST = 1e6  # context deviations; a forecast that gets there has diverged
_SHORTEST = 3

_entries: dict[str, Baseline] = {}
_families: dict[Callable[[Any], Baseline | None], Callable[[], Iterable[str]]] = {}


@dataclass(frozen=True, eq=False)
class Baseline:
    """An entry of the registry: a forecaster and its properties.

    A call takes one context ``(T_C, N)`` or several, ``(T_C, S, N)``, and returns an object of the
    same kind, ``horizon`` steps long. From the step at which a series diverges (beyond a million
    deviations from the context's mean, or not finite) all its channels are NaN.

    ``function`` is ``f(context, horizon, *, seed)`` with its settings as further keywords. With
    ``load``, which returns a model with ``config`` and weights, the model comes first.

    Raises
    ------
    InputError
        When called: for a missing package, a context that is not finite or has fewer than 3 steps,
        or a horizon or seed that is no whole number in its range.

    Examples
    --------
    >>> last = Baseline("last", "the last state", "", lambda x, T, seed: x[-1:].repeat(T, axis=0))
    >>> last([1.0, 2.0, 5.0], 2)
    array([5., 5.])
    """

    name: str
    what: str
    source: str  # the publication
    function: Callable[..., ndarray]
    fitted: bool = False  # to the context
    joint: bool = False  # sees all channels together
    batched: bool = False  # takes several series at once
    rival: bool = True  # another method than DynaMix
    needs_truth: bool = False  # is given the true continuation
    config: type[Any] | None = None  # the class of its settings, if it has one
    settings: Mapping[str, Any] = field(default_factory=dict)  # those that differ from the defaults
    load: Callable[[], Any] | None = None
    packages: tuple[str, ...] = ()  # modules that it needs
    extra: str = "baselines"  # what installs them
    weights_here: Callable[[], bool] | None = None  # whether pretrained weights are on this machine

    def __call__(self, context: Any, horizon: int, *, seed: int = 0, truth: Any = None) -> Any:
        """Continue the context, or several of them."""
        horizon = whole_number("horizon", horizon)
        given: dict[str, Any] = {"seed": whole_number("seed", seed, least=0)}
        given |= self._own if self.config is None else {"config": self.config(**self._own)}
        values, restore = unpack(context)
        check_values(values, least=_SHORTEST, moving=False)
        if self.missing:
            raise self._incomplete(self.missing)
        if self.rival and self.settings.get("denoise") == "auto":  # else the pipeline smooths
            values = np.stack([smooth(x).values for x in values.transpose(1, 0, 2)], axis=1)
        if self.needs_truth:
            if truth is None:
                raise InputError(f"{self.name!r} needs the true system: give its series as truth=.")
            given["truth"] = as_series(truth, name="truth")
        first = () if self.load is None else (self.model,)
        if self.batched:
            with np.errstate(all="ignore"):  # a forecast that diverges is a result
                return restore(self.function(*first, values, horizon, **given))
        series = [np.ascontiguousarray(values[:, s]) for s in range(values.shape[1])]
        with _quiet():
            made = [bounded(self.function(*first, x, horizon, **given), x) for x in series]
        return restore(np.stack(made, axis=1))

    @property
    def _own(self) -> dict[str, Any]:
        """The settings without the one that all rivals share."""
        shared = {"denoise"} if self.rival else set()
        return {name: value for name, value in self.settings.items() if name not in shared}

    def having(self, **settings: Any) -> Baseline:
        """The same forecaster with other settings; every rival takes ``denoise``, too."""
        found = dataclasses.replace(self, settings={**self.settings, **settings})
        known = inspect.signature(self.function).parameters.values()
        if self.rival and "denoise" in settings:
            check_value("denoise", settings["denoise"], hint=Denoise, bounds={})
        if self.config is not None:
            from_dict(self.config, found._own, source=f"baseline({self.name!r})")
        elif not any(p.kind is p.VAR_KEYWORD for p in known):
            names = {p.name for p in known if p.kind is p.KEYWORD_ONLY} - {"seed", "truth"}
            for name in found._own:
                one_of(f"setting of {self.name!r}", name, sorted({*names, "denoise"}))
        return found

    @cached_property
    def model(self) -> Any:
        """The loaded model; None where the library holds none."""
        return None if self.load is None else self.load()

    @property
    def identity(self) -> str:
        """A digest of config and weights, where the library holds them; else the name."""
        return Path(self.name).name if self.load is None else digest(self.model)

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed here."""
        return [name for name in self.packages if util.find_spec(name) is None]

    @property
    def needs(self) -> str:
        """What pip installs beyond this package."""
        return f"{DISTRIBUTION}[{self.extra}]" if self.packages else ""

    @property
    def versions(self) -> dict[str, str]:
        """The version of each needed package, for the record of a result."""
        known = metadata.packages_distributions() if self.packages else {}
        try:
            return {name: metadata.version(known.get(name, [name])[0]) for name in self.packages}
        except metadata.PackageNotFoundError as error:
            raise self._incomplete(self.packages) from error

    def _incomplete(self, missing: Iterable[str]) -> InputError:
        return InputError(
            f"{self.name!r} needs {' and '.join(missing)}, which is not installed here. "
            f"{install(self.extra)}"
        )


def register(name: str, what: str, source: str = "", **more: Any) -> Callable[[Any], Any]:
    """Register the decorated function; the arguments are attributes of :class:`Baseline`."""

    def add(function: Any) -> Any:
        _entries[name] = Baseline(name, what, source, function, **more)
        return function

    return add


def register_family(names: Callable[[], Iterable[str]]) -> Callable[[Any], Any]:
    """Register the decorated function, which finds the entry of a name that no list holds, or None.

    ``names`` lists those of its names that are known.
    """

    def add(find: Callable[[Any], Baseline | None]) -> Any:
        _families[find] = names
        return find

    return add


def baseline(name: Any, **settings: Any) -> Baseline:
    """The forecaster of a name.

    ``name`` is one of :func:`table`, the folder of a pretrained model, a DynaMix model, or a
    checkpoint as :meth:`dynamix.DynaMix.from_pretrained` takes it, which is read at the first call.
    ``settings`` are those of :func:`dynamix.forecast` for DynaMix, of
    :mod:`dynamix.baselines.settings` for fitted rivals, the function's own for the others. The
    entry is called as ``f(context, horizon, seed=seed)``.

    Raises
    ------
    InputError
        If the name or a setting is unknown, or a setting is out of range.

    Examples
    --------
    >>> baseline("parrot", match_length=3)(np.tile([0.0, 1.0, 3.0], 10)[:, None], 4).ravel()
    array([0., 1., 3., 0.])
    >>> baseline("dynamix-3d", embedding="delay")(np.sin(np.arange(90.0) / 5)[:, None], 7).shape
    (7, 1)
    >>> baseline("parot")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: unknown model 'parot'. Known: parrot, ... Did you mean 'parrot'?
    """
    name = str(name) if isinstance(name, Path) else name
    found = _entries.get(name) if isinstance(name, str) else None
    for find in _families:
        found = found or find(name)
    if found is None:
        one_of("model", name, [*_entries, *(n for names in _families.values() for n in names())])
    assert found is not None
    return found.having(**settings) if settings else found


def table() -> pd.DataFrame:
    """All named forecasters: a row each, indexed by name.

    Columns: ``what`` it is, its ``source``, ``fitted`` (to the context: yes or no), ``channels``
    (together or each alone), ``needs`` (what pip installs beyond this package), and ``here``:
    whether its packages and its pretrained weights are on this machine. Nothing is downloaded.

    >>> table().loc["dmd", ["fitted", "channels", "needs"]].tolist()
    ['yes', 'together', 'dynamix-companion[baselines]']
    """
    import pandas as pd

    named = [find(name) for find, names in _families.items() for name in names()]
    rows = [
        {
            "name": item.name,
            "what": item.what,
            "source": item.source,
            "fitted": "yes" if item.fitted else "no",
            "channels": "together" if item.joint else "each alone",
            "needs": item.needs,
            "here": not item.missing and (item.weights_here is None or item.weights_here()),
        }
        for item in (*_entries.values(), *filter(None, named))
    ]
    return pd.DataFrame(rows).set_index("name")


def bounded(
    forecast: Float[ndarray, "T N"], context: Float[ndarray, "T_C N"]
) -> Float[ndarray, "T N"]:
    """The forecast, all channels NaN from the step at which one diverges."""
    size = unit(context)
    middle, deviation = (context / size).mean(axis=0), (context / size).std(axis=0)
    # a constant channel has no scale but its value
    scale = np.where(deviation > 0, deviation, np.maximum(np.abs(middle), 1.0))
    with np.errstate(all="ignore"):
        inside = (np.abs(forecast / size - middle) <= FURTHEST * scale).all(axis=1)
    lasting = np.logical_and.accumulate(inside)
    return np.where(lasting[:, None], forecast, np.nan)


def digest(model: Any) -> str:
    """``"sha256:"`` and 32 hexadecimal digits of a model's config and weights."""
    config = model.config if isinstance(model.config, dict) else dataclasses.asdict(model.config)
    if hasattr(model, "defaults"):  # how its checkpoint says that it forecasts
        stored = dataclasses.asdict(model.defaults)
        # models that were made before this setting was keep their digests
        config = config | {k: v for k, v in stored.items() if (k, v) != ("denoise", "off")}
    hashed = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, value in sorted(getattr(model, "state_dict", dict)().items()):
        hashed.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        hashed.update(value.detach().cpu().contiguous().numpy().tobytes())
    return f"sha256:{hashed.hexdigest()[:32]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings and no log of the packages: an error shows in the forecast."""
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
