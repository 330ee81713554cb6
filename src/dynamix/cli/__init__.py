"""The command line. It only translates words into calls of the library."""

from .main import main

__all__ = ["main"]
