"""The forecast's contract: kinds of arrays, seeds, independence, and every bad input."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from figures import calls_of
from helpers import small_model, wave

import dynamix
from dynamix import InputError, forecast

MODEL = small_model()


def run(context, **options):
    return forecast(context, **({"horizon": 12, "model": MODEL} | options))


@pytest.mark.parametrize(
    "shape", [(60,), (60, 1), (60, 2), (60, 3), (60, 5), (60, 4, 2), (60, 2, 5)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes_come_back(shape, dtype):
    x = wave(60, int(np.prod(shape[1:]))).reshape(shape).astype(dtype)
    y = run(x)
    assert y.shape == (12, *shape[1:])
    assert y.dtype == dtype
    assert np.isfinite(y).all()


def test_integers_give_floats():
    x = np.round(100 * wave(60, 2)).astype(int)
    np.testing.assert_array_equal(run(x), run(x.astype(float)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_tensors_give_tensors(dtype):
    x = torch.from_numpy(wave(60)).to(dtype)
    y = run(x)
    assert isinstance(y, torch.Tensor)
    assert y.dtype == dtype
    y, gates = run(x, return_gates=True)
    assert isinstance(gates, torch.Tensor)


@pytest.mark.parametrize(
    ("index", "first"),
    [
        (pd.date_range("2024-01-01", periods=60, freq="h"), pd.Timestamp("2024-01-03 12:00")),
        (pd.date_range("2024-01-31", periods=60, freq="ME"), pd.Timestamp("2029-01-31")),
        (pd.date_range("2024-01-01", periods=60, freq="B"), pd.Timestamp("2024-03-25")),
        (pd.period_range("2020-01", periods=60, freq="M"), pd.Period("2025-01", "M")),
        (pd.timedelta_range("0s", periods=60, freq="5s"), pd.Timedelta("300s")),
        (pd.RangeIndex(60), 60),
        (pd.Index(np.arange(60) * 0.1), pytest.approx(6.0)),
        (pd.date_range("2024-01-01", periods=60, freq="7min").tz_localize("UTC"), None),
    ],
    ids=["hours", "months", "weekdays", "periods", "deltas", "range", "floats", "zoned"],
)
def test_frames_give_frames_with_their_index_continued(index, first):
    frame = pd.DataFrame(wave(60, 2), index=index, columns=["a", "b"])
    frame.index.name = "when"
    stripped = frame.copy()
    if isinstance(index, pd.DatetimeIndex):
        stripped.index.freq = None  # as read from a file
    for given in (frame, stripped):
        y = run(given)
        assert list(y.columns) == ["a", "b"]
        assert y.index.name == "when"
        assert type(y.index) is type(index) or isinstance(index, pd.RangeIndex)
        assert len(y) == 12
        if first is not None:
            assert y.index[0] == first
        assert given.index.append(y.index).is_monotonic_increasing
        np.testing.assert_array_equal(y.to_numpy(), run(frame.to_numpy()))


def test_a_series_gives_a_series():
    s = pd.Series(wave(60, 1)[:, 0], name="load", index=pd.date_range("2024", periods=60))
    y = run(s)
    assert isinstance(y, pd.Series)
    assert y.name == "load"
    assert y.index[0] == pd.Timestamp("2024-03-01")


def test_nullable_columns_are_numbers_and_their_gaps_are_found():
    frame = pd.DataFrame({"a": pd.array(np.round(50 * wave(60, 1)[:, 0]), dtype="Int64")})
    assert run(frame).shape == (12, 1)
    frame.loc[3, "a"] = pd.NA
    with pytest.raises(InputError, match="step 3"):
        run(frame)


def test_the_seed_fixes_the_forecast_and_the_global_generators_do_not():
    x = wave(60)
    first = run(x, seed=3)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    np.testing.assert_array_equal(first, run(x, seed=3))
    assert not np.allclose(first, run(x, seed=4))
    quiet = run(x, gate_noise=False, seed=3)
    np.testing.assert_array_equal(quiet, run(x, gate_noise=False, seed=4))


@pytest.mark.parametrize("embedding", ["pos", "delay", "delay_random", "zero"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_series_does_not_see_the_series_beside_it(embedding, n):
    # different periods: each series has its own delay, so their embedded lengths differ
    x = np.stack([wave(120, n, seed=s) for s in range(4)], axis=1)
    together = run(x, embedding=embedding)
    for s in range(4):
        np.testing.assert_allclose(together[:, s], run(x[:, s], embedding=embedding), atol=2e-6)


def test_more_channels_than_the_model_are_forecast_singly():
    x = wave(60, 5)
    y = run(x)
    for i in range(5):
        np.testing.assert_allclose(y[:, i], run(x[:, i]), atol=2e-6)


def test_scaling_the_data_scales_the_forecast():
    x = wave(60)
    scale, offset = np.array([1e-3, 5.0, 1e4]), np.array([7.0, -3.0, 1e5])
    np.testing.assert_allclose(run(x * scale + offset), run(x) * scale + offset, rtol=1e-4)


def test_a_longer_horizon_begins_with_the_shorter_ones_forecast():
    x = wave(60)
    np.testing.assert_array_equal(run(x, horizon=30)[:12], run(x))


def test_initial_x_starts_the_forecast_and_the_embedding_follows():
    x = wave(60, 2)
    y = run(x, initial_x=x[-1], gate_noise=False, embedding="zero")
    np.testing.assert_allclose(y, run(x, gate_noise=False, embedding="zero"), atol=1e-5)
    batch = np.stack([x, x + 1], axis=1)
    starts = np.stack([x[5], x[5] + 1])
    several = run(batch, initial_x=starts)
    np.testing.assert_allclose(several[:, 0], run(x, initial_x=x[5]), atol=1e-5)
    np.testing.assert_allclose(several[:, 1], several[:, 0] + 1, atol=1e-4)


def test_gates_are_a_distribution_over_experts():
    y, gates = run(wave(60), return_gates=True)
    assert gates.shape == (12, 4)
    np.testing.assert_allclose(gates.sum(axis=-1), 1, atol=1e-6)
    assert (gates >= 0).all()
    np.testing.assert_array_equal(y, run(wave(60)))
    assert run(wave(60, 8).reshape(60, 4, 2), return_gates=True)[1].shape == (12, 4, 4)
    assert run(wave(60, 5), return_gates=True)[1].shape == (12, 5, 4)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_sharpness_divides_the_temperature_and_belongs_to_the_checkpoint(engine):
    x = wave(60)
    by_hand = copy.deepcopy(MODEL)
    by_hand.gate.tau_att.data /= 4
    expected = run(x, model=by_hand, engine=engine)
    before = MODEL.gate.tau_att.clone()
    np.testing.assert_array_equal(run(x, attention_sharpness=4, engine=engine), expected)
    torch.testing.assert_close(MODEL.gate.tau_att, before, rtol=0, atol=0)
    configured = small_model(attention_sharpness=4.0)
    np.testing.assert_array_equal(run(x, model=configured, engine=engine), expected)
    plain = run(x, engine=engine)
    np.testing.assert_array_equal(
        run(x, model=configured, attention_sharpness=1, engine=engine), plain
    )
    assert not np.allclose(plain, expected)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_quiet_steps_come_before_the_usual_noise(engine):
    x = wave(60)
    quiet = run(x, quiet_steps=5, engine=engine)
    np.testing.assert_array_equal(quiet[:5], run(x, gate_noise=False, engine=engine)[:5])
    assert not np.allclose(quiet[5:], run(x, gate_noise=False, engine=engine)[5:])
    configured = small_model(quiet_steps=5)
    np.testing.assert_array_equal(run(x, model=configured, engine=engine), quiet)
    all_quiet = run(x, quiet_steps=100, engine=engine)
    np.testing.assert_array_equal(all_quiet, run(x, gate_noise=False, engine=engine))


def test_engines_agree_and_refuse_what_they_cannot_run():
    x = np.stack([wave(80, seed=s) for s in range(3)], axis=1)
    np.testing.assert_allclose(run(x, engine="compiled"), run(x, engine="torch"), atol=2e-5)
    np.testing.assert_array_equal(run(x), run(x, engine="compiled"))
    for model, reason in (
        (small_model(probabilistic=True), "probabilistic"),
        (small_model().double(), "float64"),
    ):
        with pytest.raises(InputError, match=f"{reason}.*engine='torch'"):
            run(x, model=model, engine="compiled")
        np.testing.assert_array_equal(run(x, model=model), run(x, model=model, engine="torch"))


def test_where_compiling_fails_torch_does_the_work_and_says_so_once(monkeypatch, caplog):
    from dynamix.engine import rollout as kernels
    from dynamix.engine import runtime as kernels_runtime
    from dynamix.engine import select as engines

    def broken(*_, **__):
        raise kernels_runtime.EngineUnavailable("no compiler")

    monkeypatch.setattr(kernels, "rollouts", broken)
    engines.warn_once.cache_clear()
    x = wave(60)
    for _ in range(2):
        np.testing.assert_array_equal(run(x), run(x, engine="torch"))
    assert caplog.text.count("no compiler") == 1
    with pytest.raises(InputError, match="no compiler"):
        run(x, engine="compiled")


def test_detrending_continues_the_trend():
    t = np.arange(200.0)
    x = 0.05 * t + np.sin(2 * np.pi * t / 20)
    y = run(x, detrend=True, horizon=100)
    assert y.mean() == pytest.approx(0.05 * 250, rel=0.2)


def test_a_double_model_computes_in_double():
    model = small_model().double()
    x = wave(60)
    fine, coarse = run(x, model=model, gate_noise=False), run(x, gate_noise=False)
    assert 0 < np.abs(fine - coarse).max() < 1e-3


def test_bundled_model_is_the_default():
    assert forecast(wave(60, 1), horizon=3).shape == (3, 1)


NAN, INF = wave(60), wave(60)
NAN[17, 1], INF[5, 2] = np.nan, -np.inf
CONSTANT = wave(60)
CONSTANT[:, 1] = 4.2
DATES = pd.date_range("2024-01-01", periods=60)

BAD = {
    "empty": (np.empty((0, 3)), {}, "empty"),
    "no channels": (np.empty((60, 0)), {}, "empty"),
    "one step": (wave(60)[:1], {}, "at least 2 steps.*found 1"),
    "all NaN": (np.full((60, 3), np.nan), {}, "no finite value"),
    "NaN": (NAN, {}, "nan at step 17, channel 1"),
    "NaN in a batch": (np.stack([wave(60), NAN], axis=1), {}, "step 17, series 1, channel 1"),
    "infinity": (INF, {}, "-inf at step 5, channel 2"),
    "constant": (CONSTANT, {}, "channel 1 is constant at 4.2"),
    "float32 constant": (np.full((60, 1), 0.1, dtype=np.float32), {}, "constant"),
    "too short for pos": (wave(6, 1), {}, "'pos'.*at least 10 steps, found 6"),
    "too short for random delays": (wave(4, 1), {"embedding": "delay_random"}, "found 4"),
    "too short for a trend": (wave(3), {"detrend": True}, "at least 4 steps.*found 3"),
    "scalar": (np.float64(3.0), {}, r"found 0 dimensions: \(\)"),
    "rank 4": (np.zeros((5, 1, 1, 3)), {}, "found 4 dimensions"),
    "ragged": ([[1.0, 2.0], [3.0]], {}, "rectangular"),
    "text": (np.array([["a"], ["b"]]), {}, "real numbers"),
    "complex": (wave(60) + 1j, {}, "real numbers.*complex128"),
    "objects": (np.array([[1], [None]], dtype=object), {}, "real numbers"),
    "text column": (pd.DataFrame({"a": wave(60, 1)[:, 0], "b": "x"}), {}, "'b'"),
    "date column": (pd.DataFrame({"a": wave(60, 1)[:, 0], "d": DATES}), {}, "'d'"),
    "boolean column": (pd.DataFrame({"a": [True, False] * 30}), {}, "'a' .bool"),
    "empty frame": (pd.DataFrame(), {}, "empty"),
    "gappy dates": (
        pd.DataFrame({"a": wave(59, 1)[:, 0]}, index=DATES.delete(30)),
        {},
        "of 60 steps of day, 59 have a row",
    ),
    "text index": (
        pd.DataFrame({"a": wave(3, 1)[:, 0]}, index=["x", "y", "z"]),
        {},
        "cannot be continued",
    ),
    "horizon 0": (wave(60), {"horizon": 0}, "horizon.*found 0"),
    "horizon negative": (wave(60), {"horizon": -3}, "horizon.*found -3"),
    "horizon float": (wave(60), {"horizon": 10.0}, "horizon.*10.0 .float"),
    "horizon text": (wave(60), {"horizon": "10"}, "horizon.*str"),
    "horizon bool": (wave(60), {"horizon": True}, "horizon.*bool"),
    "seed negative": (wave(60), {"seed": -1}, "seed"),
    "sharpness 0": (wave(60), {"attention_sharpness": 0}, "attention_sharpness.*found 0"),
    "sharpness text": (wave(60), {"attention_sharpness": "4"}, "attention_sharpness"),
    "quiet steps": (wave(60), {"quiet_steps": -1}, "quiet_steps"),
    "embedding": (wave(60), {"embedding": "dealy"}, "pos, delay.*Did you mean 'delay'"),
    "engine": (wave(60), {"engine": "torhc"}, "auto, compiled, numpy, torch.*Did you mean 'torch'"),
    "checkpoint": (wave(60), {"model": "dynamix-3e"}, "Did you mean 'dynamix-3d'"),
    "checkpoint file": (wave(60), {"model": "no/such.safetensors"}, "no checkpoint at"),
    "model": (wave(60), {"model": 3}, "int"),
    "initial_x size": (wave(60), {"initial_x": [1.0, 2.0]}, r"initial_x.*\(3,\).*found \(2,\)"),
    "initial_x NaN": (wave(60), {"initial_x": [1.0, 2.0, np.nan]}, "initial_x.*finite"),
    "initial_x and trend": (wave(60), {"initial_x": [1, 2, 3], "detrend": True}, "initial_x"),
    "initial_x and Box-Cox": (wave(60), {"initial_x": [1, 2, 3], "box_cox": True}, "initial_x"),
    "Box-Cox unscaled": (wave(60), {"box_cox": True, "standardize": False}, "standardize"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_clear_error(case):
    context, options, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        run(context, **options)
    assert isinstance(caught.value, ValueError)


def test_the_way_to_the_kernel_is_short():
    """Each module is entered at most twice, and the library makes at most 40 calls in all."""
    x = wave(500)
    calls = calls_of(lambda: forecast(x, horizon=1, engine="torch"))
    assert len(calls) <= 40, "\n".join(map(str, calls))
    entries = Counter(file for file, _, origin in calls if file != origin)
    assert max(entries.values()) <= 2, entries


def test_a_new_setting_is_declared_in_one_place(tmp_path):
    """One line in settings.py: a parameter of forecast, a flag of the command line, a check."""
    shutil.copytree(Path(dynamix.__file__).parent, tmp_path / "dynamix")
    path = tmp_path / "dynamix" / "settings.py"
    first = '    detrend: bool = setting(False, "'
    line = '    patience: int = setting(7, "an example of a new setting", at_least=3)\n'
    text = path.read_text()
    assert text.count(first) == 1
    path.write_text(text.replace(first, line + first))
    code = """
