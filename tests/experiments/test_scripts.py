"""The recorded commands: scripts exist, know the recorded flags, and settings files are valid."""

from __future__ import annotations

import re

import pytest
from helpers import ROOT

from dynamix.cli.flags import given_settings
from dynamix.cli.parser import parser
from dynamix.cli.train import SECTIONS
from dynamix.cli.words import prepared
from dynamix.companion import recompute

RECIPES = {recipe.name: recipe.command for recipe in recompute.Recomputation(ROOT).recipes()}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recorded_command_exists_and_knows_its_flags(name, monkeypatch):
    words = RECIPES[name]
    if words[0] == "dynamix":
        monkeypatch.chdir(ROOT)  # where files of settings lie
        top = parser()
        options = top.parse_args(prepared(top, words[1:]))
        for kind in SECTIONS.values() if words[1] == "train" else ():
            given_settings(options, kind)
        return
    script = ROOT / words[1]
    text = script.read_text(encoding="utf-8")
    if "from experiment import" in text:
        text += script.with_name("experiment.py").read_text(encoding="utf-8")
    for flag in (word for word in words if word.startswith("--")):
        assert re.search(rf'"{flag}"', text), f"{script.name} has no {flag}"


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.py")), ids=lambda p: p.stem)
def test_files_are_written_whole(path):
    text = path.read_text(encoding="utf-8")
    past = r"(?<!files)\.write_(text|bytes)\(|open\([^)]*[\"'][wa]b?[\"']|to_csv\([^)i]|\bsavetxt"
    assert not re.search(past, text), "write through dynamix.io.files"
