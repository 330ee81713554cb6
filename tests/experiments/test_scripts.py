"""The recorded commands: scripts exist, parse the recorded flags, and settings files are valid."""

from __future__ import annotations

import argparse
import re
import runpy

import pytest
from helpers import ROOT

from dynamix.cli.flags import given_settings
from dynamix.cli.parser import parser
from dynamix.cli.train import SECTIONS
from dynamix.cli.words import prepared
from dynamix.companion import recompute

RECIPES = {recipe.name: recipe.command for recipe in recompute.Recomputation(ROOT).recipes()}


class ParsedError(Exception):
    """The flags were parsed."""


@pytest.mark.parametrize("name", RECIPES)
def test_a_recorded_command_is_parsed(name, monkeypatch):
    words = RECIPES[name]
    if words[0] == "dynamix":
        monkeypatch.chdir(ROOT)  # where files of settings lie
        top = parser()
        options = top.parse_args(prepared(top, words[1:]))
        for kind in SECTIONS.values() if words[1] == "train" else ():
            given_settings(options, kind)
        return

    def parse(self, *_):
        raise ParsedError(known(self, words[2:]))  # before the script does anything

    known = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    with pytest.raises(ParsedError):
        runpy.run_path(str(ROOT / words[1]), run_name="__main__")


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.py")), ids=lambda p: p.stem)
def test_files_are_written_whole(path):
    text = path.read_text(encoding="utf-8")
    past = r"(?<!files)\.write_(text|bytes)\(|open\([^)]*[\"'][wa]b?[\"']|to_csv\([^)i]|\bsavetxt"
    assert not re.search(past, text), "write through dynamix.io.files"
