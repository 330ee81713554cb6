"""The data corpus: flows of dysts, the split of the three-dimensional ones, trajectories.

Trajectories come from ``dysts`` (Gilpin, NeurIPS Datasets & Benchmarks 2021): its equations, its
parameters, its initial conditions, which lie on the attractors. They are sampled at a number of
points per *dominant period* of each system, so that a context of given length shows about equally
many oscillations whatever the system's own time unit.
"""

from __future__ import annotations

import copy
import csv
import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from ..errors import InputError, one_of, whole_number
from ..io.files import cache_directory

logger = logging.getLogger(__name__)

DIMENSION = 3  # of the corpus that the split divides
MOST_DIMS = 6  # of a flow; larger ones in dysts are delay equations
TOLERANCE = 1e-9  # relative and absolute, of the integrator
_MAX_STEPS = 100_000  # integrator steps between two samples before it gives up
_MOST_VARIANTS = 6  # draws of parameters before the unperturbed system is taken
_SETTLING = 1000  # samples dropped before a variant counts as on its attractor


@lru_cache(maxsize=1)
def _catalogue_entries() -> dict[str, dict[str, Any]]:
    path = resources.files("dysts") / "data" / "chaotic_attractors.json"
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: entry
        for name, entry in sorted(entries.items())
        if DIMENSION <= len(entry["initial_conditions"]) <= MOST_DIMS
    }


def catalogue(*, dims: Collection[int] = (DIMENSION,)) -> list[str]:
    """Names of the flows of dysts with so many ``dims``, 3 to 6, in alphabetical order.

    By default the 104 three-dimensional ones, which the split divides; nothing here is trained on
    the 24 larger ones. A number outside 3 to 6 finds none.

    Examples
    --------
    >>> len(catalogue()), "Lorenz" in catalogue()
    (104, True)
    >>> len(catalogue(dims=(4, 5, 6)))
    24
    """
    entries = _catalogue_entries().items()
    return [name for name, entry in entries if len(entry["initial_conditions"]) in dims]


def _known() -> list[str]:
    return list(_catalogue_entries())


