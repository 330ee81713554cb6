"""Stored results of suites among the published rows: averages, intervals and paired wins.

    python experiments/suites.py chaos real

Reads results/suite_*.csv, which `dynamix benchmark --suite` writes, and the published tables, which
are fetched or found in the folder that DYNAMIX_DATA names. results/suites_KIND.csv has a row per
suite, measure, section and model. `failures` is how many of the row's `forecasts` are no forecast;
one is enough to make a mean infinite, so suites of means have rows of medians, too. `share` is in
how many tasks of the section the row `against`, dynamix-3d-plus if it is stored, is better than the
published model.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator

import pandas as pd

from dynamix.evaluation import results, suites

KINDS = {
    "chaos": (
        *("dysts-2023", "dysts-2021", "dysts-2021-noisy", "dysts-2021-coarse"),
        *("long-term", "parroting"),
    ),
    "real": ("gift-12", "fev-ett", "chronos-etth"),
}
MAIN = "dynamix-3d-plus"
COLUMNS = [
    *("suite", "measure", "section", "model", "by", "average", "value", "low", "high", "tasks"),
    *("forecasts", "failures", "against", "share", "p"),
]


def label(record: dict) -> str:
    """The model and its settings, as the command of a record names them."""
    return record["command"].split("--model ")[1].replace("--set ", "")


def stored(suite: suites.Suite) -> dict[str, pd.DataFrame]:
    """The stored results of a suite, by label."""
    tables = {}
    for path in sorted(results.folder().glob(f"suite_{suite.name}_*.csv")):
        table, record = results.stored(path)
        if record["suite"] == suite.name:
            tables[label(record)] = table
    return tables


def views(suite: suites.Suite) -> Iterator[tuple[suites.Suite, str]]:
    """What is averaged how: a suite with its sections and average, and a measure."""
    for measure in suite.measures:
        yield suite, measure
        if suite.name == "long-term":
            yield dataclasses.replace(suite, average="median"), measure
    groups = next(iter(suite.sections.values()))
    if suite.name == "gift-12":  # each task alone, where MASE is the mean over its windows
        alone = {name: (name,) for name in groups}
        yield dataclasses.replace(suite, sections=alone, average="mean"), "mase"


def rows(suite: suites.Suite, tables: dict[str, pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """A part of the summary per view and section."""
    for view, measure in views(suite):
        compared = suites.compare(view, tables, measure)
        if view.average == "median" != suite.average:  # no medians were published
            compared = compared[compared["by"] == "here"]
        best = MAIN if MAIN in tables else compared.index[compared["by"] == "here"][0]
        for section, groups in view.sections.items():
            part = compared[section].rename(columns={view.average: "value"})
            won = suites.wins(view, tables[best], section, measure)
            part = part.join(won.reindex(columns=["share", "p"])).reset_index(names="model")
            facts = {"suite": suite.name, "measure": measure, "section": section}
            counts = {name: t["group"].isin(groups).sum() for name, t in tables.items()}
            yield part.assign(
                by=compared["by"].to_numpy(),
                forecasts=part["model"].map(counts),
                average=view.average,
                against=best,
                **facts,
            )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="+", choices=KINDS)
    for kind in parser.parse_args().kinds:
        began, parts = time.perf_counter(), []
        for suite in map(suites.suite, KINDS[kind]):
            tables = stored(suite)
            parts += rows(suite, tables) if tables else []
        table = pd.concat(parts, ignore_index=True)[COLUMNS].dropna(subset="value")
        table = table.astype(dict.fromkeys(("tasks", "forecasts", "failures"), "Int64"))
        record = results.provenance(
            f"python experiments/suites.py {kind}", {}, seconds=time.perf_counter() - began
        )
        first = {name: suites.suite(name).measures[0] for name in KINDS[kind]}
        medians = table["suite"].eq("long-term") & table["average"].eq("median")
        shown = table[table["measure"].eq(table["suite"].map(first)) & ~medians]
        record["headline"] = {
            f"{row.suite}, {row.section}, {row.model}": round(row.value, 2)
            for row in shown[shown["by"].eq("here")].itertuples()
        }
        results.write(table.round(6), results.folder() / f"suites_{kind}.csv", record)
        print(f"suites_{kind}: {len(table)} rows")


if __name__ == "__main__":
    main()
