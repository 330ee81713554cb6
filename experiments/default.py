"""Is the default right? `dynamix.forecast` without a model, beside every fixed setting.

    DYNAMIX_DATA=FOLDER python experiments/default.py --output results/default.csv

A row is a fixed setting in one benchmark: its error, the default's on the same forecasts, and their
ratio, above 1 where the fixed setting is better. The measured series of chapter 6 are forecast
here, from ten origins each: no model, and no constant of the choice, was set on them. The other
benchmarks are the stored tables that hold the default, results/suite_*_auto.csv,
results/benchmark_auto_*.csv and results/odds.csv. ``chosen with`` is "yes" where the constants of
the choice were set in view of the benchmark's results; it is no evidence then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from experiment import Experiment, flags  # the scripts beside this one
from real_world import PROTOCOL
from suites import KINDS, stored
from tqdm import tqdm

from dynamix.baselines import baseline
from dynamix.datasets import loading as datasets
from dynamix.evaluation import RollingConfig, benchmark, results, rolling, statistics, suites
from dynamix.settings import AUTO

MEASURED, ORIGINS = "measured series", 10
FIXED: dict[str, dict[str, Any]] = {
    "dynamix-3d": {},
    "dynamix-3d season=auto damping=auto": {"season": "auto", "damping": "auto"},
    "dynamix-3d-plus": {},
    "dynamix-3d-plus embedding=delay": {"embedding": "delay"},
    "dynamix-gp-learned": {},
}
CHOSEN_WITH = KINDS["real"]
COLUMNS: dict[str, Callable[[str], Any]] = {
    "benchmark": str,
    "part": str,
    "measure": str,
    "average": str,
    "fixed": str,
    **dict.fromkeys(("error", "default", "ratio"), float),
    "forecasts": int,
    "chosen with": str,
}
Row = dict[str, Any]


def row(where: tuple[str, str, str, str], fixed: str, errors: tuple[float, float], n: int) -> Row:
    """A row; ``where`` is its first four columns, ``errors`` its own and the default's."""
    error, default = (float(f"{value:.5g}") for value in errors)
    ratio = round(default / error, 4) if error > 0 else float("nan")
    chosen = "yes" if where[0] in CHOSEN_WITH else "no"
    values = (*where, fixed, error, default, ratio, n, chosen)
    return dict(zip(COLUMNS, values, strict=True))


def of_series(name: str) -> list[Row]:
    """The fixed settings on one measured series, at its shorter context."""
    contexts, horizons = PROTOCOL[name]
    config = RollingConfig(contexts=contexts[:1], horizons=horizons, origins=ORIGINS)
    known = {AUTO: baseline(AUTO)}
    known |= {label: baseline(label.split()[0], **how) for label, how in FIXED.items()}
    table = rolling.evaluate(datasets.target(name), forecasters=known, config=config, label=name)
    rows = []
    for horizon, part in table.groupby("horizon"):
        median = part.groupby("forecaster")["mase"].median()
        errors = {label: (median[label], median[AUTO]) for label in FIXED}
        where = (MEASURED, f"{name}, {horizon} steps", "mase", "median")
        rows += [row(where, label, e, ORIGINS) for label, e in errors.items()]
    return rows


def over_series(rows: list[Row]) -> Iterator[Row]:
    """Geometric means over the measured series, at the short and the long horizons."""
    table = pd.DataFrame(rows)
    table["horizon"] = table["part"].str.extract(r", (\d+) steps$", expand=False).astype(int)
    series = table["part"].str.partition(",")[0]
    first = table["horizon"] == table.groupby(series)["horizon"].transform("min")
    for word, part in (("short horizons", table[first]), ("long horizons", table[~first])):
        for fixed in FIXED:
            own = part[part["fixed"] == fixed]
            errors = [float(np.exp(np.log(own[c]).mean())) for c in ("error", "default")]
            where = (MEASURED, word, "mase", "geometric mean")
            yield row(where, fixed, (errors[0], errors[1]), int(own["forecasts"].sum()))


