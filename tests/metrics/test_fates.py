"""How free runs end: fates known by construction, and the closest return by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from dynamix import InputError, metrics, systems
from dynamix.metrics.fates import closest_return

T = np.arange(4000.0)


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (np.exp(-T / 100) * np.sin(T / 7), "fixed point"),
        (np.full(4000, 0.3), "fixed point"),
        (np.sin(2 * np.pi * T / 50.37), "cycle"),
        (np.sign(np.sin(2 * np.pi * T / 1000)) + np.sin(2 * np.pi * T / 40), "cycle"),
        (np.exp(-T / 300) + np.sin(T / 7), "cycle"),  # once it has settled
        (np.sin(T / 7) + np.sin(T / 7 * 0.618034), "chaotic/other"),
        (np.random.default_rng(0).normal(size=4000).clip(-3, 3), "chaotic/other"),
        (np.sin(T / 7) + 0.1 * np.random.default_rng(0).normal(size=4000), "chaotic/other"),
        (T / 4000, "chaotic/other"),
        (np.where(T == 17, 6.0, np.sin(T / 7)), "escape"),
        (np.where(T == 17, np.nan, np.sin(T / 7)), "escape"),
        (np.where(T == 17, np.inf, np.sin(T / 7)), "escape"),
        (np.exp(T / 100), "escape"),
    ],
)
def test_fates_known_by_construction(series, expected):
    context = np.sin(np.arange(500) / 7)
    assert metrics.fate(forecast=series, context=context) == expected
    scaled = metrics.fate(forecast=1e3 * series - 50, context=1e3 * context - 50)
    assert scaled == expected


def test_fates_of_known_systems_and_of_several_series():
    chaos = systems.trajectory("Lorenz", n=12_000).astype(np.float64)
    cycle = systems.trajectory("Rossler", n=12_000, transient=5000, parameters={"c": 2.5})
    x = np.stack([chaos, cycle], axis=1)
    fates = metrics.fate(forecast=x[2000:], context=x[:2000])
    assert list(fates) == ["chaotic/other", "cycle"]
    with pytest.raises(InputError, match="context must be finite"):
        metrics.fate(forecast=x, context=np.where(x > 9, np.nan, x))


def test_closest_return_is_the_least_mean_distance_over_lags():
    x = np.cumsum(np.random.default_rng(3).normal(size=(301, 2)), axis=0)
    y = (x - x.mean(axis=0)) / x.std(axis=0)
    errors = [np.sqrt(np.mean((y[lag:] - y[: len(y) - lag]) ** 2)) for lag in range(151)]
    away = next(i for i, error in enumerate(errors) if error > 1)
    assert closest_return(x) == pytest.approx(min(errors[away:]), rel=1e-9)
