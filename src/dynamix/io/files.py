"""Files are written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; it replaces ``path`` when the block ends.

    The temporary file has the same folder and suffix. A reader finds the old file or the new one,
    never a part. After an error in the block, ``path`` is unchanged. The target of a link is
    replaced; a device or a pipe is written to directly.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with write_whole(Path(folder, "a.npy")) as temporary:
    ...         np.save(temporary, np.zeros(3))
    ...     [file.name for file in Path(folder).iterdir()]
    ['a.npy']
    """
    path = Path(path).resolve()
    if path.exists() and not path.is_file():
        yield path
        return
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, whole or not at all; line ends stay as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with write_whole(path) as temporary:
        temporary.write_bytes(content)


def digest(path: str | Path) -> str:
    """The SHA-256 of a file's content in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_directory() -> Path:
    """The folder for trajectories and downloads: ``$DYNAMIX_CACHE``, else the user's cache folder.

    The folder need not exist yet.
    """
    import platformdirs

    named = os.environ.get("DYNAMIX_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("dynamix"))
