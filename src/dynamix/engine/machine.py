"""What this machine offers: cores, and whether it can run kernels."""

import os


class EngineUnavailable(RuntimeError):  # noqa: N818
    """The kernels do not compile here; the other engines do the same, more slowly."""


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
