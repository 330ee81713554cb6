"""Where files are kept, and the one way to write them: whole or not at all."""

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

    The temporary file lies in the folder of ``path`` and has the same suffix. Its name is unique
    among threads and processes. The file is flushed to the disk before it replaces ``path``, so a
    reader finds the old file or the new one, never a part. An error in the block leaves ``path``
    as it was and removes the temporary file.

    Parameters
    ----------
    path
        The file to write. Its folder must exist. A link stays a link: its target is replaced.
        A device or a pipe, such as ``/dev/stdout``, is written to directly.

    Raises
    ------
    OSError
        If the folder does not exist or the file cannot be written.

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

    The folder need not exist yet. A ``~`` in the variable stands for the home directory.

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, DYNAMIX_CACHE="elsewhere"):
    ...     cache_directory().name
    'elsewhere'
    """
    import platformdirs

    named = os.environ.get("DYNAMIX_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("dynamix"))
