"""From a context to its continuation: the pipeline, ensembles, and the choice of an embedding.

This room applies a model that exists. It knows nothing of training or evaluation.
"""

from .embedding_choice import EmbeddingChoice, choose_embedding
from .ensembles import draw, sample_seed, stack
from .frames import predict_df
from .models import sharpened
from .pipeline import Pipeline
from .zero_shot import forecast

__all__ = [
    "EmbeddingChoice",
    "Pipeline",
    "choose_embedding",
    "draw",
    "forecast",
    "predict_df",
    "sample_seed",
    "sharpened",
    "stack",
]
