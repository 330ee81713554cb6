"""Measure a model by fev and by GluonTS, behind the adapters that they need.

    python experiments/adapters.py --output results/adapters.csv

fev runs its task ETT_1H, and GluonTS, as GIFT-Eval does, its configurations. A row holds the MASE
that the tool reports, and what ``dynamix benchmark --suite`` makes of the same forecasts: the
medians of :func:`dynamix.predict_df`, from as long a context. Besides it stands the stored MASE of
that suite, which is of point forecasts. fev is installed by ``pip install -c constraints.txt fev``.
"""

from __future__ import annotations

import os
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
from experiment import Experiment, Row, flags

import dynamix
from dynamix.evaluation import results
from dynamix.evaluation.suites import real, suite
from dynamix.evaluation.suites.framework import Task
from dynamix.evaluation.suites.sources import read
from dynamix.interfaces import predict_task
from dynamix.io import files

MODEL = "dynamix-3d"
LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
PERIODS = {"15T": "15min", "H": "h", "D": "D", "W": "W-SUN", "M": "M"}
COLUMNS = {"tool": str, "task": str, "model": str, "forecasts": int, "mase": float}
COLUMNS |= {"mase_here": float, "mase_of_points": float, "quantile_loss": float}


def of_fev(folder: Path) -> tuple[float, float]:
    """MASE and scaled quantile loss that fev reports of its task ETT_1H."""
    os.environ["HF_HOME"] = os.environ["HF_DATASETS_CACHE"] = str(folder)
    import fev

    tables = []
    for path in real.TRANSFORMERS:
        files.write_bytes(folder / "one.csv", read(path))
        table = pd.read_csv(folder / "one.csv", parse_dates=["date"])
        tables.append(table.rename(columns={"date": "timestamp"}).assign(id=Path(path).stem))
    with files.write_whole(folder / "ett.parquet") as temporary:
        pd.concat(tables).to_parquet(temporary)
    task = fev.Task(
        str(folder / "ett.parquet"),
        horizon=168,
        num_windows=20,
        seasonality=24,
        target=[name for name in tables[0] if name not in ("timestamp", "id")],
        quantile_levels=LEVELS,
        eval_metric="MASE",
        extra_metrics=["SQL"],
    )
    found = predict_task(task, model=MODEL, context_length=real.CONTEXT)
    summary = task.evaluation_summary(found, model_name=MODEL)
    return float(summary["MASE"]), float(summary["SQL"])


def of_gluonts(name: str) -> tuple[float, float]:
    """MASE and weighted quantile loss that GluonTS reports of a configuration of GIFT-Eval."""
    from gluonts.dataset.split import split
    from gluonts.ev.metrics import MASE, MeanWeightedSumQuantileLoss
    from gluonts.model import evaluate_model

    from dynamix.interfaces import DynaMixPredictor

    whole, how = next((whole, how) for own, whole, how in real.configurations() if own == name)
    horizon, count = how["horizon"], how["count"]
    start = pd.Period("1990-01-01", PERIODS[name.split("/")[1]])
    dataset = [{"item_id": str(i), "start": start, "target": x} for i, x in enumerate(whole)]
    _, template = split(dataset, offset=-horizon * count)
    test = template.generate_instances(horizon, windows=count, distance=horizon)
    predictor = DynaMixPredictor(horizon, LEVELS, context_length=real.CONTEXT, model=MODEL)
    table = evaluate_model(
        predictor,
        test_data=test,
        metrics=[MASE(), MeanWeightedSumQuantileLoss(LEVELS)],
        axis=None,
        seasonality=how["season"],
    )
    return float(table["MASE[0.5]"].iloc[0]), float(table.iloc[0, 1])


def medians(tasks: list[Task]) -> list[np.ndarray]:
    """The medians of predict_df for the contexts of a suite."""
    parts = [
        pd.DataFrame({"item_id": i, "timestamp": np.arange(len(x)), "target": x})
        for i, x in enumerate(task.context[:, 0] for task in tasks)
    ]
    given = {"horizon": len(tasks[0].truth), "quantile_levels": LEVELS, "model": MODEL}
    table = dynamix.predict_df(pd.concat(parts), **given)
    return [rows["predictions"].to_numpy()[:, None] for _, rows in table.groupby("item_id")]


def measured(tool: str, name: str) -> Row:
    """One row."""
    with tempfile.TemporaryDirectory() as folder:
        mase, loss = of_fev(Path(folder)) if tool == "fev" else of_gluonts(name)
    where = suite("fev-ett" if tool == "fev" else "gift-12")
    tasks = [task for task in where.tasks() if task.name == name]
    pairs = zip(medians(tasks), tasks, strict=True)
    here = float(np.mean([where.score(median, task)["mase"] for median, task in pairs]))
    table, _ = results.read(f"suite_{where.name}_{MODEL}", make=f"dynamix benchmark {where.name}")
    points = float(table.loc[table["task"] == name, "mase"].mean())
    row = {"tool": tool, "task": name, "model": MODEL, "forecasts": len(tasks), "mase": mase}
    return row | {"mase_here": here, "mase_of_points": points, "quantile_loss": loss}


def main() -> None:
    """Measure every task that has no row yet."""
    options = flags(__doc__, "results/adapters.csv").parse_args()
    experiment = Experiment(
        options.output,
        columns=COLUMNS,
        key=("tool", "task"),
        settings={"model": MODEL, "context": real.CONTEXT, "quantile_levels": LEVELS, "seed": 0},
        command=["adapters.py", "--output", "results/adapters.csv"],
        resume=options.resume,
    )
    own = {name: metadata.version(name) for name in ("fev", "datasets", "gluonts")}
    experiment.journal.record["versions"] |= own
    gift = [("gluonts", name) for name, _, _ in real.configurations()]
    for job in experiment.left([("fev", "ETT_1H"), *gift]):
        experiment.add([measured(*job)])
    experiment.finish(headline=headline)


def headline(table: pd.DataFrame) -> dict[str, float]:
    """The largest relative difference between a tool's MASE and ours of the same forecasts."""
    apart = (table["mase"] / table["mase_here"] - 1).abs()
    return {"tasks": float(len(table)), "largest relative difference": float(apart.max())}


if __name__ == "__main__":
    main()
