"""Every failure is found in what fails that way, and not in the true system."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import baselines, systems
from dynamix.errors import InputError
from dynamix.evaluation import failures, results

T_C, T = 512, 2000
SCALES = st.floats(0.01, 100) | st.floats(-100, -0.01)


@pytest.fixture(scope="module")
def lorenz():
    x = systems.trajectory("Lorenz", n=12_000).astype(np.float64)
    return {"context": x[:T_C], "truth": x[T_C : T_C + T], "elsewhere": x[-T:]}


def index(forecast, lorenz, **options):
    return failures.parroting_index(
        forecast=forecast, context=lorenz["context"], truth=lorenz["truth"], **options
    )


# --- parroting ----------------------------------------------------------------------------------


def test_a_parrot_scores_one(lorenz):
    assert index(baselines.parrot(lorenz["context"], T), lorenz) > 0.98
    assert index(lorenz["context"][100:400], lorenz) == pytest.approx(1.0, abs=1e-5)


def test_the_true_system_scores_about_zero(lorenz):
    assert index(lorenz["truth"], lorenz) == 0.0
    assert index(lorenz["elsewhere"], lorenz) < 0.2


def test_half_a_parrot_scores_about_half(lorenz):
    half = np.concatenate([lorenz["context"][: T_C - 12], lorenz["elsewhere"][: T_C - 12]])
    assert index(half, lorenz) == pytest.approx(0.5, abs=0.12)


def test_noise_on_a_copy_lowers_the_index_gradually(lorenz):
    rng = np.random.default_rng(0)
    copy = baselines.parrot(lorenz["context"], T)
    kick = copy.std(axis=0) * rng.standard_normal(copy.shape)
    scores = [index(copy + level * kick, lorenz) for level in (0.0, 0.02, 0.05, 0.5)]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] > 0.5
    assert scores[3] == 0.0


@settings(max_examples=4, deadline=None)
@given(scale=st.tuples(SCALES, SCALES, SCALES), shift=st.floats(-50, 50))
def test_the_index_does_not_depend_on_units_order_or_sign(lorenz, scale, shift):
    y = np.concatenate([lorenz["context"][:200], lorenz["elsewhere"][:200]])

    def changed(x):
        return x[:, [2, 0, 1]] * np.array(scale) + shift

    before = index(y, lorenz)
    after = failures.parroting_index(
        forecast=changed(y), context=changed(lorenz["context"]), truth=changed(lorenz["truth"])
    )
    assert after == pytest.approx(before, abs=1e-6)


def test_copies_are_found_as_brute_force_finds_them():
    rng = np.random.default_rng(0)
    y, c, m = rng.normal(size=(40, 2)), rng.normal(size=(30, 2)), 5
    c = c / c.std(axis=0)
    windows = np.array(
        [
            min(np.sqrt(((y[i : i + m] - c[j : j + m]) ** 2).mean()) for j in range(30 - m + 1))
            for i in range(40 - m + 1)
        ]
    )
    covering = [windows[max(0, t - m + 1) : t + 1].min() for t in range(40)]
    np.testing.assert_allclose(
        failures.copy_distance(forecast=y, context=c, stretch=m), covering, rtol=1e-9
    )


def test_where_the_truth_repeats_itself_a_copy_is_right():
    x = np.sin(2 * np.pi * np.arange(2000)[:, None] / 40)
    assert failures.parroting_index(forecast=x[:900], context=x[:400], truth=x[400:]) == 0.0


# --- the other modes ----------------------------------------------------------------------------


@pytest.mark.parametrize("lifetime", [200.0, 800.0])
def test_decay_has_its_rate_and_onset(lifetime):
    t = np.arange(8000)
    y = 3.0 + np.exp(-t / lifetime) * np.sin(t / 3)
    found = failures.decay(forecast=y, context=3.0 + np.sin(t[:600] / 3), window=95)
    assert 1 / found.rate == pytest.approx(lifetime, rel=0.05)
    assert found.onset == pytest.approx(
        lifetime * np.log(1 / 0.1 / np.sqrt(2) * np.sqrt(2)), rel=0.1
    )
    assert found.remaining < 0.01


def test_what_goes_on_does_not_fade(lorenz):
    assert failures.decay(forecast=lorenz["truth"], context=lorenz["context"]).onset == np.inf


@pytest.mark.parametrize("period", [17, 40, 333])
def test_the_period_of_a_cycle(period):
    t = np.arange(6 * 333)
    y = np.sin(2 * np.pi * t / period) + 0.3 * np.cos(4 * np.pi * t / period)
    assert failures.cycle_period(forecast=y) == period
    x = np.stack([y, 2 * y + 1], axis=1)
    assert failures.cycle_period(forecast=x) == period


def test_what_does_not_repeat_has_no_period(lorenz):
    assert np.isnan(failures.cycle_period(forecast=lorenz["truth"]))
    assert np.isnan(failures.cycle_period(forecast=np.zeros((500, 3))))


def test_lost_and_invented_frequencies():
    t = np.arange(4000)
    low, high = np.sin(2 * np.pi * t / 100), np.sin(2 * np.pi * t / 8)
    lost, invented = failures.spectral_failure(forecast=low, truth=low + high, smoothing=3)
    assert (round(lost, 1), round(invented, 2)) == (0.5, 0.0)
    lost, invented = failures.spectral_failure(forecast=low + high, truth=low, smoothing=3)
    assert (round(lost, 2), round(invented, 1)) == (0.0, 0.5)
    assert failures.spectral_failure(forecast=0 * low, truth=low) == pytest.approx((1.0, 0.0))


@settings(max_examples=4, deadline=None)
@given(scale=SCALES, shift=st.floats(-50, 50))
def test_spectral_failures_do_not_depend_on_units(lorenz, scale, shift):
    pair = {"forecast": lorenz["elsewhere"] * 0.2, "truth": lorenz["truth"]}
    before = failures.spectral_failure(**pair)
    after = failures.spectral_failure(**{k: v * scale + shift for k, v in pair.items()})
    assert after == pytest.approx(before, abs=1e-6)


def test_outside_counts_steps(lorenz):
    y = lorenz["truth"].copy()
    assert failures.outside_share(forecast=y, context=lorenz["context"], truth=y) == 0.0
    y[:300, 1] += 1000.0
    y[300:600] = np.nan
    share = failures.outside_share(forecast=y, context=lorenz["context"], truth=lorenz["truth"])
    assert share == pytest.approx(600 / T)


# --- verdicts -----------------------------------------------------------------------------------


def broken(found):
    return [mode for mode in failures.MODES if found[f"fails by {mode}"]]


def test_every_model_of_failure_fails_as_it_should(lorenz):
    context, truth = lorenz["context"], lorenz["truth"]
    t = np.arange(T)
    turning = context.mean(axis=0) + context.std(axis=0) * np.sqrt(2) * np.stack(
        [np.sin(2 * np.pi * t / 37.3 + k) for k in range(3)], axis=1
    )
    growing = truth * np.exp(t / 500)[:, None]
    cases = {
        "truth": (lorenz["elsewhere"], []),
        "parrot": (baselines.parrot(context, T), ["parroting", "no chaos"]),
        "mean": (baselines.mean(context, T), ["decay", "no chaos", "lost"]),
        "turning": (turning, ["no chaos"]),
    }
    for name, (y, expected) in cases.items():
        found = failures.examine(forecast=y, context=context, truth=truth)
        assert broken(found) == expected, name
    assert "drift" in broken(failures.examine(forecast=growing, context=context, truth=truth))


def test_a_forecast_that_is_no_number_has_verdicts_too(lorenz):
    y = lorenz["truth"].copy()
    y[1000:] = np.nan
    found = failures.examine(forecast=y, context=lorenz["context"], truth=lorenz["truth"])
    assert found["fate"] == "escape"
    assert broken(found) == ["no chaos", "lost", "invented", "drift"]  # what runs away has none


def test_a_cycle_cannot_lack_chaos():
    x = np.sin(2 * np.pi * np.arange(4000)[:, None] / np.array([40.3, 40.3 / 2]))
    found = failures.examine(forecast=x[512:2512], context=x[:512], truth=x[512:2512])
    assert found["fails by no chaos"] is None
    assert broken(found) == []


def test_a_motion_whose_exponent_is_unknown_is_not_judged(lorenz, monkeypatch):
    pair = {"context": lorenz["context"], "truth": lorenz["truth"]}
    known = failures.examine(forecast=lorenz["elsewhere"], **pair)
    monkeypatch.setattr(failures, "largest_exponent", lambda _: float("nan"))
    moving, still = (
        failures.examine(forecast=y, **pair, known=known)
        for y in (lorenz["elsewhere"], baselines.mean(pair["context"], T))
    )
    assert known["fails by no chaos"] is False
    assert moving["fails by no chaos"] is None
    assert still["fails by no chaos"] is True  # what rests has no exponent, and no chaos


def test_stored_verdicts_about_chaos_are_those_of_the_stored_exponents():
    table, record = results.read("failures", make="python experiments/failure_rates.py")
    limits = record["settings"]["failures"]
    assert limits == failures.LIMITS
    chaotic = table["true_exponent"] > limits["least_exponent"]
    gone = table["fate"].isin(["escape", "fixed point", "cycle"])
    tame = gone | (table["exponent"] <= limits["chaos"] * table["true_exponent"])
    judged = chaotic & (gone | table["exponent"].notna())
    expected = tame.astype("boolean").where(judged)
    pd.testing.assert_series_equal(
        table["fails by no chaos"].astype("boolean"), expected, check_names=False
    )


def test_bad_input(lorenz):
    with pytest.raises(InputError, match="same channels"):
        index(lorenz["truth"][:, :2], lorenz)
    with pytest.raises(InputError, match="stretches of 30"):
        index(lorenz["truth"][:20], lorenz)
    with pytest.raises(InputError, match="context must be finite"):
        failures.decay(forecast=np.zeros(9), context=np.r_[np.zeros(8), np.nan])
