"""The one way to disk: files are written whole or not at all, and caches are checked when read."""

from __future__ import annotations

import atexit
import errno
import hashlib
import itertools
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from ..errors import InputError, OutputError, needs

logger = logging.getLogger(__name__)

_PART = ".dynamix-"  # begins the names of folders that hold a file until it is whole
_OLD = 86_400.0  # seconds after which such a folder is left over, where locks are not supported
_DIGEST = hashlib.sha256().digest_size


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """An error of the disk becomes an OutputError that names the path."""
    try:
        yield
    except (OutputError, BrokenPipeError):
        raise
    except (OSError, RuntimeError) as error:  # pathlib has its own for a link to itself
        if isinstance(error, RuntimeError) and "link loop" not in str(error):
            raise
        why = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"cannot write {str(path)!r}: {why}. Name another output.") from error


def make_folder(path: str | Path) -> Path:
    """Make a folder for outputs, and those above it, unless it exists."""
    with _writing(Path(path)):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def check_output(path: str | Path) -> None:
    """Raise, before the work, where :func:`write_whole` could not write a file.

    >>> check_output(tempfile.gettempdir())
    Traceback (most recent call last):
    ...
    dynamix.errors.OutputError: cannot write '...': it is a folder. Name a file in it.
    """
    path = Path(path)
    with _writing(path):
        if path.is_dir():
            raise OutputError(f"cannot write {str(path)!r}: it is a folder. Name a file in it.")
        if path.exists() and not path.is_file():
            return  # a device or a pipe
        target = path.resolve()
        if not target.parent.is_dir():
            raise OutputError(
                f"cannot write {str(path)!r}: its folder does not exist. Create it first."
            )
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is read-only")
        with _part_folder(target.parent) as folder, (folder / target.name).open("wb") as file:
            file.write(bytes(4096))  # the disk may be full


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; it replaces ``path`` when the block ends.

    The temporary file has the same name, in a folder of its own beside ``path``. A reader finds the
    old file or the new one, never a part. After an error in the block, ``path`` is unchanged. What
    a killed writer left in this folder is removed. The target of a link is replaced; a device or a
    pipe is written to directly. An error of the disk is raised as an OutputError.

    Examples
    --------
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with write_whole(Path(folder, "a.npy")) as temporary:
    ...         np.save(temporary, np.zeros(3))
    ...     [file.name for file in Path(folder).iterdir()]
    ['a.npy']
    """
    with _writing(path := Path(path)):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            yield path
            return
        path = path.resolve()
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with _replacing(path) as temporary:
            yield temporary


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary path that becomes the file at the end."""
    with _part_folder(path.parent) as folder:
        temporary = folder / path.name
        yield temporary
        if path.exists():
            shutil.copymode(path, temporary)
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)


