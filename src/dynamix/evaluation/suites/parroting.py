"""Two measured and simulated series on which Zhang & Gilpin (2025) compared parroting with Chronos.

An electrocardiogram, and the phases of 23 Kuramoto oscillators. Each channel is standardised over
its whole length and forecast alone, from 512 steps; the errors are over the first 51. The authors
drew the starts without a seed; here they are drawn with one.
"""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from numpy import ndarray

from .framework import Suite, Task
from .sources import read

CONTEXT, AHEAD = 512, 300  # steps shown, and steps that must be left after a start
SCORED = 51
STARTS = {"ECG": 200, "Kuramoto": 50}  # of the Kuramoto series in each of its 23 channels


def series(name: str) -> ndarray:
    """The series ``(T, n)``, not standardised: "ECG" or "Kuramoto"."""
    if name == "ECG":
        return np.loadtxt(io.BytesIO(read("parroting/sciml/ecg_train.csv.gz")))[:, None]
    phases = np.load(io.BytesIO(read("parroting/sciml/oscillator_glass.npy")), allow_pickle=False)
    return np.sin(phases)


def tasks() -> list[Task]:
    """A part per start and channel of both series."""
    found, rng = [], np.random.default_rng(0)
    for name, starts in STARTS.items():
        x = series(name)
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        parts = 0
        for start in rng.integers(0, len(x) - CONTEXT - AHEAD, size=starts):
            end = start + CONTEXT
            for i in range(x.shape[1]):
                one = x[start : end + SCORED, i : i + 1]
                found.append(Task(name, one[:CONTEXT], one[CONTEXT:], name, parts))
                parts += 1
    return found


def scored(forecast: ndarray, task: Task) -> dict[str, float]:
    """Mean squared and mean absolute error."""
    error = forecast - task.truth
    return {"mse": float((error**2).mean()), "mae": float(np.abs(error).mean())}


def published() -> dict[str, pd.DataFrame]:
    """The means that the authors' notebook printed for their parrot, of one draw of starts."""
    name = "parrot, 20 states (theirs)"
    return {
        "mse": pd.DataFrame({name: {"ECG": 0.974, "Kuramoto": 2.484e-05}}),
        "mae": pd.DataFrame({name: {"ECG": 0.656, "Kuramoto": 0.004487}}),
    }


SUITES = (
    Suite(
        name="parroting",
        what="an electrocardiogram and 23 Kuramoto oscillators, 51 steps after 512",
        source="Zhang & Gilpin (2025), arXiv 2505.11349",
        measures=("mse", "mae"),
        tasks=tasks,
        score=scored,
        published=published,
        sections={"ECG": ("ECG",), "Kuramoto": ("Kuramoto",)},
        average="mean",
        note="The starts are our own: the authors drew theirs without a seed.",
    ),
)
