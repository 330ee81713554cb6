"""The command line. It only translates words into calls of the library."""

from .commands import main

__all__ = ["main"]
