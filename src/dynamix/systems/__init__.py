"""Dynamical systems: the catalogue and its split, coupled pairs, training windows.

This room provides trajectories; it knows no model and no forecast.
"""

from .corpus import catalogue, lyapunov_time, split, split_table, system_facts, trajectory
from .coupled import pair
from .windows import WindowSampler, load_trajectories

__all__ = [
    "WindowSampler",
    "catalogue",
    "load_trajectories",
    "lyapunov_time",
    "pair",
    "split",
    "split_table",
    "system_facts",
    "trajectory",
]
