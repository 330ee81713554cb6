"""Training by sparse teacher forcing: the loss, the guard, the trainer.

This room plots nothing and knows no baseline and no benchmark.
"""

from .analogue_start import start_as_analogue
from .data import corpus, training_systems, validation_systems
from .forcing import draw_batch, training_loss
from .guard import Guard
from .run_folder import read_log
from .trainer import Trainer, train

__all__ = [
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
