"""A context's spacing, and forecasts that follow it."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import small_model, wave
from hypothesis import given
from hypothesis import strategies as st

from dynamix import DynaMix, forecast
from dynamix.errors import InputError
from dynamix.forecasting.models import adapted
from dynamix.forecasting.spacing import spacing, widening
from dynamix.preprocessing import decorrelation_time
from dynamix.settings import ForecastDefaults


def brute_force(x):
    """Every state against every other, one at a time."""
    near, asked = decorrelation_time(x), np.unique(np.linspace(0, len(x) - 1, 128).astype(int))
    found = []
    for k in asked:
        distances = [np.abs(x[k] - y).sum() for j, y in enumerate(x) if abs(j - k) > near]
        if distances:
            found.append(min(distances))
    return float(np.median(found)) if found else 0.0


@given(st.integers(5, 300), st.integers(1, 4), st.integers(0, 50))
def test_spacing_equals_brute_force(T_C, n, seed):
    x = wave(T_C, n, seed)
    assert spacing(x) == pytest.approx(brute_force(x), rel=1e-12, abs=1e-15)
    assert spacing(x, engine="torch") == spacing(x)


@given(st.integers(0, 50), st.floats(0.1, 10.0))
def test_spacing_is_measured_in_the_series_own_units(seed, scale):
    x = wave(200, 3, seed)
    assert spacing(scale * x + 5.0) == pytest.approx(scale * spacing(x), rel=1e-6)
    assert spacing(x[:, ::-1]) == pytest.approx(spacing(x))


def test_a_longer_context_is_denser():
    x = np.random.default_rng(0).uniform(size=(4000, 2))  # an area: spacing goes with T^(-1/2)
    assert spacing(x[:1000]) / spacing(x) == pytest.approx(2.0, rel=0.25)


def test_factors_are_half_octaves_within_bounds():
    x = wave(300)
    found = spacing(x)
    assert widening(x, reference=found) == 1.0
    assert widening(x, reference=found / np.sqrt(2)) == pytest.approx(np.sqrt(2))
    assert widening(x, reference=found / 100) == 4.0
    assert widening(x, reference=found * 100) == 0.5
    assert widening(x, reference=0.0) == 1.0
    assert widening(np.array([[0.0], [1.0]]), reference=1.0) == 1.0  # no other passage


def test_a_forecast_with_a_reference_is_one_of_the_widened_model():
    model, x = small_model(), wave(300)
    factor = widening((x - x.mean(0)) / x.std(0, ddof=1), reference=0.05)
    assert factor != 1
    plain = forecast(x, horizon=20, model=adapted(model, sharpness=1.0, factor=factor))
    np.testing.assert_array_equal(
        forecast(x, horizon=20, model=model, reference_spacing=0.05), plain
    )
    own = DynaMix(model.config, defaults=ForecastDefaults(reference_spacing=0.05))
    own.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(forecast(x, horizon=20, model=own), plain)


def test_series_beside_it_do_not_matter():
    model = small_model()
    batch = np.stack([wave(200, 3, seed) for seed in range(4)], axis=1)
    together = forecast(batch, horizon=15, model=model, reference_spacing=0.1)
    for s in range(4):
        alone = forecast(batch[:, s], horizon=15, model=model, reference_spacing=0.1)
        np.testing.assert_array_equal(together[:, s], alone)


def test_none_of_it_for_published_weights():
    assert DynaMix().defaults.reference_spacing == 0.0
    model = DynaMix()
    assert adapted(model, sharpness=1.0, factor=1.0) is model


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), True])
def test_a_wrong_reference_is_refused(wrong):
    with pytest.raises(InputError, match="reference_spacing must be"):
        forecast(wave(100), horizon=5, model=small_model(), reference_spacing=wrong)


# --- the checkpoint's own embedding --------------------------------------------------------------


def test_a_checkpoint_says_how_missing_dimensions_are_made_up():
    model = small_model(observed_dims=4, latent_dims=8)
    own = DynaMix(model.config, defaults=ForecastDefaults(embedding="delay", complete_from=3))
    own.load_state_dict(model.state_dict())
    for n, embedding in ((1, "delay"), (2, "delay"), (3, "zero")):
        x = wave(120, n)
        np.testing.assert_array_equal(
            forecast(x, horizon=8, model=own),
            forecast(x, horizon=8, model=model, embedding=embedding),
        )
        np.testing.assert_array_equal(  # what is asked for goes first
            forecast(x, horizon=8, model=own, embedding="pos"), forecast(x, horizon=8, model=model)
        )
    wide = wave(120, 6)  # each channel alone
    np.testing.assert_array_equal(
        forecast(wide, horizon=8, model=own),
        forecast(wide, horizon=8, model=model, embedding="delay"),
    )


def test_it_is_kept_with_the_checkpoint(tmp_path):
    defaults = ForecastDefaults(embedding="delay", complete_from=2, reference_spacing=0.1)
    path = DynaMix(defaults=defaults).save_pretrained(tmp_path / "m.safetensors")
    assert DynaMix.from_pretrained(path).defaults == defaults


def test_channels_of_zeros_do_not_matter():
    x = wave(300)
    assert spacing(np.hstack([x, np.zeros((300, 3))])) == spacing(x)
    assert spacing(np.zeros((50, 2))) == 0.0
