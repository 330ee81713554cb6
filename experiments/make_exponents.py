"""Largest Lyapunov exponent and divergence of every flow of dysts, from its own equations.

    python experiments/make_exponents.py

The catalogue's ``maximum_lyapunov_estimated`` is far off for many systems: 1.75 a period for Chua's
circuit, where it is 0.57. Here a state and a copy of it, 1e-5 deviations away, are integrated as
one system, so that both take the same steps, and the distance is set back after every fifth of a
period (Benettin et al. 1980). The mean trace of the Jacobian, by central differences, is the rate
at which volumes grow: 0 for a conservative flow. It is taken along another run of the same length,
at 200 states a period, for a few states a period miss the short bursts of some flows.

The result is ``src/dynamix/data/exponents.csv``, which is what the library reads. Rates are per
dominant period; ``error`` is the standard error of ten parts of the run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from dynamix import systems
from dynamix.errors import InputError
from dynamix.io.files import write_text
from dynamix.systems import corpus

SETTLING, PERIODS, PIECES, PARTS = 10, 300, 5, 10  # periods before, periods, resets in one, parts
TRACES = 200  # states a period at which the trace is taken
APART = 1e-5  # of the deviation: distance of the two states
CHANGE = 1e-6  # of the deviation: step of the central differences
OUTPUT = Path(corpus.__file__).parents[1] / "data" / "exponents.csv"


def rate(name: str) -> dict[str, object]:
    """Exponent, error and divergence per period."""
    period, slope = corpus.equations(name)
    start = np.array(systems.system_facts(name)["initial_conditions"], dtype=float)
    N, h = len(start), period / PIECES

    def both(state: np.ndarray, t: float) -> np.ndarray:
        return np.concatenate([slope(state[:N], t), slope(state[N:], t)])

    def moved(state: np.ndarray, t: float) -> np.ndarray:
        times = t + np.array([0.0, h])
        return corpus.solve(both, state, times, corpus.TOLERANCE, 100_000, what=name)[-1]

    def alone(state: np.ndarray, times: np.ndarray) -> np.ndarray:
        return corpus.solve(slope, state, times, corpus.TOLERANCE, 100_000, what=name)

    path = alone(start, np.arange(50 * SETTLING + 1) * period / 50)
    size = path.std(axis=0).max()
    t, state = SETTLING * period, path[-1]
    away = np.random.default_rng(0).standard_normal(N)
    away *= APART * size / np.linalg.norm(away)
    times = t + np.arange(PERIODS * TRACES) * period / TRACES
    run, traces = alone(state, times), np.zeros(len(times))
    for i, e in enumerate(CHANGE * size * np.eye(N)):
        for k, (s, now) in enumerate(zip(run, times, strict=True)):
            traces[k] += (slope(s + e, now)[i] - slope(s - e, now)[i]) / (2 * CHANGE * size)
    growth = np.zeros(PERIODS * PIECES)
    for k in range(PERIODS * PIECES):
        state, near = np.split(moved(np.concatenate([state, state + away]), t), 2)
        far = np.linalg.norm(near - state)
        growth[k] = np.log(far / (APART * size)) / h
        away, t = (near - state) * (APART * size / far), t + h
    parts = growth.reshape(PARTS, -1).mean(axis=1) * period
    return {
        "system": name,
        "exponent": round(float(parts.mean()), 4),
        "error": round(float(parts.std(ddof=1) / np.sqrt(PARTS)), 4),
        "divergence": round(float(traces.mean() * period), 4),
    }


def main() -> None:
    """Compute and write."""
    names = [n for n in corpus.catalogue(dims=range(3, 7)) if n != "StickSlipOscillator"]
    rows = []
    for name in tqdm(names):
        try:
            rows.append(rate(name))
        except (InputError, ValueError) as error:
            tqdm.write(f"{name}: {error}")
    write_text(OUTPUT, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    main()