import inspect, dynamix
from dynamix.cli import main
print(inspect.signature(dynamix.forecast).parameters["patience"])
print("an example of a new setting" in dynamix.forecast.__doc__)
try:
    dynamix.forecast([1.0, 2.0, 3.0], horizon=1, patience=2)
except dynamix.InputError as error:
    print(error)
main(["forecast", "--help"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    signature, described, error, *helped = done.stdout.splitlines()
    assert signature == "patience: int = 7"
    assert described == "True"
    assert error == "patience must be a whole number of at least 3, found 2."
    assert "--patience INT" in "\n".join(helped)


def test_a_list_of_series_gives_a_list():
    contexts = [wave(200), wave(300)[:, :2], pd.Series(wave(250)[:, 0])]
    found = dynamix.forecast(contexts, horizon=5)
    for context, y in zip(contexts, found, strict=True):
        np.testing.assert_array_equal(y, dynamix.forecast(context, horizon=5))
    assert isinstance(found[2], pd.Series)
    with pytest.raises(InputError, match="series 1: context must vary"):
        dynamix.forecast([wave(200), np.ones(200)], horizon=5)
    assert dynamix.forecast([wave(200), np.ones(200)], horizon=5, errors="skip")[1] is None


def test_one_bad_series_costs_only_itself(caplog):
    x = np.stack([wave(200), wave(200) + 1, 2 * wave(200), wave(200)], axis=1)
    whole = dynamix.forecast(x, horizon=6, initial_x=x[-2])
    x[7, 1, 2] = np.nan
    x[:, 3, 0] = 4.0
    with pytest.raises(InputError, match="series 1, channel 2"):
        dynamix.forecast(x, horizon=6)
    y = dynamix.forecast(x, horizon=6, initial_x=x[-2], errors="skip")
    np.testing.assert_array_equal(y[:, [0, 2]], whole[:, [0, 2]])
    assert np.isnan(y[:, [1, 3]]).all()
    assert "[1, 3]" in caplog.text
    with pytest.raises(InputError, match="must be finite"):
        dynamix.forecast(x[:, 1:2], horizon=6, errors="skip")
    with pytest.raises(InputError, match=r"no series can be forecast; the first: .* finite"):
        dynamix.forecast([x[:, 1]], horizon=6, errors="skip")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", ["dynamix-3d", "dynamix-3d-plus", "dynamix-gp", "auto"])
def test_a_start_beyond_what_a_model_can_compute_is_refused(model):
    x = wave(200)
    for far in (1e40, -1e300, 1.7e308):
        with pytest.raises(InputError, match="initial_x must lie within"):
            dynamix.forecast(x, horizon=3, model=model, initial_x=[0.0, far, 0.0])
    y = dynamix.forecast(x, horizon=3, model=model, initial_x=[0.0, 1e15, 0.0])
    assert np.isfinite(y).all()
    large = dynamix.forecast(x * 2.0**900, horizon=3, model=model, initial_x=x[-2] * 2.0**900)
    assert np.isfinite(large).all()
