"""``dynamix forecast``: tables and dates as users have them, one message for unusable input."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from helpers import wave

from dynamix import cli


def test_forecast_of_a_csv_with_dates(data, model, tmp_path, capsys):
    out, png = tmp_path / "out.csv", tmp_path / "out.png"
    code = cli.main(
        [
            *("forecast", data, "--horizon", "24", "--model", model),
            *("--output", str(out), "--plot", str(png)),
        ]
    )
    assert code == 0
    result = pd.read_csv(out, parse_dates=["when"])
    assert list(result.columns) == ["when", "load", "wind"]
    assert result["when"].iloc[0] == pd.Timestamp("2024-01-04 08:00")
    assert len(result) == 24
    assert png.read_bytes()[:4] == b"\x89PNG"
    assert "24" in capsys.readouterr().err


def test_forecast_to_standard_output_equals_the_library(data, model, capsys):
    from dynamix import forecast

    arguments = ["forecast", data, "--horizon", "5", "--model", model, "--columns", "wind"]
    assert cli.main([*arguments, "--embedding", "delay", "--seed", "3", "--no-gate-noise"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "when,wind"
    expected = forecast(
        pd.read_csv(data)["wind"].to_numpy(),
        horizon=5,
        model=model,
        embedding="delay",
        seed=3,
        gate_noise=False,
    )
    values = [float(line.split(",")[1]) for line in lines[1:]]
    np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("header", "rows", "first"),
    [
        ("a", ["{v}"], "40"),
        ("step,a", ["{i},{v}"], "40"),
        (",a", ["{i},{v}"], "40"),
        ("t,a", ["{f},{v}"], "4.0"),
        ("day,a", ["2024-01-{d},{v}"], None),
    ],
)
def test_time_columns_are_recognised(header, rows, first, model, tmp_path, capsys):
    values = wave(40, 1)[:, 0]
    dates = pd.date_range("2024-01-01", periods=40)
    lines = [
        rows[0].format(i=i, f=i / 10, v=v, d=0)
        if "{d}" not in rows[0]
        else f"{dates[i].date()},{v}"
        for i, v in enumerate(values)
    ]
    path = tmp_path / "x.csv"
    path.write_text("\n".join([header, *lines]))
    assert cli.main(["forecast", str(path), "--horizon", "2", "--model", model]) == 0
    label = capsys.readouterr().out.splitlines()[1].split(",")[0]
    assert label == ("2024-02-10" if first is None else first)


def test_dates_with_gaps_can_be_left_out(data, model, capsys):
    frame = pd.read_csv(data).drop(index=30)
    frame.to_csv(data, index=False)
    arguments = ["forecast", data, "--horizon", "2", "--model", model]
    assert cli.main(arguments) == 2
    assert "--no-time" in capsys.readouterr().err
    assert cli.main([*arguments, "--no-time"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == ",load,wind"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (None, [], "no file"),
        ("", [], "not a readable CSV"),
        ("a,b\n", [], "no row of data"),
        ("a\n1\n", [], "at least 2 steps"),
        ("a\n1\nx\n3\n", [], "'x' in line 3"),
        ("a,b\n1,x\n2,y\n", [], "'b'"),
        ("a\n1\n\n3\n", ["--horizon", "0"], "horizon"),
        ("a\n1\n2\n4\n", ["--columns", "aa"], "Did you mean 'a'"),
        ("a\n1\n2\n4\n", ["--time", "b"], "unknown column 'b'"),
        ("a\n1\n2\n4\n", ["--context", "1"], "context"),
        ("a\n1\n2\n4\n", ["--model", "dynamix-4d"], "dynamix-3d"),
        ("a\n1\n2\n4\n", ["--output", "no/such/folder/x.csv"], "folder does not exist"),
        ("a\n1\n2\n4\n", ["--plot", "no/such/folder/x.png"], "folder does not exist"),
        ("a\n5\n5\n5\n", [], "constant"),
    ],
)
def test_unusable_input_is_one_message_and_exit_code_2(
    content, options, message, model, tmp_path, capsys
):
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_text(content)
    arguments = ["forecast", str(path), "--horizon", "3", "--model", model, *options]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert error.count("\n") == 1


def test_standard_input_is_read_by_a_dash(data, model, capsys, monkeypatch):
    arguments = ["--horizon", "3", "--model", model]
    assert cli.main(["forecast", data, *arguments]) == 0
    expected = capsys.readouterr().out
    with open(data, "rb") as file:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read())))
        assert cli.main(["forecast", "-", *arguments]) == 0
    assert capsys.readouterr().out == expected
