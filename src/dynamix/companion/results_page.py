"""Write book/results.md: every stored result with its headline and how it was made.

python scripts/results_page.py           write the page anew
python scripts/results_page.py --check   exit with 1 if the page is stale

The claims of the paper's abstract, and which results speak to them, stand in book/claims.yml. A
result may bring its own headline: a mapping of names to numbers under "headline" in its record.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from dynamix.evaluation import benchmark

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "results"
AGAIN = RESULTS / "made_again.jsonl"
PAGE = ROOT / "book" / "results.md"
CLAIMS = ROOT / "book" / "claims.yml"
MEASURES = ("d_stsp", "d_h", "mase", "mae", "coverage", "seconds")
MOST = 6  # models shown in a headline
NUMBER = re.compile(r"\{(?P<result>[\w.-]+):(?P<name>[^}:]+)(?::(?P<digits>\d))?\}")

HEAD = """# Every stored result

*After this page you can find each number of this book in its file, and make it again.*

Whatever takes longer than a chapter should is computed once, kept in `results/` with a record of
how it was made, and read from there. This page is written from those files by `make results`; a
test fails where it is not up to date. `make book-full` runs all the commands below anew.

## What the paper's abstract claims

The abstract of {cite}`hemmer2025` in our words, claim by claim, beside what was measured here.
"Not settled here" means what it says: no stored result decides it.

"""
MADE_AGAIN = """
## Made again

`make book-full` runs the commands anew, on whatever machine, and compares each new table with the
one that stood here before: every number to eight digits, but for times. Of {of} results {made} were
made again, and {same} of them came out the same. The new tables stand above, but for the training
of `dynamix-3d-scratch`, which [another page](log.md) tells of.

Tables of 22 November 2026 differed from those of the 24th in some forty rows of 345: the
trajectories of eight of the 69 systems were others then (all starts of ArnoldBeltramiChildress,
BelousovZhabotinsky, BickleyJet, CoevolvingPredatorPrey, Colpitts, InteriorSquirmer, JerkCircuit and
OscillatingFlow). Whether the code or the processor had changed is not known; all tables are on the
later ones now. The ablations of the 22nd were trained by an older state of the library; what both
trainings agree in, and what not, {{ref}}`chapter 5 <sec-ablations>` tells. The rows of the
echo-state network and of the linear models (`dmd`, `edmd`) depended on the number of threads that
their sums were shared by, a difference in the last digit that a long forecast can magnify; they are
computed on one thread now.

| result | made again | took | found |
|---|---|---|---|
"""
HEADLINES = """
## Headlines

Medians over systems where a result is a table of the benchmark; *claim* names the rows above that
it speaks to. At 50 points per period, and at the sharpness of the bundled model, where a table
holds several.

