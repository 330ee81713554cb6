"""Units of channels: powers of two, so that dividing by them rounds nothing."""

from __future__ import annotations

import numpy as np

from dynamix.io.scale import unit


def test_a_channels_unit_is_the_power_of_two_below_it():
    largest = np.array([[0.0, 5e-324, 0.75, -1.0, 1.7e308, np.nan, np.inf]])
    size = unit(largest)
    np.testing.assert_array_equal(size[[0, 2, 3, 5, 6]], [1.0, 0.5, 1.0, 1.0, 1.0])
    assert (np.frexp(size)[0] == 0.5).all()
    assert (np.abs(largest[0, 1:5] / size[1:5]) >= 1).all()
    assert (np.abs(largest[0, 1:5] / size[1:5]) < 2).all()
