"""Dynamical systems: the catalogue and its split, coupled pairs, training windows.

This room provides trajectories; it knows no model and no forecast.
"""

from .corpus import (
    catalogue,
    everyone,
    lyapunov_time,
    split,
    split_table,
    system_facts,
    trajectory,
)
from .coupled import pair
from .windows import WindowSampler, load_trajectories

__all__ = [
    "WindowSampler",
    "catalogue",
    "everyone",
    "load_trajectories",
    "lyapunov_time",
    "pair",
    "split",
    "split_table",
    "system_facts",
    "trajectory",
]
