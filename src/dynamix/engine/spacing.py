"""The search of :mod:`dynamix.forecasting.spacing`, compiled: eight context steps at a time."""

import numpy as np
from numpy import ndarray

from .runtime import VERSION, call, entry, padded
from .vectors import fabs, load, lowest, smaller, splat

TOGETHER = 3  # channels in one pass; others are padded with zeros
STRETCH = 1024  # steps that stay in the cache


@entry
def search_apart(values, T, beyond, asked, near, found, version):  # type: ignore[no-untyped-def]
    """The result of :func:`nearest_apart` to ``found``; channels ``(N, T)`` are flat."""
    for begin in range(0, T, STRETCH):
        end = min(begin + STRETCH, T)
        for i in range(len(asked)):
            a, nearest = asked[i], splat(found[i])
            for first, last in ((begin, min(end, a - near)), (max(begin, a + near + 1), end)):
                for k in range(first, last, 8):
                    d = load(beyond, max(0, k + 8 - last))  # infinite after the last step
                    for c in range(0, values.size - 8, TOGETHER * T):
                        d = d + fabs(load(values, c + k) - splat(values[c + a]))
                        d = d + fabs(load(values, c + T + k) - splat(values[c + T + a]))
                        d = d + fabs(load(values, c + 2 * T + k) - splat(values[c + 2 * T + a]))
                    nearest = smaller(d, nearest)
            found[i] = lowest(nearest)


def nearest_apart(context: ndarray, asked: ndarray, near: int) -> ndarray:
    """L1 distances from the steps ``asked`` of ``(T, N)`` to the nearest over ``near`` steps away.

    Infinite where there is none.
    """
    T, N = context.shape
    values = np.zeros(padded(N, TOGETHER) * T + 8)
    values[: N * T].reshape(N, T)[:] = context.T
    beyond, found = np.repeat([0.0, np.inf], 8), np.full(len(asked), np.inf)
    call(search_apart, values, T, beyond, asked, near, found, VERSION)
    return found
