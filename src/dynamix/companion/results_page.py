"""The page book/results.md: every stored result with its headline and how it was made.

The table of models on the cheat sheet is made from the same results. The page's text is in
book/results.yml. The claims of the paper's abstract, and the results that
each rests on, are in book/claims.yml; sentences of the book that had to change in
book/corrections.yml.
"""

from __future__ import annotations

import fnmatch
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from ..evaluation import statistics
from ..io.files import write_text
from . import BOOK, RESULTS
from .parts import between

PAGE, TEXT, CLAIMS = BOOK / "results.md", BOOK / "results.yml", BOOK / "claims.yml"
CORRECTIONS = BOOK / "corrections.yml"
SHEET = BOOK / "cheat_sheet.md"
MADE_AGAIN = RESULTS / "made_again.jsonl"
MOST = 6  # numbers shown in a headline
NUMBER = re.compile(r"\{(?P<result>[\w.-]+):(?P<name>[^}:]+)(?::(?P<digits>\d))?\}")


def write() -> Path:
    """Write the page, and the table of the cheat sheet."""
    for path, text in pages().items():
        write_text(path, text)
    return PAGE


def problems() -> list[str]:
    """What is wrong with the pages; empty if they are up to date."""
    return [
        f"{path.name} is stale. Run: dynamix book results"
        for path, text in pages().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]


def pages() -> dict[Path, str]:
    """What the pages made from stored results should hold, by path."""
    return {PAGE: page(), SHEET: between(SHEET, "models", sheet())}


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
        return {k: math.nan if v is None else float(v) for k, v in record["headline"].items()}
    if (log := RESULTS / name / "log.jsonl").is_file():
        last = _lines(log)[-1]
        return {key: float(last[key]) for key in ("epoch", "loss") if last.get(key) is not None}
    path = RESULTS / f"{name}.csv"
    if not path.is_file():  # a record that is itself the result
        numbers = {k: v for k, v in record.items() if isinstance(v, int | float)}
        return dict(list(numbers.items())[:MOST])
    table = pd.read_csv(path, float_precision="round_trip")
    if {"start", "quiet_fate"} <= set(table.columns):
        return _of_benchmark(table)
    if "rank_sum" in table:
        best = table.loc[table["rank_sum"].idxmin()].drop("rank_sum")
        return best.astype(float).to_dict()
    for column, usual in (("points_per_period", 50), ("sharpness", 8.0)):
        if column in table and (table[column] == usual).any():
            table = table[table[column] == usual]
    groups = [name for name in ("model", "variant") if name in table]
    if not groups or "d_stsp" not in table:
        return {"rows": float(len(table))}
    geometry = [name for name in ("d_stsp", "hellinger") if name in table]
    medians = table.groupby(groups[0], sort=False)[geometry].median().stack().dropna()
    return {f"{measure} {name}": value for (name, measure), value in medians.items()}


def _of_benchmark(table: pd.DataFrame) -> dict[str, float]:
    summary = statistics.summary(table)
    medians = summary["median"].filter(items=statistics.ERRORS).to_dict()
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
    text, claims = (yaml.safe_load(p.read_text(encoding="utf-8")) for p in (TEXT, CLAIMS))
    measured = [
        f"### Claim {i}: {claim['verdict']}\n\n> {claim['claim']}\n\n"
        f"{fill(claim['measured'], headlines)}"
        for i, claim in enumerate(claims, start=1)
    ]
    shown = []
    for name, numbers in headlines.items():
        listed = ", ".join(f"{key} {_short(value)}" for key, value in list(numbers.items())[:MOST])
        listed += f", and {len(numbers) - MOST} more" if len(numbers) > MOST else ""
        rests = (any(fnmatch.fnmatch(name, p) for p in claim["results"]) for claim in claims)
        on = ", ".join(str(i) for i, true in enumerate(rests, start=1) if true)
        shown.append((f"`{name}`", listed, on or "–"))
    parts = [text["head"], *measured, *_corrections(text["corrections"], headlines)]
    parts += [text["headlines"], _table("result | headline | claim", shown), *_made(records)]
    return "\n".join([*parts, *_made_again(records, text["made_again"])])


def _corrections(head: str, headlines: dict[str, dict[str, float]]) -> list[str]:
    """The sentences that had to change, and why."""
    import yaml

    found = yaml.safe_load(CORRECTIONS.read_text(encoding="utf-8"))
    rows = [
        (
            _where(entry["page"]),
            entry["was"].strip() + (f" (`{entry['commit']}`)" if "commit" in entry else ""),
            entry["now"].strip() + (f" ({_where(entry['moved'])})" if "moved" in entry else ""),
            fill(entry["why"], headlines).strip(),
        )
        for entry in found["sentences"]
    ]
    table = _table("page | it said | it says | why", rows)
    return [head.format(commit=found["commit"]), table]


