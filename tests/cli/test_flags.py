"""Flags: those of settings, their help and their messages, and outputs before the work."""

from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
import pandas as pd
import pytest

from dynamix import ForecastConfig, InputError, ModelConfig, TrainingConfig, cli
from dynamix.cli import flags
from dynamix.errors import limits_of
from dynamix.evaluation import BenchmarkConfig


def test_every_setting_is_a_flag_with_its_help_default_and_bounds(capsys):
    commands = {
        "train": (ModelConfig, TrainingConfig),
        "forecast": (ForecastConfig,),
        "benchmark": (BenchmarkConfig,),
    }
    for command, kinds in commands.items():
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        text = capsys.readouterr().out
        words = "".join(text.split())
        for kind in kinds:
            for field in dataclasses.fields(kind):
                assert f"--{field.name.replace('_', '-')}" in text
                assert "".join(field.metadata["help"].split()) in words
                limits = limits_of(field.metadata["bounds"]).removeprefix("of ")
                assert "".join(limits.split()) in words
    assert "first flow" not in text
    assert "steps forecast (default: 10000; at least 1)" in " ".join(text.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--horizon", "five"], "must be a whole number, found 'five'"),
        (["--horizon", "2.5"], "must be a whole number, found '2.5'"),
        (["--attention-sharpness", "x"], "must be a number, found 'x'"),
        (["--embedding", "dealy"], "Did you mean 'delay'?"),
        (["--seed", "-1"], "seed must be a whole number"),
        (["--horizon"], "expected one argument"),
    ],
)
def test_a_flag_says_what_it_takes(words, told, data, capsys):
    assert cli.main(["forecast", data, "-n", "3", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_outputs_are_checked_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("x")
    (tmp_path / "link.csv").symlink_to("in.csv")
    (tmp_path / "folder").mkdir()
    for outputs, plot, told in (
        (["none/a.csv"], None, "folder does not exist"),
        (["in.csv/a.csv"], None, "folder does not exist"),
        (["folder"], None, "is a folder"),
        (["in.csv"], None, "in use"),
        (["./folder/../in.csv"], None, "in use"),
        (["link.csv"], None, "in use"),
        (["a.svg"], "a.svg", "in use"),
        ([None], "a.doc", "cannot draw"),
    ):
        with pytest.raises(InputError, match=told):
            flags.check_outputs(*outputs, plot=plot, inputs=["in.csv", "-", "dynamix-3d"])
    flags.check_outputs("a.csv", None, plot="a.png", inputs=["in.csv"])
    flags.check_outputs(os.devnull)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "in.csv", "link.csv"]


def test_json_has_no_numbers_that_json_does_not_know(capsys):
    frame = pd.DataFrame(
        {"a": [1.5, np.nan], "b": [np.inf, 2.0]}, index=pd.date_range("2024-01-01", periods=2)
    )
    flags.show_json({"table": frame, "size": np.float32(0.5), "none": float("nan"), "t": (1, "x")})
    found = json.loads(capsys.readouterr().out)
    rows = [
        {"step": "2024-01-01", "a": 1.5, "b": None},
        {"step": "2024-01-02", "a": None, "b": 2.0},
    ]
    assert found == {"table": rows, "size": 0.5, "none": None, "t": [1, "x"]}


def test_a_folder_of_a_model_needs_no_slash(model, data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["forecast", data, "-n", "3", "--model", "model"]) == 0
    there = capsys.readouterr().out
    assert cli.main(["forecast", data, "-n", "3", "--model", model]) == 0
    assert capsys.readouterr().out == there


@pytest.mark.parametrize(
    "words",
    [
        ["forecast", "{data}", "-n", "3", "-o", ""],
        ["forecast", "{data}", "-n", "3", "--id", "a", "--time", "b", "--output="],
        ["train", "--output", ""],
        ["benchmark", "-o", ""],
        ["run", "05", ""],
        ["sweep", "05", "-p", "seed", "1", "--output", ""],
    ],
)
def test_an_empty_name_of_an_output_is_refused_in_one_way(words, data, capsys):
    assert cli.main([word.format(data=data) for word in words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "must be the name of a file or folder, found ''" in line