@lru_cache(maxsize=1)
def _split_rows() -> tuple[dict[str, str], ...]:
    path = resources.files("dynamix") / "data" / "split.csv"
    with path.open("r", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def split_table() -> list[dict[str, str]]:
    """The split as its file has it: one row per system with ``role``, ``family`` and ``reason``.

    Returns
    -------
    A dict of strings for each of the 104 three-dimensional systems. ``system`` is its name;
    ``role`` is ``"train"``, ``"train-validation"``, ``"test"`` or ``"excluded"``; ``family`` joins
    variants of the same equations, empty for a system that stands alone; ``reason`` names its kin,
    or says why the protocol held it out or excluded it.

    Examples
    --------
    >>> [row["system"] for row in split_table() if row["role"] == "excluded"]
    ['StickSlipOscillator']
    >>> rows = {row["system"]: row for row in split_table()}
    >>> rows["Lorenz"]["role"], rows["Lorenz"]["family"]
    ('test', 'lorenz')
    """
    return [dict(row) for row in _split_rows()]  # a caller may change its own


def split() -> dict[str, list[str]]:
    """The fixed split: 34 systems to train on, 69 held out.

    Returns
    -------
    Lists of names. ``"train"`` and ``"test"`` share no system and no family. ``"validation"`` is
    the part of ``"train"`` that model selection may look at; ``"excluded"`` are the systems of
    neither, each with its reason in :func:`split_table`.

    Examples
    --------
    >>> len(split()["train"]), "Lorenz" in split()["test"]
    (34, True)
    >>> set(split()["validation"]) <= set(split()["train"])
    True
    """
    names: dict[str, list[str]] = {"train": [], "test": [], "validation": [], "excluded": []}
    for row in split_table():
        role = row["role"]
        names["train" if role == "train-validation" else role].append(row["system"])
        if role == "train-validation":
            names["validation"].append(row["system"])
    return names


def everyone() -> list[str]:
    """Training and held-out systems, in the order of the alphabet.

    Examples
    --------
    >>> len(everyone())
    103
    """
    return sorted([*split()["train"], *split()["test"]])


def system_facts(name: str) -> dict[str, Any]:
    """What dysts knows of a system: period, parameters, Lyapunov exponents, dimensions, citation.

    Parameters
    ----------
    name
        A name of :func:`catalogue`, of any dimension.

    Returns
    -------
    The entry of dysts' catalogue (Gilpin, 2021) under dysts' own keys. Among them: ``period``, the
    dominant one, in the system's time unit; ``parameters``, by name; ``initial_conditions``, a
    state on the attractor; ``maximum_lyapunov_estimated`` and ``lyapunov_spectrum_estimated``, per
    time unit; ``kaplan_yorke_dimension`` and ``correlation_dimension``; ``citation``. Values inside
    it are dysts' own: copy them before a change.

    Raises
    ------
    InputError
        If dysts has no flow of that name with 3 to 6 dimensions.

    Examples
    --------
    >>> facts = system_facts("Lorenz")
    >>> facts["parameters"]
    {'beta': 2.667, 'rho': 28, 'sigma': 10}
    >>> round(facts["period"], 2), round(facts["maximum_lyapunov_estimated"], 2)
    (1.5, 0.89)
    """
    one_of("system", name, _known())
    return copy.deepcopy(_catalogue_entries()[name])


def lyapunov_time(name: str, *, points_per_period: int = 50) -> float:
    """Samples in which two nearby states part by a factor e, from dysts' largest exponent.

    Parameters
    ----------
    name
        A name of :func:`catalogue`, of any dimension.
    points_per_period
        Samples per dominant period, as in :func:`trajectory`.

    Returns
    -------
    ``points_per_period / (period * exponent)``, in samples; infinite for a system whose exponent is
    not positive.

    Raises
    ------
    InputError
        If the name is unknown, or ``points_per_period`` is no integer of at least 2.

    Examples
    --------
    >>> round(lyapunov_time("Lorenz"), 1)
    37.4
    >>> round(lyapunov_time("Lorenz", points_per_period=100), 1)
    74.7
    """
    points_per_period = whole_number("points_per_period", points_per_period, least=2)
    facts = system_facts(name)
    exponent = facts.get("maximum_lyapunov_estimated") or 0.0
    if exponent <= 0:
        return float("inf")
    return float(points_per_period / (facts["period"] * exponent))


def trajectory(
    name: str,
    *,
    n: int = 12_000,
    points_per_period: int = 50,
    transient: int = 0,
    initial_condition: Sequence[float] | None = None,
    parameters: Mapping[str, float] | None = None,
) -> Float[ndarray, "n N"]:
    """A trajectory ``(n, N)``, float32, in the system's own units, from the cache if it is there.

    Parameters
    ----------
    name
        A name of :func:`catalogue`, of any dimension.
    n
        Samples, 1 or more.
    points_per_period
        Samples per dominant period, 2 or more; the time step is dysts' period divided by it.
    transient
        Samples dropped first.
    initial_condition
        Where to start, N numbers in the system's own units; None: the catalogue's, which lies on
        the attractor.
    parameters
        Values that replace the catalogue's, by dysts' names. The attractor may then be another one:
        drop a ``transient``.

    Returns
    -------
    ``(n, N)``. Without a ``transient`` the first row is the initial condition.

    Raises
    ------
    InputError
        If the name or a parameter's is unknown, a number is out of range, ``initial_condition`` is
        not N finite numbers, or the integrator fails.

    Notes
    -----
    Integrated with LSODA at tolerance 1e-9. Angles that grow without bound are mapped by dysts' own
    rule (to their cosine, say). A damaged or interrupted cache file is noticed and made anew.

    Examples
    --------
    >>> trajectory("Lorenz", n=100).shape
    (100, 3)
    >>> rest = {"rho": 0.5}  # below 1 every path of the Lorenz system ends in the origin
    >>> bool(np.abs(trajectory("Lorenz", n=50, transient=450, parameters=rest)).max() < 1e-3)
    True
    >>> trajectory("Lorenz", n=100, initial_condition=(1.0, 2.0))
    Traceback (most recent call last):
    ...
    dynamix.errors.InputError: initial_condition must be 3 finite numbers, found (1.0, 2.0).
    """
    one_of("system", name, _known())
    n = whole_number("n", n)
    points_per_period = whole_number("points_per_period", points_per_period, least=2)
    transient = whole_number("transient", transient, least=0)
    start = np.asarray(
        system_facts(name)["initial_conditions"]
        if initial_condition is None
        else initial_condition,
        dtype=np.float64,
    )
    dims = len(system_facts(name)["initial_conditions"])
    if start.shape != (dims,) or not np.isfinite(start).all():
        raise InputError(
            f"initial_condition must be {dims} finite numbers, found {initial_condition!r}."
        )
    given = dict(parameters or {})
    for key in given:
        one_of(f"parameter of {name}", key, sorted(system_facts(name)["parameters"]))
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
    path = cache_directory() / "trajectories" / f"{name}-{digest}.npz"
    values = _read_cache(path, text)
    if values is None:
        values = _integrate(name, start, n + transient, points_per_period, given)
        _write_cache(path, text, values)
    return values[transient:]


def _integrate(
    name: str,
    start: Float[ndarray, " N"],
    n: int,
    points_per_period: int,
    parameters: Mapping[str, float],
) -> Float[ndarray, "n N"]:
    import warnings

    import dysts.flows
    from scipy.integrate import ODEintWarning, odeint

    system = getattr(dysts.flows, name)()
    # a system holds its parameters three times over: by name, as attributes, and in sorted order
    system.params |= parameters
    vars(system).update(parameters)
    system.param_list = [system.params[key] for key in sorted(system.params)]
    times = np.arange(n) * (system.period / points_per_period)
    if type(system).rhs is not dysts.flows.DynSys.rhs:  # the few that wrap compiled equations

        def flow(state: ndarray, t: float) -> Any:
            return system.rhs(state, t)
    else:
        # straight to the compiled equations: half the time goes into dysts' argument handling
        equations, values_of = type(system)._rhs, [np.asarray(p)[()] for p in system.param_list]

        def flow(state: ndarray, t: float) -> Any:
            return equations(*state, t, *values_of)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ODEintWarning)  # told as an error below
        values, report = odeint(
            flow,
            start,
            times,
            rtol=TOLERANCE,
            atol=TOLERANCE,
            mxstep=_MAX_STEPS,
            full_output=True,
        )
    if report["message"] != "Integration successful." or not np.isfinite(values).all():
        raise InputError(
            f"the integrator could not follow {name} for {n} samples: {report['message']} "
            "Use a shorter trajectory or another initial condition."
        )
    bounded = getattr(system, "_postprocessing", None)
    if bounded is not None:
        values = np.stack([np.asarray(channel) for channel in bounded(*values.T)], axis=1)
    return values.astype(np.float32)


