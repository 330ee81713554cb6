"""The recorded commands: scripts exist, know the recorded flags, and settings files are valid."""

from __future__ import annotations

import re

import pytest
from helpers import ROOT

from dynamix.cli import flags
from dynamix.cli.parser import parser
from dynamix.cli.train import SECTIONS
from dynamix.companion import recompute

RECIPES = {recipe.name: recipe.command for recipe in recompute.Recomputation(ROOT).recipes()}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recorded_command_exists_and_knows_its_flags(name):
    words = RECIPES[name]
    if words[0] == "dynamix":
        options = parser().parse_args(words[1:])
        if getattr(options, "config", None):
            file = flags.read_settings(str(ROOT / options.config), tuple(SECTIONS))
            for section, kind in SECTIONS.items():
                flags.given_settings(options, kind, **file[section])
        return
    script = ROOT / words[1]
    text = script.read_text(encoding="utf-8")
    if "from experiment import" in text:
        text += script.with_name("experiment.py").read_text(encoding="utf-8")
    for flag in (word for word in words if word.startswith("--")):
        assert re.search(rf'"{flag}"', text), f"{script.name} has no {flag}"
