"""Samples of the gate: each is the forecast with its own seed, in the context's kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import small_model, wave

from dynamix import InputError, cli, forecast
from dynamix.engine import select as engines
from dynamix.forecasting.ensembles import sample_seed
from dynamix.local import LocalForecaster
from dynamix.local.settings import LocalConfig

MODEL = small_model()
LOCAL = LocalForecaster(LocalConfig(neighbours=(6, 9), pulls=(0.95, 0.95)), sigma=0.05)
PROBABILISTIC = small_model(probabilistic=True)


def run(context, **options):
    return forecast(context, **({"horizon": 12, "model": MODEL, "odds": "gate"} | options))


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 3), (60, 5), (60, 2, 2)])
@pytest.mark.parametrize("embedding", ["pos", "delay", "delay_random"])
@pytest.mark.parametrize("seed", [0, 5])
def test_each_sample_is_the_forecast_with_its_own_seed(shape, embedding, seed):
    x = wave(60, int(np.prod(shape[1:]))).reshape(shape)
    samples = run(x, embedding=embedding, seed=seed, n_samples=4)
    assert samples.shape == (4, 12, *shape[1:])
    assert samples.dtype == x.dtype
    for i in range(4):
        alone = run(x, embedding=embedding, seed=sample_seed(seed, i))
        np.testing.assert_array_equal(samples[i], alone)
    np.testing.assert_array_equal(samples[0], run(x, embedding=embedding, seed=seed))
    assert not np.allclose(samples[0], samples[1])


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("model", [MODEL, LOCAL])
def test_every_engine_gives_the_samples_of_its_own_forecasts(engine, model):
    x = np.stack([wave(60, seed=s) for s in range(3)], axis=1)
    samples = run(x, model=model, engine=engine, n_samples=3)
    for i in range(3):
        alone = run(x, model=model, engine=engine, seed=sample_seed(0, i))
        np.testing.assert_array_equal(samples[i], alone)


def test_samples_differ_from_the_first_step_unless_told_otherwise():
    """A checkpoint that begins its forecasts quietly would else be sure of their first steps."""
    x, model = wave(60), small_model(quiet_steps=5)
    samples = run(x, model=model, n_samples=3)
    assert (np.ptp(samples, axis=0)[0] > 0).all()
    np.testing.assert_array_equal(samples[0], run(x, model=model, quiet_steps=0))
    asked = run(x, model=model, n_samples=3, quiet_steps=5)
    np.testing.assert_array_equal(asked[0], run(x, model=model))
    assert (np.ptp(asked, axis=0)[:5] == 0).all()


def test_a_longer_ensemble_begins_with_the_shorter_one():
    x = wave(60)
    np.testing.assert_array_equal(run(x, n_samples=5)[:2], run(x, n_samples=2))
    assert run(x, n_samples=1).shape == (1, 12, 3)


def test_no_two_seeds_share_a_sample():
    seeds = [sample_seed(seed, i) for seed in range(40) for i in range(40)]
    assert len(set(seeds)) == 1600
    assert max(seeds) < 2**63
    assert sample_seed(3, 7) == sample_seed(3, 7)


def test_tensors_give_a_tensor():
    x = torch.from_numpy(wave(60)).float()
    samples, gates = run(x, n_samples=3, return_gates=True)
    assert isinstance(samples, torch.Tensor)
    assert samples.shape == (3, 12, 3)
    assert isinstance(gates, torch.Tensor)
    assert gates.shape == (3, 12, 4)
    torch.testing.assert_close(samples[1], run(x, seed=sample_seed(0, 1)), rtol=0, atol=0)
    assert not torch.allclose(gates[0], gates[2])


def test_a_frame_gets_a_column_level_and_a_series_becomes_a_frame():
    index = pd.date_range("2024", periods=60, freq="h", name="when")
    frame = pd.DataFrame(wave(60, 2), index=index, columns=pd.Index(["a", "b"], name="channel"))
    samples = run(frame, n_samples=3)
    assert samples.columns.names == ["sample", "channel"]
    assert list(samples.columns.levels[0]) == [0, 1, 2]
    assert samples.index.name == "when"
    for i in range(3):
        pd.testing.assert_frame_equal(samples[i], run(frame, seed=sample_seed(0, i)))
    one = frame["b"]
    samples = run(one, n_samples=3)
    assert list(samples.columns) == [0, 1, 2]
    assert samples.columns.name == "sample"
    np.testing.assert_array_equal(samples[2], run(one, seed=sample_seed(0, 2)))


SAME = {
    "off": ({"gate_noise": False}, MODEL),
    "quiet": ({"quiet_steps": 12}, MODEL),
    "no width": ({}, small_model()),
}
with torch.no_grad():
    SAME["no width"][1].gate.sigma.zero_()


@pytest.mark.parametrize("case", SAME)
def test_without_noise_the_samples_are_the_same_and_a_warning_says_so_once(case, caplog):
    options, model = SAME[case]
    engines.warn_once.cache_clear()
    for _ in range(2):
        samples = run(wave(60), model=model, n_samples=3, **options)
    np.testing.assert_array_equal(samples[1:], samples[:-1])
    np.testing.assert_array_equal(samples[1], run(wave(60), model=model, seed=9, **options))
    assert caplog.text.count("every sample of the ensemble is the same") == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"model": PROBABILISTIC, "gate_noise": False},
        {"embedding": "delay_random", "gate_noise": False},
    ],
)
def test_where_anything_is_drawn_the_samples_differ_and_nothing_is_said(options, caplog):
    samples = run(wave(60, 1), n_samples=3, seed=1, **options)
    assert not np.allclose(samples[0], samples[1])
    assert not caplog.text


@pytest.mark.parametrize("n_samples", [0, -1, 2.0, True, "3"])
def test_bad_numbers_of_samples_are_refused(n_samples):
    with pytest.raises(InputError, match="n_samples"):
        run(wave(60), n_samples=n_samples)


def test_the_command_line_writes_a_column_per_channel_and_sample(tmp_path, capsys):
    pd.DataFrame(wave(60, 2), columns=["a", "b"]).to_csv(tmp_path / "x.csv", index=False)
    out, picture = tmp_path / "y.csv", tmp_path / "y.png"
    arguments = ["forecast", str(tmp_path / "x.csv"), "--horizon", "20", "--n-samples", "3"]
    assert cli.main([*arguments, "--output", str(out), "--plot", str(picture)]) == 0
    table = pd.read_csv(out, index_col=0)
    assert list(table.columns) == ["a[0]", "b[0]", "a[1]", "b[1]", "a[2]", "b[2]"]
    assert len(table) == 20
    assert picture.stat().st_size > 2000
    assert "20" in capsys.readouterr().err
