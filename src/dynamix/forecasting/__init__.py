"""From a context to its continuation: the pipeline, ensembles, and the choice of an embedding.

Nothing here is trained or evaluated.
"""

from .embedding_choice import (
    FREE_RUN,
    HELD_OUT,
    LONGEST_RUN,
    ORIGINS,
    SPACINGS,
    STEPS,
    WORST,
    Candidate,
    EmbeddingChoice,
    Score,
    bounded_error,
    candidates,
    choose,
    choose_embedding,
    comparison,
    trials,
)
from .ensembles import (
    Drawn,
    draw,
    sample_seed,
    stack,
)
from .frames import predict_df
from .pipeline import (
    Pipeline,
    Prepared,
    sharpened,
)
from .spacing import (
    widened,
    widening,
)
from .zero_shot import (
    forecast,
)

__all__ = [
    "FREE_RUN",
    "HELD_OUT",
    "LONGEST_RUN",
    "ORIGINS",
    "SPACINGS",
    "STEPS",
    "WORST",
    "Candidate",
    "Drawn",
    "EmbeddingChoice",
    "Pipeline",
    "Prepared",
    "Score",
    "bounded_error",
    "candidates",
    "choose",
    "choose_embedding",
    "comparison",
    "draw",
    "forecast",
    "predict_df",
    "sample_seed",
    "sharpened",
    "stack",
    "trials",
    "widened",
    "widening",
]
