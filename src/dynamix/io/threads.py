"""How many threads linear algebra uses."""

from __future__ import annotations

from threadpoolctl import threadpool_limits


def sums_by_one_thread() -> threadpool_limits:
    """Sums that threads share depend on their number, and a free run amplifies the last digit.

    For matrices of a few hundred rows, more threads also take longer and wait for each other. It is
    a context manager.
    """
    return threadpool_limits(1)
