"""The guard skips what is not finite or far out."""

from __future__ import annotations

import numpy as np
import pytest

from dynamix import TrainingConfig
from dynamix.training import Guard


def test_guard_skips_what_is_not_finite_or_far_out_and_forgets_nothing():
    guard, config = Guard(), TrainingConfig()
    for _ in range(30):
        assert guard.accepts(1.0, 0.5, config)
    assert guard.limit(config) == pytest.approx(1.5)
    for loss, norm in [(np.nan, 0.5), (1.0, np.inf), (1.0, 26.0), (21.0, 0.5)]:
        assert not guard.accepts(loss, norm, config)
    assert guard.skipped == guard.skipped_in_a_row == 4
    assert guard.accepts(1.0, 10.0, config)  # large, so clipped, but not absurd
    assert guard.skipped_in_a_row == 0
    assert guard.mean_norm < 0.54
    assert guard.skipped == 4
