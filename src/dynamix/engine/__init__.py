"""The compiled engine: the same numbers as :mod:`dynamix.model`, some hundred times faster.

Speed goes before readability here; tests hold it equal to the model.
"""

from .runtime import EngineUnavailable, available_cores
from .select import run_engine, warn_once

__all__ = ["EngineUnavailable", "available_cores", "run_engine", "warn_once"]
