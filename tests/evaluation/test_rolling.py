"""Rolling origins: same stretches for all, measures as they are defined, failures in the open."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers import wave
from hypothesis import given
from hypothesis import strategies as st

from dynamix import InputError, baselines, forecast
from dynamix.evaluation import RollingConfig, rolling
from dynamix.evaluation.rolling import evaluate, origins, summary
from dynamix.metrics import reconstruction as metrics

CONFIG = RollingConfig(contexts=(60, 120), horizons=(5, 80), origins=6)


@given(
    st.lists(st.integers(2, 60), min_size=1, max_size=3),
    st.lists(st.integers(2, 40), min_size=1, max_size=3),
    st.integers(1, 30),
    st.integers(0, 300),
)
def test_origins_are_distinct_even_and_leave_room(contexts, horizons, count, spare):
    config = RollingConfig(contexts=tuple(contexts), horizons=tuple(horizons), origins=count)
    T = max(contexts) + max(horizons) + count - 1 + spare
    found = origins(T, config)
    assert len(found) == count
    assert found[0] == max(contexts)
    assert found[-1] <= T - max(horizons)
    if count > 1:
        assert found[-1] == T - max(horizons)
        assert np.ptp(np.diff(found)) <= 1
    with pytest.raises(InputError, match=f"leaves {count - 1} origins"):
        origins(T - spare - 1, config)


class Spy:
    """A forecaster that knows the series, or an offset of it, and notes what it was shown."""

    def __init__(self, x: np.ndarray, offset: float = 0.0) -> None:
        self.x, self.offset, self.seen = x, offset, []

    def __call__(self, context, horizon, *, seed):
        where = np.flatnonzero((self.x[:, None] == context[-1]).all(axis=-1))[-1] + 1
        self.seen.append((len(context), int(where), horizon, seed, context.sum()))
        return self.x[where : where + horizon] + self.offset


@pytest.mark.parametrize("n", [1, 2])
def test_all_forecasters_see_the_same_and_errors_are_what_they_say(n):
    x = wave(400, n) + np.random.default_rng(0).normal(size=(400, n))
    exact, off = Spy(x), Spy(x, offset=2.0)
    table = evaluate(x, forecasters={"exact": exact, "off": off}, config=CONFIG)
    assert exact.seen == off.seen
    assert len(exact.seen) == 12
    assert {(seen[0], seen[2], seen[3]) for seen in exact.seen} == {(60, 80, 0), (120, 80, 0)}
    assert len(table) == 2 * 2 * 6 * 2
    perfect = table[table["forecaster"] == "exact"]
    assert (perfect[["mase", "mae"]] == 0).all(axis=None)
    long = perfect[perfect["horizon"] == 80]
    assert (long[["d_stsp", "hellinger", "d_h"]] == 0).all(axis=None)
    assert (
        perfect.loc[perfect["horizon"] == 5, ["d_stsp", "hellinger", "d_h"]].isna().all(axis=None)
    )
    shifted = table[table["forecaster"] == "off"]
    np.testing.assert_allclose(shifted["mae"], 2.0)
    change = np.abs(np.diff(x, axis=0)).mean(axis=0)
    np.testing.assert_allclose(shifted["mase"], (2.0 / change).mean())
    assert (shifted.loc[shifted["horizon"] == 80, "d_stsp"] > 0.5).all()
    assert shifted.loc[shifted["horizon"] == 80, "hellinger"].between(0.2, 1).all()
    # a spectrum knows nothing of the mean
    np.testing.assert_allclose(shifted.loc[shifted["horizon"] == 80, "d_h"], 0, atol=1e-6)


def test_with_the_whole_series_as_truth_mase_is_that_of_the_metrics():
    x = np.random.default_rng(1).normal(size=(100, 1))
    change = np.abs(np.diff(x, axis=0)).mean(axis=0)
    y = x[::-1]
    found = rolling.measure(y, x, scale=change, delays=(), config=CONFIG)
    assert found["mase"] == pytest.approx(metrics.mase(forecast=y, truth=x, steps=100))


def test_the_seasonal_scale_and_the_shape_measures_by_hand():
    x = wave(400, 1)
    config = RollingConfig(contexts=(100,), horizons=(90,), origins=3, season=7)
    table = evaluate(x, forecasters={"parrot": baselines.parrot}, config=config)
    tau, _ = rolling.delays_of(x, 90, config)

    def delayed(x):
        return np.concatenate([x[2 * tau :], x[tau:-tau], x[: -2 * tau]], axis=1)

    for _, row in table.iterrows():
        at = row["start"]
        made, truth = baselines.parrot(x[at - 100 : at], 90), x[at : at + 90]
        error = np.abs(made - truth).mean()
        assert row["mase"] == pytest.approx(error / np.abs(x[7:] - x[:-7]).mean())
        assert row["d_h"] == metrics.spectral_hellinger(forecast=made, truth=truth, smoothing=2)
        assert row["d_stsp"] == metrics.state_space_divergence(
            forecast=delayed(made), truth=delayed(truth), bins=8
        )


def test_delay_vectors():
    assert rolling.delays_of(wave(300, 2), 80, CONFIG) == ()
    tau, twice = rolling.delays_of(wave(300, 1), 80, CONFIG)
    assert twice == 2 * tau <= 80 // 4


def test_failures_are_kept_counted_and_worst():
    x = wave(300, 1)

    def gives_up(context, horizon, *, seed):
        raise InputError("no idea")

    def breaks(context, horizon, *, seed):
        return np.full((horizon, 1), np.nan)

    def flat(context, horizon, *, seed):
        return np.full((horizon, 1), 1e9)

    table = evaluate(
        x, forecasters={"gives up": gives_up, "breaks": breaks, "flat": flat}, config=CONFIG
    )
    assert set(table["failure"]) == {"no idea", "not finite", ""}
    found = summary(table, against="flat").set_index(["forecaster", "context", "horizon"])
    assert found.loc[("gives up", 60, 80), ["mase", "d_h"]].tolist() == [np.inf, np.inf]
    assert found.loc[("breaks", 60, 80), "failures"] == 6
    assert found.loc[("flat", 60, 80), "d_stsp"] == np.inf
    assert found.loc[("flat", 60, 80), "failures"] == 0
    assert found.loc[("breaks", 60, 5), "beats"] == 0.0
    assert found.loc[("flat", 60, 5), "beats"] == 0.0  # a tie is no win


def test_the_summary_pairs_origins():
    x = wave(400, 1) + 0.1 * np.random.default_rng(0).normal(size=(400, 1))
    table = evaluate(
        x, forecasters={"parrot": baselines.parrot, "naive": baselines.naive}, config=CONFIG
    )
    found = summary(table.sample(frac=1.0, random_state=0), against="naive")
    row = found[(found["forecaster"] == "parrot") & (found["context"] == 120)].set_index("horizon")
    wide = table[(table["context"] == 120) & (table["horizon"] == 80)].pivot(
        index="origin", columns="forecaster", values="mase"
    )
    wins, ties = wide["parrot"] < wide["naive"], wide["parrot"] == wide["naive"]
    assert row.loc[80, "beats"] == pytest.approx((wins + 0.5 * ties).mean())
    assert row.loc[80, "mase_low"] <= row.loc[80, "mase"] <= row.loc[80, "mase_high"]
    assert row.loc[80, "mase"] in set(wide["parrot"])
    with pytest.raises(InputError, match="no forecaster named 'ceiling'"):
        summary(table, against="ceiling")


def test_dynamix_behind_the_signature():
    x = wave(210, 1)
    made = baselines.baseline("dynamix-3d", embedding="delay", detrend=True)(x, 20, seed=3)
    how = {"embedding": "delay", "detrend": True, "seed": 3}
    expected = forecast(x, horizon=20, model="dynamix-3d", **how)
    np.testing.assert_array_equal(made, expected)
    table = evaluate(x, forecasters={"DynaMix": baselines.baseline("dynamix-3d")}, config=CONFIG)
    assert np.isfinite(table.loc[table["horizon"] == 5, ["mase", "mae", "seconds"]]).all(axis=None)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.zeros((400, 1)), "must change"),
        (np.where(np.arange(400) == 7, np.nan, wave(400, 1)[:, 0]), "finite"),
        (wave(150, 1), "leaves 0 origins"),
        (wave(400, 2)[:, :, None], "found 2 of them"),
    ],
)
def test_bad_series(x, told):
    with pytest.raises(InputError, match=told):
        evaluate(x, forecasters={"naive": baselines.naive}, config=CONFIG)


def test_bad_forecasters_and_settings():
    with pytest.raises(InputError, match=r"must return \(80, 1\), found \(79, 1\)"):
        evaluate(
            wave(400, 1),
            forecasters={"short": lambda c, h, *, seed: np.zeros((h - 1, 1))},
            config=CONFIG,
        )
    for wrong in ({"origins": 0}, {"contexts": ()}, {"horizons": (1,)}):
        with pytest.raises(InputError):
            RollingConfig(**wrong)


def test_some_contexts_have_the_origins_of_all():
    x = wave(400, 1)
    both = evaluate(x, forecasters={"parrot": baselines.parrot}, config=CONFIG)
    one = evaluate(x, forecasters={"parrot": baselines.parrot}, config=CONFIG, contexts=(60,))
    same = both[both["context"] == 60]
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), same.drop(columns="seconds"))


def test_frames_are_taken():
    x = pd.DataFrame({"v": wave(300, 1)[:, 0]}, index=pd.date_range("2020", periods=300, freq="h"))
    table = evaluate(x, forecasters={"naive": baselines.naive}, config=CONFIG)
    assert len(table) == 24
