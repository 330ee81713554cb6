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
