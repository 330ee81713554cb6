"""Legends: an entry that nothing in its figure looks like is found, in a kernel, too."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from companion.test_notebooks import make_notebook
from plotting.test_plotting import FIGURES

from dynamix.companion import legends, notebooks

NAN = np.full(2, np.nan)
DRAWN = {
    "line": lambda ax: ax.plot([0, 1], [0, 1], "--"),
    "dots": lambda ax: ax.plot([0.5], [0.5], "s"),
    "scatter": lambda ax: ax.scatter([0.5], [0.5]),
    "band": lambda ax: ax.fill_between([0, 1], 0, [0.1, 0.2]),
    "bars": lambda ax: ax.bar([0.2], [0.3]),
    "errors": lambda ax: ax.errorbar([0.5], [0.2], yerr=[0.1], fmt="o"),
    "span": lambda ax: ax.axvspan(0.1, 0.2),
    "upright": lambda ax: ax.axvline(0.3, linestyle=":"),
    "dots on a line": lambda ax: ax.plot([0.2, 0.5], [0.5, 0.5], "o-"),
    "crosses": lambda ax: ax.plot([-5, 5], [-5, 5]),
}
UNDRAWN = {
    "no numbers": lambda ax: ax.plot([0, 1], NAN),
    "outside": lambda ax: ax.plot([0, 1], [9, 10]),
    "dots outside": lambda ax: ax.plot([-1, 2], [0.5, 0.5], "o"),
    "scatter outside": lambda ax: ax.scatter([5, 6], [0.5, 0.5]),
    "empty": lambda ax: ax.plot([], [], "x"),
    "hidden": lambda ax: ax.plot([0, 1], [0, 1], alpha=0.0),
}


@pytest.fixture
def found():
    """What is found in a figure with a line, what ``draw`` adds, and a legend for ``handles``."""

    def look(draw=lambda ax: None, handles=None, where="axes"):
        figure, ax = plt.subplots()
        ax.plot([0, 1], [0.9, 0.9], color="black", label="first")
        made = draw(ax)
        made = made[0] if isinstance(made, list) else made
        if made is not None:
            made.set_label("second")
        ax.set(xlim=(0, 1), ylim=(0, 1))
        (ax if where == "axes" else figure).legend(**({"handles": handles} if handles else {}))
        figure.savefig(io.BytesIO())
        plt.close(figure)
        return legends.undrawn(figure)

    return look


@pytest.mark.parametrize("where", ["axes", "figure"])
@pytest.mark.parametrize("name", DRAWN)
def test_an_entry_that_is_drawn_is_no_fault(found, name, where):
    assert found(DRAWN[name], where=where) == []


@pytest.mark.parametrize("where", ["axes", "figure"])
@pytest.mark.parametrize("name", UNDRAWN)
def test_an_entry_without_a_part_in_the_axes_is_found(found, name, where):
    assert found(UNDRAWN[name], where=where) == [
        "a legend names 'second', which its figure does not draw"
    ]


@pytest.mark.parametrize(
    ("look", "faults"),
    [
        ({"color": "black"}, 0),
        ({"color": "red"}, 1),
        ({"color": "black", "linestyle": "--"}, 1),
        ({"color": "black", "marker": "o"}, 1),
        ({"color": "black", "linewidth": 5, "alpha": 0.5}, 0),
    ],
)
def test_an_entry_made_by_hand_needs_colour_dashes_and_marker_of_the_figure(found, look, faults):
    entry = plt.Line2D([], [], label="by hand", **look)
    assert len(found(handles=[entry])) == faults


def test_an_entry_may_show_the_dots_of_a_line_alone(found):
    entry = plt.Line2D([], [], color="red", marker="s", linestyle="", label="dots")
    assert found(lambda ax: ax.plot([0.5], [0.5], "s-", color="red"), handles=[entry]) == []


@pytest.mark.parametrize("name", FIGURES)
def test_the_librarys_figures_draw_what_their_legends_name(name):
    figure = FIGURES[name]()
    figure.savefig(io.BytesIO())
    assert legends.undrawn(figure) == []


def test_the_runner_keeps_what_a_notebook_does_not_draw(tmp_path):
    (tmp_path / "src" / "dynamix").mkdir(parents=True)
    (tmp_path / "src" / "dynamix" / "__init__.py").touch()
    code = (
        "import matplotlib.pyplot as plt\n"
        "plt.plot([0, 1], [0, 1], label='seen')\nplt.plot([], [], '--', label='unseen')\n"
        "plt.legend();"
    )
    path = make_notebook(tmp_path / "a.ipynb", "x = 1", code)
    notebooks.run(path, path)
    assert nbformat.read(path, as_version=4).metadata["dynamix"]["undrawn"]
    problems = [problem for problem in notebooks.problems(path) if "legend" in problem]
    assert problems == ["a.ipynb: a legend names 'unseen', which its figure does not draw"]


@pytest.mark.parametrize(("at", "named"), [(100.0, 0), (300.0, 1)])
def test_an_arrow_is_where_its_base_is(at, named):
    figure, ax = plt.subplots()
    how = {"angles": "xy", "scale_units": "xy", "scale": 1, "color": "tab:blue", "label": "moves"}
    ax.quiver([at], [at], [1e-3], [1e-3], **how)
    ax.set(xlim=(99, 101), ylim=(99, 101))
    ax.legend()
    figure.canvas.draw()
    assert len(legends.undrawn(figure)) == named
