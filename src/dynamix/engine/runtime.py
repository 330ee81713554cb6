"""What the kernels share with Python: compiling, caching, threads, and the layout of arrays."""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numba import njit, typeof
from torch import Tensor

logger = logging.getLogger(__name__)

WIDTH = 8  # float32 in a vector
BLOCK = 4 * WIDTH  # outputs that `product` computes at a time
LINE = 64  # bytes of the cache's lines
FAR = np.float32(1e18)  # distance of padding: no weight, yet safe to multiply
SAFE = 15.0  # dropping steps beyond SAFE + ln(K), in units of tau, loses at most exp(-15) of weight
NOTICE = 2.0  # seconds of compiling after which the log says so


def digest_of(folder: Path) -> str:
    """A digest of the files of the engine, whose code ends up in kernels."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# numba's cache notices a change of the file that a function is in, and of its arguments' types, but
# not of the files that its helpers are in. Entry points take this empty array as an argument: the
# name in its type is the digest of all of them.
VERSION = np.zeros(0, [("k" + digest_of(Path(__file__).parent), np.uint8)])


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    """``unwrap``: the tests' import hook wraps every function."""
    return njit(nogil=True, error_model="numpy", **options)(inspect.unwrap(function))


def piece(function: Callable[..., Any]) -> Any:
    """Compile a helper, as a part of every entry point that calls it."""
    return _compiled(function)


def inlined(function: Callable[..., Any]) -> Any:
    """:func:`piece` as a part of its caller, where a group of arrays is unpacked at no cost."""
    return _compiled(function, forceinline=True)


def entry(function: Callable[..., Any]) -> Any:
    """Compile an entry point on the first call, without the GIL; keep the result on disk.

    It takes :data:`VERSION` among its arguments.
    """
    try:
        return _compiled(function, cache=True)
    except RuntimeError:  # nowhere to write
        return _compiled(function)


class EngineUnavailable(RuntimeError):  # noqa: N818
    """The kernels do not compile here; the torch engine does the same, more slowly."""


_compiling = threading.Lock()
_usable: set[Any] = set()


def call(kernel: Any, *arguments: Any) -> None:
    """Call a compiled function; a log says so when compiling it takes long.

    Raises EngineUnavailable if it does not compile.
    """
    if kernel not in _usable:
        with _compiling:
            text = "compiling %s; this happens once, the result is kept on disk"
            notice = threading.Timer(NOTICE, logger.warning, [text, kernel.__name__])
            notice.start()
            try:
                kernel.compile(tuple(typeof(argument) for argument in arguments))
            except Exception as error:  # numba, LLVM and the operating system each have their own
                raise EngineUnavailable(f"{kernel.__name__} does not compile: {error}") from error
            finally:
                notice.cancel()
            _usable.add(kernel)
    kernel(*arguments)


@lru_cache(maxsize=8)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads, kept; by process, since they do not survive a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix="dynamix")


def spread(work: Callable[[int], Any], items: range, threads: int) -> list[Any]:
    """``work(item)`` for each; the kernels do not hold the GIL, so threads run side by side."""
    if threads == 1 or len(items) == 1:
        return [work(item) for item in items]
    return list(_pool(threads, os.getpid()).map(work, items))


def share_out(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """``work(first, last)`` for stretches of ``range(count)``, one for each thread."""
    parts = min(threads, count)
    spread(lambda i: work(count * i // parts, count * (i + 1) // parts), range(parts), parts)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def padded(n: int, multiple: int) -> int:
    """``n`` rounded up."""
    return -(-n // multiple) * multiple


def packed(matrix: np.ndarray, block: int = BLOCK, dtype: Any = np.float32) -> np.ndarray:
    """An ``(n, m)`` matrix as products read it: ``(blocks, n, block)``, flat, zero-padded.

    It begins with a line of the cache, since no vector should straddle two.
    """
    n, m = matrix.shape
    blocks = -(-m // block)
    room = np.zeros(blocks * n * block + LINE, dtype)
    first = -room.ctypes.data % LINE // room.itemsize
    flat = room[first : first + blocks * n * block]
    full = np.zeros((n, blocks * block), dtype)
    full[:, :m] = matrix
    flat.reshape(blocks, n, block)[:] = full.reshape(n, blocks, block).transpose(1, 0, 2)
    return flat


def as_array(tensor: Tensor) -> np.ndarray:
    """A contiguous float32 array."""
    return np.ascontiguousarray(tensor.detach().to("cpu", torch.float32).numpy())


def rows_of(values: np.ndarray) -> np.ndarray:
    """``(..., J, m)`` to ``(..., J m')``, each expert's part padded to whole vectors."""
    *rest, J, m = values.shape
    full = np.zeros((*rest, J, padded(m, WIDTH)), values.dtype)
    full[..., :m] = values
    return full.reshape(*rest, -1)


def followed(values: np.ndarray, n: int) -> np.ndarray:
    """All values in a row, and ``n`` zeros."""
    return np.concatenate([values.ravel(), np.zeros(n, values.dtype)])
