"""Settings chosen on the context by free runs: the best continuation wins, an escape does not."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import wave

from dynamix.baselines.choice import choose, places

X = wave(300, 3)


def continuations(*changes, order=slice(None), units=1.0):
    """Free runs of candidates that know ``X`` and its continuation, each with a change of its own.

    A change is a function of the true values ``(steps, N)`` and of the steps fitted.
    """
    truth = np.vstack([X, X])  # whatever comes after the context

    def runs(candidates, known, origins, steps):
        at = origins + np.arange(steps)[:, None]  # (steps, K)
        made = [
            np.stack([changes[c](truth[at[:, k] % len(truth)], known) for k in range(len(origins))])
            for c in candidates
        ]
        return np.stack(made).transpose(2, 1, 0, 3)[..., order] * units

    return runs


def right(x, known):
    return x


def blurred(x, known):
    return x + 0.2 * x.std() * np.sin(np.arange(len(x)))[:, None]


def still(x, known):
    return np.zeros_like(x)


def later(x, known):
    """Right for a while, then it leaves."""
    return np.where(np.arange(len(x))[:, None] < 200, x, 1e3)


def refitted(x, known):
    """Right when fitted to a part, and not a number when fitted to everything."""
    return x if known < len(X) else np.full_like(x, np.nan)


@pytest.mark.parametrize(
    ("changes", "best"),
    [
        ((still, blurred, right), 2),
        ((right, blurred, still), 0),
        ((later, blurred, still), 1),
        ((refitted, still, blurred), 2),
        ((right, right), 0),  # of equals the first
        ((later,), 0),
    ],
)
def test_the_best_continuation_that_stays(changes, best):
    runs = continuations(*changes)
    assert choose(X, len(changes), runs) == best
    assert choose(X, len(changes), runs) == best  # nothing is drawn


def test_units_and_the_order_of_channels_do_not_matter():
    order, units = [2, 0, 1], 2.0**-40
    changes = (still, later, blurred, lambda x, known: 1.1 * x)
    wanted = choose(X, 4, continuations(*changes))
    runs = continuations(*changes, order=order, units=units)
    assert choose(X[:, order] * units, 4, runs) == wanted


def test_where_all_escape_the_longest_stays_and_of_equals_the_last():
    def sooner(x, known):
        return np.where(np.arange(len(x))[:, None] < 100, x, np.nan)

    assert choose(X, 3, continuations(sooner, later, sooner)) == 1
    assert choose(X, 3, continuations(sooner, later, later)) == 2


def test_a_context_too_short_or_without_motion():
    def never(*asked):
        raise AssertionError("nothing to be run")

    assert choose(X[:19], 4, never) == 3
    assert choose(np.ones((100, 2)), 4, never) == 3
    known, origins = places(20)
    assert known == 14
    assert origins.max() + 2 <= 20


def test_a_constant_channel_does_not_count():
    flat = np.column_stack([X[:, :2], np.full(len(X), 3.0)])

    def runs(candidates, known, origins, steps):
        made = continuations(still, right)(candidates, known, origins, steps)
        made[..., 2] = 1e5
        return made

    assert choose(flat, 2, runs) == 1
