"""The report on a reader's own file: ugly files are read, planted defects found, nothing lost."""

from __future__ import annotations

import nbformat
import numpy as np
import pandas as pd
import pytest
from helpers import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

import dynamix
from dynamix import InputError, report
from dynamix.companion import notebooks
from dynamix.report import checks as report_checks
from dynamix.report.checks import CHECKS, Finding
from dynamix.report.data import Loaded, find_file
from dynamix.report.report import verdict

T = 1200


def wave(seed: int = 0, noise: float = 0.02) -> np.ndarray:
    t = np.arange(T)
    clean = np.sin(2 * np.pi * t / 40) + 0.4 * np.sin(2 * np.pi * t / 91.3)
    return clean + noise * np.random.default_rng(seed).standard_normal(T)


def dated(values: np.ndarray, **columns: object) -> pd.DataFrame:
    times = pd.date_range("2023-03-01", periods=len(values), freq="h", name="when")
    return pd.DataFrame({"load": values} | columns, index=times)


def checked(x: np.ndarray) -> dict[str, Finding]:
    return {finding.check: finding for finding in (check(x) for check in CHECKS)}


def test_a_relative_path_is_the_callers(tmp_path, monkeypatch):
    caller, book = tmp_path / "caller", tmp_path / "book"
    for folder in (caller, book):
        folder.mkdir()
        (folder / "a.csv").write_text(folder.name)
    monkeypatch.chdir(book)
    monkeypatch.setenv("PWD", str(caller))
    assert find_file("a.csv").read_text() == "caller"
    (caller / "a.csv").unlink()
    assert find_file("a.csv").read_text() == "book"
    (tmp_path / "b.csv").write_text("above")
    assert find_file("b.csv").read_text() == "above"
    with pytest.raises(InputError, match=r"no file 'c\.csv' in .*caller, .*book"):
        find_file("c.csv")


# loading


def ugly(tmp_path) -> object:
    """Semicolons, decimal commas, a mark, a counter, a constant, text, gaps, and words for NaN."""
    values = wave()
    frame = dated(
        values,
        counter=np.arange(T),
        constant=7.0,
        place=["sensor é"] * T,
    )[["counter", "constant", "place", "load"]]
    frame["load"] = [f"{value:.6f}".replace(".", ",") for value in values]
    frame.iloc[100, 3] = "defekt"
    frame.iloc[101:103, 3] = ""
    frame = frame.drop(frame.index[300:304])
    path = tmp_path / "ugly.csv"
    frame.to_csv(path, sep=";", encoding="utf-8-sig")
    return path


def test_an_ugly_file_is_mended_and_everything_told(tmp_path):
    loaded = report.load(ugly(tmp_path))
    assert list(loaded.frame.columns) == ["load"]
    assert len(loaded.frame) == T
    kept = np.delete(np.arange(T), [100, 101, 102, 300, 301, 302, 303])
    np.testing.assert_allclose(loaded.frame["load"].to_numpy()[kept], wave()[kept], atol=1e-6)
    found = {finding.label: finding for finding in loaded.findings}
    assert found["gaps"].severity == "note"
    assert found["gaps"].number == pytest.approx(7 / T)
    assert "defekt" in found["unreadable entries of load"].found
    notes = " | ".join(loaded.notes)
    assert "`counter`" in notes
    assert "passed over, since constant: constant" in notes


def test_a_long_hole_leaves_the_longest_stretch_and_says_what_came_later(tmp_path):
    frame = dated(wave()).drop(dated(wave()).index[900:1000])
    path = tmp_path / "a.csv"
    frame.to_csv(path)
    loaded = report.load(path)
    assert len(loaded.frame) == 900
    (gaps,) = (finding for finding in loaded.findings if finding.check == "gaps")
    assert gaps.severity == "warning"
    assert "200 rows come after" in gaps.found


def test_rows_out_of_order_come_back_in_order(tmp_path):
    frame = dated(wave())
    path = tmp_path / "a.csv"
    frame.sample(frac=1.0, random_state=1).to_csv(path)
    loaded = report.load(path)
    np.testing.assert_allclose(loaded.frame["load"], frame["load"])
    assert any(f.check == "sampling times" and f.severity == "note" for f in loaded.findings)


def test_context_length_keeps_the_end(tmp_path):
    path = tmp_path / "a.csv"
    dated(wave()).to_csv(path)
    loaded = report.load(path, context_length=200)
    np.testing.assert_allclose(loaded.frame["load"], wave()[-200:])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            "place",
            "holds text, for example 'sensor é'. Columns of numbers: ",
        ),
        ("constant", "is constant in the context"),
        ("lod", "unknown column 'lod'"),
    ],
)
def test_a_column_that_cannot_be_forecast_is_refused(tmp_path, column, message):
    with pytest.raises(InputError, match=message):
        report.load(ugly(tmp_path), column=column)


