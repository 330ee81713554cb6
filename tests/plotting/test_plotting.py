"""Figures draw what they are given, in the one style, and are not shown twice."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers import wave

from dynamix import InputError, plotting
from dynamix.plotting.theme import ROLES

X, Y = wave(300), wave(300, seed=1)
SAMPLES = np.stack([X[:, 0], Y[:, 0], X[:, 1]])
SAMPLES[0, 50:], SAMPLES[:, 90:] = np.nan, np.inf
TABLE = pd.DataFrame(
    {
        "system": ["Lorenz", "Chua", "Rossler"],
        "start": [0] * 3,
        "d_stsp": [1.0, np.nan, 3.0],
        "d_h": [0.1] * 3,
        "mase": [0.5] * 3,
    }
)
FIGURES = {
    "attractors": lambda: plotting.attractors(
        {"a": {"truth": X, "forecast": Y}, "b": {"context": X}}
    ),
    "gap in the grid": lambda: plotting.attractors(
        {name: {"truth": X, "forecast": Y} for name in "abc"}, columns=2
    ),
    "plane": lambda: plotting.attractors({"a": {"truth": X}}, dims=(0, 1)),
    "time_series": lambda: plotting.time_series(context=X, forecast=Y, truth=Y, shown=100),
    "dates": lambda: plotting.time_series(
        context=X[:, 0], forecast=Y[:, 0], times=pd.date_range("2024", periods=600).to_numpy()
    ),
    "fan": lambda: plotting.time_series(
        context=X, samples=np.stack([X, Y, X + Y]), truth=Y, shown=100
    ),
    "fan of dates": lambda: plotting.time_series(
        context=X[:, 0], samples=SAMPLES, times=pd.date_range("2024", periods=600).to_numpy()
    ),
    "spectra": lambda: plotting.spectra(forecast=Y, truth=X),
    "occupancy": lambda: plotting.occupancy(forecast=Y, truth=X),
    "gate_use": lambda: plotting.gate_use(np.full((50, 4), 0.25), observation=X),
    "gates_alone": lambda: plotting.gate_use(np.full((50, 4), 0.25)),
    "attention": lambda: plotting.attention(X, np.exp(-np.arange(299.0)), state=X[0]),
    "boxes": lambda: plotting.benchmark_boxes({"one": TABLE, "two": TABLE}),
    "curves": lambda: plotting.training_curves([{"epoch": 1, "loss": 1.0, "gradient_norm": 2.0}]),
    "lines": lambda: plotting.lines([1, 2], {"a": [1, 2], "b": [2, 3]}, x_label="x", y_label="y"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw(name, tmp_path):
    figure = FIGURES[name]()
    assert not plt.get_fignums()  # a notebook would show an open figure a second time
    path = plotting.save(figure, tmp_path / "figure.png")
    assert path.stat().st_size > 2000
    ax = figure.axes[0]
    assert ax.get_xlabel() or ax.get_ylabel() or not ax.axison


def test_a_fan_shows_quantiles_of_the_finite_samples():
    samples = np.random.default_rng(0).normal(size=(200, 30, 2))
    samples[0, 10], samples[:, 20:] = np.nan, np.inf
    ax = plotting.time_series(context=X[:, :2], samples=samples).axes[1]
    middle = next(line for line in ax.lines if line.get_label() == "median").get_ydata()
    np.testing.assert_allclose(middle[:10], np.median(samples[:, :10, 1], axis=0))
    np.testing.assert_allclose(middle[10], np.median(samples[1:, 10, 1]))
    assert np.isnan(middle[20:]).all()
    wide = ax.collections[0].get_paths()[0].vertices
    for level in (0.05, 0.95):
        assert np.isclose(wide[:, 1], np.quantile(samples[:, 5, 1], level)).any()
    with pytest.raises(InputError, match=r"2 channels, found \(200, 30, 3\)"):
        plotting.time_series(context=X[:, :2], samples=np.zeros((200, 30, 3)))


def test_failures_are_written_into_the_box_plot():
    figure = plotting.benchmark_boxes({"one": TABLE})
    assert [t.get_text() for t in figure.axes[0].texts] == ["1 failed"]


def test_the_number_of_failures_covers_no_box():
    figure = plotting.benchmark_boxes(dict.fromkeys(("one", "two", "three"), TABLE))
    figure.draw_without_rendering()
    ax = figure.axes[0]
    boxes = [patch.get_window_extent() for patch in ax.patches]
    assert len(boxes) == len(ax.texts) == 3
    for text in ax.texts:
        assert not any(text.get_window_extent().overlaps(box) for box in boxes)


def test_names_of_curves_stand_beside_them_not_on_them():
    curves = {f"a rather long name, number {i}": np.sin(X[:, 0] + i) for i in range(5)}
    figure = plotting.lines(np.arange(len(X)), curves, x_label="x", y_label="y")
    figure.draw_without_rendering()
    legend, ax = figure.legends[0].get_window_extent(), figure.axes[0].get_window_extent()
    assert not legend.overlaps(ax)
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1


def test_unknown_formats_are_refused(tmp_path):
    with pytest.raises(InputError, match="png"):
        plotting.save(FIGURES["lines"](), tmp_path / "figure.xyz")


def test_the_palette_is_told_apart_by_colour_blind_readers():
    """Distance of the three roles after simulating deuteranopia and in grey (CIE lightness)."""
    from matplotlib.colors import to_rgb

    looks = [*ROLES.values()]
    rgb = np.array([to_rgb(look["color"]) for look in looks])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    # Machado, Oliveira & Fernandes (2009), severity 1
    deuteranopia = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    seen = linear @ deuteranopia.T
    for i in range(3):
        for j in range(i):
            assert np.abs(seen[i] - seen[j]).max() > 0.05
    styles = {str(look["linestyle"]) for look in looks[1:]}
    assert len(styles) == 2  # and by line style where there is no colour at all