def _where(page: str) -> str:
    """The name of a page, which leads there if it is a page of the book."""
    path = Path(page)
    if path.suffix == ".ipynb":
        number = path.name.split("_")[0].lstrip("0")
        return f"[{'first page' if path.stem == 'intro' else f'chapter {number}'}]({path.name})"
    return {"claims": "the verdicts above"}.get(path.stem, f"`{page}`")


# forecasters on the cheat sheet: names of their results, and what they are
SHOWN = {
    "ceiling": "the true system, started elsewhere: no model can do better in the first three",
    "dynamix-gp-learned": "one smooth map, chosen by a small trained network",
    "dynamix-3d-plus": "local linear maps fitted to the context",
    "dynamix-3d": "an analogue forecaster written into the paper's network",
    "dynamix-6d": "the same, for up to six channels",
    "published": "**DynaMix**: the authors' weights",
    "dynamix-3d-flows": "**DynaMix**: trained here from random weights",
    "echo_state": "an echo-state network tuned on each context",
    "parrot": "copies the most similar piece of the context",
    "mean": "the context's mean: no reconstruction at all",
}
MEASURES = {"d_stsp": 1, "hellinger": 2, "d_h": 2, "mase": 3}  # with digits


def sheet() -> str:
    """The cheat sheet's table: medians over the held-out systems at both lengths of context."""
    records, rows = stored(), []
    for name, what in SHOWN.items():
        row = [what if name == "ceiling" else f"`{name}`: {what}"]
        for length in (2000, 512):
            result = f"benchmark_{name}_{length}"
            numbers = headline(result, records[result])
            row += [f"{numbers[key]:.{digits}f}" for key, digits in MEASURES.items()]
        rows.append(row)
    names = ("$D_\\mathrm{stsp}$", "$H$", "$D_H$", "MASE")
    heads = [f"{length:,} steps: {name}" for length in (2000, 512) for name in names]
    return _table(" | ".join(["forecaster", *heads]), rows).rstrip()


def _made(records: dict[str, dict[str, Any]]) -> list[str]:
    """How each result was made; combinations of versions and machines are listed once."""
    places: dict[str, int] = {}
    rows = []
    for name, whole in records.items():
        record = whole.get("provenance", whole)
        versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items())
        place = places.setdefault(f"{record['machine']}; {versions}", len(places) + 1)
        seeds = ", ".join(dict.fromkeys(_seeds(record["settings"]))) or "fixed in the script"
        command = record["command"].replace("|", "\\|")
        rows.append((f"`{name}`", f"`{command}`", seeds, *_when(record), place))
    head = "result | command | seed | date | took | made on"
    listed = "".join(f"{i}. {place}\n" for place, i in places.items())
    return ["## How each was made\n", _table(head, rows), f"Made on:\n\n{listed}"]


def _made_again(records: dict[str, dict[str, Any]], text: str) -> list[str]:
    """The differences that `dynamix book recompute` found."""
    lines = _lines(MADE_AGAIN) if MADE_AGAIN.is_file() else []
    rows = [row for row in lines if row["result"] in records]
    if not rows:
        return []
    same = sum(row["found"].startswith("the same") for row in rows)
    told = [(f"`{row['result']}`", *_when(row), row["found"]) for row in rows]
    head = text.format(of=len(records), made=len(rows), same=same)
    return [head, _table("result | made again | took | found", told)]


def _table(head: str, rows: Iterable[Iterable[Any]]) -> str:
    lines = [head, *(" | ".join(map(str, row)) for row in rows)]
    lines.insert(1, " | ".join("---" for _ in head.split("|")))
    return "".join(f"| {line} |\n" for line in lines)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _seeds(value: Any) -> list[str]:
    """Every seed in a record's settings."""
    found = []
    for key, inner in value.items() if isinstance(value, dict) else ():
        found += [str(inner)] if "seed" in key and isinstance(inner, int | list) else []
        found += _seeds(inner)
    return found


def _short(value: float) -> str:
    if not math.isfinite(value):
        return "not finite"
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def _when(record: dict[str, Any]) -> list[str]:
    """Date and duration; a narrow column does not break their lines."""
    seconds = record["seconds"]
    took = f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
    texts = record["date"], f"{seconds:.0f} s" if seconds < 120 else took
    return [
        text.replace("-", "\N{NON-BREAKING HYPHEN}").replace(" ", "\N{NO-BREAK SPACE}")
        for text in texts
    ]
