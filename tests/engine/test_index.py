"""The index drops nothing that has weight."""

import math

import numpy as np
import pytest
from engine.cases import TEMPERATURES, make_context

from dynamix.engine.index import build, look_up, room_for
from dynamix.engine.runtime import SAFE
from dynamix.engine.vectors import BITS


def attention_errors(context, queries, tau):
    """Largest error of the index's summaries, against all weights in float64."""
    K = len(context) - 1
    tau = np.float32(tau)
    found = build(np.ascontiguousarray(context.T), K, tau)
    room, out = room_for(found.starts[found.levels], BITS), np.zeros(6)
    cutoff = np.float32(SAFE + math.log(K))
    worst = 0.0
    for query in queries:
        look_up(found, query, 0, tau, cutoff, room, out, 0)
        distance = np.abs(context[:-1].astype(float) - query).sum(axis=1)
        weight = np.exp(-(distance - distance.min()) / float(tau))
        weight /= weight.sum()
        steps = np.diff(context.astype(float), axis=0)
        exact = np.concatenate([weight @ context[:-1], weight @ steps])
        worst = max(worst, float(np.abs(out - exact).max()))
    return worst


def on_grid(values):
    """Values whose distances float32 holds exactly, so that what is left is the index's error."""
    return (np.round(np.asarray(values) * 1024) / 1024).astype(np.float32)


@pytest.mark.parametrize("tau", [0.0005, *TEMPERATURES, 1e4])
@pytest.mark.parametrize("K", [1, 7, 64, 65, 1000, 5000])
@pytest.mark.parametrize("smooth", [False, True])
def test_skipping_context_steps_changes_nothing(K, tau, smooth):
    context = on_grid(make_context(K + 1, 1, 3, smooth=smooth)[:, 0])
    rng = np.random.default_rng(K)
    queries = on_grid(
        np.concatenate([rng.standard_normal((40, 3)), context[rng.integers(K, size=20)]])
    )
    assert attention_errors(context, queries, tau) < 1e-6


@pytest.mark.parametrize("extra", [14.0, 16.0, 18.0, 20.0, 24.0])
def test_many_far_steps_are_not_skipped_where_they_add_up(extra):
    """One step near, ten thousand equally far: alone each is nothing, together they are not."""
    tau = 1 / 16
    context = np.full((10_001, 3), 0.0, np.float32)
    context[:, 0] = on_grid(0.25 + extra * tau)
    context[0] = (0.25, 0.0, 0.0)
    assert attention_errors(context, np.zeros((1, 3), np.float32), tau) < 1e-6


def test_equal_context_steps_are_no_trouble():
    context = np.zeros((500, 3), np.float32)
    assert attention_errors(context, np.ones((1, 3), np.float32), 0.06) < 1e-20