def test_few_rows_and_no_numbers_are_refused(tmp_path):
    path = tmp_path / "few.csv"
    dated(wave()[:9]).to_csv(path)
    with pytest.raises(InputError, match=r"few\.csv leaves 9 steps of load, expected at least 24"):
        report.load(path)
    path.write_text("when,what\n2024-01-01,a\n2024-01-02,b\n")
    with pytest.raises(InputError, match="no column of numbers that vary"):
        report.load(path)


def test_the_example_is_read_whole(tmp_path):
    loaded = report.load(report.write_example(tmp_path / "e.csv"))
    assert list(loaded.frame.columns) == ["load"]
    assert len(loaded.frame) == 1536
    assert loaded.frame.notna().all().all()


# checks


def test_grades_rise_and_fall():
    assert [report_checks.graded(v, 1, 2, 3) for v in (0, 1, 2, 9)] == list(
        report_checks.SEVERITIES
    )
    assert [report_checks.graded(v, 3, 2, 1) for v in (9, 3, 2, 0)] == list(
        report_checks.SEVERITIES
    )


PLANTED = {
    "length": lambda x: x[:70],
    "sampling": lambda x: x[::10],
    "stationarity": lambda x: x + np.linspace(0, 4, len(x)),
    "constant stretches": lambda x: np.concatenate([x[:600], np.full(60, x[600]), x[660:]]),
    "copied stretches": lambda x: np.concatenate([x[:1000], x[:200]]),
    "resolution": lambda x: np.round(1.5 * x) / 1.5,
    "outliers": lambda x: np.where(np.arange(len(x)) % 97 == 50, 12.0, x),
    "noise": lambda x: x + 0.8 * np.random.default_rng(5).standard_normal(len(x)),
}


def test_every_check_has_its_defect():
    assert set(PLANTED) == set(checked(wave()))


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_defect_is_found_and_a_clean_series_is_fine(name):
    assert checked(wave())[name].severity == "fine"
    assert checked(PLANTED[name](wave()))[name].bad


@settings(max_examples=5)
@given(scale=st.floats(1e-3, 1e3), sign=st.sampled_from([-1.0, 1.0]), offset=st.floats(-1e3, 1e3))
def test_findings_do_not_depend_on_units(scale, sign, offset):
    x = PLANTED["noise"](wave())[:400]
    there = checked(sign * scale * x + offset)
    for name, finding in checked(x).items():
        assert there[name].severity == finding.severity
        assert there[name].number == pytest.approx(finding.number, rel=1e-3, abs=1e-6)


def test_nearest_neighbour_error_equals_a_plain_loop():
    x = wave(noise=0.3)[:250]
    near = report_checks.decorrelation_time(x[:, None])
    states = [np.array([x[t], x[t - near], x[t - 2 * near]]) for t in range(2 * near, len(x) - 1)]
    following = [x[t + 1] for t in range(2 * near, len(x) - 1)]
    errors = []
    for i, state in enumerate(states):
        far = [j for j in range(len(states)) if abs(i - j) > near]
        nearest = sorted(far, key=lambda j: np.sum((states[j] - state) ** 2))[:4]
        errors.append(np.mean([following[j] for j in nearest]) - following[i])
    expected = np.sqrt(np.mean(np.square(errors)) / 1.25) / x.std()
    assert report_checks.unpredictable_share(x) == pytest.approx(expected, rel=1e-9)


def test_nearest_neighbour_error_of_white_noise_is_one():
    x = np.random.default_rng(0).standard_normal(3000)
    assert report_checks.unpredictable_share(x) == pytest.approx(1.0, abs=0.05)


# the whole


def test_an_exact_cycle_is_continued_without_error_by_its_own_season():
    x = np.sin(2 * np.pi * np.arange(400) / 25)
    table, _ = report.backtest(pd.DataFrame({"x": x}), horizon=60, n_samples=3, seed=0)
    assert table.loc["seasonal naive", "error, all"] == pytest.approx(0.0, abs=1e-9)
    assert table.loc["mean", "error, all"] == pytest.approx(2 * np.sqrt(2) / np.pi, rel=0.05)


