"""``dynamix benchmark``: the choice of systems."""

from __future__ import annotations

from dynamix import InputError, cli, systems


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
    assert cli.main([*line, "--set", "match-length=30", "embedding=delay", "--seed", "3"]) == 2
    assert asked["settings"] == {"match_length": 30, "embedding": "delay"}
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
