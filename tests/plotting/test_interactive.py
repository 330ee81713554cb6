"""Pictures to choose from, and forecasts that play: what the page gets is the data."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from PIL import Image

from dynamix import plotting
from dynamix.errors import InputError

T = np.linspace(0, 30, 4000)
HELIX = np.stack([np.cos(T), 100 * np.sin(T), T], axis=1)


def page(picture):
    return BeautifulSoup(picture.html, "html.parser")


def test_every_choice_has_a_button_a_picture_and_a_rule_that_shows_it():
    names = ["1", "5", "a < b"]
    made = plotting.choose(
        {name: Figure() for name in names},
        label="forcing interval τ",
        alt={name: f"Interval {name}." for name in names},
    )
    found = page(made)
    assert [tag.get_text() for tag in found.find_all("label")] == names
    assert [tag["for"] for tag in found.find_all("label")] == [
        tag["id"] for tag in found.find_all("input")
    ]
    assert len({tag["name"] for tag in found.find_all("input")}) == 1
    assert [tag["alt"] for tag in found.find_all("img")] == [f"Interval {name}." for name in names]
    assert [tag.has_attr("checked") for tag in found.find_all("input")] == [True, False, False]
    for at in range(1, 4):
        assert f"nth-of-type({at}):checked~.dynamix-pictures img:nth-of-type({at})" in made.html
    assert len(repr(made)) < 40  # a notebook stores it beside the pictures
    assert Image.open(io.BytesIO(made.png)).format == "PNG"


def test_a_choice_needs_figures_and_texts():
    with pytest.raises(InputError, match="at least two figures, found 1"):
        plotting.choose({"a": Figure()}, label="x", alt={"a": "A."})
    with pytest.raises(InputError, match="lacks a text for 'b'"):
        plotting.choose({"a": Figure(), "b": Figure()}, label="x", alt={"a": "A.", "b": " "})


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_what_plays_is_the_trajectory_whatever_its_units(factor):
    def played(x):
        made = plotting.play(context=x[:1000], forecast=x[1000:], truth=x[1000:], alt="A helix.")
        return json.loads(page(made).find("script").get_text())

    data = played(factor * HELIX)
    assert data == played(HELIX)
    lines = {line["name"]: line for line in data["lines"]}
    assert lines["context"]["t"][0] == 0
    assert lines["context"]["t"][-1] == 999
    assert lines["forecast"]["t"][0] == lines["truth"]["t"][0] == 1000
    assert lines["forecast"]["t"][-1] == 3999
    assert {k: lines["forecast"][k] for k in "xyv"} == {k: lines["truth"][k] for k in "xyv"}
    kept = np.array(lines["forecast"]["t"])
    first = HELIX[:, 0]
    expected = 1000 * (first[kept] - first.min()) / np.ptp(first)
    np.testing.assert_allclose(lines["forecast"]["v"], expected, atol=0.51)


def test_a_forecast_plays_until_it_is_not_finite():
    run = HELIX[1000:].copy()
    run[500:] = np.nan
    made = plotting.play(context=HELIX[:1000], forecast=run, truth=HELIX[1000:], alt="A helix.")
    lines = json.loads(page(made).find("script").get_text())["lines"]
    assert [line["t"][-1] for line in lines if line["name"] == "forecast"] == [1499]
    with pytest.raises(InputError, match=r"forecast has the shape \(5, 2\): expected"):
        plotting.play(context=HELIX, forecast=np.ones((5, 2)), truth=HELIX, alt="A helix.")
    with pytest.raises(InputError, match="alternative text"):
        plotting.play(context=HELIX, forecast=HELIX, truth=HELIX, alt="")
