"""What the lines of a newcomer must be, and how their outcomes are judged."""

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers import ROOT, script

import dynamix

environments = script("environments")
BY_NAME = {environment.name: environment for environment in environments.ENVIRONMENTS}
WHEEL, BOOK = BY_NAME["wheel"], BY_NAME["environment.yml"]


def test_the_lines_of_the_readme_are_among_them():
    lines = list(environments.lines_of(WHEEL))
    snippets = {line["python"].strip() for line in lines if "python" in line}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(map(str.strip, re.findall(r"```python\n(.*?)```", readme, re.DOTALL))) <= snippets


def test_each_extra_is_asked_for_and_known():
    for environment in (WHEEL, BOOK):
        asked = {line["extra"] for line in environments.lines_of(environment) if "extra" in line}
        assert asked == set(environments.ALL)


@pytest.mark.parametrize(
    ("found", "says", "python", "network", "outcome"),
    [
        ((0, "", "a bar"), None, False, False, "ran"),
        ((0, "", ""), "--horizon", False, False, "failed"),  # should have been refused
        ((2, "", "dynamix: unknown flag '--horizn'"), "horizn", False, False, "refused"),
        ((2, "", "dynamix: something else"), "horizn", False, False, "failed"),
        ((1, "", "Traceback ...\nImportError: horizn"), "horizn", False, False, "failed"),
        ((1, "", "Traceback ...\nInputError: a gap"), "a gap", True, False, "refused"),
        ((1, "", "Traceback ...\nImportError: x"), None, True, True, "failed"),
        ((2, "", "dynamix: no host"), None, False, True, "refused"),
        ((2, "", "dynamix: no host"), None, False, False, "failed"),
    ],
)
def test_outcomes(found, says, python, network, outcome):
    assert environments.judged(found, says, python=python, network=network)[0] == outcome


def test_an_extra_alone_gets_its_own_lines():
    for extra in environments.ALL[:-2]:
        lines = list(environments.lines_of(BY_NAME[f"wheel [{extra}]"]))
        assert {line.get("extra") for line in lines} == {extra, None}
    assert len(list(environments.lines_of(WHEEL))) > 50


def test_the_files_that_lines_read_can_be_read(tmp_path):
    environments.data(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}  # and nothing left over of their writing
    assert names == {f"{n}.csv" for n in ("data", "gap", "stack", "text", "wave")} | {
        "mine.npy",
        "stack.parquet",
    }
    assert dynamix.read(tmp_path / "gap.csv").isna().sum().tolist() == [12, 12]
    assert np.load(tmp_path / "mine.npy").shape == (600, 3)
