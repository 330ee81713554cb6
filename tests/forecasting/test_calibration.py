"""Calibrated odds: coverage where it is known, equal in other units, the plain forecast first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import small_model, wave

from dynamix import InputError, forecast, predict_df
from dynamix.forecasting import calibration
from dynamix.forecasting.calibration import Trial, measure, origins
from dynamix.forecasting.pipeline import Pipeline

MODEL = small_model()
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]


def run(context, **options):
    return forecast(context, **({"horizon": 12, "model": MODEL} | options))


def rough(T: int, n: int = 1, seed: int = 0) -> np.ndarray:
    return wave(T, n, seed) + np.random.default_rng(seed).normal(size=(T, n))


def test_trials_see_only_what_lies_before_them_and_their_truth_is_known():
    for T_C in (20, 57, 400):
        for horizon in (1, 10, 5000):
            starts = origins(T_C, horizon)
            assert min(starts) >= int(calibration.SEEN * T_C)
            assert max(starts) < T_C
            L = calibration.longest_lead(T_C, horizon, starts)
            assert 1 <= L <= horizon
            assert sum(T + L <= T_C for T in starts) >= calibration.LEAST_TRIALS


def test_the_future_of_an_origin_is_not_shown_to_it(monkeypatch):
    x, lengths = rough(200), []
    prepare = Pipeline.prepare

    def hear(self, given, *args, **more):
        lengths.append(len(given))
        np.testing.assert_array_equal(given, x[: len(given)])
        return prepare(self, given, *args, **more)

    monkeypatch.setattr(Pipeline, "prepare", hear)
    run(x, n_samples=2)
    assert sorted(lengths) == sorted([200, *origins(200, 12)])


def normal_trials(K: int, skill: float, seed: int = 0) -> list[Trial]:
    """Runs of unit variance, and truths with that correlation."""
    rng = np.random.default_rng(seed)
    made, noise = rng.normal(size=(2, K, 30, 2))
    real = skill * made + np.sqrt(1 - skill**2) * noise
    return [Trial(a, b) for a, b in zip(made, real, strict=True)]


@pytest.mark.parametrize("skill", [0.0, 0.6, 0.95])
def test_skill_and_quantiles_are_those_of_a_normal_distribution(skill):
    climate = np.random.default_rng(1).normal(size=(4000, 2))
    odds = measure(normal_trials(400, skill), climate, horizon=30)
    assert np.allclose(odds.skill, skill, atol=0.1)
    made = odds.quantiles(np.zeros((30, 2)), LEVELS)
    wanted = np.array([-1.645, -0.674, 0.0, 0.674, 1.645]) * np.sqrt(1 - skill**2)
    assert np.allclose(made[:, 10], wanted[:, None], atol=0.1)


def test_few_trials_cover_as_they_say():
    """Of 8 residuals, plain quantiles would cover 0.8 of the next ones at most 0.7 of the time."""
    held = []
    for seed in range(60):
        trials = normal_trials(9, 0.0, seed)
        odds = measure(trials[:8], np.zeros((50, 2)), horizon=2)
        low, high = odds.quantiles(np.zeros((2, 2)), [0.1, 0.9])
        held.append((trials[8].real[:2] > low) & (trials[8].real[:2] < high))
    assert 0.72 < np.mean(held) < 0.9


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("draw", ["standard_normal", "standard_cauchy"])
def test_exchangeable_errors_are_covered_as_often_as_asked(level, draw):
    """Of errors alike, an interval holds its share, within four deviations of a binomial one."""
    rng, times, held = np.random.default_rng(5), 1500, 0
    for _ in range(times):
        errors = getattr(rng, draw)(calibration.TRIALS + 1)
        trials = [Trial(np.zeros((1, 1)), np.full((1, 1), e)) for e in errors[:-1]]
        odds = measure(trials, np.zeros((9, 1)), horizon=1)
        low, high = odds.quantiles(np.zeros((1, 1)), [(1 - level) / 2, (1 + level) / 2])
        held += int(low[0, 0] <= errors[-1] <= high[0, 0])
    # linear between the scores that are kept: 0.02 for the widest tails
    assert abs(held / times - level) < 4 * np.sqrt(level * (1 - level) / times) + 0.02


def test_the_centre_follows_the_past_where_the_run_is_lost():
    rng = np.random.default_rng(0)
    trials = []
    for _ in range(16):
        real = rng.normal(size=(40, 1))
        lost = np.where(np.arange(40)[:, None] < 10, real, rng.normal(size=(40, 1)))
        trials.append(Trial(lost, real, real + 0.1 * rng.normal(size=(40, 1))))
    odds = measure(trials, rng.normal(size=(500, 1)), horizon=60)
    assert (odds.share[:5] == 1).all()
    assert (odds.share[20:] == 0).all()
    assert (odds.skill[:40] > 0.9).all()
    assert (np.ptp(odds.quantiles(np.zeros((60, 1)), [0.1, 0.9]), axis=0)[20:40] < 0.5).all()
    run, copied = rng.normal(size=(2, 60, 1))
    np.testing.assert_array_equal(odds.mixed(run, copied)[:5], run[:5])
    np.testing.assert_array_equal(odds.mixed(run, copied)[20:], copied[20:])


def test_errors_that_are_far_apart_count_as_several():
    """Long trials of white noise say more of its tails than 16 numbers do."""
    rng = np.random.default_rng(0)
    trials = [Trial(np.zeros((200, 1)), rng.normal(size=(200, 1))) for _ in range(16)]
    odds = measure(trials, rng.normal(size=(2000, 1)), horizon=200)
    low, high = odds.quantiles(np.zeros((200, 1)), [0.05, 0.95])[:, -1, 0]
    assert np.allclose([low, high], [-1.645, 1.645], atol=0.1)


def test_beyond_the_longest_lead_skill_decays_and_the_climate_takes_over():
    climate = 5.0 * np.random.default_rng(1).standard_t(5, size=(4000, 2))
    odds = measure(normal_trials(200, 0.6), climate, horizon=600)
    assert (np.diff(odds.skill) <= 1e-12).all()
    assert odds.skill[-1] < 1e-3
    far = odds.quantiles(np.ones((600, 2)), LEVELS)[:, -1]
    assert np.allclose(far, np.quantile(climate, LEVELS, axis=0), atol=0.3)


def test_samples_have_the_margins_and_keep_the_correlation_in_time():
    rng = np.random.default_rng(0)
    slow = np.cumsum(rng.normal(size=(60, 40, 1)), axis=1)  # random walks
    odds = measure([Trial(np.zeros((40, 1)), y) for y in slow], slow[0], horizon=40)
    zero = np.zeros((40, 1))
    drawn = odds.samples(zero, range(3000))
    assert np.allclose(
        np.quantile(drawn[:, 20], LEVELS, axis=0), odds.quantiles(zero, LEVELS)[:, 20], atol=0.5
    )
    made = np.corrcoef(drawn[:, 19, 0], drawn[:, 29, 0])[0, 1]
    assert abs(made - np.sqrt(20 / 30)) < 0.15


def test_paths_keep_their_variance_where_one_goes_over_to_the_next():
    odds = measure(
        normal_trials(50, 0.0), np.random.default_rng(0).normal(size=(900, 2)), horizon=90
    )
    drawn = np.stack([odds._path(seed) for seed in range(2000)])
    assert np.allclose(drawn.std(axis=0), 1.0, atol=0.08)


def test_a_run_that_goes_astray_does_not_decide():
    trials = normal_trials(16, 0.95)
    wild = Trial(-3 * trials[0].made, trials[0].real)
    climate = np.random.default_rng(1).normal(size=(500, 2))
    assert measure([wild, *trials[1:]], climate, horizon=30).skill.mean() > 0.7


def test_intervals_hold_what_comes():
    """Noise about a wave: 0.8 of the values lie in an interval of 0.8, whatever the model does."""
    held = []
    for seed in range(12):
        x = rough(340, 2, seed)
        samples = run(x[:300], horizon=40, n_samples=100)
        low, high = np.quantile(samples, [0.1, 0.9], axis=0)
        held.append((x[300:] >= low) & (x[300:] <= high))
    assert 0.72 < np.mean(held) < 0.88


@pytest.mark.parametrize("shape", [(80,), (80, 1), (80, 3), (80, 5), (80, 2, 2)])
def test_sample_0_is_the_plain_forecast_and_a_longer_ensemble_begins_with_a_shorter_one(shape):
    x = wave(80, int(np.prod(shape[1:]))).reshape(shape)
    model = small_model(quiet_steps=3)
    samples = run(x, model=model, n_samples=4)
    assert samples.shape == (4, 12, *shape[1:])
    np.testing.assert_array_equal(samples[0], run(x, model=model))
    np.testing.assert_array_equal(samples[:2], run(x, model=model, n_samples=2))
    np.testing.assert_array_equal(run(x, model=model, n_samples=1)[0], samples[0])
    assert not np.array_equal(samples[1], run(x, model=model, n_samples=2, seed=1)[1])


def test_a_series_does_not_depend_on_the_series_beside_it():
    x = np.stack([rough(90, seed=s) for s in range(2)], axis=1)
    both = run(x, n_samples=3)
    for s in range(2):
        np.testing.assert_array_equal(both[:, :, s], run(x[:, s], n_samples=3))


@pytest.mark.parametrize("factor", [2.0**-900, 1e-6, 2.0**60])
def test_units_have_no_effect(factor):
    x, how = rough(200, 3), {"n_samples": 3, "horizon": 30}
    np.testing.assert_allclose(run(factor * x, **how) / factor, run(x, **how), atol=1e-4)
    np.testing.assert_allclose(run(x + 8.0, **how), run(x, **how) + 8.0, atol=1e-3)


@pytest.mark.parametrize("options", [{"detrend": True}, {"box_cox": True}, {"standardize": False}])
def test_intervals_follow_the_transforms(options):
    t = np.arange(260.0)
    x = np.exp(0.3 * np.random.default_rng(0).normal(size=260)) + 0.05 * t
    samples = run(x[:220], horizon=40, n_samples=60, embedding="zero", **options)
    assert np.isfinite(samples).all()
    low, high = np.quantile(samples, [0.02, 0.98], axis=0)
    if "detrend" in options:
        assert ((x[220:] > low) & (x[220:] < high)).mean() > 0.8


@pytest.mark.parametrize("model", ["dynamix-3d", "dynamix-3d-plus", "dynamix-gp"])
def test_any_model_can_be_calibrated(model):
    samples = forecast(rough(120, 2), horizon=10, model=model, n_samples=5)
    assert samples.shape == (5, 10, 2)
    assert np.isfinite(samples).all()
    assert (np.ptp(samples, axis=0) > 0).all()


def test_a_run_that_diverges_leaves_the_intervals_finite():
    odds = measure(normal_trials(16, 0.5), np.random.default_rng(0).normal(size=(99, 2)), horizon=5)
    scale = calibration.Scale.of(np.random.default_rng(0).normal(size=(99, 2)))
    bad = np.array([[1.0, 1e300], [np.nan, np.inf], [-np.inf, 0], [0, 0], [0, 0]])
    assert np.isfinite(odds.quantiles(scale.held(bad), LEVELS)).all()


@pytest.mark.parametrize("T_C", [3, 19])
def test_a_context_that_is_too_short_gets_the_gates_samples_and_the_log_says_so(T_C, caplog):
    x = wave(T_C)
    samples = run(x, n_samples=3)
    gate = run(x, n_samples=3, odds="gate")
    np.testing.assert_array_equal(samples, gate)
    assert f"a context of {T_C} steps is too short" in caplog.text


def test_too_few_trials_are_no_odds():
    assert measure(normal_trials(4, 0.5), np.zeros((9, 2)), horizon=5) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"odds": "gates"}, "unknown odds 'gates'.*Did you mean 'gate'"),
        ({"return_gates": True}, "return_gates cannot be combined.*Set odds='gate'"),
        ({"n_samples": 0}, "n_samples"),
        ({"horizon": 2.5}, "horizon"),
    ],
)
def test_what_cannot_be_used_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        run(wave(60), **({"n_samples": 3} | options))


def test_quantiles_of_a_table_are_ordered_and_the_same_again():
    df = pd.DataFrame({"item_id": "a", "timestamp": np.arange(150), "target": rough(150)[:, 0]})
    table = predict_df(df, horizon=200, quantile_levels=[0.1, 0.5, 0.9])
    assert (table["0.1"] < table["0.5"]).all()
    assert (table["0.5"] < table["0.9"]).all()
    pd.testing.assert_frame_equal(
        table, predict_df(df, horizon=200, quantile_levels=[0.1, 0.5, 0.9])
    )
