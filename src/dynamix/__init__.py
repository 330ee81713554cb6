"""DynaMix: zero-shot reconstruction of dynamical systems.

``dynamix.forecast(context, horizon=1000)`` continues a short stretch of a system that the model has
not seen in training. The rooms of the library are subpackages; each is imported at its first use.
"""

import os
import sys
import warnings
from typing import TYPE_CHECKING

from .lazy import on_first_use

if TYPE_CHECKING:
    from .errors import InputError as InputError
    from .evaluation.settings import BenchmarkConfig as BenchmarkConfig
    from .forecasting.zero_shot import forecast as forecast
    from .interfaces.frames import predict_df as predict_df
    from .io.tables import read as read
    from .model.dynamix import DynaMix as DynaMix
    from .settings import ForecastConfig as ForecastConfig
    from .settings import ModelConfig as ModelConfig
    from .settings import TrainingConfig as TrainingConfig
    from .training.trainer import train as train

__version__ = "0.1.0"

# a public name and the module that defines it
_NAMES = {
    "BenchmarkConfig": "evaluation.settings",
    "DynaMix": "model.dynamix",
    "ForecastConfig": "settings",
    "InputError": "errors",
    "ModelConfig": "settings",
    "TrainingConfig": "settings",
    "forecast": "forecasting.zero_shot",
    "predict_df": "interfaces.frames",
    "read": "io.tables",
    "train": "training.trainer",
}
_ROOMS = (
    "io", "preprocessing", "model", "local", "forecasting", "systems", "flows", "training",
    "datasets", "metrics", "dynamics", "baselines", "evaluation", "report", "plotting",
)  # fmt: skip
_MORE_ROOMS = ("engine", "gp", "interfaces")  # found in the same way, for those who know them
__all__ = [*_NAMES, *_ROOMS]


__getattr__, __dir__ = on_first_use(__name__, _NAMES, (*_ROOMS, *_MORE_ROOMS))


def _look_for_the_authors_package() -> None:
    """Report the authors' distribution ``DynaMix-python``, which installs a ``dynamix`` too.

    In our folder its files overwrite or mix with ours, which is an error. Elsewhere on the path the
    first of the two packages hides the other.
    """
    ours = os.path.dirname(os.path.dirname(__file__))
    for folder in dict.fromkeys([ours, *sys.path]):
        try:  # listing a folder is much cheaper than importlib.metadata
            names = [name.lower() for name in os.listdir(folder or ".")]
        except OSError:
            continue
        if any(n.startswith("dynamix_python-") and n.endswith(".dist-info") for n in names):
            message = f"the authors' package DynaMix-python in {folder!r} is called 'dynamix' too"
            if folder == ours:
                raise ImportError(
                    f"{message} and has mixed its files with ours, so uninstall both and install "
                    "them in two environments."
                )
            warnings.warn(f"{message}, and this one hides it.", stacklevel=3)


_look_for_the_authors_package()
