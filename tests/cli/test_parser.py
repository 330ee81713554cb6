"""The parser: flags of settings, wrong usage."""

from __future__ import annotations

import dataclasses

import pytest

from dynamix import ForecastConfig, ModelConfig, TrainingConfig, cli


@pytest.mark.parametrize(
    "arguments",
    [[], ["forcast"], ["forecast", "x.csv"], ["forecast", "x", "--horizon", "2.5"]],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: dynamix" in capsys.readouterr().err


def test_every_config_field_is_a_flag(capsys):
    commands = {"train": (ModelConfig, TrainingConfig), "forecast": (ForecastConfig,)}
    for command, kinds in commands.items():
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        text = capsys.readouterr().out
        words = "".join(text.split())
        for kind in kinds:
            for field in dataclasses.fields(kind):
                assert f"--{field.name.replace('_', '-')}" in text
                assert "".join(field.metadata["help"].split()) in words
