"""The data corpus: flows of dysts, the split of the three-dimensional ones, trajectories.

The package ``dysts`` (Gilpin, NeurIPS Datasets & Benchmarks 2021) holds equations and parameters.
"""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from importlib import metadata, resources
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError, needs, one_of, whole_number
from ..io.files import cache_directory, read_cached, write_cached
from ..io.shapes import Float

DIMENSION = 3  # of the systems that the split divides
MOST_DIMS = 6  # of a flow; the larger systems of dysts are delay equations
TOLERANCE = 1e-9  # relative and absolute, of the integrator
SETTLING = 1000  # samples dropped before a changed system counts as on its attractor
_MOST_STEPS = 100_000  # integrator steps between two samples
_MOST_DRAWS = 6  # of a variant's parameters
_LEAST_EXPONENT = 0.02  # a period, of chaos
_ROLES = {
    "train": ("train", "train-validation"),
    "test": ("test",),
    "validation": ("train-validation",),
    "excluded": ("excluded",),
}


@lru_cache(maxsize=1)
def _catalogue_entries() -> dict[str, dict[str, Any]]:
    with needs("systems"):
        path = resources.files("dysts") / "data" / "chaotic_attractors.json"
    entries = sorted(json.loads(path.read_text(encoding="utf-8")).items())
    sizes = range(DIMENSION, MOST_DIMS + 1)
    return {name: entry for name, entry in entries if len(entry["initial_conditions"]) in sizes}


def catalogue(*, dims: Collection[int] = (DIMENSION,)) -> list[str]:
    """Names of the flows of dysts with ``dims`` dimensions, in alphabetical order.

    The split divides the 104 three-dimensional flows; it does not use the 24 larger ones.

    >>> len(catalogue()), "Lorenz" in catalogue(), len(catalogue(dims=(4, 5, 6)))
    (104, True, 24)
    """
    entries = _catalogue_entries().items()
    return [name for name, entry in entries if len(entry["initial_conditions"]) in dims]


