"""The compiled engine: the same numbers as :mod:`dynamix.model`, some hundred times faster.

Speed goes before readability here; tests hold it equal to the model.
"""

from .runtime import EngineUnavailable
from .select import run_engine

__all__ = ["EngineUnavailable", "run_engine"]
