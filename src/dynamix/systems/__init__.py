"""Dynamical systems: the catalogue and its split, generated and coupled flows, training windows."""

from .corpus import (
    DIMENSION,
    MOST_DIMS,
    TOLERANCE,
    catalogue,
    everyone,
    lyapunov_time,
    split,
    split_table,
    system_facts,
    trajectory,
    variant,
)
from .coupled import (
    pair,
)
from .families import (
    FAMILIES,
    NAMES,
    candidate,
)
from .generated import (
    BENT_SHARE,
    CHAOS,
    CHAOTIC_SHARE,
    CYCLE,
    LARGEST_STEP,
    RICH_SHARE,
    Kind,
    describe,
    dominant_period,
    flow,
    flows,
)
from .integrator import (
    UNITS,
    Escaped,
    Tables,
    Walk,
)
from .windows import (
    WindowSampler,
    load_trajectories,
)

__all__ = [
    "BENT_SHARE",
    "CHAOS",
    "CHAOTIC_SHARE",
    "CYCLE",
    "DIMENSION",
    "FAMILIES",
    "LARGEST_STEP",
    "MOST_DIMS",
    "NAMES",
    "RICH_SHARE",
    "TOLERANCE",
    "UNITS",
    "Escaped",
    "Kind",
    "Tables",
    "Walk",
    "WindowSampler",
    "candidate",
    "catalogue",
    "describe",
    "dominant_period",
    "everyone",
    "flow",
    "flows",
    "load_trajectories",
    "lyapunov_time",
    "pair",
    "split",
    "split_table",
    "system_facts",
    "trajectory",
    "variant",
]