def _read_cache(path: Path, recipe: str) -> Float[ndarray, "n N"] | None:
    """The cached values, or None where the file is absent, damaged or of another recipe."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:  # the zip's checksums guard the content
            if str(file["recipe"]) != recipe:
                raise ValueError("made by another recipe")
            values = file["values"]
        told = json.loads(recipe)
        if values.shape != (told["n"], len(told["start"])) or not np.isfinite(values).all():
            raise ValueError(f"holds {values.shape}, or values that are not finite")
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("the cached trajectory %s is damaged (%s); making it anew", path.name, error)
        return None
    return values


def _write_cache(path: Path, recipe: str, values: Float[ndarray, "n N"]) -> None:
    """Write whole or not at all; a cache that cannot be written costs time, not the result."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(file, values=values, recipe=np.array(recipe))
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        logger.warning("could not cache the trajectory %s: %s", path.name, error)


def variant(
    name: str, *, n: int, points_per_period: int, jitter: float, seed: int
) -> Float[ndarray, "n N"]:
    """A trajectory of the system with its parameters perturbed, on the attractor that results.

    Every scalar parameter is multiplied by a number drawn evenly from ``1 - jitter`` to
    ``1 + jitter``. Parameters whose dynamics die out, explode or stand still are drawn anew with
    half the jitter, so that what comes back is always alive: after six such draws it is the
    unperturbed system.

    Parameters
    ----------
    name
        A name of :func:`catalogue`.
    n
        Samples.
    points_per_period
        Samples per dominant period of the unperturbed system.
    jitter
        Largest relative change of a parameter, from 0 to below 1.
    seed
        Of the draws, 0 or more; the same seed draws differently for every name.

    Returns
    -------
    ``(n, N)``, float32, in the system's own units, after 1000 samples that are dropped; of the
    unperturbed system none is.

    Raises
    ------
    InputError
        If the name is unknown, a number out of range, or the integrator cannot follow the
        unperturbed system.

    Examples
    --------
    >>> settings = {"n": 100, "points_per_period": 50, "seed": 0}
    >>> x = variant("Lorenz", jitter=0.1, **settings)
    >>> x.shape, np.array_equal(x, variant("Lorenz", jitter=0.1, **settings))
    ((100, 3), True)
    >>> usual = trajectory("Lorenz", n=100, transient=1000)
    >>> np.array_equal(usual, variant("Lorenz", jitter=0.0, **settings)), np.array_equal(usual, x)
    (True, False)
    """
    usual = trajectory(name, n=2000, points_per_period=points_per_period).std(axis=0)
    values = {
        key: float(value)
        for key, value in system_facts(name)["parameters"].items()
        if np.ndim(value) == 0 and isinstance(value, int | float)
    }
    rng = np.random.default_rng([seed, *name.encode()])
    for _ in range(_MOST_VARIANTS):
        perturbed = {key: v * (1 + jitter * rng.uniform(-1, 1)) for key, v in values.items()}
        try:
            x = trajectory(
                name,
                n=n,
                points_per_period=points_per_period,
                transient=_SETTLING,
                parameters=perturbed,
            )
        except InputError:
            jitter /= 2
            continue
        thirds = np.stack([part.std(axis=0) for part in np.array_split(x, 3)])
        if (thirds > 0.1 * usual).all() and (thirds < 10 * usual).all():
            return x
        jitter /= 2
    return trajectory(name, n=n, points_per_period=points_per_period)
