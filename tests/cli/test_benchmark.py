"""``dynamix benchmark``: the choice of systems."""

from __future__ import annotations

import dataclasses
import json

from helpers import wave

from dynamix import InputError, cli, systems
from dynamix.evaluation import suites


def test_benchmark_runs_on_larger_flows_by_their_dimensions(monkeypatch, capsys):
    asked = {}

    def run(model, **options):
        asked.update(options)
        raise InputError("seen")

    monkeypatch.setattr("dynamix.evaluation.benchmark.run", run)
    assert cli.main(["benchmark", "--dims", "5", "6"]) == 2
    assert asked["names"] == systems.catalogue(dims=(5, 6))
    assert cli.main(["benchmark", "--systems", "all"]) == 2
    assert asked["names"] == sorted({*systems.split()["train"], *systems.split()["test"]})
    for wrong, told in (
        (["--dims", "3"], "takes numbers from 4 to 6"),
        (["--dims", "4", "--systems", "Lorenz"], "both choose the systems"),
    ):
        assert cli.main(["benchmark", *wrong]) == 2
        assert told in capsys.readouterr().err


def test_a_suite_runs_a_model_with_its_settings(monkeypatch, capsys):
    asked = {}

    def run(suite, model, **options):
        asked.update(options, suite=suite.name, model=model)
        raise InputError("seen")

    monkeypatch.setattr("dynamix.evaluation.suites.run", run)
    line = ["benchmark", "--suite", "dysts-2021", "--model", "parrot"]
    assert cli.main([*line, "--set", "match-length=30", "denoise=auto", "--seed", "3"]) == 2
    assert asked["settings"] == {"match_length": 30, "denoise": "auto"}
    assert (asked["suite"], asked["model"], asked["seed"]) == ("dysts-2021", "parrot", 3)
    for wrong, told in (
        ([*line, "--set", "delay"], "--set takes NAME=VALUE"),
        ([*line, "--context", "9"], "--context cannot be combined"),
        (["benchmark", "--suite", "dysts-21"], "Did you mean 'dysts-2021'"),
        ([*line, "--compare", "none.csv"], "not a stored result"),
    ):
        capsys.readouterr()
        assert cli.main(wrong) == 2
        assert told in capsys.readouterr().err


def test_results_as_json(tmp_path, capsys):
    line = ["benchmark", "--systems", "Rossler", "--context", "100", "--horizon", "100"]
    line += ["--starts", "1", "--json", "-q"]
    for name in ("mean", "naive"):
        assert cli.main([*line, "--model", name, "-o", str(tmp_path / f"{name}.csv")]) == 0
        found = json.loads(capsys.readouterr().out)
        (row,) = found["rows"]
        assert (found["model"], row["system"], row["fate"]) == (name, "Rossler", "fixed point")
        assert {"summary", "ends in"} <= set(found)
    paths = [str(tmp_path / f"{name}.csv") for name in ("mean", "naive")]
    drawn = tmp_path / "drawn.png"
    assert cli.main(["benchmark", "--json", "--plot", str(drawn), "--compare", *paths]) == 0
    assert drawn.read_bytes()[:4] == b"\x89PNG"
    found = json.loads(capsys.readouterr().out)
    assert found["better than"] == "naive"
    assert all(row["systems"] == 1 for row in found["rates"])


def test_a_suite_as_json(monkeypatch, capsys):
    suite = suites.suite("dysts-2021")
    task = suites.Task("Lorenz", wave(60, 3), wave(20, 3))
    given = {"tasks": lambda: [task], "published": dict, "score": lambda y, task: {"smape": 1.0}}
    sections = {"all": ["all"]}
    small = dataclasses.replace(suite, measures=("smape",), sections=sections, **given)
    monkeypatch.setitem(suites.SUITES, "dysts-2021", small)
    assert cli.main(["benchmark", "--suite", "dysts-2021", "--model", "mean", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["suite"] == "dysts-2021"
    assert found["tables"]["smape"][0]["all median"] == 1.0
    assert found["rows"]["mean"][0]["task"] == "Lorenz"
