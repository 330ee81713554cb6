"""Misspelt words, and files of settings: keys are the names of flags, and flags win."""

from __future__ import annotations

import json

import pytest

from dynamix import InputError, ModelConfig, TrainingConfig, cli
from dynamix.cli import words
from dynamix.cli.flags import given_settings
from dynamix.cli.parser import parser


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("forcast data.csv -n 5", "unknown command 'forcast'"),
        ("forcast data.csv -n 5", "Did you mean 'forecast'?"),
        ("forecast data.csv --horizn 5", "Did you mean '--horizon'?"),
        ("forecast data.csv --horizn=5", "unknown flag '--horizn' of dynamix forecast"),
        ("forecast data.csv -horizon 5", "Did you mean '--horizon'?"),
        ("forecast data.csv --hor 5", "unknown flag '--hor'"),
        ("forecast data.csv -x 5", "unknown flag '-x'"),
        ("forecast data.csv -n 5 --no-gate-nois", "Did you mean '--no-gate-noise'?"),
        ("forecast --horizon 5", "required: data. For help: dynamix forecast --help"),
        ("forecast data.csv", "required: -n/--horizon."),
        ("forecast a.csv b.csv -n 5", "one word too many: 'b.csv'. A command takes one table"),
        ("forecast -n 5 a.csv b.csv c.csv", "one word too many: 'b.csv c.csv'"),
        ("book rn", "unknown part of dynamix book 'rn'"),
        ("book run --stal", "Did you mean '--stale'?"),
        ("--versoin", "Did you mean '--version'?"),
        ("completion pash", "Did you mean 'bash'?"),
        ("book build hmtl", "Did you mean 'html'?"),
        ("sweep 05 --workers two", "must be a whole number, found 'two'"),
        ("benchmark --suite dysts-2022", "Did you mean 'dysts-2023'?"),
        ("forecast https://a.b/c.csv -n 5", "is an address. Download the table"),
        ("forecast data.csv -n 5 --settings", "expected one argument"),
    ],
)
def test_a_misspelt_word_is_one_line_with_a_suggestion(typed, told, capsys):
    assert cli.main(typed.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dynamix: ")
    assert told in line


def test_negative_numbers_and_a_dash_are_no_flags():
    typed = ["forecast", "-", "-n5", "--seed", "-3", "--set", "a=-1", "-qv"]
    assert words.prepared(parser(), typed) == typed


def parsed(typed: list[str]) -> dict:
    top = parser()
    return vars(top.parse_args(words.prepared(top, typed)))


def test_a_file_of_settings_stands_for_flags_that_win_over_it(tmp_path):
    (tmp_path / "mine.toml").write_text(
        "horizon = 24\nseed = 3\ndetrend = true\ngate-noise = false\nno_time = true\nfill = false\n"
        'columns = ["a", "b"]\nattention_sharpness = 2\n[set]\nmatch_length = 30\n'
    )
    file = ["--settings", str(tmp_path / "mine.toml")]
    found = parsed(["forecast", "data.csv", *file])
    assert (found["horizon"], found["columns"], found["set"]) == (24, "a,b", ["match_length=30"])
    assert (found["no_time"], found["fill"], found["data"]) == (True, False, "data.csv")
    assert found["ForecastConfig.detrend"]
    assert not found["ForecastConfig.gate_noise"]
    assert found["ForecastConfig.attention_sharpness"] == 2.0
    found = parsed(["forecast", *file, "-n", "5", "data.csv", "--no-detrend"])
    assert (found["horizon"], found["ForecastConfig.detrend"]) == (5, False)
    assert parsed(["forecast", "--horizon", "5", "data.csv", *file])["horizon"] == 5


def test_lists_of_a_file_do_not_swallow_what_follows(tmp_path):
    (tmp_path / "mine.toml").write_text("epochs = 7\nsystems = ['Lorenz', 'Chua']\n")
    found = parsed(["train", f"--settings={tmp_path / 'mine.toml'}", "-o", "x"])
    assert found["TrainingConfig.systems"] == ["Lorenz", "Chua"]
    assert found["output"] == "x"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "seed = 1\n\nembeding = 'delay'",
            "line 3: unknown setting 'embeding'",
        ),
        ("embeding = 'delay'", "Did you mean 'embedding'?"),
        ("horizon = 'five'", "line 1: horizon must be a whole number, found 'five' (str)"),
        ("horizon = true", "horizon must be a whole number"),
        ("fill = 1", "fill must be True or False, found 1"),
        ("no-detrend = true", "unknown setting 'no-detrend'"),
        ("settings = 'other.toml'", "unknown setting 'settings'"),
        ("[training]\nepochs = 3", "line 1: unknown setting 'training'"),
        ("seed: 1", "cannot be read"),
        ("embedding = 'dealy'", "Did you mean 'delay'?"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_file_of_settings_is_refused_by_name_and_line(text, told, tmp_path, capsys):
    if text is not None:
        (tmp_path / "a.toml").write_text(text)
    assert cli.main(["forecast", "a.csv", "-n", "3", "--settings", str(tmp_path / "a.toml")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "JSON"),
        ("[]", "JSON"),
        ('{"model": {"latent_dims": 3, "latent_dims": 5}}', "twice"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_files_of_json_that_are_none(text, told, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=told):
        parsed(["train", "-o", "x", "--settings", str(tmp_path / "a.json")])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", "\ufeff[model]\nlatent_dims = 5\n[training]\nepochs = 9"),
        ("A.JSON", json.dumps({"model": {"latent_dims": 5}, "training": {"epochs": 9}})),
        ("a.toml", "latent_dims = 5\nepochs = 9"),
    ],
)
def test_training_has_sections_or_none(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    top = parser()
    typed = ["train", "-o", "x", "--settings", str(tmp_path / name)]
    options = top.parse_args(words.prepared(top, typed))
    assert given_settings(options, ModelConfig) == ModelConfig(latent_dims=5)
    assert given_settings(options, TrainingConfig) == TrainingConfig(epochs=9)
