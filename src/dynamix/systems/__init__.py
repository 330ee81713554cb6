"""Dynamical systems: the catalogue and its split, generated and coupled flows, training windows.

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
from .generated import flow
from .windows import WindowSampler, load_trajectories

__all__ = [
    "WindowSampler",
    "catalogue",
    "everyone",
    "flow",
    "load_trajectories",
    "lyapunov_time",
    "pair",
    "split",
    "split_table",
    "system_facts",
    "trajectory",
]
