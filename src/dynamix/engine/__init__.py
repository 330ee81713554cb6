"""The engines: the numbers of :mod:`dynamix.model`, compiled or in NumPy.

In the kernels speed goes before readability; tests hold all engines equal to the model.
"""

from .machine import EngineUnavailable
from .select import run_engine

__all__ = ["EngineUnavailable", "run_engine"]
