"""The command line, one file per command: it turns words into calls of the library.

It knows no default of its own: flags, help and bounds come from :mod:`dynamix.settings`.
"""

from .parser import main

__all__ = ["main"]
