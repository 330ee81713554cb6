"""The centre of calibrated odds: a share of the run, the rest a copy of the past, times a skill.

A free run is not the best centre at every lead. After one channel of a chaotic system the embedded
run may lose the orbit in a few steps, while what once followed a like past stays near it for tens.
The trials of :mod:`~dynamix.forecasting.calibration` show which is nearer, lead by lead.
"""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from scipy.optimize import isotonic_regression

from ..io.shapes import Float

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the run
CAUTION = 0.05  # by which errors count more as soon as the run is not alone
KNOTS = 48  # leads at which something is measured, at most
_NEAR = 1.5  # errors of leads between h / _NEAR and _NEAR h decide together

Known = Float[ndarray, "K L n"]  # trials, leads and channels


def knots(L: int) -> ndarray:
    """Leads from 1 to L in equal ratios, as far as whole numbers allow."""
    return np.unique(np.geomspace(1, L, KNOTS).round().astype(int))


def skill(made: Known, real: Known) -> Float[ndarray, " L"]:
    """The slope of the truth on the run at each lead, from 1 to 0, which never rises.

    The slope has the least sum of absolute errors, so that a few runs that go astray do not decide:
    it is the median of ``real / made`` with the weights ``|made|``.
    """
    made, real = (np.moveaxis(v, 1, 0).reshape(v.shape[1], -1) for v in (made, real))
    weights = np.abs(made)
    slopes = real / np.where(weights > 0, made, 1.0)
    order = np.argsort(slopes, axis=1)
    slopes, sums = (np.take_along_axis(v, order, axis=1) for v in (slopes, weights))
    sums = sums.cumsum(axis=1)
    middle = np.argmax(sums >= sums[:, -1:] / 2, axis=1)[:, None]
    slope = np.clip(np.take_along_axis(slopes, middle, axis=1)[:, 0], 0.0, 1.0)
    most = np.maximum(sums[:, -1], 1e-12)
    return np.asarray(isotonic_regression(slope, weights=most, increasing=False).x)


def shares(
    made: Known, copied: Known, real: Known, known: Known
) -> tuple[Float[ndarray, " L"], Float[ndarray, "K L"]]:
    """The run's share at each lead, and for each trial the share that the other trials ask for.

    Of :data:`SHARES` the one of the least sum of absolute errors, each mixture at its own skill.
    Only ``known`` values count.
    """
    K, L, _ = made.shape
    at, errors = knots(L), np.empty((len(SHARES), K, L))
    for i, share in enumerate(SHARES):
        mixed = share * made + (1.0 - share) * copied
        off = np.abs(real - skill(mixed, real)[:, None] * mixed) * known
        errors[i] = (1.0 + CAUTION * (share < 1)) * off.sum(axis=-1)
    sums = np.concatenate([np.zeros((len(SHARES), K, 1)), errors.cumsum(axis=-1)], axis=-1)
    first = np.ceil(at / _NEAR).astype(int) - 1
    pooled = sums[..., np.minimum((_NEAR * at).astype(int), L)] - sums[..., first]
    whole = pooled.sum(axis=1)
    values, leads = np.array(SHARES), np.arange(1, L + 1)
    best = values[whole.argmin(axis=0)]
    others = values[(whole[:, None] - pooled).argmin(axis=0)]  # (K, knots)
    return (
        np.interp(leads, at, best),
        np.stack([np.interp(leads, at, own) for own in others]),
    )
