"""Figures of measured series show what they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import wave

from dynamix import baselines, plotting, preprocessing
from dynamix.evaluation import RollingConfig, rolling


def test_mended_marks_the_steps_without_observations():
    index = pd.date_range("2024-01-01", periods=60, freq="h")
    raw = pd.Series(np.sin(np.arange(60.0)), index=index, name="x").drop(index[[10, 11, 30]])
    grid, report = preprocessing.resample(raw, step="h")
    ax = plotting.mended(raw=raw, grid=grid, unit="m").axes[0]
    marked = ax.lines[2].get_xdata()
    assert list(pd.DatetimeIndex(marked)) == list(index[[10, 11, 30]])
    assert len(marked) == report.filled
    assert ax.get_ylabel() == "x [m]"


def test_mended_ignores_what_was_cut_away():
    index = pd.date_range("2024-01-01", periods=100, freq="h")
    raw = pd.Series(np.arange(100.0), index=index, name="x").drop(index[20:50]).drop(index[70])
    grid, _ = preprocessing.resample(raw, holes="cut")
    marked = plotting.mended(raw=raw, grid=grid).axes[0].lines[2].get_xdata()
    assert list(pd.DatetimeIndex(marked)) == [index[70]]


def test_errors_stand_beside_their_names_and_infinities_at_the_edge():
    x = wave(300, 1)
    config = RollingConfig(contexts=(60,), horizons=(80,), origins=5)
    table = rolling.evaluate(
        x, forecasters={"parrot": baselines.parrot, "naive": baselines.naive}, config=config
    )
    table.loc[table["forecaster"] == "naive", "mase"] = np.inf
    summed = rolling.summary(table)
    figure = plotting.errors_by_forecaster(summed, groups={"parrot": "copy", "naive": "stay"})
    assert [ax.get_xlabel() for ax in figure.axes] == ["MASE", "$D_\\mathrm{stsp}$", "$D_H$"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["parrot", "naive"]
    best, worst = (line.get_xdata()[0] for line in figure.axes[0].lines[:2])
    assert best == pytest.approx(summed.loc[0, "mase"])
    assert np.isfinite(worst)
    assert worst > best
    brief = plotting.errors_by_forecaster(summed.assign(d_stsp=np.nan, d_h=np.nan))
    assert len(brief.axes) == 1


def test_a_series_has_its_state_space_beside():
    x = wave(120, 4)
    for n, kind, label, title in (
        (1, "rectilinear", "b, 7 steps before", "state space"),
        (2, "rectilinear", "b", "state space"),
        (3, "3d", "b", "state space"),
        (4, "3d", "b", "state space, 3 of 4 channels"),
    ):
        names = list("abcd"[:n]) if n > 1 else ["b"]
        given = {"context": x[:100, :n], "forecast": x[100:, :n], "names": names}
        figure = plotting.time_series(**given, states=True)
        *column, panel = figure.axes
        assert (len(column), panel.name, panel.get_title()) == (n, kind, title)
        assert panel.get_ylabel() == label
        before, after = panel.lines
        where = "get_data_3d" if n > 2 else "get_data"
        drawn = [np.column_stack(getattr(line, where)()) for line in (before, after)]
        if n == 1:
            np.testing.assert_allclose(drawn[0], np.column_stack([x[7:100, 0], x[:93, 0]]))
            np.testing.assert_allclose(drawn[1], np.column_stack([x[100:, 0], x[93:113, 0]]))
        else:
            np.testing.assert_allclose(drawn[1], x[100:, : min(n, 3)])
        assert len(plotting.time_series(**given).axes) == n


def test_the_state_space_keeps_the_context_in_sight():
    x = wave(60, 2)
    far = np.concatenate([x[:10], 1e9 * x[:10], np.full((3, 2), np.nan)])
    panel = plotting.time_series(context=x, forecast=far, states=True).axes[-1]
    span = x[:, 0].max() - x[:, 0].min()
    low, high = panel.get_xlim()
    assert span < high - low < 4 * span
    samples = np.stack([x[:9], 2 * x[:9]])
    panel = plotting.time_series(context=x, samples=samples, states=True).axes[-1]
    assert panel.get_title() == "state space, first sample"
    np.testing.assert_allclose(panel.lines[1].get_xdata(), x[:9, 0])
    short = plotting.time_series(context=[1.0, 2.0], forecast=[3.0], states=True)
    assert len(short.axes) == 1
