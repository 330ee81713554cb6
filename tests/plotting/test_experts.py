"""Every figure of the experts is drawn."""

from __future__ import annotations

import numpy as np
from helpers import wave

from dynamix import plotting
from dynamix.dynamics import expert_use as use

X = wave(300)


def test_every_figure_is_drawn():
    rng = np.random.default_rng(0)
    uses = rng.dirichlet(np.ones(4), size=6)
    code = rng.integers(0, 3, 100)
    symbols, P = use.transitions(code)
    labels, shares = [str(s) for s in symbols], np.bincount(code) / 100
    figures = [
        plotting.expert_use({"m": uses, "n": uses}, names=list("uvwxyz"), mark=(2, 4)),
        plotting.symbolic_code(observation=X, codes={"r": code, "e": code}, shown=80),
        plotting.transition_graphs({"t": (labels, shares, P)}),
    ]
    for figure in figures:
        assert figure.axes
        figure.canvas.draw()
