"""Sparse teacher forcing: the loss, the guard, the trainer.

Nothing here plots or evaluates on held-out systems.
"""

from .analogue_start import (
    REACH,
    start_as_analogue,
)
from .forcing import (
    Guard,
    draw_batch,
    train,
    training_loss,
    training_systems,
    validation_systems,
)
from .trainer import (
    Trainer,
    corpus,
    read_log,
)

__all__ = [
    "REACH",
    "Guard",
    "Trainer",
    "corpus",
    "draw_batch",
    "read_log",
    "start_as_analogue",
    "train",
    "training_loss",
    "training_systems",
    "validation_systems",
]
