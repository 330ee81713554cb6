"""Files from fixed addresses: compressed copies, members of archives, and damage."""

from __future__ import annotations

import gzip
import hashlib
import zipfile

import pytest

from dynamix import InputError
from dynamix.datasets import files
from dynamix.datasets.files import FOLDER_VARIABLE, Source

DATA = b"1,2\n3,4\n"


def source(**changes) -> Source:
    digest = hashlib.sha256(DATA).hexdigest()
    return Source(**{"file": "deep/a.csv", "url": "http://x/a.csv", "sha256": digest, **changes})


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    (tmp_path / "deep").mkdir()
    return tmp_path


def test_a_folder_may_hold_the_file_compressed(home):
    assert files.at_hand(source()) is None
    (home / "deep" / "a.csv.gz").write_bytes(gzip.compress(DATA))
    assert files.content(source()) == DATA
    (home / "deep" / "a.csv.gz").write_bytes(gzip.compress(DATA + b"5"))
    with pytest.raises(InputError, match="SHA-256 should begin with"):
        files.fetch(source())
    (home / "deep" / "a.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="SHA-256 should begin with"):
        files.fetch(source())


def test_a_member_of_an_archive_is_taken_out_and_checked(home):
    with zipfile.ZipFile(home / "all.zip", "w") as opened:
        opened.writestr("inside/a.csv", DATA)
    outer = hashlib.sha256((home / "all.zip").read_bytes()).hexdigest()
    inner = source(url="http://x/all.zip#inside/a.csv", archive_sha256=outer)
    assert files.content(inner) == DATA
    assert (home / "deep" / "a.csv").read_bytes() == DATA
    (home / "deep" / "a.csv").unlink()
    wrong = source(url=inner.url, archive_sha256=outer, sha256="0" * 64)
    with pytest.raises(InputError, match="not the file that is expected"):
        files.content(wrong)
    assert not (home / "deep" / "a.csv").exists()
