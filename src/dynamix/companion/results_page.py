"""The page book/results.md: every stored result with its headline and how it was made.

The page's text is in book/results.yml. The claims of the paper's abstract, and the results that
each rests on, are in book/claims.yml.
"""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from ..evaluation import statistics
from ..io.files import write_text
from . import BOOK, RESULTS

PAGE, TEXT, CLAIMS = BOOK / "results.md", BOOK / "results.yml", BOOK / "claims.yml"
MADE_AGAIN = RESULTS / "made_again.jsonl"
MEASURES = ("d_stsp", "d_h", "mase", "mae", "coverage", "seconds")
MOST = 6  # numbers shown in a headline
NUMBER = re.compile(r"\{(?P<result>[\w.-]+):(?P<name>[^}:]+)(?::(?P<digits>\d))?\}")


def write() -> Path:
    """Write the page."""
    write_text(PAGE, page())
    return PAGE


def problems() -> list[str]:
    """What is wrong with the page; empty if it is up to date."""
    fresh = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
    return [] if fresh else [f"{PAGE.name} is stale. Run: dynamix book results"]


def stored() -> dict[str, dict[str, Any]]:
    """The record of every finished result by name."""
    found = {}
    for path in [*RESULTS.glob("*.json"), *RESULTS.glob("*/provenance.json")]:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not record.get("unfinished"):
            found[path.parent.name if path.name == "provenance.json" else path.stem] = record
    return dict(sorted(found.items()))


def headline(name: str, record: dict[str, Any]) -> dict[str, float]:
    """The few numbers that a result is about: those in its record, else those of its kind."""
    if "headline" in record:
        return {key: float(value) for key, value in record["headline"].items()}
    if (log := RESULTS / name / "log.jsonl").is_file():
        last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        return {key: float(last[key]) for key in ("epoch", "loss") if last.get(key) is not None}
    path = RESULTS / f"{name}.csv"
    if not path.is_file():  # a record that is itself the result
        numbers = {k: v for k, v in record.items() if isinstance(v, int | float)}
        return dict(list(numbers.items())[:MOST])
    table = pd.read_csv(path, float_precision="round_trip")
    if {"start", "quiet_fate"} <= set(table.columns):
        return _of_benchmark(table)
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


def _of_benchmark(table: pd.DataFrame) -> dict[str, float]:
    summary = statistics.summary(table)
    medians = {key: float(summary.loc[key, "median"]) for key in ("d_stsp", "d_h", "mase")}
    escaped = 100 * float(statistics.shares(table).loc["escape", ("fate", "share")])
    failures = float(summary.loc["d_stsp", "failures"])
    return medians | {"failures": failures, "escaped percent": escaped}


def fill(text: str, headlines: dict[str, dict[str, float]]) -> str:
    """A text with its placeholders ``{result:number:digits}`` replaced by numbers."""

    def number(match: re.Match[str]) -> str:
        value = headlines[match["result"]][match["name"]]
        return f"{value:,.{int(match['digits'] or 2)}f}"

    return NUMBER.sub(number, text)


def page() -> str:
    """The whole page."""
    import yaml

    records = stored()
    headlines = {name: headline(name, record) for name, record in records.items()}
    text = yaml.safe_load(TEXT.read_text(encoding="utf-8"))
    claims = yaml.safe_load(CLAIMS.read_text(encoding="utf-8"))
    parts = [text["head"], "\n| | claim | verdict | measured here |\n|---|---|---|---|\n"]
    claims_of: dict[str, list[str]] = {name: [] for name in records}
    for i, claim in enumerate(claims, start=1):
        measured = fill(claim["measured"], headlines)
        parts.append(f"| {i} | {claim['claim']} | {claim['verdict']} | {measured} |\n")
        for pattern in claim["results"]:
            for name in fnmatch.filter(records, pattern):
                claims_of[name].append(str(i))
    parts.append(f"\n{text['headlines']}\n| result | headline | claim |\n|---|---|---|\n")
    for name, numbers in headlines.items():
        shown = ", ".join(f"{key} {_short(value)}" for key, value in list(numbers.items())[:MOST])
        more = f", and {len(numbers) - MOST} more" if len(numbers) > MOST else ""
        parts.append(f"| `{name}` | {shown}{more} | {', '.join(claims_of[name]) or '–'} |\n")
    return "".join([*parts, _made(records), _made_again(records, text["made_again"])])


def _made(records: dict[str, dict[str, Any]]) -> str:
    """How each result was made; combinations of versions and machines are listed once."""
    places: list[str] = []
    rows = []
    for name, whole in records.items():
        record = whole.get("provenance", whole)
        versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
        place = f"{record['machine']}; {versions}"
        places += [] if place in places else [place]
        seeds = ", ".join(dict.fromkeys(_seeds(record["settings"]))) or "fixed in the script"
        command = record["command"].replace("|", "\\|")
        rows.append(
            f"| `{name}` | `{command}` | {seeds} | {_whole(record['date'])} | "
            f"{_duration(record['seconds'])} | {places.index(place) + 1} |\n"
        )
    listed = "".join(f"{i}. {place}\n" for i, place in enumerate(places, start=1))
    return (
        "\n## How each was made\n\n| result | command | seed | date | took | made on |\n"
        f"|---|---|---|---|---|---|\n{''.join(rows)}\nMade on:\n\n{listed}"
    )


def _made_again(records: dict[str, dict[str, Any]], text: str) -> str:
    """The differences that `dynamix book recompute` found."""
    lines = MADE_AGAIN.read_text(encoding="utf-8").splitlines() if MADE_AGAIN.is_file() else []
    rows = [row for row in map(json.loads, lines) if row["result"] in records]
    if not rows:
        return ""
    same = sum(row["found"].startswith("the same") for row in rows)
    told = "".join(
        f"| `{row['result']}` | {_whole(row['date'])} | {_duration(row['seconds'])} | "
        f"{row['found']} |\n"
        for row in rows
    )
    head = "\n| result | made again | took | found |\n|---|---|---|---|\n"
    return "\n" + text.format(of=len(records), made=len(rows), same=same) + head + told


def _seeds(value: Any) -> list[str]:
    """Every seed in a record's settings."""
    if not isinstance(value, dict):
        return []
    found = []
    for key, inner in value.items():
        found += [str(inner)] if "seed" in key and isinstance(inner, int | list) else []
        found += _seeds(inner)
    return found


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def _whole(text: str) -> str:
    """A text at whose hyphens and spaces a narrow column does not break the line."""
    return text.replace("-", "\N{NON-BREAKING HYPHEN}").replace(" ", "\N{NO-BREAK SPACE}")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return _whole(f"{seconds:.0f} s")
    return _whole(f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h")
