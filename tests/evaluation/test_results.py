"""Stored results are found from anywhere in the project, and carry their record."""

from __future__ import annotations

import pandas as pd
import pytest

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
    with pytest.raises(InputError, match="no 'results' folder"):
        results.folder()
    (tmp_path / "results").mkdir()
    with pytest.raises(InputError, match="dynamix benchmark"):
        results.read("none", make="dynamix benchmark")
    (tmp_path / "results" / "one.csv").write_text("a\n1\n")
    (tmp_path / "results" / "one.json").write_text("{")
    with pytest.raises(InputError, match=r"one\.csv"):
        results.read("one", make="x")
