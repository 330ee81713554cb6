"""Progress bars, where somebody looks: at a terminal, and in a notebook that a person has open."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import tqdm as _tqdm


class Shown(_tqdm.tqdm):
    """tqdm's bar, which also shows in JupyterLab where ``disable`` is None.

    There the error stream is no terminal, so tqdm's own rule hides it. A notebook that papermill
    runs has no bars: its outputs are kept.
    """

    def __init__(self, *args: Any, disable: bool | None = False, **settings: Any) -> None:
        super().__init__(*args, disable=bool(disable), **settings)


def watched() -> bool:
    """Whether this is a kernel that a Jupyter server started for an open notebook."""
    return "ipykernel" in sys.modules and "JPY_SESSION_NAME" in os.environ


# once for the process: a forecast asks for a bar at every call
if TYPE_CHECKING or not watched():
    from tqdm import tqdm as tqdm
else:
    tqdm = Shown
