"""Measured series of the book: a registry of files with their sources, and how one is loaded.

This room must not know a model.
"""

from .loading import catalogue, find, is_at_hand, load, raw, reachable, target
from .registry import REGISTRY

__all__ = ["REGISTRY", "catalogue", "find", "is_at_hand", "load", "raw", "reachable", "target"]
