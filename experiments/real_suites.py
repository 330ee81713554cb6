"""The suites on measured series: our forecasters among the published rows.

    DYNAMIX_DATA=FOLDER python experiments/real_suites.py

The results of the suites gift-12, fev-ett and chronos-etth are results/suite_SUITE_MODEL.csv; those
that are missing are made, which takes minutes. results/suites_real.csv holds the averages of each
section among the published ones, a row per suite, section, measure and forecaster.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
from experiment import Experiment, flags  # the script beside this one
from tqdm import tqdm

from dynamix.evaluation import results, suites

NAMES = ("gift-12", "fev-ett", "chronos-etth")
FORECASTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Fracast-0": ("fracast", {}),
    "context parroting": ("parrot", {}),
    "dynamix-3d": ("dynamix-3d", {}),
    "dynamix-3d, delay": ("dynamix-3d", {"embedding": "delay"}),
    "dynamix-3d-plus": ("dynamix-3d-plus", {}),
    "dynamix-3d-plus, delay": ("dynamix-3d-plus", {"embedding": "delay"}),
}
COLUMNS: dict[str, Any] = {
    "suite": str,
    "section": str,
    "measure": str,
    "forecaster": str,
    "by": str,
    **dict.fromkeys(("average", "low", "high"), float),
    "tasks": int,
    "failures": int,
}


def tables(name: str, folder: Path, *, stored: bool) -> dict[str, pd.DataFrame]:
    """The stored results of a suite; those that are missing are made, or left out."""
    found = {}
    for label, (model, settings) in FORECASTERS.items():
        path = folder / f"{'_'.join(['suite', name, model, *settings.values()])}.csv"
        if path.exists():
            found[label] = results.stored(path)[0]
        elif not stored:
            about = {"settings": settings, "output": path, "resume": True}
            found[label] = suites.run(suites.suite(name), model, **about)
    return found


def rows_of(suite: suites.Suite, tables: dict[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Averages by section and measure, and MASE by task where a suite has several."""
    rows = []
    groups = next(iter(suite.sections.values()))
    # MASE of a task is the mean over its windows
    alone = dataclasses.replace(suite, sections={n: (n,) for n in groups}, average="mean")
    views = [(suite, measure) for measure in suite.measures]
    for view, measure in [*views, *([(alone, "mase")] if len(groups) > 1 else [])]:
        compared = suites.compare(view, tables, measure)
        for section in view.sections:
            for forecaster, (value, low, high, tasks, failures) in compared[section].iterrows():
                by = compared.loc[forecaster, "by"].item()
                place = {"suite": suite.name, "section": section, "measure": measure}
                numbers = {"average": value, "low": low, "high": high}
                counts = {"tasks": int(tasks), "failures": int(failures)}
                rows.append(place | {"forecaster": forecaster, "by": by} | numbers | counts)
    return rows


def headline(found: pd.DataFrame) -> dict[str, float]:
    """The first section of each suite by its first measure, of ours and a few published rows."""
    first = found.drop_duplicates("suite")[["suite", "section", "measure"]]
    rows = found.merge(first, on=["suite", "section", "measure"])
    shown = rows[rows["by"].eq("here") | rows["forecaster"].eq("seasonal_naive")]
    return {f"{r.suite} {r.forecaster}": float(r.average) for r in shown.itertuples()}


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/suites_real.csv")
    parser.add_argument("--stored", action="store_true", help="leave out what is not stored yet")
    options = parser.parse_args()
    made = Experiment(
        options.output,
        columns=COLUMNS,
        key=("suite",),
        settings={"suites": list(NAMES), "forecasters": list(FORECASTERS)},
        command=["real_suites.py", "--output", f"results/{options.output.name}"],
        resume=options.resume,
    )
    for (name,) in tqdm(made.left((name,) for name in NAMES), desc="suites", disable=None):
        found = tables(name, options.output.parent, stored=options.stored)
        made.add(rows_of(suites.suite(name), found))
    made.finish(lambda row: NAMES.index(row["suite"]), headline=headline)


if __name__ == "__main__":
    main()
