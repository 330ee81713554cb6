"""``dynamix forecast``: tables and dates as users have them, one message for unusable input."""

from __future__ import annotations

import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest
from helpers import wave

import dynamix
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
        ("a\n1\n2\n4\n", ["--model", "dynamix-3x"], "Did you mean 'dynamix-3d'"),
        ("a\n1\n2\n4\n", ["--output", "no/such/folder/x.csv"], "folder does not exist"),
        ("a\n1\n2\n4\n", ["--plot", "no/such/folder/x.png"], "folder does not exist"),
        ("a\n5\n5\n5\n", [], "constant"),
        ("a\n1\n2\n4\n", ["--quantiles", "0.1,x"], "found '0.1,x'"),
        ("a,b\n1,2\n2,\n3,4\n", [], "the first at 1. --fill interpolates"),
        ("a\n1\n2\n4\n", ["--output", "x.docx"], "expected a name ending in .csv, .tsv, .json"),
        ("a\n1\n2\n4\n", ["--output", "x.npy.gz"], "expected a name ending in"),
        ("a\n1\n2\n4\n", ["--model", "ceiling"], "dynamix models"),
        ("a\n1\n2\n4\n", ["--model", "parrot", "--set", "length=3"], "unknown setting of 'parrot'"),
        ("a\n1\n2\n4\n", ["--set", "embedding=pos"], "its settings are flags"),
        (
            "a\n1\n2\n4\n",
            ["--model", "parrot", "--embedding", "pos", "--no-detrend"],
            "--embedding, --detrend would have no effect: 'parrot'",
        ),
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


def test_a_dash_does_not_wait_for_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert cli.main(["forecast", "-", "-n", "3"]) == 2
    assert "nothing is piped into it" in capsys.readouterr().err


def test_a_dash_is_standard_output(data, model, capsys):
    arguments = ["forecast", data, "-n", "3", "--model", model]
    assert cli.main(arguments) == 0
    expected = capsys.readouterr().out
    assert cli.main([*arguments, "-o", "-"]) == 0
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(
    ("name", "back"),
    [
        ("a.tsv", lambda path: pd.read_csv(path, sep="\t")),
        ("a.csv.gz", pd.read_csv),
        ("a.parquet", pd.read_parquet),
        ("a.json", lambda path: pd.DataFrame(json.loads(path.read_text()))),
        ("a.json.gz", lambda path: pd.DataFrame(json.loads(gzip.decompress(path.read_bytes())))),
        ("A.CSV", pd.read_csv),
        ("a", pd.read_csv),
        ("a.npy", lambda path: pd.DataFrame(np.load(path), columns=["load", "wind"])),
        ("a.npz", lambda path: pd.DataFrame(np.load(path)["forecast"], columns=["load", "wind"])),
    ],
)
def test_the_suffix_chooses_the_format(name, back, data, model, tmp_path, capsys):
    arguments = ["forecast", data, "-n", "4", "--model", model]
    assert cli.main(arguments) == 0
    expected = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert cli.main([*arguments, "--output", str(tmp_path / name)]) == 0
    found = back(tmp_path / name)
    np.testing.assert_allclose(found[["load", "wind"]], expected[["load", "wind"]], rtol=1e-6)
    if "when" in found:
        assert found["when"].astype(str).tolist() == expected["when"].tolist()


@pytest.mark.parametrize("more", [[], ["--set", "match_length=4"], ["--denoise", "auto"]])
def test_a_rival_forecasts_as_the_registry_does(more, data, capsys):
    from dynamix import baselines, read

    assert cli.main(["forecast", data, "-n", "6", "--model", "parrot", *more]) == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out), index_col=0, parse_dates=True)
    own = {"--set": {"match_length": 4}, "--denoise": {"denoise": "auto"}}.get(
        (more or [""])[0], {}
    )
    expected = baselines.baseline("parrot", **own)(read(data), 6, seed=0)
    np.testing.assert_allclose(found, expected)
    assert found.index[0] == pd.Timestamp("2024-01-04 08:00")


