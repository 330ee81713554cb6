"""Data in and files out: arrays and frames, time axes, tables, and the one atomic writer.

Nothing here knows a model.
"""

from .arrays import (
    check_initial,
    check_values,
    continue_index,
    like,
    to_numpy,
    unpack,
)
from .files import (
    cache_directory,
    digest,
    write_bytes,
    write_text,
    write_whole,
)
from .parallel import (
    Result,
    Task,
    spread,
)
from .tables import (
    read_csv,
)

__all__ = [
    "Result",
    "Task",
    "cache_directory",
    "check_initial",
    "check_values",
    "continue_index",
    "digest",
    "like",
    "read_csv",
    "spread",
    "to_numpy",
    "unpack",
    "write_bytes",
    "write_text",
    "write_whole",
]
