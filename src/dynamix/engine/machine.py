"""What this machine offers: cores, and whether it can run kernels."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


class EngineUnavailable(RuntimeError):  # noqa: N818
    """The kernels do not compile here; the other engines do the same, more slowly."""


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Small matrices gain nothing from more, and a sum must not depend on the number of threads."""
    import torch  # which a shell's completions need not wait for

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