def of_suites() -> Iterator[Row]:
    """The suites of which the default has a stored result."""
    for suite in map(suites.suite, (name for names in KINDS.values() for name in names)):
        tables = {k: t for k, t in stored(suite).items() if k.startswith(("dynamix", AUTO))}
        if AUTO not in tables:
            continue
        section = next(iter(suite.sections))
        for average in dict.fromkeys((suite.average, "median")):
            view = dataclasses.replace(suite, average=average)  # type: ignore[arg-type]
            found = suites.compare(view, tables)
            found = found[found["by"] == "here"][section]
            for label in [k for k in tables if k != AUTO]:
                errors = (found.loc[label, average], found.loc[AUTO, average])
                where = (suite.name, section, suite.measures[0], average)
                yield row(where, label, errors, int(found.loc[label, "tasks"]))


def of_benchmark() -> Iterator[Row]:
    """The held-out systems: medians over the starts that both tables have."""
    for path in sorted(results.folder().glob(f"benchmark_{AUTO}_*.csv")):
        ending = path.stem.removeprefix(f"benchmark_{AUTO}_")
        default, _ = benchmark.read(path)
        starts = default["start"].max() + 1
        for other in sorted(results.folder().glob("benchmark_dynamix-*.csv")):
            if not other.stem.removesuffix("_denoised").endswith(f"_{ending}"):
                continue
            label = other.stem.removeprefix("benchmark_").replace(f"_{ending}", "")
            if "untrained" in label or "6d" in label:
                continue
            table, _ = benchmark.read(other)
            both = table[table["start"] < starts], default
            medians = [statistics.summary(t)["median"] for t in both]
            for measure in ("d_stsp", "hellinger", "d_h", "mase"):
                errors = (medians[0][measure], medians[1][measure])
                where = ("held-out systems", ending.replace("_", ", "), measure, "median")
                yield row(where, label.replace("_", ", "), errors, len(both[1]))


def of_odds() -> Iterator[Row]:
    """CRPS of calibrated ensembles, beyond ten steps."""
    table, _ = results.read("odds", make="python experiments/odds.py")
    table = table[table["odds"] == "calibrated"]
    if AUTO not in set(table["model"]):
        return
    for (data, leads), part in table.groupby(["data", "leads"], sort=False):
        crps = part.set_index("model")["crps"]
        for label in crps.index[crps.index.str.startswith("dynamix")]:
            errors, n = (crps[label], crps[AUTO]), int(part["forecasts"].min())
            yield row(("odds", f"{data}, steps {leads}", "crps", "mean"), label, errors, n)


def headline(table: pd.DataFrame) -> dict[str, float]:
    """The default over the best fixed setting of each benchmark's medians and means."""
    found = {}
    whole = table[~((table["benchmark"] == MEASURED) & (table["average"] == "median"))]
    keys = ["benchmark", "part", "measure", "average"]
    worst = whole.groupby(keys, sort=False)["ratio"].max()
    for (name, part, measure, average), ratio in worst.items():
        if name != "odds":
            found[f"{name}, {part}, {measure}, {average}"] = round(float(ratio), 3)
    found["benchmarks"] = float(len(worst))
    found["benchmarks within a tenth of the best fixed setting"] = float((worst <= 1.1).sum())
    return found


def main() -> None:
    """Entry point."""
    parser = flags(__doc__, "results/default.csv")
    parser.add_argument(
        "--series", type=int, default=len(PROTOCOL), help="only so many measured series"
    )
    options = parser.parse_args()
    names = list(PROTOCOL)[: options.series]
    some = ["--series", str(len(names))] if len(names) < len(PROTOCOL) else []
    made = Experiment(
        options.output,
        columns=COLUMNS,
        key=("benchmark", "part"),
        settings={"origins": ORIGINS, "fixed": list(FIXED)},
        command=["default.py", *some, "--output", f"results/{options.output.name}"],
        resume=options.resume,
    )
    made.drop(lambda r: r["benchmark"] != MEASURED or r["average"] != "median")
    done = {r["part"].partition(",")[0] for r in made.rows}
    for name in tqdm([n for n in names if n not in done], desc="series", disable=None):
        made.add(of_series(name))
    measured = list(made.rows)
    made.rows += [*over_series(measured), *of_suites(), *of_benchmark(), *of_odds()]
    order = {id(r): place for place, r in enumerate(made.rows)}
    made.finish(lambda r: order[id(r)], headline=headline)


if __name__ == "__main__":
    main()
