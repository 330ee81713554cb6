"""Does ``embedding="auto"`` help? Every embedding on series that had no part in its making.

    python experiments/embedding_auto.py --data FOLDER --output results/embedding_auto.csv

Two sources: the first channel of held-out systems (every fourth one of the split's), and columns of
real data, read from ``FOLDER`` as they are (gaps in the road sensors' time are not filled). A row
per series, origin and embedding. D_stsp and the Hellinger distance are measured in the delay
embedding of the truth at the context's decorrelation time, the same for all. ``--resume`` continues
an interrupted run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from experiment import Experiment, flags  # the script beside this one
from tqdm import tqdm

from dynamix import BenchmarkConfig, DynaMix, InputError, systems
from dynamix.evaluation import benchmark
from dynamix.forecasting.embedding_choice import Candidate, choose
from dynamix.forecasting.pipeline import Pipeline
from dynamix.metrics import reconstruction as metrics
from dynamix.preprocessing import decorrelation_time, embed
from dynamix.settings import EMBEDDINGS

PIPELINE = Pipeline(DynaMix.from_pretrained())
CONTEXTS = (512, 2000)
EVERY = 4  # of the held-out systems
HORIZON = 5000
BINS = 30
REAL_CONTEXT, REAL_HORIZON, REAL_ORIGINS, REAL_BINS = 1000, 500, 3, 10
REAL = {  # file: columns
    "nyc_taxi.csv": ["value"],
    "occupancy_6005.csv": ["value"],
    "speed_6005.csv": ["value"],
    "elb_request_count_8c0756.csv": ["value"],
    "ETTh1.csv": ["OT", "HUFL"],
    "pollution.csv": ["TEMP", "PRES"],
    "daily-min-temperatures.csv": ["Temp"],
    "monthly-sunspots.csv": ["Sunspots"],
    "ECG.npy": [0],
    "fmri.npy": [0],
}
KEY = ("source", "series", "context", "origin")
COLUMNS: dict[str, Callable[[str], Any]] = {
    "source": str,
    "series": str,
    "context": int,
    "origin": int,
    "embedding": str,
    "chosen": str,
    "mase": float,
    "mase_50": float,
    "d_stsp": float,
    "hellinger": float,
    "d_h": float,
    "seconds": float,
}


def cases(data: Path | None) -> Iterator[dict[str, Any]]:
    """Context, truth and their labels."""
    protocol = BenchmarkConfig()  # its trajectories are those of the benchmark, and so cached
    for name in systems.split()["test"][::EVERY]:
        x = benchmark.stretches(name, protocol)[0][:, :1].astype(np.float64)
        for context in CONTEXTS:
            yield {
                "labels": {"source": "system", "series": name, "context": context, "origin": 2000},
                "context": x[2000 - context : 2000],
                "truth": x[2000 : 2000 + HORIZON],
                "bins": BINS,
            }
    if data is None:
        return
    for file, columns in REAL.items():
        if file.endswith(".npy"):
            table = pd.DataFrame(np.load(data / file, allow_pickle=False))
        else:
            table = pd.read_csv(data / file)
        for column in columns:
            x = table[column].to_numpy(dtype=np.float64)[:, None]
            context, horizon = min(REAL_CONTEXT, len(x) // 2), min(REAL_HORIZON, len(x) // 4)
            label = f"{Path(file).stem}:{column}"
            for origin in np.linspace(context, len(x) - horizon, REAL_ORIGINS).astype(int):
                yield {
                    "labels": {
                        "source": "real",
                        "series": label,
                        "context": context,
                        "origin": int(origin),
                    },
                    "context": x[origin - context : origin],
                    "truth": x[origin : origin + horizon],
                    "bins": REAL_BINS,
                }


def measured(context: np.ndarray, truth: np.ndarray, bins: int) -> Iterator[dict[str, Any]]:
    """A row per embedding."""
    spacing = min(decorrelation_time(context), len(truth) // 6)

    def embedded(x: np.ndarray) -> np.ndarray:
        return embed(x, dims=3, embedding="delay", delays=(spacing, 2 * spacing))

    for name in EMBEDDINGS:
        began = time.perf_counter()
        found = Candidate(name)
        if name == "auto":  # in two steps, as forecast does it, to see what was chosen
            (choice,) = choose([context], PIPELINE)
            found = choice.chosen
        item = PIPELINE.prepare(context, found.embedding, delays=found.delays)
        y = PIPELINE.run([item], horizon=len(truth), seed=0)[0][:, 0]
        row: dict[str, Any] = {"embedding": name, "chosen": str(found) if name == "auto" else None}
        row["seconds"] = round(time.perf_counter() - began, 3)
        with np.errstate(over="ignore"):
            row["mase"] = metrics.mase(forecast=y, truth=truth)
            row["mase_50"] = metrics.mase(forecast=y, truth=truth, steps=50)
            both = {"forecast": embedded(y), "truth": embedded(truth), "bins": bins}
            row["d_stsp"] = metrics.state_space_divergence(**both)
            row["hellinger"] = metrics.histogram_hellinger(**both)
            row["d_h"] = metrics.spectral_hellinger(forecast=y, truth=truth)
        yield row


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Median over series of each series' median, and the mean rank among the embeddings."""
    errors = ["mase", "mase_50", "d_stsp", "hellinger", "d_h"]
    table = table.assign(context=table["context"].where(table["source"] == "system", 0))
    ranks = table.groupby(list(KEY))[errors].rank(na_option="bottom").mean(axis=1)
    table = table.assign(rank=ranks)
    per = table.groupby(["source", "context", "embedding", "series"])[[*errors, "rank"]].median()
    both = per.groupby(level=[0, 1, 2])
    return both[errors].median().join(both["rank"].mean())


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/embedding_auto.csv")
    parser.add_argument("--data", type=Path, help="folder of the real data (without: systems only)")
    options = parser.parse_args()
    if options.data is not None:
        missing = [file for file in REAL if not (options.data / file).is_file()]
        if missing:
            raise InputError(f"the folder of the real data lacks {', '.join(missing)}.")
    experiment = Experiment(
        options.output,
        columns=COLUMNS,
        key=KEY,
        settings={
            "model": "dynamix-3d",
            "every": EVERY,
            "contexts": CONTEXTS,
            "horizon": HORIZON,
            "bins": BINS,
            "real": [REAL_CONTEXT, REAL_HORIZON, REAL_ORIGINS, REAL_BINS] if options.data else [],
            "seed": 0,
        },
        command=[
            *("embedding_auto.py", "--data", "FOLDER"),
            *("--output", f"results/{options.output.name}"),
        ],
        resume=options.resume,
    )
    known = {tuple(case["labels"].values()): case for case in cases(options.data)}
    for job in tqdm(experiment.left(known), desc="series", disable=None):
        case = known[job]
        labels = case.pop("labels")
        experiment.add(
            [
                labels | {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
                for row in measured(**case)
            ]
        )
    table = experiment.finish(order=lambda _: 0)  # as they were measured
    print(summary(table).round(3).to_string())


if __name__ == "__main__":
    main()
