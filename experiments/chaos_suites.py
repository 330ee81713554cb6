"""Stored results of suites among the published rows: averages, intervals and paired wins.

    python experiments/chaos_suites.py --output results/suites_chaos.csv

Reads results/suite_*.csv of the suites on chaotic systems and of parroting, which
`dynamix benchmark --suite` writes, and the published tables, which are fetched or found in the
folder that DYNAMIX_DATA names. The table has a row per suite, measure, section and model; `share`
is in how many tasks of the section the row `against`, dynamix-3d-plus if it is stored, is better
than the published model.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import pandas as pd

from dynamix.evaluation import results, suites

NAMES = ("dysts-2023", "dysts-2021", "dysts-2021-noisy", "dysts-2021-coarse", "parroting")

MAIN = "dynamix-3d-plus"


def label(record: dict) -> str:
    """The model and its settings, as the command of a record names them."""
    return record["command"].split("--model ")[1].replace("--set ", "")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("results/suites_chaos.csv"))
    options = parser.parse_args()
    began, parts = time.perf_counter(), []
    for suite in map(suites.suite, NAMES):
        tables = {}
        for path in sorted(results.folder().glob(f"suite_{suite.name}_*.csv")):
            table, record = results.stored(path)
            if record["suite"] == suite.name:
                tables[label(record)] = table
        if not tables:
            continue
        for measure in suite.measures:
            table = suites.compare(suite, tables, measure)
            best = MAIN if MAIN in tables else table.index[table["by"] == "here"][0]
            for section in suite.sections:
                part = table[section].rename(columns={suite.average: "value"})
                won = suites.wins(suite, tables[best], section, measure)
                part = part.join(won.reindex(columns=["share", "p"])).reset_index(names="model")
                part.insert(1, "by", table["by"].to_numpy())
                facts = {"suite": suite.name, "measure": measure, "section": section}
                parts.append(part.assign(average=suite.average, against=best, **facts))
    table = pd.concat(parts, ignore_index=True)
    first = ["suite", "measure", "section", "model", "by", "average", "value", "low", "high"]
    table = table[[*first, "tasks", "failures", "against", "share", "p"]]
    record = results.provenance(
        f"python experiments/chaos_suites.py --output results/{options.output.name}",
        {},
        seconds=time.perf_counter() - began,
    )
    record["headline"] = {
        f"{row.suite}, {row.section}, {row.model}": round(row.value, 2)
        for row in table.itertuples()
        if row.measure in ("smape", "mse") and row.by == "here"
    }
    results.write(table.round(6), options.output, record)
    print(f"{len(table)} rows")


if __name__ == "__main__":
    main()
