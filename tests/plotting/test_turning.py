"""Figures that turn: the points that a page gets are the trajectory's, and the picture stays."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from bs4 import BeautifulSoup
from helpers import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.colors import to_hex
from PIL import Image

from dynamix import plotting
from dynamix.companion import check
from dynamix.errors import InputError
from dynamix.plotting.theme import ROLES

T = np.linspace(0, 30, 3000)
HELIX = np.stack([np.cos(T), 100 * np.sin(T), 1e-3 * T - 7], axis=1)


def points(data, number):
    """A trace's coordinates, as the page's script computes them."""
    trace = data["traces"][number]
    return np.stack(
        [data["low"][i] + data["step"][i] * np.array(trace[axis]) for i, axis in enumerate("xyz")],
        axis=1,
    )


def carried(html):
    """The picture's tag and the points in a figure's HTML."""
    page = BeautifulSoup(html, "html.parser")
    return page.find("img"), json.loads(page.find("script", type="application/json").get_text())


@settings(max_examples=30, deadline=None)
@given(
    x=arrays(np.float64, st.tuples(st.integers(2, 40), st.just(3)), elements=st.floats(-1e6, 1e6)),
    shift=st.sampled_from([0.0, 1e8]),
)
def test_numbers_equal_the_trajectory_to_rounding(x, shift):
    x = x + shift
    data = json.loads(json.dumps(plotting.turnable({"truth": x}, alt="any points").data))
    found = points(data, 0)
    span = x.max(axis=0) - x.min(axis=0)
    exact = 1e-15 * np.abs(x).max()
    assert (np.abs(found - x) <= 0.5001 * span / 5000 + exact).all()
    for (low, high), column in zip(data["frame"], x.T, strict=True):
        assert low < column.min()
        assert column.max() < high


def test_long_trajectories_are_thinned_evenly_and_keep_both_ends():
    rng = np.random.default_rng(0)
    walks = {name: rng.standard_normal((n, 3)) for name, n in {"a": 9001, "b": 5500}.items()}
    figure = plotting.turnable(walks, alt="noise")
    for number, x in enumerate(walks.values()):
        found, step = points(figure.data, number), np.array(figure.data["step"])
        expected = np.concatenate([x[:-1:3], x[-1:]])  # 14,501 points, of which 6,000 are kept
        np.testing.assert_allclose(found, expected, atol=0.51 * step.max())
    assert len(json.dumps(figure.data, separators=(",", ":"))) < 100_000
    short = plotting.turnable({"truth": HELIX, "forecast": HELIX}, alt="a helix, twice")
    assert [len(trace["x"]) for trace in short.data["traces"]] == [3000, 3000]
    assert repr(short) == "<Turnable: truth 3000 points, forecast 3000 points>"


def test_an_escaping_forecast_leaves_the_frame_of_the_truth():
    away = HELIX + np.linspace(0, 1e12, 3000)[:, None]
    figure = plotting.turnable({"truth": HELIX, "forecast": away}, alt="a helix, and one that goes")
    alone = plotting.turnable({"truth": HELIX}, alt="a helix")
    assert figure.data["frame"] == alone.data["frame"]
    span = np.ptp(HELIX, axis=0)
    end = points(figure.data, 1)[-1]
    np.testing.assert_allclose(end, HELIX.min(axis=0) + 4 * span, rtol=1e-9)  # three outside


def test_colours_are_those_of_the_other_figures():
    labels = ["context", "truth", "forecast", "region 1", "region 2"]
    figure = plotting.turnable(dict.fromkeys(labels, HELIX), alt="the same helix five times")
    found = {trace["name"]: trace["light"] for trace in figure.data["traces"]}
    looks = {role: to_hex(look["color"]) for role, look in ROLES.items()}
    assert found | looks == found
    drawn = [to_hex(line.get_color()) for line in figure.figure.axes[0].lines]
    assert drawn == [to_hex(color) for color in found.values()]
    cycle = [f"#{color.lower()}" for color in ("0072B2", "D55E00")]
    assert [found["region 1"], found["region 2"]] == cycle


@pytest.mark.parametrize("name", ["context", "truth", "forecast"])
def test_a_role_has_the_demos_colour_in_the_dark(name):
    css = (ROOT / "book" / "_assets" / "demo" / "demo.css").read_text(encoding="utf-8")
    dark = css[css.index('html[data-theme="dark"]') :]
    (demo,) = re.findall(rf"--dynamix-{name}: (#\w+);", dark)
    figure = plotting.turnable({name: HELIX}, alt="a helix")
    assert figure.data["traces"][0]["dark"] == demo


def test_a_notebook_gets_the_picture_and_a_page_the_points_too():
    alt = 'A "helix" that <winds> upwards & away.'
    figure = plotting.turnable({"</script><b>": HELIX, "b": HELIX}, alt=alt, title="helix")
    image, data = carried(figure._repr_html_())
    assert image["alt"] == alt
    assert data == figure.data
    assert figure._repr_html_().count("</script>") == 1
    png = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
    assert png == figure._repr_png_()
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.width > 300
        assert len(set(picture.convert("L").getdata())) > 10  # something is drawn
    again = plotting.turnable({"</script><b>": HELIX, "b": HELIX}, alt=alt, title="helix")
    assert again.html == figure.html


def test_sets_of_states_are_dots():
    figure = plotting.turnable({"a": HELIX, "b": HELIX[:1]}, alt="dots", lines=False)
    assert figure.data["lines"] is False
    assert {line.get_linestyle() for line in figure.figure.axes[0].lines} == {"None"}


def test_a_constant_channel_can_be_drawn():
    still = np.tile([1.0, -2.0, 0.0], (5, 1))
    np.testing.assert_array_equal(
        points(plotting.turnable({"forecast": still}, alt="a point").data, 0), still
    )


@pytest.mark.parametrize(
    ("trajectories", "alt", "message"),
    [
        ({}, "a", "nothing to draw"),
        ({"truth": HELIX}, "  ", "alternative text"),
        ({"truth": HELIX[:, :2]}, "a", r"'truth' has the shape \(3000, 2\): expected \(T, 3\)"),
        ({"truth": HELIX[:, 0]}, "a", r"shape \(3000,\)"),
        ({"truth": HELIX[:1]}, "a", "at least 2"),
        ({"truth": HELIX, "b": np.where(T[:, None] > 29, np.nan, HELIX)}, "a", "'b' .* row 2900"),
        ({"truth": [["a", "b", "c"]] * 3}, "a", "real numbers"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(trajectories, alt, message):
    with pytest.raises(InputError, match=message):
        plotting.turnable(trajectories, alt=alt)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", None),
        ("<img", "<object", "lacks its picture"),
        ("application/json", "text/plain", "lacks its picture or its points"),
        ('"traces"', '"tracks"', "cannot be read"),
        ('"traces"', "traces", "cannot be read"),
        ('"x":[', '"x":[0,', "coordinates missing"),
        ('"low"', '"more":"' + "9" * 100_000 + '","low"', "more than 100"),
        ('alt="', 'title="', "no alternative text"),
        ("</body>", '<script src="plotly-gl3d.min.js"></script></body>', "before a reader turns"),
    ],
)
def test_the_built_pages_are_checked(tmp_path, old, new, expected):
    page = f"<html><body>{plotting.turnable({'truth': HELIX}, alt='a helix').html}</body></html>"
    assert old in page
    (tmp_path / "a.html").write_text(page.replace(old, new, 1), encoding="utf-8")
    (tmp_path / "plotly-gl3d.min.js").write_text("")
    problems = check.check(tmp_path)
    assert [expected in problem for problem in problems] == ([True] if expected else [])


def test_a_page_with_such_a_figure_needs_what_draws_it(tmp_path):
    html = plotting.turnable({"truth": HELIX}, alt="a helix").html
    (tmp_path / "a.html").write_text(html, encoding="utf-8")
    (problem,) = check.check(tmp_path)
    assert "not among the book's files" in problem
