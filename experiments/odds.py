"""Do the odds hold? Coverage of intervals and CRPS, by lead time, of DynaMix and conformal rivals.

    DYNAMIX_DATA=FOLDER python experiments/odds.py --output results/odds.csv

The data are 16 generated flows that no model was trained on, with three channels or the first one,
clean or with white noise of 5 % of a deviation in context and truth; and windows of the measured
series of gift-12. A row is a forecaster on one kind of data, in one range of lead times. Intervals
are those of an ensemble of 100 samples, at the ranks that would hold the nominal share of truths
if truth and samples were drawn alike. CRPS is in deviations of the context. The rivals, the
context parrot and the seasonal naive forecast, are calibrated by the machinery of
dynamix.forecasting.calibration. Columns that end with ``_se`` are standard errors over forecasts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from experiment import Experiment, flags  # the script beside this one
from numpy import ndarray
from tqdm import tqdm

from dynamix import InputError, forecast
from dynamix.baselines import baseline
from dynamix.evaluation.suites import real
from dynamix.flows import generated
from dynamix.forecasting import calibration
from dynamix.metrics.probabilistic import crps_of_steps
from dynamix.preprocessing.transforms import Standardize

FIRST_SEED = 730_000  # of the flows; no model, setting or earlier look used these
CONTEXT, HORIZON, SAMPLES = 1000, 400, 100
NOISE = 0.05
WINDOWS = 3  # of each configuration of gift-12, spread over its windows
LEVELS = (0.5, 0.8, 0.9)
LEADS = {"1-10": (0, 10), "11-50": (10, 50), "51-": (50, None)}
ROWS = (  # model, odds
    ("dynamix-3d", "gate"),
    ("dynamix-3d", "calibrated"),
    ("dynamix-3d-plus", "calibrated"),
    ("auto", "calibrated"),
    ("parrot", "calibrated"),
    ("seasonal_naive", "calibrated"),
    ("dynamix-gp", "calibrated"),
)
COLUMNS: dict[str, Callable[[str], Any]] = {
    "data": str,
    "model": str,
    "odds": str,
    "leads": str,
    **dict.fromkeys([f"coverage_{level:g}" for level in LEVELS], float),
    **dict.fromkeys([f"coverage_{level:g}_se" for level in LEVELS], float),
    "crps": float,
    "crps_se": float,
    "crps_median": float,
    "forecasts": int,
    "failures": int,
    "seconds": float,
}


class Case(NamedTuple):
    """A context and its continuation ``(T, n)``, and the season of a measured series."""

    context: ndarray
    truth: ndarray
    season: int | None = None


@cache
def path(seed: int) -> ndarray:
    """The flow of a seed, which takes seconds to find."""
    return generated.flow(seed, n=CONTEXT + HORIZON)


def flows(first: int, count: int, channels: int, noise: float) -> list[Case]:
    """Contexts of flows and what follows; noise is added to both."""
    found = []
    for seed in tqdm(range(first, first + count), desc="flows", disable=None):
        x = path(seed)[:, :channels]
        drawn = np.random.default_rng(seed).normal(size=x.shape)
        x = x + noise * x[:CONTEXT].std(axis=0) * drawn
        found.append(Case(x[:CONTEXT], x[CONTEXT:]))
    return found


def measured(windows: int) -> list[Case]:
    """Windows of each configuration of gift-12."""
    groups: dict[str, list[Any]] = {}
    for task in real.gift():
        groups.setdefault(task.group, []).append(task)
    found = []
    for tasks in groups.values():
        for i in np.unique(np.linspace(0, len(tasks) - 1, windows).round().astype(int)):
            task = tasks[i]
            found.append(Case(task.context, task.truth, task.facts["season"]))
    return found


def conformal(name: str, case: Case, horizon: int) -> ndarray:
    """Calibrated samples of a rival: its own runs inside the context, the same machinery."""
    season = {"season": case.season} if name == "seasonal_naive" and case.season else {}
    rival, x = baseline(name, **season), case.context
    known = calibration.around(
        x,
        horizon,
        lambda T, steps: np.asarray(rival(x[:T], steps)),
        fit=lambda seen: [Standardize.fit(seen)],
    )
    if known is None:
        raise InputError("too short a context for trials")
    run = np.asarray(rival(x, horizon))
    return calibration.drawn(known, run, start=len(x) + 1, seeds=range(SAMPLES))


def drawn(model: str, odds: str, case: Case) -> ndarray:
    """The samples ``(K, H, n)`` of a forecaster."""
    horizon = len(case.truth)
    if model in ("parrot", "seasonal_naive"):
        return conformal(model, case, horizon)
    how: dict[str, Any] = {"model": model, "n_samples": SAMPLES, "odds": odds}
    return np.asarray(forecast(case.context, horizon=horizon, **how))


def error(values: Sequence[Any]) -> ndarray:
    """Standard error of a mean over forecasts."""
    return np.asarray(np.std(values, axis=0, ddof=1) / np.sqrt(len(values)))


def rows_of(data: str, model: str, odds: str, cases: list[Case]) -> list[dict[str, Any]]:
    """The rows of one forecaster on one kind of data."""
    held: dict[str, list[list[float]]] = {leads: [] for leads in LEADS}
    scores: dict[str, list[float]] = {leads: [] for leads in LEADS}
    began, failures = time.process_time(), 0
    for case in tqdm(cases, desc=f"{data} {model} {odds}", disable=None):
        samples = drawn(model, odds, case)
        if not np.isfinite(samples).all():
            failures += 1
            continue
        tails = [(1 - level) / 2 for level in LEVELS]
        low = np.quantile(samples, tails, axis=0, method="weibull")
        high = np.quantile(samples, [1 - tail for tail in tails], axis=0, method="weibull")
        inside = (case.truth >= low) & (case.truth <= high)
        score = crps_of_steps(samples, case.truth) / case.context.std(axis=0)
        for leads, (first, last) in LEADS.items():
            if len(case.truth) > first:
                held[leads].append(inside[:, first:last].mean(axis=(1, 2)).tolist())
                scores[leads].append(float(score[first:last].mean()))
    seconds = (time.process_time() - began) / len(cases)
    rows = []
    for leads in LEADS:
        row = {"data": data, "model": model, "odds": odds, "leads": leads}
        for word, found in (("", np.mean(held[leads], axis=0)), ("_se", error(held[leads]))):
            shares = zip(LEVELS, found.round(3).tolist(), strict=True)
            row |= {f"coverage_{level:g}{word}": share for level, share in shares}
        row |= {"crps": round(float(np.mean(scores[leads])), 4)}
        row |= {"crps_se": round(float(error(scores[leads])), 4)}
        row |= {"crps_median": round(float(np.median(scores[leads])), 4)}
        row |= {"forecasts": len(scores[leads]), "failures": failures}
        rows.append(row | {"seconds": round(seconds, 2)})
    return rows


def headline(table: pd.DataFrame) -> dict[str, float]:
    """Largest distance of a coverage from its level, and CRPS over a rival's, over all data."""
    found = {}
    for model, odds in ROWS:
        part = table[(table["model"] == model) & (table["odds"] == odds)]
        off = [(part[f"coverage_{level:g}"] - level).abs().mean() for level in LEVELS]
        found[f"mean distance from nominal, {model} {odds}"] = round(float(np.mean(off)), 3)
    return found


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/odds.csv")
    parser.add_argument("--flows", type=int, default=16, help="generated flows; default: 16")
    parser.add_argument("--first-flow", type=int, default=FIRST_SEED, help="seed of the first")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="of each measured series")
    options = parser.parse_args()
    kinds: dict[str, Callable[[], list[Case]]] = {
        f"flows, {channels} channel{'s' * (channels > 1)}, {word}": (
            lambda channels=channels, noise=noise: flows(  # type: ignore[misc]
                options.first_flow, options.flows, channels, noise
            )
        )
        for channels in (3, 1)
        for word, noise in (("clean", 0.0), ("5 % noise", NOISE))
    }
    if options.windows:
        kinds["measured series"] = lambda: measured(options.windows)
    made = Experiment(
        options.output,
        columns=COLUMNS,
        key=("data", "model", "odds"),
        settings={
            "seeds": [options.first_flow, options.first_flow + options.flows - 1],
            "context": CONTEXT,
            "horizon": HORIZON,
            "samples": SAMPLES,
            "noise": NOISE,
            "windows": options.windows,
        },
        command=["odds.py", "--output", f"results/{options.output.name}"],
        resume=options.resume,
    )
    for part in (ROWS[:-1], ROWS[-1:]):  # what takes longest at the end
        for data, cases in kinds.items():
            left = made.left([(data, model, odds) for model, odds in part])
            known = cases() if left else []
            for _, model, odds in left:
                made.add(rows_of(data, model, odds, known))
    places = list(kinds)
    made.finish(
        lambda row: (
            places.index(row["data"]),
            ROWS.index((row["model"], row["odds"])),
            list(LEADS).index(row["leads"]),
        ),
        headline=headline,
    )


if __name__ == "__main__":
    main()