@lru_cache(maxsize=1)
def _split_rows() -> tuple[dict[str, str], ...]:
    path = resources.files("dynamix") / "data" / "split.csv"
    return tuple(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def split_table() -> list[dict[str, str]]:
    """The rows of the split's file, one for each of the 104 three-dimensional systems.

    A row has a ``system``, its ``role`` (``"train"``, ``"train-validation"``, ``"test"`` or
    ``"excluded"``), the ``family`` that variants of its equations share, and a ``reason``.

    >>> [row["system"] for row in split_table() if row["role"] == "excluded"]
    ['StickSlipOscillator']
    """
    return [dict(row) for row in _split_rows()]  # copies, which a caller may change


def split() -> dict[str, list[str]]:
    """The fixed split: 34 systems to train on, 69 held out.

    ``"train"`` and ``"test"`` share no system and no family. ``"validation"`` is the part of
    ``"train"`` for model selection. :func:`split_table` says why systems are ``"excluded"``.

    >>> len(split()["train"]), len(split()["test"]), "Lorenz" in split()["test"]
    (34, 69, True)
    """
    return {
        part: [row["system"] for row in _split_rows() if row["role"] in roles]
        for part, roles in _ROLES.items()
    }


def everyone() -> list[str]:
    """The 103 training and held-out systems, in alphabetical order."""
    return sorted([*split()["train"], *split()["test"]])


def system_facts(name: str) -> dict[str, Any]:
    """A copy of the entry of a system, of any dimension, in the catalogue of dysts (Gilpin, 2021).

    Among its keys: ``period`` (the dominant one, in the system's time unit), ``parameters``,
    ``initial_conditions`` (a state on the attractor), ``lyapunov_spectrum_estimated`` (per time
    unit), ``kaplan_yorke_dimension``, ``citation``. An unknown name raises InputError.

    >>> system_facts("Lorenz")["parameters"]
    {'beta': 2.667, 'rho': 28, 'sigma': 10}
    """
    one_of("system", name, _catalogue_entries())
    return copy.deepcopy(_catalogue_entries()[name])


@lru_cache(maxsize=1)
def _rates() -> dict[str, dict[str, float]]:
    path = resources.files("dynamix") / "data" / "exponents.csv"
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {row.pop("system"): {k: float(v) for k, v in row.items()} for row in rows}


def rates(name: str) -> dict[str, float]:
    """Rates of a system per dominant period, computed from its equations.

    ``exponent`` is the largest Lyapunov exponent over 300 periods, ``error`` its standard error.
    ``divergence`` is the mean trace of the Jacobian, the rate at which volumes grow: 0 for a
    conservative flow. The file ``data/exponents.csv`` holds them; ``experiments/make_exponents.py``
    made it. The catalogue's own exponents are off by a factor of two and more for many systems.
    NaN where the integrator fails.

    >>> rates("Lorenz")["divergence"]  # -(sigma + 1 + beta) in each unit of time
    -20.5114
    """
    one_of("system", name, _catalogue_entries())
    nothing = dict.fromkeys(("exponent", "error", "divergence"), np.nan)
    return dict(_rates().get(name, nothing))


def lyapunov_time(name: str, *, points_per_period: int = 50) -> float:
    """The time in which the distance of two nearby states grows by a factor e, in samples.

    1 over the largest Lyapunov exponent of ``name`` in :func:`rates`; ``points_per_period`` is the
    sampling. It is infinite without chaos: where the exponent is below 0.02 a period, or twice its
    error.

    >>> round(lyapunov_time("Lorenz", points_per_period=50), 1)
    36.4
    """
    points_per_period = whole_number("points_per_period", points_per_period, least=2)
    found = rates(name)
    chaotic = found["exponent"] > max(_LEAST_EXPONENT, 2 * found["error"])
    return float(points_per_period / found["exponent"]) if chaotic else np.inf


def trajectory(
    name: str,
    *,
    n: int = 12_000,
    points_per_period: int = 50,
    transient: int = 0,
    initial_condition: Sequence[float] | None = None,
    parameters: Mapping[str, float] | None = None,
) -> Float[ndarray, "n N"]:
    """A trajectory of a system, integrated with LSODA or read from the cache.

    Parameters
    ----------
    name
        A name of :func:`catalogue`, of any dimension N.
    n, points_per_period, transient
        Samples, samples per dominant period (2 or more), samples dropped at the beginning.
    initial_condition
        First state, N numbers; None: the catalogue's, which lies on the attractor.
    parameters
        Values that replace the catalogue's. They may move the attractor: drop a ``transient``.

    Returns
    -------
    ``(n, N)``, float32, in the system's own units. The rule of dysts maps angles that grow, for
    example to their cosine.

    Raises
    ------
    InputError
        If a name is unknown, a number is out of range, or the integrator fails.

    Examples
    --------
    >>> trajectory("Lorenz", n=100, parameters={"rho": 0.5}).shape
    (100, 3)
    """
    facts, given = system_facts(name), dict(parameters or {})
    n, transient = whole_number("n", n), whole_number("transient", transient, least=0)
    points_per_period = whole_number("points_per_period", points_per_period, least=2)
    usual = facts["initial_conditions"]
    start = np.asarray(usual if initial_condition is None else initial_condition, dtype=np.float64)
    if start.shape != (len(usual),) or not np.isfinite(start).all():
        raise InputError(
            f"initial_condition must be {len(usual)} finite numbers, found {initial_condition!r}."
        )
    for key in given:
        one_of(f"parameter of {name}", key, sorted(facts["parameters"]))
    recipe = {
        "system": name,
        "n": n + transient,
        "points_per_period": points_per_period,
        "start": start.tolist(),
        "parameters": {key: float(value) for key, value in sorted(given.items())},
        "tolerance": TOLERANCE,
        "dysts": metadata.version("dysts"),
    }
    text = json.dumps(recipe, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = cache_directory() / "trajectories" / f"{name}-{digest}.bin"
    content = read_cached(path, key=text, size=4 * (n + transient) * len(start))
    if content is None:
        content = _integrate(name, start, n + transient, points_per_period, given).tobytes()
        write_cached(path, key=text, content=content)
    return np.frombuffer(content, np.float32).reshape(-1, len(start))[transient:].copy()


def equations(
    name: str, parameters: Mapping[str, float] | None = None
) -> tuple[float, Callable[[ndarray, float], Any]]:
    """The dominant period of a system, and its right-hand side ``f(state, t)``."""
    with needs("systems"):
        import dysts.flows

    system = _system(name, parameters or {})
    if type(system).rhs is dysts.flows.DynSys.rhs:
        # straight to the compiled equations: the argument handling of dysts takes half the time
        compiled, constants = type(system)._rhs, [np.asarray(p)[()] for p in system.param_list]
        return system.period, lambda state, t: compiled(*state, t, *constants)
    return system.period, system.rhs


def _system(name: str, parameters: Mapping[str, float]) -> Any:
    with needs("systems"):
        import dysts.flows

    system = getattr(dysts.flows, name)()
    # a system holds its parameters three times over: by name, as attributes, and in sorted order
    system.params |= parameters
    vars(system).update(parameters)
    system.param_list = [system.params[key] for key in sorted(system.params)]
    return system


def _integrate(
    name: str, start: ndarray, n: int, points_per_period: int, parameters: Mapping[str, float]
) -> Float[ndarray, "n N"]:
    period, slope = equations(name, parameters)
    times = np.arange(n) * (period / points_per_period)
    values = solve(slope, start, times, TOLERANCE, _MOST_STEPS, what=f"{name} for {n} samples")
    if bounded := getattr(_system(name, parameters), "_postprocessing", None):
        values = np.stack([np.asarray(channel) for channel in bounded(*values.T)], axis=1)
    return values.astype(np.float32)


def solve(
    slope: Callable[[ndarray, float], Any],
    start: Float[ndarray, " N"],
    times: Float[ndarray, " n"],
    tolerance: float,
    most_steps: int,
    *,
    what: str,
) -> Float[ndarray, "n N"]:
    """States at ``times``, by LSODA with at most ``most_steps`` steps between two samples."""
    from scipy.integrate import ODEintWarning, odeint

    limits: dict[str, Any] = {"rtol": tolerance, "atol": tolerance, "mxstep": most_steps}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", ODEintWarning)  # an error follows
        values, report = odeint(slope, start, times, full_output=True, **limits)
    if report["message"] != "Integration successful." or not np.isfinite(values).all():
        message = f"the integrator could not follow {what}: {report['message']}"
        raise InputError(f"{message} Use a shorter trajectory or another initial condition.")
    return np.asarray(values)


def variant(
    name: str, *, n: int, points_per_period: int, jitter: float, seed: int
) -> Float[ndarray, "n N"]:
    """A trajectory of the system with perturbed parameters, after :data:`SETTLING` samples.

    Every scalar parameter is multiplied by a number from ``1 - jitter`` to ``1 + jitter``. Where
    the system then comes to rest or escapes, ``jitter`` is halved; after six draws it is 0.
    """
    usual = trajectory(name, n=2000, points_per_period=points_per_period).std(axis=0)
    known = system_facts(name)["parameters"].items()
    values = {key: float(value) for key, value in known if isinstance(value, int | float)}
    sampling: dict[str, Any] = {"n": n, "points_per_period": points_per_period}
    rng = np.random.default_rng([seed, *name.encode()])
    for _ in range(_MOST_DRAWS):
        perturbed = {key: v * (1 + jitter * rng.uniform(-1, 1)) for key, v in values.items()}
        jitter /= 2
        try:
            x = trajectory(name, transient=SETTLING, parameters=perturbed, **sampling)
        except InputError:
            continue
        if keeps_moving(x, usual):
            return x
    return trajectory(name, **sampling)


def keeps_moving(x: Float[ndarray, "n N"], usual: Float[ndarray, " N"] | float) -> bool:
    """Whether every channel moves about as much as usual (a deviation) in each third of ``x``."""
    thirds = np.stack([part.std(axis=0) for part in np.array_split(x, 3)])
    return bool((thirds > 0.1 * usual).all() and (thirds < 10 * usual).all())
