"""Data in and files out: arrays and frames, the time axis, tables, and the one atomic writer.

This room knows no model and no method: it must not import any room but errors and settings.
"""

from .arrays import as_series
from .tables import read

__all__ = ["as_series", "read"]
