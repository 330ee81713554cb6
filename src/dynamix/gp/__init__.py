"""The Gaussian-process forecaster: a context's one-step map as a smooth function, in closed form.

It is not in the paper. It offers the same ``start`` and ``step`` as the paper's model. Its map also
tells noise from motion, by which contexts of every model can be smoothed.
"""

from .forecaster import GaussianProcess
from .settings import GPConfig
from .smoothing import smooth

__all__ = ["GPConfig", "GaussianProcess", "smooth"]
