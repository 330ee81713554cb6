"""Where files are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """Where trajectories are kept: ``$DYNAMIX_CACHE``, else the user's cache directory.

    Returns
    -------
    The folder, which need not exist yet: :func:`dynamix.systems.trajectory` makes it when it first writes there. A
    ``~`` in the variable stands for the home directory.

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, DYNAMIX_CACHE="elsewhere"):
    ...     cache_directory().name
    'elsewhere'
    """
    import platformdirs

    named = os.environ.get("DYNAMIX_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("dynamix"))
