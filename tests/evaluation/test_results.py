"""Stored results carry their record, and survive a death at any moment."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT, died_at_every_event
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import InputError
from dynamix.evaluation import results


def test_written_results_are_read_back_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    (tmp_path / "book" / "deep").mkdir(parents=True)
    table = pd.DataFrame({"system": ["Lorenz"], "d_stsp": [1.5]})
    record = results.provenance("make it", {"context": 3}, seconds=1.26)
    results.write(table, tmp_path / "results" / "one.csv", record)
    for place in (tmp_path, tmp_path / "book" / "deep"):
        monkeypatch.chdir(place)
        read, told = results.read("one", make="again")
        pd.testing.assert_frame_equal(read, table)
        assert told == results.sealed(record, tmp_path / "results" / "one.csv")
    assert told["seconds"] == 1.3
    assert set(told["versions"]) >= {"dynamix", "torch", "dysts", "python"}


def test_missing_or_damaged_results_say_how_to_make_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert results.folder() == ROOT / "results"  # of the checkout, as plain papermill needs it
    with monkeypatch.context() as installed:
        installed.setattr(results, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
        with pytest.raises(InputError, match="no 'results' folder"):
            results.folder()
    (tmp_path / "results").mkdir()
    with pytest.raises(InputError, match="dynamix benchmark"):
        results.read("none", make="dynamix benchmark")
    (tmp_path / "results" / "one.csv").write_text("a\n1\n")
    (tmp_path / "results" / "one.json").write_text("{")
    with pytest.raises(InputError, match=r"one\.csv"):
        results.read("one", make="x")


COLUMNS = {"system": str, "d_stsp": float}
ROWS = [{"system": name, "d_stsp": 0.1 * i} for i, name in enumerate("abc")]
RECORD = {"settings": {"seed": 1}, "seconds": 0.0}


def make(folder: Path, *, resume: bool) -> int:
    """A table of three rows; how many of them were computed now."""
    journal = results.Journal(
        folder / "one.csv", columns=COLUMNS, record=RECORD, same=["settings"], resume=resume
    )
    left = ROWS[len(journal.rows) :]
    assert journal.rows == ROWS[: len(journal.rows)]
    for row in left:
        journal.append([row], seconds=1.0)
    journal.finish(pd.DataFrame(ROWS))
    return len(left)


def test_whatever_died_when_a_table_is_old_or_new_or_unfinished(tmp_path, monkeypatch):
    folder = tmp_path / "results"
    folder.mkdir()
    old, new = pd.DataFrame({"system": ["x"], "d_stsp": [9.0]}), pd.DataFrame(ROWS)
    results.write(old, folder / "one.csv", {"settings": {}, "seconds": 0.0})
    places = list(died_at_every_event(folder, lambda place: make(place, resume=False)))
    assert len(places) > 20
    seen = set()
    for place in places:
        try:
            table, record = results.stored(place / "one.csv")
            old_or_new = old if len(table) == 1 else new
            pd.testing.assert_frame_equal(table, old_or_new)
            assert bool(record["settings"]) == (len(table) > 1)
            seen.add(len(table))
        except ValueError:
            seen.add("unfinished")
        begun = (place / "one.csv.journal").exists()
        computed = make(place, resume=begun)
        seen.add(f"{computed} computed")
        pd.testing.assert_frame_equal(results.stored(place / "one.csv")[0], new)
        assert sorted(path.name for path in place.iterdir()) == ["one.csv", "one.json"]
    assert seen >= {1, 3, "unfinished", "0 computed", "1 computed", "2 computed", "3 computed"}


@settings(max_examples=15)
@given(st.integers(0, 400), st.binary(max_size=3))
def test_a_journal_cut_anywhere_loses_a_row_at_most(cut, garbage):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = {"columns": COLUMNS, "record": RECORD, "same": ["settings"]}
        journal = results.Journal(folder / "one.csv", resume=False, **given)
        for row in ROWS:
            journal.append([row], seconds=1.0)
        path = folder / "one.csv.journal"
        whole = path.read_bytes()
        first = whole.index(b"\n") + 1  # the header and the first rows are written in one piece
        at = max(first, len(whole) - cut)
        path.write_bytes(whole[:at] + garbage)
        rows = results.Journal(folder / "one.csv", resume=True, **given).rows
        assert rows == ROWS[: len(rows)]
        assert len(rows) >= whole[:at].count(b"\n") - 2
        assert make(folder, resume=True) == 3 - len(rows)


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", ""])
def test_a_name_does_not_leave_the_folder_of_results(name, tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"without a folder|missing"):
        results.read(name, make="x")


def test_the_record_of_another_table_is_none(tmp_path):
    results.write(pd.DataFrame({"a": [1.0]}), tmp_path / "one.csv", RECORD)
    (tmp_path / "one.csv").write_text("a\n2.0\n")
    with pytest.raises(ValueError, match="not the table that its record describes"):
        results.stored(tmp_path / "one.csv")
    with pytest.raises(InputError, match=r"Name the table x\.csv"):
        results.write(pd.DataFrame({"a": [1.0]}), tmp_path / "x.json", RECORD)


def test_a_number_that_is_not_finite_is_null_in_a_record(tmp_path):
    record = RECORD | {"headline": {"median": np.float64(np.inf), "count": 3.0}, "levels": [np.nan]}
    results.write(pd.DataFrame({"a": [np.inf]}), tmp_path / "one.csv", record)
    table, found = results.stored(tmp_path / "one.csv")
    assert table["a"].tolist() == [np.inf]
    assert (found["headline"], found["levels"]) == ({"median": None, "count": 3.0}, [None])


def test_every_stored_record_is_json():
    """Which knows no NaN and no infinity, though Python writes them."""

    def refuse(word):
        raise AssertionError(word)

    paths = [p for p in (ROOT / "results").rglob("*") if p.suffix in (".json", ".jsonl")]
    assert len(paths) > 100
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for part in [text] if path.suffix == ".json" else text.splitlines():
            json.loads(part, parse_constant=refuse)


def test_every_stored_table_is_that_of_its_record():
    for path in (ROOT / "results").glob("*.csv"):
        results.stored(path)
    for path in (ROOT / "results").glob("*/log.jsonl"):
        record = json.loads(path.with_name("provenance.json").read_text())
        assert results.sealed(record, path) == record