def test_the_report_of_an_ugly_file_repeats_itself_and_ranks_its_findings(tmp_path):
    loaded = report.load(ugly(tmp_path), context_length=400)
    first, second = (
        report.make(loaded, horizon=30, n_samples=4, embedding="delay", seed=3) for _ in range(2)
    )
    pd.testing.assert_frame_equal(first.samples, second.samples)
    pd.testing.assert_frame_equal(first.backtest, second.backtest)
    assert first.verdict == second.verdict
    assert first.samples.shape == (30, 4)
    assert first.samples.index[0] - loaded.frame.index[-1] == pd.Timedelta("1h")
    assert len(first.free_run) == len(first.gates) == 400
    options = {"horizon": 30, "embedding": "delay", "seed": 3}
    plain = dynamix.forecast(loaded.frame, model="dynamix-3d", **options)
    np.testing.assert_allclose(first.free_run[:30], plain)
    np.testing.assert_allclose(first.samples[0], plain)
    ranks = [report_checks.SEVERITIES.index(s) for s in first.table()["severity"]]
    assert ranks == sorted(ranks, reverse=True)


def test_the_trial_says_what_smoothing_would_change_and_only_where_there_is_noise():
    def rows(noise: float, **how: object) -> list[str]:
        frame = pd.DataFrame({"x": wave(noise=noise)[:600]})
        how |= {"embedding": "delay", "quiet_steps": 0}
        return [*report.backtest(frame, horizon=10, n_samples=2, **how)[0].index]

    smoothed = "DynaMix, context smoothed"
    assert smoothed in rows(0.1)
    assert smoothed not in rows(0.0)
    assert smoothed not in rows(0.1, denoise="auto")
    assert smoothed not in rows(0.1, model="dynamix-gp")  # which smooths by itself


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_report_has_the_context_without_its_noise(noise):
    frame = dated(wave(noise=noise)[:600])
    loaded = Loaded(frame, "no file", (), ())
    made = report.make(loaded, horizon=5, n_samples=2, embedding="delay", denoise="auto")
    removed = (frame - made.smoothed)["load"]
    if noise:
        assert made.noise == pytest.approx(noise / frame["load"].std(), rel=0.2)
        assert removed.std() == pytest.approx(noise, rel=0.2)
    else:
        assert (removed == 0.0).all()
    how = {"model": "dynamix-3d", "embedding": "delay", "denoise": "auto"}
    ours = dynamix.forecast(frame, horizon=5, **how)
    pd.testing.assert_frame_equal(made.free_run[:5], ours)


def test_more_columns_than_dims_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    dated(wave(), a=wave(1), b=wave(2), c=wave(3)).to_csv(path)
    loaded = report.load(path, column="load, a, b, c")
    with pytest.raises(InputError, match="at most 3 columns together, found 4"):
        report.make(loaded, horizon=5)


def test_the_verdict_follows_from_its_parts():
    def table(own: float, parrot: float) -> pd.DataFrame:
        rows = {"DynaMix": own, "context parroting": parrot, "mean": 1.0}
        return pd.DataFrame({"error, all": rows})

    def finding(severity: str) -> Finding:
        return Finding("noise", severity, 1.0, "")

    def head(*severities: str, own: float = 0.2, parrot: float = 0.4, coverage: float = 0.8) -> str:
        findings = tuple(finding(severity) for severity in severities)
        return verdict(findings, table(own, parrot), coverage=coverage, expected=0.81)

    assert head("fine", "note").startswith("Nothing was found")
    assert head("warning").startswith("Use this forecast with care")
    assert "warning: noise" in head("warning")
    assert head("serious").startswith("Do not rely")
    assert head(own=0.6).startswith("Use this forecast with care")
    assert "0.60 deviations against 0.40" in head(own=0.6)
    assert head(own=0.6, coverage=0.1).startswith("Do not rely")
    assert head(own=float("nan")).startswith("Use this forecast with care")
    assert "10% of the true values" in head(coverage=0.1)


@pytest.mark.slow
def test_the_chapter_runs_on_an_ugly_file_of_the_callers(tmp_path, monkeypatch):
    path = ugly(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    values = {"csv": path.name, "context_length": 300, "horizon": 20, "n_samples": 3}
    output = notebooks.run(
        ROOT / "book" / "09_your_data.ipynb",
        tmp_path / "out.ipynb",
        values=values | {"embedding": "delay"},
    )
    cells = nbformat.read(output, as_version=4).cells
    text = "".join(out.get("text", "") for cell in cells for out in cell.get("outputs", []))
    assert f"read from {path}" in text.replace("\n", "")
    assert "passed over, since constant: constant" in " ".join(text.split())
    figures = [o for c in cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert len(figures) == 7
