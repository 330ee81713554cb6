"""Work spread over processes of this machine, or of a Dask cluster."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from ..errors import InputError, needs, whole_number

Task = TypeVar("Task")
Result = TypeVar("Result")

_CONNECT = 10.0  # seconds that a scheduler may take to answer


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C is no matter of processes that begin here: they are killed by the one that waits.

    Else each would print a traceback of its own, also of its imports.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as lokys

    for tracker in (resource_tracker, lokys):  # each lifts the block when it begins
        tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def spread(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    workers: int = 1,
    dask: str | None = None,
) -> Iterator[Result]:
    """``work`` of every task, in the order in which the results are ready.

    Other processes must be able to import ``work``, which may be a ``functools.partial``. Tasks
    should be few and long. ``workers`` is a number of processes; with ``dask``, the workers of the
    scheduler at this address are used instead, and a task whose worker dies goes to another one.
    """
    workers = whole_number("workers", workers)
    if dask is None and workers == 1:
        yield from map(work, tasks)
        return
    with needs("systems" if dask is None else "dask"):
        import joblib

    options: dict[str, Any] = {"batch_size": 1, "return_as": "generator_unordered"}
    calls = [joblib.delayed(work)(task) for task in tasks]
    if dask is None:
        with undisturbed():  # the processes begin before their first result is asked for
            made = joblib.Parallel(n_jobs=workers, backend="loky", **options)(calls)
        yield from made
        return
    with needs("dask"):
        from distributed import Client
    try:
        client = Client(dask, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:  # a timeout is an OSError
        raise InputError(
            f"no Dask scheduler answers at {dask!r} ({error}). Start one with 'dask scheduler', "
            "and workers with 'dask worker ADDRESS'."
        ) from error
    with client, joblib.parallel_config(backend="dask", client=client):
        yield from joblib.Parallel(n_jobs=-1, **options)(calls)
