"""From a context to its continuation: the pipeline, ensembles, and the choice of an embedding.

This room applies a model that exists. It knows nothing of training or evaluation.
"""

from .embedding_choice import choose_embedding
from .models import sharpened
from .zero_shot import forecast

__all__ = ["choose_embedding", "forecast", "sharpened"]
