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