| result | headline | claim |
|---|---|---|
"""


def stored() -> dict[str, dict[str, Any]]:
    """The record of every result by name."""
    found = {}
    for path in [*RESULTS.glob("*.json"), *RESULTS.glob("*/provenance.json")]:
        record = json.loads(path.read_text(encoding="utf-8"))
        name = path.parent.name if path.name == "provenance.json" else path.stem
        if not record.get("unfinished"):
            found[name] = record
    return dict(sorted(found.items()))


def headline(name: str, record: dict[str, Any]) -> dict[str, float]:
    """The few numbers that a result is about, by name."""
    if "headline" in record:
        return {key: float(value) for key, value in record["headline"].items()}
    log = RESULTS / name / "log.jsonl"
    if log.is_file():
        last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        return {key: float(last[key]) for key in ("epoch", "loss") if last.get(key) is not None}
    path = RESULTS / f"{name}.csv"
    if not path.is_file():  # a record that is itself the result
        numbers = {k: v for k, v in record.items() if isinstance(v, int | float)}
        return dict(list(numbers.items())[:MOST])
    table = pd.read_csv(path, float_precision="round_trip")
    if list(table.columns) == list(benchmark.COLUMNS):
        summary = benchmark.summary(table)
        kept = {key: float(summary.loc[key, "median"]) for key in ("d_stsp", "d_h", "mase")}
        escaped = 100 * float(benchmark.shares(table).loc["escape", ("fate", "share")])
        kept["failures"] = float(summary.loc["d_stsp", "failures"])
        return kept | {"escaped percent": escaped}
    if {"engine", "parameters", "seconds", "horizon"} <= set(table.columns):
        return _times(table)
    if {"dataset", "embedding", "transforms"} <= set(table.columns):
        return _measured_series(table)
    if {"varied", "value", "fate"} <= set(table.columns):
        return _noise(table)
    if "rank_sum" in table:
        best = table.loc[table["rank_sum"].idxmin()]
        return {key: float(best[key]) for key in table.columns if key != "rank_sum"}
    for column, usual in (("points_per_period", 50), ("sharpness", 8.0)):
        if column in table and (table[column] == usual).any():
            table = table[table[column] == usual]
    measures = [measure for measure in MEASURES if measure in table]
    for group in ("model", "variant", "forecaster"):
        if group in table and measures:
            medians = table.groupby(group, sort=False)[measures[0]].median()
            return {f"{measures[0]} {key}": float(v) for key, v in medians.items()}
    return {"rows": float(len(table))}


def _times(table: pd.DataFrame) -> dict[str, float]:
    same = table[(table["context"] == 512) & (table["horizon"] == 512) & (table["series"] == 1)]
    own = same[(same["model"] == "DynaMix") & (same["parameters"] == 10_227)]
    other = same[same["model"] != "DynaMix"]
    return {
        "parameters DynaMix": float(own["parameters"].iloc[0]),
        "parameters fewest other": float(other["parameters"].min()),
        "seconds DynaMix compiled": float(own[own["engine"] == "compiled"]["seconds"].iloc[0]),
        "seconds DynaMix torch": float(own[own["engine"] == "torch"]["seconds"].iloc[0]),
        "seconds fastest other": float(other["seconds"].min()),
    }


def _noise(table: pd.DataFrame, level: float = 0.02) -> dict[str, float]:
    """Of the forecasts from contexts with noise: median geometry, and how many escaped."""
    noisy = table[(table["varied"] == "noise") & (table["value"] == level)]
    # what failed to be a number is the worst
    medians = noisy["d_stsp"].fillna(np.inf).groupby(noisy["model"], sort=False).median()
    found = {f"d_stsp {key}, noise {level}": float(v) for key, v in medians.items()}
    for key, fates in noisy.groupby("model", sort=False)["fate"]:
        found[f"escaped {key}, noise {level}"] = float((fates == "escape").sum())
    return found | {"systems": float(noisy["system"].nunique())}


def _measured_series(table: pd.DataFrame) -> dict[str, float]:
    """DynaMix beside the classics over all measured series, as in the chapter about them.

    At its default embedding, without transforms, at the longest context at which the classics were
    run. Errors are geometric means of quotients of MASE; the rest counts the series on which
    DynaMix has the smaller value. The best classic is known in hindsight only.
    """
    plain = table[table["transforms"].isna() & table["embedding"].isin([np.nan, "pos", "none"])]
    classics = ["AutoARIMA", "AutoETS", "AutoTheta", "seasonal naive"]
    context = plain[plain["forecaster"] == classics[0]].groupby("dataset")["context"].max()
    plain = plain[plain["context"] == plain["dataset"].map(context)]
    errors, counts = {}, {"series": float(len(context))}
    for length, pick in (("short", "min"), ("long", "max")):
        steps = plain.groupby("dataset")["horizon"].transform(pick)
        wide = plain[plain["horizon"] == steps].pivot(index="dataset", columns="forecaster")
        mase = wide["mase"].assign(classic=wide["mase"][classics].min(axis=1))
        for model in ("dynamix-3d", "dynamix-3d-plus"):
            for rival in ("seasonal naive", "classic", "context parroting"):
                name = {"classic": "best classic"}.get(rival, rival)
                quotient = np.log(mase[model] / mase[rival]).mean()
                errors[f"mase {model} / {name}, {length}"] = float(np.exp(quotient))
            ahead = mase[model] < mase["classic"]
            counts[f"{model} ahead of best classic, {length}"] = float(ahead.sum())
            for measure in ("d_stsp", "d_h") if length == "long" else ():
                known = wide[measure].dropna(how="all")
                counts["series with geometry"] = float(len(known))
                for rival in ("AutoARIMA", "seasonal naive", "context parroting"):
                    smaller = (known[model] < known[rival]).sum()
                    counts[f"{measure} {model} below {rival}"] = float(smaller)
    return errors | counts


def fill(text: str, headlines: dict[str, dict[str, float]]) -> str:
    """A text with its placeholders replaced by numbers."""

    def number(match: re.Match[str]) -> str:
        value = headlines[match["result"]][match["name"]]
        return f"{value:,.{int(match['digits'] or 2)}f}"

    return NUMBER.sub(number, text)


def page() -> str:
    """The whole page."""
    records = stored()
    headlines = {name: headline(name, record) for name, record in records.items()}
    claims = yaml.safe_load(CLAIMS.read_text(encoding="utf-8"))
    parts = [HEAD, "| | claim | verdict | measured here |\n|---|---|---|---|\n"]
    speaks: dict[str, list[int]] = {name: [] for name in records}
    for i, claim in enumerate(claims, start=1):
        parts.append(
            f"| {i} | {claim['claim']} | {claim['verdict']} | "
            f"{fill(claim['measured'], headlines)} |\n"
        )
        for pattern in claim["results"]:
            for name in fnmatch.filter(records, pattern):
                speaks[name].append(i)
    parts.append(HEADLINES)
    for name, numbers in headlines.items():
        text = ", ".join(f"{key} {_short(value)}" for key, value in list(numbers.items())[:MOST])
        more = f", and {len(numbers) - MOST} more" if len(numbers) > MOST else ""
        parts.append(f"| `{name}` | {text}{more} | {', '.join(map(str, speaks[name])) or '–'} |\n")
    parts.append(_made(records))
    parts.append(_made_again(records))
    return "".join(parts)


def _made_again(records: dict[str, dict[str, Any]]) -> str:
    """What came out when the commands were run anew, as scripts/recompute.py noted it."""
    lines = AGAIN.read_text(encoding="utf-8").splitlines() if AGAIN.is_file() else []
    rows = [row for row in map(json.loads, lines) if row["result"] in records]
    told = "".join(
        f"| `{row['result']}` | {_whole(row['date'])} | {_whole(_duration(row['seconds']))} | "
        f"{row['found']} |\n"
        for row in rows
    )
    same = sum(row["found"].startswith("the same") for row in rows)
    return MADE_AGAIN.format(of=len(records), made=len(rows), same=same) + told if told else ""


def _made(records: dict[str, dict[str, Any]]) -> str:
    """How each result was made; sets of versions and machines are listed once."""
    places: list[str] = []
    rows = []
    for name, whole in records.items():
        record = whole.get("provenance", whole)
        versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
        place = f"{record['machine']}; {versions}"
        if place not in places:
            places.append(place)
        command = record["command"].replace("|", "\\|")
        rows.append(
            f"| `{name}` | `{command}` | {_seed(record)} | {_whole(record['date'])} | "
            f"{_whole(_duration(record['seconds']))} | {places.index(place) + 1} |\n"
        )
    listed = "".join(f"{i}. {place}\n" for i, place in enumerate(places, start=1))
    return (
        "\n## How each was made\n\n| result | command | seed | date | took | made on |\n"
        f"|---|---|---|---|---|---|\n{''.join(rows)}\nMade on:\n\n{listed}"
    )


def _seed(record: dict[str, Any]) -> str:
    """Every seed in a record's settings."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if "seed" in key and isinstance(inner, int | list):
                    found.append(str(inner))
                look(inner)

    look(record.get("settings", {}))
    return ", ".join(dict.fromkeys(found)) or "fixed in the script"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def _whole(text: str) -> str:
    """With hyphens and spaces at which a narrow column does not break the line."""
    return text.replace("-", "\N{NON-BREAKING HYPHEN}").replace(" ", "\N{NO-BREAK SPACE}")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description="Write the page of stored results.")
    parser.add_argument("--check", action="store_true", help="only say whether it is stale")
    text = page()
    if parser.parse_args().check:
        fresh = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        print("fresh" if fresh else "book/results.md is stale; write it anew: make results")
        return int(not fresh)
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
