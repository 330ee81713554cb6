"""The page of stored results is what the files say, and shows all of them."""

from __future__ import annotations

import fnmatch
import json
import subprocess

import pytest
import yaml
from helpers import ROOT

from dynamix.companion import laws, parts, results_page
from dynamix.evaluation import results, statistics


def test_the_page_is_fresh():
    assert results_page.problems() == []


def test_every_stored_result_is_on_the_page_with_a_headline():
    text = results_page.PAGE.read_text(encoding="utf-8")
    for name, record in results_page.stored().items():
        assert text.split("## Made again")[0].count(f"| `{name}` |") == 2
        assert results_page.headline(name, record)
        made = record.get("provenance", record)
        assert {"command", "settings", "versions", "machine", "date", "seconds"} <= set(made)


def test_claims_rest_on_results_that_exist_and_numbers_are_filled_in():
    names = list(results_page.stored())
    for claim in yaml.safe_load(results_page.CLAIMS.read_text(encoding="utf-8")):
        assert claim["verdict"] in ("supported", "in part", "contradicted", "not settled here")
        for pattern in claim["results"]:
            assert fnmatch.filter(names, pattern), pattern
        assert claim["results"] or claim["verdict"] == "not settled here"
    assert "{bench" not in results_page.page()


def test_no_paragraph_about_a_claim_holds_more_numbers_than_a_chapters_may():
    text = results_page.page().split("## What the paper's abstract claims")[1].split("\n## ")[0]
    found = list(parts.paragraphs(text))
    assert sum(paragraph.startswith(">") for paragraph in found) == 6
    assert [p for p in found if len(parts.numbers(p)) > laws.MOST_NUMBERS] == []


def text_of(page, raw):
    """A page's text with single spaces."""
    if page.endswith(".ipynb"):
        raw = "\n".join("".join(cell["source"]) for cell in json.loads(raw)["cells"])
    return " ".join(raw.split())


def quoted(entry, key):
    return " ".join(entry[key].split()).split(" … ")


def test_corrected_sentences_are_quoted_from_the_pages():
    found = yaml.safe_load(results_page.CORRECTIONS.read_text(encoding="utf-8"))
    assert len(found["sentences"]) > 20
    for entry in found["sentences"]:
        page, then = entry["page"], entry.get("moved", entry["page"])
        here = text_of(page, (ROOT / page).read_text(encoding="utf-8"))
        today = text_of(then, (ROOT / then).read_text(encoding="utf-8"))
        assert [part for part in quoted(entry, "now") if part not in today] == [], then
        assert [part for part in quoted(entry, "was") if part in here] == [], page
        command = ["git", "-C", str(ROOT), "show", f"{found['commit']}:{page}"]
        old = subprocess.run(command, capture_output=True, text=True, check=False)
        if old.returncode == 0:  # not in a shallow clone
            before = text_of(page, old.stdout)
            assert [part for part in quoted(entry, "was") if part not in before] == [], page
    assert "## Sentences that had to change" in results_page.page()


def test_headlines_are_the_medians_of_the_benchmark():
    name = "benchmark_dynamix-3d_512"
    table, record = results.read(name, make="dynamix benchmark")
    median = statistics.summary(table).loc["d_stsp", "median"]
    found = {name: results_page.headline(name, record)}
    assert found[name]["d_stsp"] == median
    assert results_page.fill(f"a {{{name}:d_stsp:3}}.", found) == f"a {median:,.3f}."
    with pytest.raises(KeyError):
        results_page.fill("{nothing:d_stsp}", found)
    assert results_page.headline("x", {"headline": {"coverage": 0.9}}) == {"coverage": 0.9}


def test_a_headline_has_both_measures_of_geometry_where_both_were_measured():
    table, record = results.read(
        "benchmark_outside", make="python experiments/benchmark_outside.py"
    )
    found = results_page.headline("benchmark_outside", record)
    part = table[(table["points_per_period"] == 50) & (table["model"] == "parrot")]
    assert found["d_stsp parrot"] == part["d_stsp"].median()
    assert found["hellinger parrot"] == part["hellinger"].median()


def test_a_headline_that_is_not_finite_says_so():
    _, record = results.read("rivals_tuning", make="python experiments/rivals.py")
    numbers = results_page.headline("rivals_tuning", record)
    assert [k for k, v in numbers.items() if not v < float("inf")] == [
        f"{measure} edmd, rank 150" for measure in ("d_stsp", "hellinger", "d_h", "mase")
    ]
    assert results_page._short(numbers["d_stsp edmd, rank 150"]) == "not finite"