@contextmanager
def _part_folder(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``, locked while its writer lives; those of dead writers go."""
    for left in parent.glob(f"{_PART}*"):
        with suppress(OSError), _locked(left) as locked:
            if locked or time.time() - left.stat().st_mtime > _OLD:
                shutil.rmtree(left)
    with ExitStack() as stack:
        while True:
            folder = Path(tempfile.mkdtemp(prefix=_PART, dir=parent))
            with suppress(BlockingIOError, FileNotFoundError):
                stack.enter_context(_locked(folder))
                if folder.is_dir():  # else another writer took it for left over
                    break
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder; False where locks are not supported."""
    if fcntl is None:
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        supported = True
    except BlockingIOError:
        os.close(handle)
        raise
    except OSError:
        supported = False
    try:
        yield supported
    finally:
        os.close(handle)


def _flush(path: Path) -> None:
    """Put a file or folder on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):  # some cannot flush
            raise
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, whole or not at all; line ends stay as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_bytes(content)


def copy(source: Path, target: Path) -> None:
    """Write the content of one file to another one."""
    write_bytes(target, source.read_bytes())


def set_aside(path: Path) -> None:
    """Rename a file or folder, if it exists, to its name with ``.before1`` or the next number."""
    if path.exists():
        free = (path.with_name(f"{path.name}.before{n}") for n in itertools.count(1))
        path.rename(next(place for place in free if not place.exists()))


def plain(found: Any, *, other: Callable[[Any], Any] = str) -> Any:
    """What JSON can hold: a number that is not finite is None; ``other`` makes the rest.

    >>> plain({"median": float("inf"), "rows": (1, 2.5), "file": Path("a.csv")})
    {'median': None, 'rows': [1, 2.5], 'file': 'a.csv'}
    """
    if isinstance(found, dict):
        return {str(name): plain(value, other=other) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [plain(value, other=other) for value in found]
    found = found.item() if hasattr(found, "item") else found
    if isinstance(found, float) and not abs(found) < float("inf"):
        return None
    return found if isinstance(found, str | int | float | bool | None) else other(found)


def record_line(record: Mapping[str, Any]) -> str:
    """A record as a line of JSON; NumPy's numbers become Python's."""
    return json.dumps(record, default=lambda value: value.item()) + "\n"


def append_record(path: str | Path, record: Mapping[str, Any]) -> None:
    """Add a line of JSON to a file, safe on disk when this returns.

    A line that a crash cut off is ended first.
    """
    line = record_line(record).encode()
    with _writing(Path(path)), Path(path).open("ab+") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_records(path: str | Path) -> list[dict[str, Any]]:
    """The JSON objects of a file that holds one a line; none if it is missing.

    A line that a crash cut off, or that is damaged, is left out with a warning.
    """
    found, damaged = [], 0
    with suppress(FileNotFoundError):
        for line in Path(path).read_bytes().splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            if isinstance(record, dict):
                found.append(record)
            else:
                damaged += 1
    if damaged:
        logger.warning("left out %d damaged lines of %s", damaged, Path(path).name)
    return found


def read_json(text: str | bytes, *, source: str) -> dict[str, Any]:
    """The object in a JSON text. Other values, and names that occur twice, are refused."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a name occurs twice")
        return found

    try:
        found = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} is not readable JSON: {error}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{source} should be a JSON object, found {found!r:.100}.")
    return found


def open_log(path: Path) -> IO[bytes]:
    """A new file for what a process says: it grows, and is not a result."""
    return path.open("wb")


def digest(path: str | Path) -> str:
    """The SHA-256 of a file's content in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_directory() -> Path:
    """The folder for trajectories and downloads: ``$DYNAMIX_CACHE``, else the user's cache folder.

    The folder need not exist yet. Without a home folder it lasts as long as this process.
    """
    with needs("systems"):
        import platformdirs

    named = os.environ.get("DYNAMIX_CACHE")
    try:
        path = Path(named or platformdirs.user_cache_dir("dynamix")).expanduser()
    except RuntimeError:  # no such user
        return scratch()
    return path if named or path.is_absolute() else scratch()


@lru_cache(maxsize=1)
def scratch() -> Path:
    """A cache folder that is removed when this process ends, where no other one can be used."""
    folder = tempfile.mkdtemp(prefix="dynamix-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    logger.warning("no cache folder can be used here; results are kept for this process only")
    return Path(folder)


def read_cached(path: Path, *, key: str, size: int) -> bytes | None:
    """The ``size`` bytes that :func:`write_cached` kept for ``key``; None if they are not there.

    A file that is unreadable, damaged, or of another size or key gets a warning.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != _DIGEST + size:
                raise ValueError("it has another size")
            stored, content = file.read(_DIGEST), file.read()
        if stored != hashlib.sha256(key.encode() + content).digest():
            raise ValueError("its digest differs")
        return content
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.warning("the cached %s is damaged (%s); it is made again", path.name, error)
        return None


def write_cached(path: Path, *, key: str, content: bytes) -> None:
    """Keep ``content`` for ``key``; where that fails, a warning is enough."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, hashlib.sha256(key.encode() + content).digest() + content)
    except OSError as error:
        logger.warning("could not cache %s: %s", path.name, error)
