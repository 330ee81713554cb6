"""Files from fixed public addresses: searched for in a folder, else fetched once; always checked.

The folder is the one that ``DYNAMIX_DATA`` names, or the cache. It may hold the files of the real
series and, in folders of their own, those of published benchmarks (``dysts-2023/...``).
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import warnings
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import InputError, needs
from ..io.files import cache_directory, scratch, write_bytes
from ..io.progress import tqdm

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "DYNAMIX_DATA"
_TIMEOUT = 30  # seconds without an answer from the source


class UnreachableError(InputError):
    """A file is not here and could not be fetched."""


@dataclass(frozen=True)
class Source:
    """A file below the folder, its public address, and its SHA-256.

    The folder may hold the file compressed, as ``FILE.gz``; the SHA-256 is then that of its
    content. An address ``ARCHIVE#MEMBER`` is a file in a zip archive, whose own digest is
    ``archive_sha256``.
    """

    file: str
    url: str
    sha256: str
    archive_sha256: str = ""


def folder() -> Path:
    """Where the files are kept: ``$DYNAMIX_DATA``, else in the cache."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else cache_directory() / "datasets"


def at_hand(source: Source) -> Path | None:
    """The file in the folder, perhaps compressed, or None; it is not checked."""
    for suffix in ("", ".gz"):
        path = folder() / f"{source.file}{suffix}"
        if readable(path):
            return path
    return None


def content(source: Source, *, name: str | None = None, instead: str = "") -> bytes:
    """What the file holds, checked; see :func:`fetch`."""
    return _bytes(fetch(source, name=name, instead=instead), source)


def fetch(source: Source, *, name: str | None = None, instead: str = "") -> Path:
    """Path of the file, with its SHA-256 checked; downloaded if it is missing.

    A damaged file in the cache is fetched again. A file in ``$DYNAMIX_DATA`` is never overwritten.
    ``name`` and ``instead``, what to use without a network, are for the error message.
    """
    path = at_hand(source)
    if path is not None:
        if hashlib.sha256(_bytes(path, source)).hexdigest() == source.sha256:
            return path
        if os.environ.get(FOLDER_VARIABLE):
            raise InputError(
                f"the file {source.file!r} in the folder that {FOLDER_VARIABLE} names is not the "
                f"one that this version expects: its SHA-256 should begin with "
                f"{source.sha256[:12]}. Replace it by {source.url}, or delete it to have it "
                "fetched."
            )
        logger.warning("the cached file %s is damaged; fetching it anew", source.file)
    if source.archive_sha256:
        return _member(source, name or source.file, instead)
    return _downloaded(source, name or source.file, instead)


def _downloaded(source: Source, name: str, instead: str) -> Path:
    with warnings.catch_warnings(), needs("realworld"):
        warnings.simplefilter("ignore")  # its bars ask for widgets where a notebook has none
        import pooch

    # pooch's own notes name folders of this machine; the bar is all that a reader needs
    pooch.get_logger().setLevel(logging.WARNING)
    target = _target(source)
    try:
        # pooch asks the bar whether it is true, which tqdm answers only with a total; pooch sets it
        with tqdm(desc=target.name, total=1, unit="B", unit_scale=True, disable=None) as bar:
            pooch.retrieve(
                source.url,
                known_hash=f"sha256:{source.sha256}",
                fname=target.name,
                path=target.parent,
                downloader=partial(_download, bar=bar),
            )
    except InputError:
        raise
    # requests' errors are OSErrors, some ValueErrors as well; a wrong hash is pooch's ValueError
    except OSError as error:
        raise UnreachableError(
            f"could not fetch {name!r} ({type(error).__name__}). Without a network, put "
            f"{source.file!r} ({source.url}) into a folder and name that in the environment "
            f"variable {FOLDER_VARIABLE}{instead}."
        ) from error
    except ValueError as error:
        raise InputError(
            f"{source.url} sent another file than expected: its SHA-256 differs, so the file was "
            "truncated or has changed at the source. Nothing was kept. Try again later, or put the "
            f"file into a folder and name that in {FOLDER_VARIABLE}."
        ) from error
    return target


def _member(source: Source, name: str, instead: str) -> Path:
    """Take the file out of its archive, which stays in the folder for its other members."""
    url, member = source.url.split("#")
    archive = Source(url.rsplit("/", 1)[-1], url, source.archive_sha256)
    found = fetch(archive, name=name, instead=instead)
    path = _target(source)
    with zipfile.ZipFile(found) as opened:
        content = opened.read(member)
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise InputError(f"{member!r} in {archive.file!r} is not the file that is expected.")
    write_bytes(path, content)
    return path


def _target(source: Source) -> Path:
    """The place of a downloaded file: in the folder, or in a temporary one if it is read-only."""
    path = folder() / source.file
    return path if _writable(path.parent) else scratch() / path.name


def _bytes(path: Path, source: Source) -> bytes:
    """The file's bytes, decompressed where the folder holds it compressed."""
    data = path.read_bytes()
    if path.name == f"{Path(source.file).name}.gz":
        try:
            return gzip.decompress(data)
        except (OSError, EOFError):
            return b""
    return data


def readable(path: Path) -> bool:
    """Whether there is a file that can be read."""
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:  # a name that is too long, or a folder of another user
        return False


def _writable(folder: Path) -> bool:
    """Whether a folder can be written to; it is made if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK)
    except OSError:
        return False


def _download(url: str, output_file: str, pooch: Any, *, bar: Any) -> None:
    """Pooch's download; a web page in place of the file is an error."""
    from pooch import HTTPDownloader

    HTTPDownloader(timeout=_TIMEOUT, progressbar=bar)(url, output_file, pooch)
    beginning = Path(output_file).read_bytes()[:200].lstrip().lower()
    if beginning.startswith((b"<!doctype html", b"<html")):
        raise InputError(
            f"{url} sent a web page instead of the file, as a proxy or a login page would. Nothing "
            f"was kept. Fetch it by browser, put it into a folder and name that in "
            f"{FOLDER_VARIABLE}."
        )
