"""The model as the paper writes it, in plain PyTorch: experts, gate, mixture, rollout, checkpoints.

Readability comes before speed here; :mod:`dynamix.engine` computes the same numbers fast. This room
knows nothing of data, forecasts or training.
"""

from .batch import Batch
from .checkpoints import load, save
from .dynamix import DynaMix, count_parameters
from .experts import ALRNNExperts, ClippedShallowPLRNNExperts
from .gate import Context, Gate
from .rollouts import Rollout, rollout

__all__ = [
    "ALRNNExperts",
    "Batch",
    "ClippedShallowPLRNNExperts",
    "Context",
    "DynaMix",
    "Gate",
    "Rollout",
    "count_parameters",
    "load",
    "rollout",
    "save",
]
