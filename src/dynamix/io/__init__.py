"""Data in and files out: arrays and frames, the time axis, tables, the one atomic writer, the hub.

This room knows no model and no method: it must not import any room but errors and settings.
"""

from .arrays import as_series
from .hub import push_to_hub
from .tables import read

__all__ = ["as_series", "push_to_hub", "read"]
