"""What the kernels share with Python: compiling, caching, threads, and the layout of arrays."""

from __future__ import annotations

import hashlib
import inspect
import logging
import os
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit, typeof
from numba.core.caching import FunctionCache, IndexDataCacheFile

from ..io.files import write_bytes
from ..io.progress import tqdm
from .machine import EngineUnavailable

logger = logging.getLogger(__name__)

WIDTH = 8  # float32 in a vector
BLOCK = 4 * WIDTH  # outputs that `product` computes at a time
LINE = 64  # bytes of the cache's lines
FAR = np.float32(1e18)  # distance of padding: no weight, yet safe to multiply
SAFE = 15.0  # dropping steps beyond SAFE + ln(K), in units of tau, loses at most exp(-15) of weight
NOTICE = 2.0  # seconds of compiling after which the log says so, and of work without a bar
QUICK = 100_000  # steps that are done without a bar and cannot be interrupted, a tenth of a second
_FEW = 1000  # kernels for which the same holds


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


class _CheckedFiles(IndexDataCacheFile):
    """Compiled code by its key, a file each, behind its digest: flipped bits must not be run.

    Numba keeps an index of numbered files. Two processes that add to this index at once can give
    two keys the same file.
    """

    def _path(self, key: Any) -> str:
        name = hashlib.sha256(str(key).encode()).hexdigest()[:16]
        return self._data_path(self._data_name_pattern.replace("{number:d}", name))

    def load(self, key: Any) -> Any:
        try:
            content = Path(self._path(key)).read_bytes()
        except FileNotFoundError:
            return None
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            raise ValueError("its digest differs")
        made_for, data = pickle.loads(content[32:])
        return data if made_for == (self._version, self._source_stamp, key) else None

    def save(self, key: Any, data: Any) -> None:
        content = self._dump(((self._version, self._source_stamp, key), data))
        write_bytes(self._path(key), hashlib.sha256(content).digest() + content)


class _Cache(FunctionCache):
    """Numba's cache on disk; where it cannot be read or written, that costs time alone."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        own = self._cache_file
        self._cache_file = _CheckedFiles(
            self._cache_path, self._impl.filename_base, own._source_stamp
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # pickle and LLVM each have their own
            logger.warning("compiled code of %s is made again: %s", self._name, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            logger.warning("compiled code of %s is not kept on disk: %s", self._name, error)


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
    kernel = _compiled(function)
    try:
        kernel._cache = _Cache(kernel.py_func)
    except (RuntimeError, OSError) as error:  # nowhere to write
        logger.info("compiled code of %s is not kept on disk: %s", kernel.__name__, error)
    return kernel


_compiling = threading.Lock()
_usable: set[Any] = set()


def _after_fork() -> None:
    """A forked child has one thread: waiting for torch's or for one that compiles never ends."""
    global _compiling
    _compiling = threading.Lock()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def call(kernel: Any, *arguments: Any) -> None:
    """Call a compiled function; a log says so when compiling it takes long.

    Raises EngineUnavailable if it does not compile.
    """
    if kernel not in _usable:
        with _compiling:
            kept = isinstance(kernel._cache, _Cache)
            text = "compiling %s; this happens once" + ", the result is kept on disk" * kept
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


def signals_for(count: int) -> np.ndarray:
    """What ``count`` kernels hear and say: whether to stop, then each one's number of steps."""
    return np.zeros(1 + count, np.int64)


def watched(
    work: Callable[[int], Any], count: int, threads: int, *, signals: np.ndarray, steps: int
) -> None:
    """``work(i)`` for each of ``range(count)``, ``steps`` in all, with a progress bar.

    The caller's thread waits beside the kernels, so that Ctrl-C reaches them through ``signals``.
    """
    if steps <= QUICK and count <= _FEW:
        spread(work, range(count), threads)
        return

    def several(items: np.ndarray) -> None:
        for i in items.tolist():
            if not signals[0]:
                work(i)

    pool, parts = _pool(threads, os.getpid()), min(count, 16 * threads)
    jobs = [pool.submit(several, items) for items in np.array_split(np.arange(count), parts)]
    bar = tqdm(total=steps, desc="steps", unit_scale=True, disable=None, delay=NOTICE, leave=False)
    try:
        with bar:
            while wait(jobs, timeout=0.1).not_done:
                bar.update(int(signals[1:].sum()) - bar.n)
    finally:
        signals[0] = 1
        for job in jobs:
            job.cancel()
    for job in jobs:
        job.result()


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


def as_array(values: Any) -> np.ndarray:
    """A contiguous float32 array of an array or a tensor."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.ascontiguousarray(values, np.float32)


def rows_of(values: np.ndarray) -> np.ndarray:
    """``(..., J, m)`` to ``(..., J m')``, each expert's part padded to whole vectors."""
    *rest, J, m = values.shape
    full = np.zeros((*rest, J, padded(m, WIDTH)), values.dtype)
    full[..., :m] = values
    return full.reshape(*rest, -1)


def followed(values: np.ndarray, n: int) -> np.ndarray:
    """All values in a row, and ``n`` zeros."""
    return np.concatenate([values.ravel(), np.zeros(n, values.dtype)])
