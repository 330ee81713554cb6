"""The one way to disk: whole or not at all, nothing left over, no other way; caches are checked."""

from __future__ import annotations

import ast
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from helpers import ROOT, died_at_every_event

from dynamix import InputError
from dynamix.errors import OutputError
from dynamix.io import files
from dynamix.io.files import digest, read_json, write_bytes, write_text, write_whole


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


UNUSABLE = {
    "missing folder": "none/a.txt",
    "below a file": "file/a.txt",
    "a folder": "folder",
    "link to itself": "loop",
    "link into a missing folder": "dangling",
    "name too long": "a" * 300,
    "no folder of a disk": "/proc/a.txt",
    "full disk": "/dev/full",
}


@pytest.fixture
def unusable(tmp_path):
    """The paths of outputs that cannot be written, by name."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "a.txt")
    return {name: tmp_path / path for name, path in UNUSABLE.items()}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("write", [write_text, lambda path, text: files.append_record(path, {})])
def test_what_cannot_be_written_is_one_clear_error(name, write, unusable):
    place, before = unusable[name], names(unusable["a folder"].parent)
    if write is not write_text and name == "link into a missing folder":
        pytest.skip("open() says the same of the link's target")
    with pytest.raises(InputError, match=r"^cannot write ") as told:
        write(place, "text")
    assert repr(str(place)) in str(told.value)
    assert isinstance(told.value, OSError)
    assert names(unusable["a folder"].parent) == before


@pytest.mark.parametrize("name", [name for name in UNUSABLE if name != "full disk"])
def test_it_is_found_before_the_work(name, unusable):
    with pytest.raises(OutputError, match=r"^cannot write "):
        files.check_output(unusable[name])


def test_a_check_leaves_nothing(tmp_path):
    (tmp_path / "old.txt").write_text("old")
    for name in ("old.txt", "new.txt"):
        files.check_output(tmp_path / name)
    assert names(tmp_path) == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


def test_a_folder_that_cannot_be_made_is_one_clear_error(unusable):
    with pytest.raises(OutputError, match="Not a directory"):
        files.make_folder(unusable["below a file"])


def test_whatever_died_when_a_file_is_old_or_new_and_the_next_writer_clears_up(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a.txt").write_text("old")
    seen = set()
    for place in died_at_every_event(folder, lambda place: write_text(place / "a.txt", "new")):
        seen.add((place / "a.txt").read_text())
        write_text(place / "b.txt", "other")
        assert names(place) == ["a.txt", "b.txt"]
    assert seen == {"old", "new"}


def test_a_killed_writer_leaves_nothing_behind_and_a_living_one_is_left_alone(tmp_path):
    code = (
        "import os, sys; from dynamix.io.files import write_whole\n"
        "with write_whole('a.txt') as path:\n"
        "    path.write_text('a'); print(1, flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code]
    given = {"cwd": tmp_path, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, **given) as killed, subprocess.Popen(words, **given) as living:
        killed.stdout.readline(), living.stdout.readline()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert len(names(tmp_path)) == 2
        write_text(tmp_path / "b.txt", "b")
        assert len(names(tmp_path)) == 2  # b.txt, and what the living one writes to
    assert names(tmp_path) == ["a.txt", "b.txt"]
    assert (tmp_path / "a.txt").read_text() == "a"


def test_file_and_folder_are_flushed(tmp_path, monkeypatch):
    kinds, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda f: kinds.append(os.fstat(f).st_mode) or real(f))
    write_text(tmp_path / "a.txt", "text")
    assert list(map(stat.S_ISDIR, kinds)) == [False, True]


def test_records_are_whole_lines(tmp_path, caplog):
    path = tmp_path / "log.jsonl"
    assert files.read_records(path) == []
    path.write_bytes(b'{"a": 1}\n3\n\xff\n{"a": 2')
    files.append_record(path, {"a": 3})
    assert files.read_records(path) == [{"a": 1}, {"a": 3}]
    assert "left out 3 damaged lines of log.jsonl" in caplog.text


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", '{"a": 1, "a": 2}', "[" * 100_000, b"\xff"])
def test_json_that_is_no_object_is_refused(text):
    with pytest.raises(InputError, match="the file"):
        read_json(text, source="the file")


def test_a_cache_gives_what_was_kept_or_nothing(tmp_path, caplog):
    path, content = tmp_path / "deep" / "a.bin", bytes(range(100))
    files.write_cached(path, key="k", content=content)
    assert files.read_cached(path, key="k", size=100) == content
    assert not caplog.text
    assert files.read_cached(path, key="other", size=100) is None
    assert files.read_cached(path, key="k", size=99) is None
    with path.open("r+b") as file:
        file.truncate(45 << 30)  # sparse; it must not be read
    assert files.read_cached(path, key="k", size=100) is None
    assert caplog.text.count("cannot be used") == 3
    files.write_cached(path / "below a file", key="k", content=content)
    assert "could not cache" in caplog.text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_cache_does_not_wait_for_a_pipe(tmp_path, caplog):
    os.mkfifo(tmp_path / "a.bin")
    assert files.read_cached(tmp_path / "a.bin", key="k", size=1) is None
    files.write_cached(tmp_path / "a.bin", key="k", content=b"1")
    assert caplog.text.count("is no file") == 2


def test_without_a_home_the_cache_lasts_as_long_as_the_process(monkeypatch):
    monkeypatch.setenv("DYNAMIX_CACHE", "~no_such_user/cache")
    assert files.cache_directory() == files.scratch()
    monkeypatch.delenv("DYNAMIX_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    monkeypatch.setattr(Path, "expanduser", lambda path: path)  # no HOME and no such user
    assert files.cache_directory() == files.scratch()


WRITING = {"write_text", "write_bytes", "savefig", "save_file", "to_csv", "to_json", "to_parquet"}
WRITING |= {
    "to_pickle",
    "to_excel",
    "save",
    "savez",
    "savez_compressed",
    "savetxt",
    "tofile",
    "dump",
}
WRITING |= {"copyfile", "copy2", "move", "make_archive", "rename", "replace", "touch", "dump"}
OURS = {"checkpoints", "run", "plotting", "files", "results", "self"}  # whose `save` is our own


def writes(call: ast.Call) -> bool:
    """Whether a call may write to a file by itself."""
    function = call.func
    name = getattr(function, "attr", getattr(function, "id", ""))
    owner = getattr(getattr(function, "value", None), "id", "")
    if name == "open":
        modes = [*call.args, *(k.value for k in call.keywords if k.arg == "mode")]
        texts = [a.value for a in modes if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        return any(set(mode) & set("wax+") and set(mode) <= set("wax+bt") for mode in texts)
    if not isinstance(function, ast.Attribute) or name not in WRITING or owner in OURS:
        return name == "save_file"
    if name == "replace":  # of a text: two arguments; of a dataclass or frame: keywords
        mapping = bool(call.args) and isinstance(call.args[0], ast.Dict)
        return owner == "os" or (len(call.args) == 1 and not call.keywords and not mapping)
    if name == "rename":  # of a series or an index, too, which is most of them
        return owner in ("os", "path", "folder")
    if name in ("to_csv", "to_json"):
        return bool(call.args)
    return True


def test_nothing_else_in_the_project_writes_files():
    """Other calls that write are inside of `with write_whole(...) as name`, and get that name."""
    found = []
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "experiments").rglob("*.py")]:
        if path == Path(files.__file__):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        safe = {"sys.stdout", "stream"} | {
            item.optional_vars.id
            for node in ast.walk(tree)
            if isinstance(node, ast.With)
            for item in node.items
            if "write_whole" in ast.unparse(item.context_expr)
            if isinstance(item.optional_vars, ast.Name)
        }
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            text = ast.unparse(call)
            if writes(call) and not any(name in text for name in safe):
                found.append(f"{path.relative_to(ROOT)}:{call.lineno}: {text[:80]}")
    assert found == []
