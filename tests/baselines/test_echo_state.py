"""The echo-state network: bounded, its sums those of a plain regression, its choice sensible."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from dynamix import baselines, systems
from dynamix.baselines import echo_state
from dynamix.baselines.settings import EchoStateConfig
from dynamix.metrics import fate

pytest.importorskip("threadpoolctl")


@pytest.fixture(scope="module")
def lorenz() -> np.ndarray:
    return systems.trajectory("Lorenz", n=2500).astype(np.float64)


def small(seed=0):
    return echo_state.reservoir(30, 2, radius=0.9, scaling=0.2, bias=1.0, seed=seed)


def test_the_reservoir_has_its_spectral_radius():
    net = small()
    assert np.isclose(np.abs(np.linalg.eigvals(net.W.toarray())).max(), 0.9)


def test_the_readouts_are_those_of_one_ridge_regression():
    net, rng = small(), np.random.default_rng(0)
    x = rng.normal(size=(700, 2))
    noise = np.array([0.0, 0.1])[:, None, None] * rng.normal(size=x.shape)
    heard = echo_state.listen(net, x, noise, washout=20, known=600, ends=[600, 650])
    for end, level in product((600, 700), (0, 1)):
        state, states = np.zeros(30), []
        for value in (x + noise[level])[:end]:
            states.append(np.append(state, 1.0))
            state = np.tanh(net.W @ state + net.V @ value + net.b[:, 0])
        S = np.array(states)[20:]
        plain = np.linalg.solve(S.T @ S + 1e-3 * np.eye(31), S.T @ x[20:end]).T
        np.testing.assert_allclose(heard.readouts(end, [(level, 1e-3)])[0], plain, atol=1e-8)
        if level == 0:
            np.testing.assert_allclose(heard.states[end][:, 0], state, atol=1e-12)


def test_free_runs_side_by_side_are_each_alone():
    net, rng = small(), np.random.default_rng(0)
    states, readouts = rng.normal(size=(30, 3)), 0.1 * rng.normal(size=(3, 2, 31))
    together = net.run(states, readouts, 20)
    for c in range(3):
        alone = net.run(states[:, c : c + 1], readouts[c : c + 1], 20)[:, 0]
        np.testing.assert_allclose(together[:, c], alone, atol=1e-12)
    np.testing.assert_allclose(together[0, 1], readouts[1] @ np.append(states[:, 1], 1.0))


def test_reservoir_depends_on_the_seed_and_stays_bounded(lorenz):
    c = lorenz[:600]
    a, b = (baselines.baseline("echo_state")(c, 50, seed=s) for s in (0, 1))
    assert not np.array_equal(a, b)
    wild = {"units": 50, "spectral_radius": 3.0, "input_scaling": 2.0}
    assert np.isfinite(baselines.baseline("echo_state", **wild)(c, 2000)).all()


def test_noise_asks_for_more_regularisation(lorenz, monkeypatch):
    """The fixed network escapes from a noisy context; the chosen one is stiffer and stays."""
    config = EchoStateConfig()
    candidates = list(product(config.input_noise, config.ridge))
    chosen = []

    def spy(*asked):
        chosen.append(candidates[echo_state_choose(*asked)])
        return candidates.index(chosen[-1])

    echo_state_choose = echo_state.choose
    c = lorenz[:512]
    noisy = c + 0.05 * c.std(axis=0) * np.random.default_rng(0).standard_normal(c.shape)
    assert fate(forecast=baselines.baseline("echo_state_untuned")(noisy, 2000), context=c) == (
        "escape"
    )
    monkeypatch.setattr(echo_state, "choose", spy)
    tuned = baselines.baseline("echo_state")
    tuned(c, 10)
    assert fate(forecast=tuned(noisy, 2000), context=c) != "escape"
    (_, clean_ridge), (_, noisy_ridge) = chosen
    assert noisy_ridge > clean_ridge
