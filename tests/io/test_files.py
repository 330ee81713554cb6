"""The one writer: whole or not at all, from many threads, and nothing is left over."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from dynamix.io.files import digest, write_bytes, write_text, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text(path, "old\n")

    def breaking() -> None:
        with write_whole(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        breaking()
    assert path.read_text() == "old\n"
    assert names(tmp_path) == ["a.txt"]


def test_text_is_written_as_it_is(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "ü\r\n")
    assert path.read_bytes() == b"\xc3\xbc\r\n"
    assert digest(path) == digest(path)
    before = digest(path)
    write_bytes(path, b"other")
    assert digest(path) != before


def test_many_threads_write_one_file(tmp_path):
    path, failures = tmp_path / "a.txt", []

    def write(i: int) -> None:
        try:
            for _ in range(20):
                write_text(path, str(i) * 10_000)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    text = path.read_text()
    assert not failures
    assert len(text) == 10_000
    assert len(set(text)) == 1
    assert names(tmp_path) == ["a.txt"]


def test_a_link_stays_a_link_and_the_mode_stays(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs a device file")
def test_a_device_is_written_directly():
    write_text("/dev/null", "text")
    assert not os.path.isfile("/dev/null")


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "none" / "a.txt", "text")
