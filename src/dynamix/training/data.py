"""The data of a run: systems of the split, or the caller's trajectories."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from ..errors import InputError, one_of
from ..flows.generated import flow
from ..io.progress import tqdm
from ..io.shapes import Float
from ..metrics.reconstruction import mase, spectral_hellinger, state_space_divergence
from ..settings import TrainingConfig
from ..systems.corpus import DIMENSION, catalogue, split, trajectory, variant
from ..systems.windows import load_trajectories

logger = logging.getLogger(__name__)

FIRST_FLOW = 900_000  # the seeds of generated flows to train on; no table has flows from here on


def training_systems(config: TrainingConfig) -> list[str]:
    """The systems that a run trains on: ``config.systems``, or else the split's.

    With ``config.hold_out_validation`` the validation systems are left out of the split's.

    >>> training_systems(TrainingConfig(systems=("Lorenz", "Rossler")))
    ['Lorenz', 'Rossler']
    """
    if config.systems:
        return _known(config.systems)
    held_out = validation_systems(config) if config.hold_out_validation else []
    return [name for name in split()["train"] if name not in held_out]


def validation_systems(config: TrainingConfig) -> list[str]:
    """The systems that a run is validated on: ``config.validation_systems``, or the split's six.

    >>> validation_systems(TrainingConfig(validation_systems=("Lorenz",)))
    ['Lorenz']
    """
    return _known(config.validation_systems) or split()["validation"]


def _known(names: Sequence[str]) -> list[str]:
    for name in names:
        one_of("system", name, catalogue())
    return list(names)


def corpus(config: TrainingConfig) -> list[Float[ndarray, "_ 3"]]:
    """The trajectories ``(T, 3)`` that a run trains on, in each system's own units.

    Each system of dysts contributes a trajectory per rate of ``config.points_per_period``, then its
    variants, each at a rate between the lowest and the highest. ``config.seed`` draws the variants.
    The ``config.flows`` generated flows come last. They are the same for every seed.

    >>> config = TrainingConfig(systems=("Lorenz",), points_per_period=(25,), trajectory_length=100)
    >>> [x.shape for x in corpus(config)]
    [(100, 3)]
    """
    found: list[ndarray] = []
    low, high = min(config.points_per_period), max(config.points_per_period)
    for name in tqdm(training_systems(config), desc="corpus", unit="system", disable=None):
        n, rates = config.trajectory_length, config.points_per_period
        found += [trajectory(name, n=n, points_per_period=rate) for rate in rates]
        for i in range(config.variants):
            rng = np.random.default_rng([config.seed, i, *name.encode()])
            rate = round(low * (high / low) ** rng.uniform())  # evenly in its logarithm
            jitter, n, seed = config.variant_jitter, config.variant_length, config.seed + i
            found.append(variant(name, n=n, points_per_period=rate, jitter=jitter, seed=seed))
    for i in tqdm(range(config.flows), desc="generated flows", unit="flow", disable=None):
        rate = config.points_per_period[i % len(config.points_per_period)]
        found.append(flow(FIRST_FLOW + i, n=config.variant_length, points_per_period=rate))
    return found


def training_trajectories(
    config: TrainingConfig, given: Sequence[ndarray] | None, dims: int
) -> list[Float[ndarray, "_ _"]]:
    """The trajectories ``given``, else those of the files in ``config.data``, else the corpus."""
    if given is None and config.data:
        return load_trajectories(config.data, dims=dims)
    if given is None:
        if dims != DIMENSION:
            raise InputError(
                f"the corpus has {DIMENSION} dimensions, the model {dims}. Set observed_dims="
                f"{DIMENSION}, or give own data."
            )
        return corpus(config)
    own = [np.asarray(values) for values in given]
    for i, x in enumerate(own):
        fits = x.ndim == 2 and x.shape[1] <= dims and np.isfinite(x).all()
        if not fits or (config.validate_every and x.shape[1] < dims):
            raise InputError(
                f"trajectory {i} must be finite and of shape (T, {dims}), or with validate_every=0 "
                f"of fewer channels; found {x.shape}."
            )
    return own


def validation_set(
    config: TrainingConfig, own: Sequence[ndarray] | None
) -> tuple[list[str], Float[ndarray, "T S N"]]:
    """Names and series, contexts with their continuations: the ends of ``own``, or systems."""
    length = config.validation_context + config.validation_horizon
    if own is None:
        rate, names = config.points_per_period[0], validation_systems(config)
        series = [trajectory(name, n=length, points_per_period=rate) for name in names]
        return names, np.stack(series, axis=1)
    long = {f"series {i}": x[-length:] for i, x in enumerate(own) if len(x) >= length}
    if short := len(own) - len(long):
        logger.warning("%d series are shorter than %d and are not validated on", short, length)
    return list(long), np.stack([*long.values()], axis=1) if long else np.empty((length, 0, 0))


def validation_scores(
    names: Sequence[str],
    *,
    forecast: Float[ndarray, "T S N"],
    truth: Float[ndarray, "T S N"],
    steps: int,
) -> dict[str, Any]:
    """Medians over the named series for the log, and every series' ``D_stsp``.

    A failed forecast counts as infinite. A median that is a failure itself is None.
    """
    divergence = np.asarray(state_space_divergence(forecast=forecast, truth=truth))
    measured = {
        "d_stsp": divergence,
        "d_h": spectral_hellinger(forecast=forecast, truth=truth),
        "mase": mase(forecast=forecast, truth=truth, steps=steps),
    }
    scores: dict[str, Any] = {}
    for name, values in measured.items():
        median = float(np.median(np.where(np.isnan(values), np.inf, values)))
        median = median if name == "d_stsp" else round(median, 6)
        scores[f"validation_{name}"] = median if np.isfinite(median) else None
    scores["validation_failures"] = int(np.isnan(divergence).sum())
    scores["validation_d_stsp_per_system"] = {
        name: None if np.isnan(value) else round(float(value), 4)
        for name, value in zip(names, divergence, strict=True)
    }
    return scores
