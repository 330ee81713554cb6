"""``embedding="auto"``: what is tried, how it is judged, and that the forecast follows it."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from helpers import small_model, wave

from dynamix import InputError, cli, forecast, preprocessing
from dynamix.forecasting import embedding_choice
from dynamix.forecasting.embedding_choice import (
    Candidate,
    bounded_error,
    candidates,
    choose_embedding,
    comparison,
    trials,
)
from dynamix.forecasting.ensembles import sample_seed
from dynamix.forecasting.models import find_model
from dynamix.forecasting.pipeline import Pipeline
from dynamix.preprocessing.transforms import PowerLawTrend
from dynamix.settings import ForecastConfig

MODEL = small_model()


def run(context, **options):
    return forecast(context, **({"horizon": 12, "model": MODEL, "embedding": "auto"} | options))


@pytest.mark.parametrize("n", [1, 2])
def test_the_forecast_is_that_of_the_chosen_embedding(n):
    x = wave(300, n)
    (choice,) = choose_embedding(x, model=MODEL)
    y = run(x)
    scaled = preprocessing.Standardize.fit(x).apply(x)
    pipeline = Pipeline(MODEL, ForecastConfig(standardize=False))
    item = pipeline.prepare(scaled, choice.chosen.embedding, delays=choice.chosen.delays)
    by_hand = pipeline.run([item], horizon=12, seed=0)[0][:, 0]
    np.testing.assert_allclose(
        y, preprocessing.Standardize.fit(x).invert(by_hand), rtol=1e-6, atol=1e-6
    )


def test_a_series_is_chosen_for_on_its_own_and_whatever_the_seed():
    x = np.stack([wave(120, 1, seed=s) for s in range(2)], axis=1)
    together, y = choose_embedding(x, model=MODEL), run(x)
    for s in range(2):
        (alone,) = choose_embedding(x[:, s], model=MODEL)
        assert alone.chosen == together[s].chosen
        for candidate, score in alone.scores.items():
            assert score.error == pytest.approx(together[s].scores[candidate].error, rel=1e-4)
        np.testing.assert_allclose(y[:, s], run(x[:, s]), atol=2e-6)
    np.testing.assert_array_equal(y, run(x))
    samples = run(x, seed=4, n_samples=2, odds="gate")
    np.testing.assert_array_equal(samples[1], run(x, seed=sample_seed(4, 1)))


def test_channels_that_are_forecast_singly_are_chosen_for_singly():
    x = wave(120, 5)
    assert len(choose_embedding(x, model=MODEL)) == 5
    np.testing.assert_allclose(run(x)[:, 4], run(x[:, 4]), atol=2e-6)


def test_nothing_is_chosen_where_nothing_is_missing():
    x = wave(60)
    np.testing.assert_array_equal(run(x), run(x, embedding="pos"))
    with pytest.raises(InputError, match="nothing to embed"):
        choose_embedding(x, model=MODEL)
    with pytest.raises(InputError, match="unknown embedding 'auto'"):
        preprocessing.embed(wave(60, 1), dims=3, embedding="auto")


def test_no_candidate_sees_what_it_has_to_forecast(monkeypatch):
    """What lies behind the first origin can change without changing that origin's forecasts."""
    seen = trials_seen(monkeypatch)
    x = wave(200, 1)
    changed = x.copy()
    origins, _ = trials(200)
    changed[origins[0] :] += 0.01 * wave(200 - origins[0], 1, seed=9)
    fixed = [Candidate("pos"), Candidate("zero"), Candidate("delay", (3, 6))]
    monkeypatch.setattr(embedding_choice, "candidates", lambda x, dims: fixed)
    made = []
    for series in (x, changed):
        choose_embedding(series, model=MODEL)
        made.append({item.context.tobytes(): (item.T_C, y.tobytes()) for item, y in seen})
        seen.clear()
    same = made[0].items() & made[1].items()
    assert [T_C for _, (T_C, _) in same] == [origins[0]] * 3


def trials_seen(monkeypatch):
    """A list that gets what is tried, and its forecast; a free run is longer."""
    seen, plain = [], Pipeline.run

    def run(self, items, *, horizon, **options):
        y, gates = plain(self, items, horizon=horizon, **options)
        if horizon <= embedding_choice.STEPS:
            seen.extend(zip(items, y.swapaxes(0, 1), strict=True))
        return y, gates

    monkeypatch.setattr(Pipeline, "run", run)
    return seen


@pytest.mark.parametrize("n", [1, 2])
def test_a_forecast_chooses_the_same_with_fewer_trials(n, monkeypatch):
    seen, model = trials_seen(monkeypatch), find_model(None)  # an untrained one prefers nothing
    x = np.stack([wave(150, n, seed=s) for s in range(3)], axis=1)
    every = choose_embedding(x, model=model)
    wanted = len(seen)
    assert wanted == sum(len(choice.origins) * len(choice.scores) for choice in every)
    seen.clear()
    pipeline = Pipeline(model, ForecastConfig(embedding="auto"))
    quick = embedding_choice.choose([np.ascontiguousarray(x[:, s]) for s in range(3)], pipeline)
    assert len(seen) < wanted
    for fast, full in zip(quick, every, strict=True):
        assert fast.chosen == full.chosen
        assert fast.scores.items() <= full.scores.items()


