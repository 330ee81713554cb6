"""The Gaussian-process forecaster: a context's one-step map as a smooth function, in closed form.

It is not in the paper. It offers the same ``start`` and ``step`` as the paper's model. Its map also
tells noise from motion, by which contexts of every model can be smoothed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Import a name at its first use: a forecast by arrays needs no torch."""
    if name in _NAMES:
        return getattr(import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