def test_json_has_the_forecast_and_what_was_taken(data, model, tmp_path, capsys):
    arguments = ["forecast", data, "-n", "3", "--model", model, "--seed", "5", "--json"]
    assert cli.main([*arguments, "--output", str(tmp_path / "a.csv")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["when"] for row in found["forecast"]] == [
        f"2024-01-04 {h:02d}:00:00" for h in (8, 9, 10)
    ]
    table = pd.read_csv(tmp_path / "a.csv")
    np.testing.assert_allclose([row["load"] for row in found["forecast"]], table["load"])
    assert found["model"] == model
    assert found["settings"]["seed"] == 5
    assert found["settings"]["horizon"] == 3
    assert found["read"] == {
        "data": data,
        "notes": ["time: `when`, step hour, 80 rows"],
        "channels": ["load", "wind"],
        "steps": 80,
    }
    assert cli.main(["forecast", data, "-n", "3", "--model", "naive", "--json", "-q"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["settings"] == {"horizon": 3, "seed": 0, "errors": "raise"}
    assert told.err == ""


@pytest.mark.parametrize("name", ["naive", None])
def test_series_that_cannot_be_forecast_are_named(name, model, tmp_path, capsys):
    days = pd.date_range("2024-01-01", periods=40)
    parts = {"one": wave(40, 1)[:, 0], "flat": np.ones(40), "two": wave(40, 1, seed=1)[:, 0]}
    parts["short" if name else "flat"] = np.array([1.0, 2.0]) if name else np.ones(40)
    frames = [
        pd.DataFrame({"item": item, "day": days[: len(values)], "value": values})
        for item, values in parts.items()
    ]
    pd.concat(frames).to_csv(tmp_path / "many.csv", index=False)
    arguments = ["forecast", str(tmp_path / "many.csv"), "-n", "2", "--model", name or model]
    left = "short" if name else "flat"
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert f"series '{left}'" in error
    assert "--errors skip leaves out such a series" in error
    assert cli.main([*arguments, "--errors", "skip", "--json", "-q"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert list(found["left_out"]) == [left]
    assert {row["item"] for row in found["forecast"]} == set(parts) - {left}
    assert found["read"]["steps"][left] == len(parts[left])
    assert f"series '{left}' was left out: " in told.err
    assert f"1 of {len(parts)} series were left out" in told.err


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dat.csv", "Did you mean 'data.csv'?"),
        ("deep.csv", "Did you mean 'below/deep.csv'?"),
        ("other.csv", "'). Give a table"),
        ("none/data.csv", "no file 'none/data.csv'"),
        (".", "is a folder. Name a table in it."),
    ],
)
def test_a_file_that_is_not_there(name, told, data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "deep.csv").write_text("a\n1\n")
    assert cli.main(["forecast", name, "-n", "3"]) == 2
    assert told in capsys.readouterr().err


def test_a_figure_has_the_state_space(data, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("dynamix.plotting.save", lambda figure, path: drawn.append(figure))
    for columns, projection in (("load", "rectilinear"), ("load,wind", "rectilinear")):
        arguments = ["forecast", data, "-n", "9", "--model", "naive", "--columns", columns]
        assert cli.main([*arguments, "--plot", str(tmp_path / "a.png")]) == 0
        panel = drawn[-1].axes[-1]
        assert panel.get_title() == "state space"
        assert panel.name == projection


@pytest.mark.parametrize("many", [False, True])
def test_quantiles_of_one_series_and_of_many(many, model, tmp_path, capsys):
    days = pd.date_range("2024-01-01", periods=60)
    x = {name: wave(60, 2, seed=s) for s, name in enumerate(["one", "two"][: 1 + many])}
    frames = [pd.DataFrame({"day": days, "a": v[:, 0], "b": v[:, 1]}) for v in x.values()]
    named = [
        frame.assign(item=name) if many else frame for frame, name in zip(frames, x, strict=True)
    ]
    pd.concat(named).to_csv(tmp_path / "x.csv", index=False)
    words = ["forecast", str(tmp_path / "x.csv"), "-n", "3", "--model", model]
    assert cli.main([*words, "--quantiles", "0.1,0.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["settings"]["quantiles"] == [0.1, 0.5]
    how = {"horizon": 3, "model": model, "quantile_levels": [0.1, 0.5]}
    expected = [dynamix.forecast(frame.set_index("day"), **how) for frame in frames]
    columns = ["a[0.1]", "b[0.1]", "a[0.5]", "b[0.5]"]
    made = [[row[name] for name in columns] for row in found["forecast"]]
    np.testing.assert_allclose(made, np.concatenate(expected), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quantiles", "0.1,x"], "--quantiles takes levels separated by commas"),
        (["--quantiles", "0.1,1"], "quantile_levels must lie between 0 and 1"),
        (["--quantiles", "0.1", "--plot", "x.png"], "--plot draws no quantiles"),
        (["--quantiles", "0.1", "--model", "naive"], "--quantiles needs a DynaMix model"),
    ],
)
def test_quantiles_that_cannot_be_given(options, message, data, capsys):
    assert cli.main(["forecast", data, "-n", "3", *options]) == 2
    assert message in capsys.readouterr().err
