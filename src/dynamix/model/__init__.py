"""The model as the paper writes it, in plain PyTorch: experts, gate, mixture, rollout, checkpoints.

Readability comes before speed here; :mod:`dynamix.engine` computes the same numbers fast. This room
knows nothing of data, forecasts or training.
"""

from .dynamix import DynaMix, count_parameters
from .hub import push_to_hub
from .rollouts import Rollout, rollout
from .shapes import Batch

__all__ = ["Batch", "DynaMix", "Rollout", "count_parameters", "push_to_hub", "rollout"]
