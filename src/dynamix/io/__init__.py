"""Data in and files out: arrays and frames, the time axis, tables, and the one atomic writer.

This room knows no model and no method: it must not import any room but errors and settings.
"""

from .arrays import as_series, check_values, unpack
from .files import cache_directory, write_whole
from .tables import read
from .time_axis import continue_index

__all__ = [
    "as_series",
    "cache_directory",
    "check_values",
    "continue_index",
    "read",
    "unpack",
    "write_whole",
]
