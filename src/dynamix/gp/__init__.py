"""The Gaussian-process forecaster: a context's one-step map as a smooth function, in closed form.

It is not in the paper. It offers the same ``start`` and ``step`` as the paper's model. Its map also
tells noise from motion, by which contexts of every model can be smoothed.
"""

from typing import TYPE_CHECKING

from ..lazy import on_first_use

if TYPE_CHECKING:
    from .forecaster import GaussianProcess as GaussianProcess
    from .settings import GPConfig as GPConfig
    from .smoothing import smooth as smooth

_NAMES = {
    "GPConfig": "settings",
    "GaussianProcess": "forecaster",
    "smooth": "smoothing",
}
__all__ = ["GPConfig", "GaussianProcess", "smooth"]
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