@pytest.mark.parametrize("n_samples", [None, 2])
@pytest.mark.parametrize("embedding", ["auto", "pos", "delay_random"])
def test_a_trend_is_fitted_once_a_window(embedding, n_samples, monkeypatch):
    fitted, plain = [], PowerLawTrend.fit
    monkeypatch.setattr(
        PowerLawTrend, "fit", lambda x, **o: fitted.append(x.tobytes()) or plain(x, **o)
    )
    x = wave(120, 5)  # each channel is forecast alone
    how = {
        "horizon": 3,
        "model": MODEL,
        "embedding": embedding,
        "n_samples": n_samples,
        "odds": "gate",
    }
    forecast(x, detrend=True, **how)
    windows = 1 + (len(trials(120)[0]) if embedding == "auto" else 0)
    assert len(fitted) == len(set(fitted)) == 5 * windows


@pytest.mark.parametrize("T_C", [2, 3, 10, 50, 500, 2000])
def test_trials_lie_in_the_contexts_end(T_C):
    origins, steps = trials(T_C)
    assert origins[0] >= 0.7 * T_C - 1
    assert origins[-1] + steps == T_C
    assert list(origins) == sorted(set(origins))
    assert 1 <= steps <= 25


def test_errors_are_bounded():
    rng = np.random.default_rng(0)
    made, real, unit = rng.normal(size=(20, 2)), rng.normal(size=(20, 2)), np.array([2.0, 0.5])
    by_hand = np.mean(
        [[min(abs(made[t, i] - real[t, i]) / unit[i], 2.0) for i in range(2)] for t in range(20)]
    )
    assert bounded_error(made, real, unit) == pytest.approx(by_hand)
    made[3] = np.nan, np.inf
    worst = np.where(np.arange(20)[:, None] == 3, 2.0, np.minimum(np.abs(made - real) / unit, 2))
    assert bounded_error(made, real, unit) == pytest.approx(worst.mean())


def test_candidates_hold_the_plain_embeddings_and_several_delays():
    x = wave(400, 1)
    found = candidates(x, dims=3)
    names = [candidate.embedding for candidate in found]
    assert names[:2] == ["pos", "zero"]
    assert names[-1] == "pecuzal"
    rule = preprocessing.decorrelation_time(x)
    assert Candidate("delay", (rule, 2 * rule)) in found
    assert len(set(found)) == len(found) >= 7
    two = candidates(wave(400, 2), dims=3)
    assert all(c.delays is None or len(c.delays) == 1 for c in two)


def test_the_score_is_error_times_unlikeness_and_comes_as_a_table():
    x = wave(150, 1)
    (choice,) = choose_embedding(x, model=MODEL)
    table = choice.table()
    assert list(table.columns) == ["embedding", "delays", "error", "unlikeness", "score"]
    np.testing.assert_allclose(table["score"], table["error"] * table["unlikeness"])
    assert table["score"].is_monotonic_increasing
    assert table["embedding"][0] == choice.chosen.embedding
    by_hand = []
    for origin in choice.origins:
        y = run(x[:origin], embedding="zero", horizon=choice.steps)
        unit = np.abs(x - np.median(x)).mean()
        by_hand.append(np.minimum(np.abs(y - x[origin : origin + choice.steps]) / unit, 2).mean())
    assert choice.scores[Candidate("zero")].error == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_a_run_like_the_context_is_less_unlike_than_others():
    x = np.sin(2 * np.pi * np.arange(1200) / 37)[:, None]
    looks = comparison(x[:400], dims=3)
    same, faster, still = x[400:], np.sin(2 * np.pi * np.arange(800) / 20)[:, None], 0 * x[400:]
    assert looks(same) < 0.2 < looks(faster) < looks(still + 1e-3 * faster)
    assert looks(np.full((800, 1), np.nan)) == np.inf


@pytest.mark.parametrize("T", [6, 12, 30])
def test_short_contexts_leave_out_what_they_are_too_short_for(T):
    (choice,) = choose_embedding(wave(T, 1), model=MODEL)
    totals = [score.total for score in choice.scores.values()]
    assert totals == sorted(totals)
    assert choice.scores[choice.chosen].total == totals[0] < np.inf
    assert np.isfinite(run(wave(T, 1))).all()


def test_a_context_too_short_for_all_is_refused():
    with pytest.raises(InputError, match="too short"):
        run(wave(2, 1))


def test_the_choice_is_logged(caplog):
    with caplog.at_level(logging.INFO, logger="dynamix"):
        (choice,) = choose_embedding(wave(200, 1), model=MODEL)
    assert f"embedding {choice.chosen}" in caplog.text


def test_the_command_line_offers_it(tmp_path):
    pd.DataFrame({"a": wave(200, 1)[:, 0]}).to_csv(tmp_path / "x.csv", index=False)
    arguments = ["forecast", str(tmp_path / "x.csv"), "--horizon", "5", "--embedding"]
    for name in ("auto", "pecuzal"):
        out = tmp_path / f"{name}.csv"
        assert cli.main([*arguments, name, "--output", str(out)]) == 0
        assert len(pd.read_csv(out)) == 5
