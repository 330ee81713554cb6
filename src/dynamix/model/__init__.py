"""The model as the paper writes it, in plain PyTorch: experts, gate, mixture, rollout, checkpoints.

Readability comes before speed here; :mod:`dynamix.engine` computes the same numbers fast. This room
knows nothing of data, forecasts or training.
"""

from typing import TYPE_CHECKING

from ..lazy import on_first_use

if TYPE_CHECKING:
    from .dynamix import DynaMix as DynaMix
    from .dynamix import count_parameters as count_parameters
    from .rollouts import rollout as rollout
    from .runs import Rollout as Rollout
    from .shapes import Batch as Batch

_NAMES = {
    "Batch": "shapes",
    "DynaMix": "dynamix",
    "Rollout": "runs",
    "count_parameters": "dynamix",
    "rollout": "rollouts",
}
__all__ = ["Batch", "DynaMix", "Rollout", "count_parameters", "rollout"]
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
