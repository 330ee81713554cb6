"""The live demo computes what Python computes, in a real browser, from the same weights."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from companion.demo_page import ASSETS, csv, paste, run_to_the_end
from helpers import script

import dynamix
from dynamix import systems

STEPS = 20


@pytest.fixture(scope="module")
def maker() -> Any:
    return script("make_demo")


@pytest.fixture(scope="module")
def committed() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    text = (ASSETS / "demo" / "demo_weights.js").read_text(encoding="utf-8")
    _, models, examples = text.split(" = [\n")
    models, examples = (part[: part.index("\n];")].splitlines() for part in (models, examples))
    return [json.loads(x[:-1]) for x in models], [json.loads(x[:-1]) for x in examples]


def unpacked(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["base64"]), "<f4").reshape(packed["shape"])


def test_the_weights_are_those_of_the_bundled_checkpoints(maker, committed):
    for found, given in zip(committed[0], maker.MODELS, strict=True):
        if given[0] != maker.PUBLISHED:
            assert found == json.loads(json.dumps(maker.weights(*given))), "run make_demo.py"
    assert (ASSETS / "demo" / "demo_weights.js").stat().st_size < 460_000


def test_the_published_weights_are_unchanged_and_their_authors_named(maker, committed, upstream):
    source = str(upstream / "dynamix-3d-alrnn-v1.0.safetensors")
    assert committed[0] == json.loads(json.dumps(maker.models(source)))
    assert "Hemmer" in committed[0][-1]["credit"]
    assert "CC-BY" in committed[0][-1]["credit"]


def test_a_checkpoint_that_the_page_cannot_compute_is_refused(maker):
    with pytest.raises(dynamix.InputError, match="LocalForecaster"):
        maker.weights("dynamix-3d-plus")


def test_the_series_are_those_of_the_library(maker, committed, cache):
    series = {entry["title"]: unpacked(entry["values"]) for entry in committed[1]}
    length = maker.CONTEXT + maker.TRUTH
    assert {len(values) for values in series.values()} == {length}
    for name, title in maker.SYSTEMS.items():
        assert name in systems.split()["test"]
        # two machines' integrations of chaos stay together for a while only
        start = systems.trajectory(name, n=200)
        np.testing.assert_allclose(series[title][:200], start, atol=1e-3 * start.std())
    np.testing.assert_allclose(series["A sine, one column"], maker.sine(), atol=1e-6)
    np.testing.assert_allclose(series["An invented hourly load"], maker.load_curve(), rtol=1e-6)


# ---- the numbers ----


@pytest.mark.parametrize("choices", [{}, {"sharpness": 1.5, "quietSteps": 0}])
@pytest.mark.parametrize(
    ("title", "columns", "length"),
    [
        ("Lorenz: two wings", [0, 1, 2], 2000),
        ("Hindmarsh–Rose: bursts of a neuron", [0, 1, 2], 333),
        ("Chua's circuit: double scroll", [2, 0], 700),
        ("A sine, one column", [0], 512),
        ("An invented hourly load", [0], 2000),
    ],
)
def test_the_engine_computes_what_python_computes(
    visit, committed, title, columns, length, choices
):
    values = next(unpacked(entry["values"]) for entry in committed[1] if entry["title"] == title)
    context = values[2000 - length : 2000, columns].astype(np.float64)
    told = visit().evaluate(
        "([columns, steps, choices]) => "
        "DynaMixEngine.forecast(DynaMixDemo.model, columns, steps, choices)",
        [context.T.tolist(), STEPS, {"gateNoise": False} | choices],
    )
    expected, gates = dynamix.forecast(
        context,
        horizon=STEPS,
        gate_noise=False,
        engine="torch",
        attention_sharpness=choices.get("sharpness"),
        return_gates=True,
    )
    error = np.abs(np.array(told["rows"]) - expected) / context.std(axis=0)
    assert error.max() < 1e-4
    np.testing.assert_allclose(told["gates"], gates, atol=1e-4)


@pytest.mark.parametrize(
    ("title", "columns", "length", "choices"),
    [
        ("An invented hourly load", [0], 600, {"embedding": "delay"}),
        ("An invented hourly load", [0], 600, {"embedding": "zero"}),
        ("An invented hourly load", [0], 601, {"season": [24]}),
        ("An invented hourly load", [0], 999, {"season": [168, 24], "embedding": "delay"}),
        ("Chua's circuit: double scroll", [2, 0], 700, {"embedding": "delay"}),
        ("Lorenz: two wings", [0, 1, 2], 500, {"season": [7]}),
    ],
)
def test_season_and_embedding_are_those_of_the_library(
    visit, committed, title, columns, length, choices
):
    values = next(unpacked(entry["values"]) for entry in committed[1] if entry["title"] == title)
    context = values[2000 - length : 2000, columns].astype(np.float64)
    told = visit().evaluate(
        "([columns, steps, choices]) => "
        "DynaMixEngine.forecast(DynaMixDemo.model, columns, steps, choices)",
        [context.T.tolist(), STEPS, {"gateNoise": False} | choices],
    )
    python = choices | ({"season": tuple(choices["season"])} if "season" in choices else {})
    expected = dynamix.forecast(
        context, horizon=STEPS, model="dynamix-3d", gate_noise=False, engine="torch", **python
    )
    error = np.abs(np.array(told["rows"]) - expected) / context.std(axis=0)
    # rounding grows so fast beside zeros that Python's own engines part within a few steps
    assert error[: 15 if choices.get("embedding") == "zero" else None].max() < 1e-4


@pytest.mark.parametrize("place", [1, 2])
def test_the_other_models_compute_what_python_computes(visit, committed, upstream, place):
    name = committed[0][place]["model"]
    source = upstream / "dynamix-3d-alrnn-v1.0.safetensors" if ":" in name else name
    page = visit()
    page.get_by_label("Model", exact=True).select_option(str(place))
    assert page.evaluate("DynaMixDemo.model.name") == name
    assert name in page.locator("#dynamix-demo").inner_text()
    context = unpacked(committed[1][0]["values"])[1000:2000].astype(np.float64)
    told = page.evaluate(
        "([columns, steps]) => "
        "DynaMixEngine.forecast(DynaMixDemo.model, columns, steps, {gateNoise: false})",
        [context.T.tolist(), STEPS],
    )
    expected = dynamix.forecast(context, horizon=STEPS, model=str(source), gate_noise=False)
    error = np.abs(np.array(told["rows"]) - expected) / context.std(axis=0)
    assert error.max() < 1e-4


def test_the_page_shows_what_python_computes(visit, committed):
    page = visit()
    page.get_by_label("Gate noise", exact=True).uncheck()
    page.get_by_label("Context length", exact=True).fill("800")
    shown = run_to_the_end(page)
    context = unpacked(committed[1][0]["values"])[1200:2000]
    expected = dynamix.forecast(context, horizon=STEPS, model="dynamix-3d", gate_noise=False)
    assert list(shown.columns) == ["x1", "x2", "x3"]
    assert len(shown) == 5000
    error = np.abs(shown.to_numpy()[:STEPS] - expected) / context.std(axis=0)
    assert error.max() < 1e-4
    assert int(page.locator("#dynamix-demo").get_attribute("data-speed")) > 0


def test_a_pasted_table_is_forecast_as_python_does_it(visit):
    t = np.arange(400)
    wave = np.sin(2 * np.pi * t / 61) + 0.3 * np.cos(2 * np.pi * t / 17) + 40
    page = visit()
    page.get_by_label("Gate noise", exact=True).uncheck()
    paste(page, csv(np.stack([t, wave], axis=1), ["t", "wave"], sep=";", decimal=","))
    assert "not ticked: “t”" in page.locator(".dynamix-columns").inner_text()
    assert page.get_by_label("Context length", exact=True).input_value() == "400"
    shown = run_to_the_end(page)
    expected = dynamix.forecast(wave, horizon=STEPS, gate_noise=False, engine="torch")
    assert np.abs(shown["wave"].to_numpy()[:STEPS] - expected).max() < 1e-4 * wave.std()
    assert "dominant period" in page.locator("#dynamix-demo").inner_text()


def test_the_seed_fixes_the_noise_and_quiet_steps_have_none(visit, committed):
    context = unpacked(committed[1][0]["values"])[1500:2000].astype(np.float64)
    columns = context.T.tolist()
    rows = visit().evaluate(
        """(columns) => [[1, 0], [1, 0], [2, 0], [1, 30], [2, 30]].map(([seed, quietSteps]) =>
           DynaMixEngine.forecast(DynaMixDemo.model, columns, 60, {seed, quietSteps}).rows)""",
        columns,
    )
    first, again, other, quiet, other_quiet = np.array(rows)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0
    np.testing.assert_array_equal(quiet[:30], other_quiet[:30])
    assert np.abs(quiet[30:] - other_quiet[30:]).max() > 0


def test_the_noise_is_normal(visit):
    page = visit()
    draws = np.array(
        page.evaluate(
            """[0, 1].map((seed) => {
                const draw = DynaMixEngine.normals(seed);
                return Array.from({length: 20000}, draw);
            })"""
        )
    )
    for moment, expected in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert np.mean(draws**moment, axis=1) == pytest.approx(expected, abs=0.15)
    assert abs(np.corrcoef(draws)[0, 1]) < 0.03
    assert abs(np.corrcoef(draws[0, :-1], draws[0, 1:])[0, 1]) < 0.03


def test_the_spectrum_of_a_sine_is_a_line(visit):
    shares = visit().evaluate(
        """() => {
            const wave = (_, t) => 7 + Math.sin(2 * Math.PI * t / 32);
            const rows = Float64Array.from({length: 2000}, wave);
            return Array.from(new DynaMixSpectrum.Welch(512, 1).extend(rows, 2000).shares(0));
        }"""
    )
    assert np.argmax(shares) == 512 // 32
    assert sum(shares) == pytest.approx(1)
    assert sum(shares[15:18]) > 0.999
