"""Measured series of the book: a registry of files with their sources, and how one is loaded.

This room must not know a model.
"""

from .loading import catalogue, load, reachable, target

__all__ = ["catalogue", "load", "reachable", "target"]
