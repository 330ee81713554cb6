"""``dynamix models``: every name of the registry, and facts from the files."""

from __future__ import annotations

import json

import pytest

from dynamix import baselines, cli
from dynamix.cli import models
from dynamix.model.checkpoints import bundled


@pytest.fixture(scope="module")
def rows():
    return {row["name"]: row for row in models.rows()}


def test_every_name_of_the_registry_is_listed(rows, capsys):
    assert set(rows) == set(baselines.table().index)
    assert list(rows)[:2] == ["auto", "dynamix-3d"]
    assert cli.main(["models"]) == 0
    shown = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line}
    assert set(rows) <= shown


def test_every_bundled_model_has_a_card_with_a_licence(rows):
    for name in bundled():
        assert rows[name]["license"] == "CC-BY-4.0", name
        assert rows[name]["card"]["limits"], name
        assert "`" not in rows[name]["what"]


def test_facts_of_the_files(rows):
    facts = {
        name: (row["learned"], row["parameters"], row["channels"]) for name, row in rows.items()
    }
    assert facts["dynamix-3d"] == ("other systems", 10_227, "3")
    assert facts["dynamix-3d-untrained"] == ("nothing", 10_227, "3")
    assert facts["dynamix-6d"][2] == "6"
    assert facts["dynamix-gp"] == ("context", 0, "any")
    assert facts["dynamix-gp-learned"] == ("both", 9_858, "any")
    assert facts["parrot"] == ("nothing", None, "any")
    assert facts["echo_state"][0] == "context"
    assert facts["chronos-bolt-small"] == ("other series", 48_000_000, "1")
    assert rows["chronos-2"]["hub"] == "amazon/chronos-2"


def test_a_card_and_json(capsys):
    assert cli.main(["models", "dynamix-gp"]) == 0
    assert "limits: the state must be observed" in capsys.readouterr().out
    assert cli.main(["models", "parrot", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["name"] == "parrot"
    assert cli.main(["models", "parot"]) == 2
    assert "Did you mean 'parrot'?" in capsys.readouterr().err
