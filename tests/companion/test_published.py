"""The commands that chapter 10 prints are run, on a few series in place of each suite's own."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil

import nbformat
import pandas as pd
from helpers import ROOT, wave

from dynamix import cli
from dynamix.evaluation import suites

CHAPTER = ROOT / "book" / "10_published.ipynb"


def test_the_printed_commands_put_our_rows_among_published_ones(monkeypatch, tmp_path, capsys):
    cells = nbformat.read(CHAPTER, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    printed = [shlex.split(line) for line in re.findall(r"^dynamix .*$", text, re.MULTILINE)]
    assert {words[1] for words in printed} == {"benchmark"}
    for name in {words[words.index("--suite") + 1] for words in printed}:
        suite = suites.suite(name)
        group = next(iter(suite.sections.values()))[0]
        whole = {f"s{i}": wave(220, 3, i) for i in range(4)}
        tasks = [
            suites.Task(key, x[:200], x[200:], group, facts={"scored": x[200:]})
            for key, x in whole.items()
        ]
        theirs = pd.DataFrame({"theirs": 100.0}, index=[*whole])
        given = {"tasks": lambda tasks=tasks: tasks, "published": lambda t=theirs: {"smape": t}}
        monkeypatch.setitem(suites.SUITES, name, dataclasses.replace(suite, **given))
    monkeypatch.chdir(tmp_path)
    for words in printed:
        assert cli.main(words[1:]) == 0
        shown = capsys.readouterr().out
        assert re.search(r"theirs +published +100\.00", shown)
        assert re.search(r" here +\d", shown)
        assert "is better in what share of tasks" in shown
        if "--output" in words:  # which the comparison then reads, beside another result
            for ending in (".csv", ".json"):
                shutil.copy(f"mine{ending}", f"others{ending}")
