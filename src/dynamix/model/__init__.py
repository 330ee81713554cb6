"""The model as the paper writes it, in plain PyTorch: experts, gate, mixture, rollout, checkpoints.

Nothing here is faster than it is readable; :mod:`dynamix.engine` is.
"""

from .checkpoints import (
    bundled,
    from_published,
    load,
    read_tensors,
    save,
    to_published,
    write_tensors,
    write_text,
)
from .dynamix import (
    ALRNNExperts,
    ClippedShallowPLRNNExperts,
    Context,
    DynaMix,
    Gate,
    check_series,
    count_parameters,
    stable_diagonals,
)
from .rollouts import (
    Rollout,
    gate_noise_stream,
    rollout,
)

__all__ = [
    "ALRNNExperts",
    "ClippedShallowPLRNNExperts",
    "Context",
    "DynaMix",
    "Gate",
    "Rollout",
    "bundled",
    "check_series",
    "count_parameters",
    "from_published",
    "gate_noise_stream",
    "load",
    "read_tensors",
    "rollout",
    "save",
    "stable_diagonals",
    "to_published",
    "write_tensors",
    "write_text",
]
